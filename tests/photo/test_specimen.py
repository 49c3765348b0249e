"""The picture that `bgzero bench` draws: as hard to compress as a camera's, and with something to cut out."""

import io
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from bgzero_daemon.photo import specimen
from bgzero_daemon.worker.specimen import as_jpeg
from tests.home import Home


@pytest.mark.parametrize("pixels", [100_000, 1_000_000, 2_500_000])
def test_it_compresses_about_as_a_cameras_photo_does(pixels: int) -> None:
    """0.3 to 0.4 bytes a pixel, in any size, in one strip and in two."""
    jpeg = as_jpeg(pixels, seed=1)
    with Image.open(io.BytesIO(jpeg)) as picture:
        drawn = picture.width * picture.height
        assert 1.45 < picture.width / picture.height < 1.55
    assert abs(drawn / pixels - 1) < 0.01
    assert 0.3 <= len(jpeg) / drawn <= 0.4


def test_it_is_the_same_again_and_another_with_another_seed() -> None:
    """What was measured yesterday can be measured again."""
    first, again, other = (specimen.draw(40_000, seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("pixels", [1, 64, 1000])
def test_any_size_can_be_drawn(pixels: int) -> None:
    """Down to a few pixels."""
    assert specimen.draw(pixels, 1).shape == (*reversed(specimen.size_of(pixels)), 3)


def test_the_shipped_network_finds_the_figure(home: Home) -> None:
    """A third of the frame, with a soft outline; u2netp agrees on where."""
    figure = specimen.figure()
    assert 0.28 < figure.mean() < 0.38
    assert 0.002 < ((figure > 0.05) & (figure < 0.95)).mean() < 0.03
    command = [sys.executable, "-m", "bgzero_daemon.worker.specimen", "300000", "1", "0", str(os.getpid())]
    jpeg = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    cut = home.bgzero("cut", "-", "--model", "u2netp", stdin=jpeg)
    assert cut.returncode == 0, cut.stderr
    with Image.open(io.BytesIO(cut.stdout)) as cutout:
        alpha = np.asarray(cutout.getchannel("A").resize(tuple(reversed(figure.shape)))) / 255
    assert np.abs(alpha - figure).mean() < 0.03
