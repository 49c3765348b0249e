"""A RAW through the daemon beside darktable's rendering of it: `pytest -m darktable`, where darktable is installed."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.home import SHARED, Home
from tests.photo.dng import dng

pytestmark = pytest.mark.darktable


def test_raw_looks_as_in_darktable_but_for_its_brightness(home: Home, tmp_path: Path) -> None:
    """Same size, same place, same hues; darktable brightens by a look of its own. Both are kept to be looked at."""
    pytest.importorskip("rawpy", reason="RAW: the extra [raw] is not installed")
    program = shutil.which("darktable-cli") or pytest.skip("darktable-cli is not installed: apt install darktable")
    whole = Image.open(SHARED / "photos" / "alpaca.jpg").convert("RGB")
    scene = np.asarray(whole.resize((whole.width // 2 * 2, whole.height // 2 * 2)))
    raw = home.inbox / "alpaca.dng"
    raw.write_bytes(dng(scene))
    folders = ["--configdir", tmp_path / "config", "--cachedir", tmp_path / "cache", "--library", ":memory:"]
    rendered = tmp_path / "darktable.png"
    subprocess.run([program, raw, rendered, "--core", *map(str, folders)], env=home.env, check=True, timeout=100)
    assert b"1 cut" in home.once(BGZERO_OUTPUT__NO_SUBJECT="publish").stderr
    cutout = Image.open(home.outbox / "alpaca.png")
    theirs = Image.open(rendered).convert("RGB")
    assert cutout.size == theirs.size == scene.shape[1::-1]
    seen = np.asarray(cutout.getchannel("A")) == 255
    ours = np.asarray(cutout.convert("RGB"))[seen]
    for channel in range(3):
        assert np.corrcoef(ours[:, channel], np.asarray(theirs)[seen][:, channel])[0, 1] > 0.95
    shares = [pixels.mean(0) / pixels.mean() for pixels in (ours, np.asarray(theirs)[seen])]
    assert np.abs(shares[0] - shares[1]).max() < 0.05
