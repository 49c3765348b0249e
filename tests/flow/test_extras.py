"""RAW and HEIC, with and without what decodes them, through the whole daemon."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.extras import without
from tests.fault.oracle import tag_of
from tests.home import Home, photo, until
from tests.photo.dng import dng

_HEIC_HEAD = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"


def scene(width: int = 96, height: int = 64) -> "np.typing.NDArray[np.uint8]":
    """A bright shape on a dark ground, smooth enough for a mosaic: what the tiny network cuts out."""
    rgb = np.full((height, width, 3), (30, 24, 18), np.uint8)
    rgb[height // 4 : 3 * height // 4, width // 4 : 3 * width // 4] = (230, 210, 180)
    return rgb


def raws(folder: Path, *, is_dng: bool = True) -> list[str]:
    """Write one scene as a RAW, called a DNG, a TIFF and a NEF; return their names."""
    names = ["a.dng", "b.tif", "c.nef"]
    for name in names:
        (folder / name).write_bytes(dng(scene(), is_dng=is_dng))
    return names


@pytest.mark.parametrize("is_dng", [True, False], ids=["DNG", "NEF"])
def test_raw_without_its_extra_is_skipped_with_one_command_for_all(home: Home, is_dng: bool) -> None:
    """No stamp-sized cut-out, whatever it is called; the command is said once, and each photo is told by its name."""
    names = raws(home.inbox, is_dng=is_dng)
    home.env |= without(home.root / "hidden", "rawpy", python_path=home.env.get("PYTHONPATH", ""))
    done = home.once()
    assert b"0 cut, 0 failed, 3 skipped" in done.stderr
    assert done.stderr.count(b"bgzero-daemon[raw]") == 1
    assert all(re.search(rb"%b: skipped" % name.encode(), done.stderr) for name in names)
    assert home.visible() == []


@pytest.mark.parametrize("is_running", [False, True])
def test_photos_that_were_skipped_are_cut_once_the_extra_is_there(home: Home, is_running: bool) -> None:
    """At the next start, and by a daemon that runs, whose worker has met such a photo already."""
    pytest.importorskip("rawpy", reason="RAW: the extra [raw] is not installed")
    names = raws(home.inbox)
    home.env |= without(hidden := home.root / "hidden", "rawpy", python_path=home.env.get("PYTHONPATH", ""))
    wanted = ["a.png", "b.png", "c.png"]
    if is_running:
        home.env["BGZERO_WORKER__THREADS"] = "1"
        with home.daemon() as daemon:
            until(lambda: daemon.log.count(": skipped") == len(names), lambda: daemon.log)
            around = Path(f"/proc/{daemon.worker()}/environ").read_bytes().split(b"\0")
            assert b"OMP_NUM_THREADS=1" in around  # LibRaw's threads are as many as the network's
            (hidden / "installed").touch()
            (home.inbox / "d.dng").write_bytes(dng(scene()))  # the next one of its kind brings the others with it
            daemon.wait_for(*wanted, "d.png")
    else:
        assert b"3 skipped" in home.once().stderr
        assert b"0 skipped" in home.once().stderr
        (hidden / "installed").touch()
        assert b"3 cut" in home.once().stderr
        assert home.visible() == wanted


def test_raw_whose_jpeg_was_cut_meanwhile_stays_covered_once_the_extra_is_there(home: Home) -> None:
    """Skipped for want of the extra, then its JPEG came and was cut: one cut-out of the shot."""
    pytest.importorskip("rawpy", reason="RAW: the extra [raw] is not installed")
    (home.inbox / "a.dng").write_bytes(dng(scene()))
    home.env |= without(hidden := home.root / "hidden", "rawpy", python_path=home.env.get("PYTHONPATH", ""))
    home.env |= {"BGZERO_WATCH__PAIR_WAIT": "0"}
    with home.daemon() as daemon:
        until(lambda: "a.dng: skipped" in daemon.log, lambda: daemon.log)
        photo(home.inbox / "a.jpg")
        daemon.wait_for("a.png")
        (hidden / "installed").touch()
        (home.inbox / "d.dng").write_bytes(dng(scene()))
        daemon.wait_for("d.png")
        until(lambda: "a.dng: covered by a.jpg" in daemon.log, lambda: daemon.log)
    assert home.visible() == ["a.png", "d.png"]


def test_raw_is_cut_at_the_size_of_its_sensor_inside_the_closed_sandbox(home: Home) -> None:
    """The network sees the developed pixels: the subject is where it is in them, not where the preview shows it."""
    pytest.importorskip("rawpy", reason="RAW: the extra [raw] is not installed")
    misleading = np.zeros((32, 48, 3), np.uint8)
    (home.inbox / "a.dng").write_bytes(dng(scene(), preview=misleading))
    home.env["BGZERO_WORKER__SANDBOX"] = "require"
    done = home.once()
    assert b"1 cut, 0 failed" in done.stderr, done.stderr
    with Image.open(home.outbox / "a.png") as cutout:
        assert cutout.size == (96, 64)
        assert cutout.info["icc_profile"]
        alpha = np.asarray(cutout.getchannel("A"))
    assert alpha[32, 48] > 200
    assert alpha[2, 2] < 50
    assert tag_of(home.outbox / "a.png")["source"] == "a.dng"


def test_heic_is_cut_inside_the_closed_sandbox(home: Home) -> None:
    """Through the whole daemon, and what only begins like one fails with a sentence."""
    pillow_heif = pytest.importorskip("pillow_heif", reason="HEIC: the extra [heif] is not installed")
    made = pillow_heif.from_pillow(Image.fromarray(scene()))
    made.save(home.inbox / "a.heic", quality=90)
    (home.inbox / "b.heic").write_bytes(_HEIC_HEAD + bytes(400))
    home.env["BGZERO_WORKER__SANDBOX"] = "require"
    done = home.once()
    assert b"1 cut, 1 failed" in done.stderr, done.stderr
    with Image.open(home.outbox / "a.png") as cutout:
        assert cutout.size == (96, 64)
