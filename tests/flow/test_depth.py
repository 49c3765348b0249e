"""Photos of 16 bits a channel, through the real program and its sandbox; and without the extra."""

import os
from pathlib import Path

import numpy as np
import pytest

from bgzero_daemon.photo.picture import U16
from tests.fault.oracle import tag_of
from tests.home import Home, until
from tests.photo.handmade import deep_tiff

pyvips = pytest.importorskip("pyvips", reason="NO PYVIPS ON THIS MACHINE: THE EXTRA deep IS NOT TESTED")


def samples() -> U16:
    """Return a bright shape on a dark ground, as the tiny network wants it, in many more than 256 levels."""
    noise = np.random.default_rng(3).integers(0, 7000, (80, 120, 3), dtype=np.uint16)
    noise[20:60, 30:90] += 56000
    return noise


def read(path: Path) -> U16:
    """Read a PNG by libvips, in its own depth."""
    return np.asarray(pyvips.Image.new_from_file(str(path), fail_on="warning").numpy())


def test_16_bits_go_through_and_8_are_given_where_they_are_asked_for(home: Home) -> None:
    """What the network sees as opaque has the photo's own samples; the tag tells; --depth goes before the file."""
    source = home.root / "a.tif"
    source.write_bytes(deep_tiff(samples(), is_zipped=True))
    home.env["BGZERO_OUTPUT__DEPTH"] = "8"
    for name, options in (("configured", []), ("auto", ["--depth", "auto"])):
        done = home.bgzero("cut", source, *options, "-o", home.root / f"{name}.png")
        assert done.returncode == 0, done.stderr
        assert done.stderr == b"", "nothing is said of what is well"
    deep, plain = read(home.root / "auto.png"), read(home.root / "configured.png")
    assert deep.itemsize == 2
    assert plain.itemsize == 1
    opaque = deep[..., 3] == 65535
    assert opaque.sum() > 1000
    assert (deep[..., :3][opaque] == samples()[opaque]).all()
    assert np.abs(deep / 257.0 - plain)[opaque].max() <= 1
    tags = [tag_of(home.root / f"{name}.png")["settings"] for name in ("configured", "auto")]
    assert [tag["depth"] for tag in tags] == ["8", "auto"]  # type: ignore[index]
    assert home.bgzero("cut", source, "--depth", "12").returncode == 2


def test_without_the_extra_the_result_says_so_and_the_log_once(home: Home) -> None:
    """It is in the photo's line and in its history."""
    shadow = home.root / "shadow"
    shadow.mkdir()
    (shadow / "pyvips.py").write_text("raise ImportError('not installed')\n")
    for name in ("a", "b"):
        (home.inbox / f"{name}.tif").write_bytes(deep_tiff(samples() + np.uint16(ord(name))))
    path = os.pathsep.join(filter(None, (str(shadow), home.env.get("PYTHONPATH"))))
    with home.daemon(PYTHONPATH=path) as daemon:
        daemon.wait_for("a.png", "b.png")
        until(lambda: daemon.log.count("written with 8 bits; bgzero-daemon[deep] keeps 16") == 2, lambda: daemon.log)
        assert daemon.log.count("install bgzero-daemon[deep] to keep them") == 1
        history = home.bgzero("history", "--json").stdout
    assert all(read(home.outbox / name).itemsize == 1 for name in home.visible())
    assert history.count(b"written with 8 bits; bgzero-daemon[deep] keeps 16") == 2
