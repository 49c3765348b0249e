"""gphoto2 with its virtual camera, a folder ("disk:"), and the hook that ships: no camera, no USB, no root."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cards.card import tree_hash
from tests.fault.oracle import Oracle
from tests.home import Home, photo, until

HOOK = Path(__file__).parents[2] / "config" / "gphoto-hook.sh"


def need_gphoto() -> None:
    """Skip, loudly, where gphoto2 is not installed."""
    if not shutil.which("gphoto2"):
        pytest.skip("NO GPHOTO2 ON THIS MACHINE: tethering was not tried (apt install gphoto2)")


def env(home: Home) -> dict[str, str]:
    """What gphoto2 and its hook find."""
    return home.env | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{home.env['PATH']}"}


def test_gphoto2_delivers_two_photos_of_one_name_and_its_hook_has_them_cut(home: Home, tmp_path: Path) -> None:
    """The counter began anew: both are there, byte for byte, both are cut, and the camera is as it was."""
    need_gphoto()
    camera = tmp_path / "camera"
    for number, folder in enumerate(("100CANON", "101CANON")):
        photo(camera / "DCIM" / folder / "IMG_0001.JPG", (60 + number, 40), number)
    before = tree_hash(camera)
    with home.daemon() as daemon:
        done = subprocess.run(
            ["gphoto2", "--quiet", "--port", f"disk:{camera}", "--get-all-files", "--filename", "%F/%f.%C",
             "--hook-script", str(HOOK)],
            cwd=home.inbox, env=env(home), stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert b"does not run" not in done.stderr
        daemon.wait_for("DCIM/100CANON/IMG_0001.png", "DCIM/101CANON/IMG_0001.png")
    for folder in ("100CANON", "101CANON"):
        name = f"DCIM/{folder}/IMG_0001.JPG"
        assert (home.inbox / name).read_bytes() == (camera / name).read_bytes()
    assert tree_hash(camera) == before


def test_hook_returns_at_once_and_the_photo_is_cut_only_after_it_was_closed(home: Home) -> None:
    """As gphoto2 calls it: a relative name with blanks, the writer still open; the time it set lies in the past."""
    source = photo(home.root / "a.jpg", (300, 200)).read_bytes()
    name = "trip to/Tübingen 1.jpg"
    (home.inbox / "trip to").mkdir()
    asked = home.root / "asked"
    gate, wrapper = home.root / "gate", home.root / "bgzero"
    os.mkfifo(gate)
    wrapper.write_text(f'#!/bin/sh\nbgzero "$@"; echo "$? $*" >> {asked}; cat {gate}\n')
    wrapper.chmod(0o755)
    oracle = Oracle(home)
    with home.daemon() as daemon, open(home.inbox / name, "wb") as writer:
        writer.write(source[: len(source) // 2])
        writer.flush()
        hook = env(home) | {"ACTION": "download", "ARGUMENT": name, "BGZERO": str(wrapper)}
        # its own request hangs until the end: whoever waited for the hook would wait for that
        subprocess.run([HOOK], cwd=home.inbox, env=hook, check=True, capture_output=True, timeout=60)
        until(lambda: asked.exists() and asked.read_text().endswith("\n"), "it has asked")
        assert asked.read_text() == f"0 add -- {home.inbox}/{name}\n"
        os.utime(home.inbox / name, (1_700_000_000, 1_700_000_000))
        time.sleep(1)
        assert (oracle.status()["done"], oracle.status()["failed"], home.visible()) == (0, 0, [])
        writer.write(source[len(source) // 2 :])
        writer.close()
        daemon.wait_for("trip to/Tübingen 1.png")
    gate.open("w").close()


def test_hook_stops_nobody_where_no_daemon_runs(home: Home) -> None:
    """A word at the start, and the camera goes on; every other action is nothing to it."""
    for action, said in (("init", b"bgzero does not run"), ("start", b""), ("download", b""), ("stop", b"")):
        hook = env(home) | {"ACTION": action, "ARGUMENT": "a.jpg"}
        done = subprocess.run([HOOK], cwd=home.inbox, env=hook, capture_output=True, timeout=60)
        assert (done.returncode, said in done.stderr, bool(done.stderr)) == (0, True, bool(said))
