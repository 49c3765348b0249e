"""The shipped network on real photos, through the command."""

from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from tests.home import Home


def alpha(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """The opacity of a cut-out, in [0, 1]."""
    with Image.open(path) as picture:
        return np.asarray(picture.getchannel("A"), np.float64) / 255


def test_masks_agree_with_the_authors_own(home: Home, shared: Path) -> None:
    """u2netp against what U²-Net's authors published for seven photos: mean absolute difference at most 0.011."""
    official = sorted((shared / "photos" / "u2netp_official").glob("*.png"))
    photos = [next((shared / "photos").glob(f"{mask.stem}.*")) for mask in official]
    done = home.bgzero("cut", *photos, "--model", "u2netp", "--edges", "off", "-o", home.outbox)
    assert done.returncode == 0, done.stderr
    off = []
    for mask in official:
        with Image.open(mask) as picture:
            expected = np.asarray(picture.convert("L"), np.float64) / 255
        off.append(np.abs(alpha(home.outbox / f"{mask.stem}.png") - expected).mean())
    assert len(off) == 7
    assert np.mean(off) <= 0.011, off


def test_dark_photo_gives_the_same_matte(home: Home) -> None:
    """A photo darkened to a maximum of 90: the matte stays within 0.02, as U²-Net divides by the maximum."""
    bright = np.asarray(skimage.data.astronaut(), np.uint8)  # type: ignore[no-untyped-call]
    assert bright.max() == 255
    dark = np.rint(bright * (90 / 255)).astype(np.uint8)
    for name, pixels in (("bright", bright), ("dark", dark)):
        Image.fromarray(pixels).save(home.inbox / f"{name}.png")
    done = home.bgzero("cut", *home.inbox.iterdir(), "--model", "u2netp", "-o", home.outbox)
    assert done.returncode == 0, done.stderr
    assert alpha(home.outbox / "bright.png").mean() > 0.2
    assert np.abs(alpha(home.outbox / "bright.png") - alpha(home.outbox / "dark.png")).mean() <= 0.02


@pytest.mark.parametrize("grey", [0, 60, 128, 255])
def test_empty_photo_gives_no_ghost(home: Home, grey: int) -> None:
    """A photo without a subject: nothing is stretched until something appears."""
    Image.new("RGB", (400, 300), (grey, grey, grey)).save(home.inbox / "flat.png")
    home.bgzero("cut", home.inbox / "flat.png", "--model", "u2netp", "-o", home.outbox)
    assert alpha(home.outbox / "flat.png").mean() < 0.05
