"""Trouble with the outbox, names that are taken, and what users do to outputs: rows F15, F16, F37, F38 and F61."""

import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.fault.oracle import Oracle, files, sha256, tag_of
from tests.fault.space import inside, need_namespace
from tests.home import Daemon, Home, photo, until

MOVE = {"BGZERO_FOLDER__ORIGINALS": "move", "BGZERO_WATCH__SETTLE_SECONDS": "0.1"}


def noise(path: Path, seed: int, size: tuple[int, int] = (300, 300)) -> Path:
    """Write a photo whose cut-out does not compress: about 4 bytes a pixel of the bright part."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(200, 255, (size[1], size[0], 3), dtype="uint8")
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def in_namespace(home: Home, mounts: str) -> list[str]:
    """A command that mounts in a namespace of its own and then runs the daemon there."""
    program = f"exec bgzero run --inbox {home.inbox} --outbox {home.outbox}"
    return ["unshare", "-Urm", "sh", "-ec", f"{mounts}; {program}"]


def seen_inside(daemon: Daemon, folder: Path) -> list[str]:
    """Return what the daemon's namespace has in a folder, dot files too."""
    command = ["nsenter", "-t", str(daemon.process.pid), "-U", "-m", "--preserve-credentials", "ls", "-A", str(folder)]
    return subprocess.run(command, capture_output=True, text=True).stdout.split()


def unmounted(daemon: Daemon, folder: Path) -> bool:
    """Unmount a folder in the daemon's namespace, unless something there is open at this moment."""
    try:
        inside(daemon.process.pid, f"umount {folder}")
    except subprocess.CalledProcessError:
        return False
    return True


@pytest.mark.fault("F15")
@pytest.mark.fault("F16")
def test_full_disk_makes_work_wait_and_go_on_by_itself(home: Home) -> None:
    """A real full file system: nothing partial, nothing failed, no original moved; freed, everything is cut."""
    need_namespace()
    for number in range(6):
        noise(home.inbox / f"{number}.png", number)  # 270 kB each
    mounts = f"mount -t tmpfs -o size=700k none {home.outbox}"
    with home.started_by(in_namespace(home, mounts), **MOVE) as daemon:
        until(lambda: "Work for it waits" in daemon.log, lambda: f"the sentence\n{daemon.log}")
        assert "No space left on device" in daemon.log
        until(lambda: b"No space left" in home.bgzero("status").stdout, "status says so")
        done = [file.name for file in files(home.root / "Done")]
        until(lambda: sorted(seen_inside(daemon, home.outbox)) == sorted(done), "outputs are those that moved")
        assert 0 < len(done) < 6
        assert "failed" not in home.bgzero("failed").stdout.decode()
        inside(daemon.process.pid, f"mount -o remount,size=100M none {home.outbox}")
        until(lambda: len(seen_inside(daemon, home.outbox)) == 6, lambda: f"the rest\n{daemon.log}")
        until(lambda: "goes on" in daemon.log.split("Work for it waits", 1)[1], "the other sentence")
        until(lambda: len(files(home.root / "Done")) == 6, "all moved")
        assert daemon.log.count("Work for it waits") <= 4, daemon.log
        assert "failed." not in daemon.log


@pytest.mark.fault("F15")
def test_file_too_large_for_its_file_system_stops_nobody_else(home: Home) -> None:
    """`ulimit -f` (EFBIG): the large cut-out does not fit for now, the small ones do; the large one waits."""
    noise(home.inbox / "0-large.png", 1, (1200, 1200))
    for number in range(1, 5):
        photo(home.inbox / f"{number}.png", seed=number)
    command = f"ulimit -f 1500; exec bgzero run --inbox {home.inbox} --outbox {home.outbox}"
    with home.started_by(["bash", "-c", command], **MOVE) as daemon:
        daemon.wait_for("1.png", "2.png", "3.png", "4.png")
        until(lambda: "File too large" in daemon.log, "the sentence")
        assert home.visible() == ["1.png", "2.png", "3.png", "4.png"]
        assert (home.inbox / "0-large.png").exists()
        assert b"1 waiting" in home.bgzero("status").stdout or b"1 in work" in home.bgzero("status").stdout
        assert daemon.stop() == 0
    with home.daemon(**MOVE) as daemon:
        daemon.wait_for("0-large.png")


@pytest.mark.fault("F15")
@pytest.mark.parametrize(
    ("call", "error", "when"),
    [
        ("fsync", "EIO", "1..3"),
        ("fsync", "ENOSPC", "2+3"),
        ("link,linkat", "ENOSPC", "1..2"),
        ("link,linkat", "EIO", "2+2"),
        ("fchmod", "EIO", "1"),
        ("fdatasync", "EIO", "3"),
        ("unlink,unlinkat", "EIO", "1+2"),
    ],
)
def test_error_of_a_system_call_loses_nothing(home: Home, call: str, error: str, when: str) -> None:
    """strace makes some of the calls fail: outputs are whole, originals move late, nothing fails."""
    oracle = Oracle(home)
    for number in range(3):
        oracle.remember(photo(home.inbox / f"{number}.png", (60 + number, 40), number))
    inject = f"inject={call}:error={error}:when={when}"
    command = ["strace", "-D", "-f", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject, "bgzero", "run"]
    with home.started_by([*command, "--inbox", str(home.inbox), "--outbox", str(home.outbox)], **MOVE) as daemon:
        daemon.wait_for("0.png", "1.png", "2.png")
        oracle.check_now()
        oracle.wait_until_settled()
        assert b"0 failed" in home.bgzero("status").stdout
    with home.daemon(**MOVE):
        oracle.wait_until_settled()
        oracle.check_in_the_end()
    assert home.visible() == ["0.png", "1.png", "2.png"]


@pytest.mark.fault("F16")
def test_unmounted_outbox_is_never_filled_below_its_mount_point(home: Home) -> None:
    """A real mount goes away: work waits, the folder below stays empty; the mount is back: work goes on."""
    need_namespace()
    source = photo(home.root / "a.png")
    mount = f"mount --bind {home.root}/disk {home.outbox}"
    (home.root / "disk").mkdir()
    with home.started_by(in_namespace(home, mount), **MOVE) as daemon:
        (home.inbox / "first.png").write_bytes(source.read_bytes())
        until((home.root / "disk" / "first.png").exists, lambda: f"the first\n{daemon.log}")
        until(lambda: unmounted(daemon, home.outbox), "it is not busy any more")
        photo(home.inbox / "second.png", seed=2)
        until(lambda: "is not mounted" in daemon.log, lambda: f"the sentence\n{daemon.log}")
        assert not list(home.outbox.iterdir())
        inside(daemon.process.pid, mount)
        until((home.root / "disk" / "second.png").exists, lambda: f"the second\n{daemon.log}")
        assert not list(home.outbox.iterdir())


@pytest.mark.fault("F16")
def test_read_only_outbox_makes_work_wait(home: Home) -> None:
    """Remounted read-only under the running daemon, as a kernel does with a disk in trouble."""
    need_namespace()
    with home.started_by(in_namespace(home, f"mount -t tmpfs none {home.outbox}"), **MOVE) as daemon:
        until(lambda: "Drop photos" in daemon.log, "it watches")
        inside(daemon.process.pid, f"mount -o remount,ro none {home.outbox}")
        photo(home.inbox / "a.png")
        until(lambda: "Read-only file system" in daemon.log, lambda: f"the sentence\n{daemon.log}")
        assert (home.inbox / "a.png").exists()
        inside(daemon.process.pid, f"mount -o remount,rw none {home.outbox}")
        until(lambda: seen_inside(daemon, home.outbox) == ["a.png"], lambda: f"it goes on\n{daemon.log}")


@pytest.mark.fault("F16")
def test_space_that_is_to_be_kept_free_is_kept(home: Home) -> None:
    """`keep_free` above what the disk has: nothing is begun; with less it goes on after a restart."""
    photo(home.inbox / "a.png")
    with home.daemon(**MOVE, BGZERO_OUTPUT__KEEP_FREE="100000") as daemon:
        until(lambda: "nearly full" in daemon.log, "the sentence")
        assert (home.inbox / "a.png").exists()
        assert home.visible() == []
    with home.daemon(**MOVE) as daemon:
        daemon.wait_for("a.png")


@pytest.mark.fault("F37")
@pytest.mark.parametrize("order", list(itertools.permutations(["a.jpg", "a.png", "a.tif"])))
def test_photos_with_one_stem_have_outputs_of_their_own(home: Home, order: tuple[str, ...]) -> None:
    """Whichever comes first, and all at once the next time: three outputs, each of its own photo, none replaced."""
    sizes = {"a.jpg": (61, 40), "a.png": (62, 40), "a.tif": (63, 40)}
    oracle = Oracle(home)
    with home.daemon(**MOVE) as daemon:
        for number, name in enumerate(order):
            oracle.remember(photo(home.inbox / name, sizes[name]))
            until(lambda: len(home.visible()) == number + 1, lambda: f"{name}\n{daemon.log}")  # noqa: B023 - used at once
        for name in order:
            oracle.remember(photo(home.inbox / "b" / name, sizes[name]))
        until(lambda: len(home.visible()) == 6, lambda: f"all at once\n{daemon.log}")
        oracle.wait_until_settled()
        oracle.check_in_the_end(moved=True)
    for folder in ("", "b"):
        found = {str(tag_of(output)["source"]): output for output in (home.outbox / folder).glob("*.png")}
        for name, size in sizes.items():
            with Image.open(found[name]) as cutout:
                assert cutout.size == size
            assert tag_of(found[name])["source_sha256"] == sha256(home.root / "Done" / folder / name)


@pytest.mark.fault("F37")
def test_file_that_somebody_put_there_is_never_replaced(home: Home) -> None:
    """A stranger's file, a cut-out that somebody edited, one in the place of a deleted one: redo takes other names."""
    (home.outbox / "a.png").write_text("precious")
    for name in "abc":
        photo(home.inbox / f"{name}.jpg")
    keep = {"BGZERO_FOLDER__ORIGINALS": "keep"}
    with home.daemon(**keep) as daemon:
        daemon.wait_for("a.jpg.png", "b.png", "c.png")
        with Image.open(home.outbox / "b.png") as cutout:
            cutout.load()
            edited = cutout.copy()
            edited.putpixel((0, 0), (1, 2, 3, 255))
            edited.save(home.outbox / "b.png")
        (home.outbox / "c.png").unlink()
        (home.outbox / "c.png").write_text("precious too")
        before = sha256(home.outbox / "b.png")
        assert home.bgzero("redo", home.inbox).returncode == 0
        daemon.wait_for("b.jpg.png", "c.jpg.png")
        until(lambda: daemon.log.count("a.jpg: done") == 2, "both again")
    assert sha256(home.outbox / "b.png") == before
    assert (home.outbox / "a.png").read_text() == "precious"
    assert (home.outbox / "c.png").read_text() == "precious too"
    assert home.visible() == ["a.jpg.png", "a.png", "b.jpg.png", "b.png", "c.jpg.png", "c.png"]


@pytest.mark.fault("F37")
def test_next_photo_under_the_name_of_one_that_was_moved_takes_another_output(home: Home) -> None:
    """Cameras count from 1 again: last week's cut-out stays, and so does last week's original."""
    with home.daemon(**MOVE) as daemon:
        for week in range(6):
            photo(home.inbox / "IMG_0001.jpg", (60 + week, 40), week)
            until(lambda: len(home.visible()) == week + 1, lambda: f"week {week}\n{daemon.log}")  # noqa: B023 - used at once
            until(lambda: not (home.inbox / "IMG_0001.jpg").exists(), "it moves")
    sizes = []
    for output in home.visible():
        with Image.open(home.outbox / output) as cutout:
            sizes.append(cutout.size[0])
    assert sorted(sizes) == [60, 61, 62, 63, 64, 65]
    assert len(files(home.root / "Done")) == 6


def test_same_photo_that_comes_again_moves_again_and_is_cut_once(home: Home) -> None:
    """A card that is imported twice: one cut-out, and nothing is left lying in the inbox."""
    source = photo(home.root / "card" / "a.jpg")
    with home.daemon(**MOVE) as daemon:
        for _time in range(3):
            (home.inbox / "a.jpg").write_bytes(source.read_bytes())
            until(lambda: not (home.inbox / "a.jpg").exists(), lambda: f"it moves\n{daemon.log}")
        assert daemon.log.count(": done") == 1
    assert home.visible() == ["a.png"]


@pytest.mark.fault("F16")
def test_trouble_of_one_folder_in_the_outbox_is_not_that_of_the_others(home: Home) -> None:
    """Where a mirrored folder has to be there is a file: those photos wait, all others are cut."""
    (home.outbox / "sub").write_text("mine")
    for number in range(12):
        photo(home.inbox / "sub" / f"{number}.jpg", seed=number)
    with home.daemon(**MOVE, BGZERO_WORKER__QUEUE="2") as daemon:
        until(lambda: "Tried again" in daemon.log, "the sentence")
        assert "model tiny" not in daemon.log  # it shows before anything is cut for nothing
        for number in range(6):
            photo(home.inbox / f"{number}.jpg", seed=number)
        daemon.wait_for(*(f"{number}.png" for number in range(6)))
        assert "Work for it waits" not in daemon.log
        (home.outbox / "sub").unlink()
        daemon.wait_for("sub/0.png")


@pytest.mark.fault("F38")
def test_sub_folders_are_mirrored(home: Home) -> None:
    """Two cards with the same names: two outputs, where one looks for them."""
    for card, width in (("card1", 60), ("card2", 70)):
        photo(home.inbox / card / "DCIM" / "IMG_1.jpg", (width, 40))
    with home.daemon(**MOVE) as daemon:
        daemon.wait_for("card1/DCIM/IMG_1.png", "card2/DCIM/IMG_1.png")
    for card, width in (("card1", 60), ("card2", 70)):
        with Image.open(home.outbox / card / "DCIM" / "IMG_1.png") as cutout:
            assert cutout.size == (width, 40)


@pytest.mark.fault("F61")
def test_output_that_the_user_deleted_is_not_made_again_unless_asked_for(home: Home) -> None:
    """Neither by a scan nor by a restart nor by a touched original; `redo` makes it."""
    keep = {"BGZERO_FOLDER__ORIGINALS": "keep", "BGZERO_WATCH__RESCAN_SECONDS": "1"}
    source = photo(home.inbox / "a.jpg")
    oracle = Oracle(home)
    with home.daemon(**keep) as daemon:
        daemon.wait_for("a.png")
        (home.outbox / "a.png").unlink()
        os.utime(source)
        oracle.wait_until_settled()
    with home.daemon(**keep) as daemon:
        oracle.wait_until_settled()
        photo(home.inbox / "b.jpg")
        daemon.wait_for("b.png")
        assert home.visible() == ["b.png"]
        assert home.bgzero("redo", source).returncode == 0
        daemon.wait_for("a.png")


@pytest.mark.skipif(sys.platform != "linux", reason="the trash of a Linux desktop")
def test_originals_go_to_the_trash_of_the_desktop(home: Home) -> None:
    """By its own rules, so that the desktop can restore them; the cut-out is there first."""
    photo(home.inbox / "a.jpg")
    with home.daemon(BGZERO_FOLDER__ORIGINALS="trash") as daemon:
        daemon.wait_for("a.png")
        until(lambda: not (home.inbox / "a.jpg").exists(), "it is gone")
        until(lambda: b"trash:" in home.bgzero("history", "--json").stdout, "the ledger says where to")
    trashed = home.root / "data" / "Trash"
    assert (trashed / "files" / "a.jpg").exists()
    assert "in/a.jpg" in (trashed / "info" / "a.jpg.trashinfo").read_text()


def test_original_stays_where_its_output_cannot_be_read_back(home: Home) -> None:
    """Published, then damaged before the original's turn: the original is not touched."""
    photo(home.inbox / "a.jpg")
    crash = {"BGZERO_CRASH_AT": "published-written"}
    with home.started("run", "--inbox", home.inbox, "--outbox", home.outbox, **MOVE, **crash) as daemon:
        until(lambda: daemon.process.poll() == -signal.SIGKILL, "it dies")
    content = bytearray((home.outbox / "a.png").read_bytes())
    content[len(content) // 2] ^= 1
    (home.outbox / "a.png").write_bytes(content)
    with home.daemon(**MOVE) as daemon:
        until(lambda: "not as it was published" in daemon.log, "the sentence")
        Oracle(home).wait_until_settled()
        assert (home.inbox / "a.jpg").exists()


@pytest.mark.fault("F59")
def test_photo_that_is_renamed_before_its_turn_moves_under_its_new_name(home: Home) -> None:
    """Published, renamed by the user, and only then is the original's turn."""
    photo(home.inbox / "a.jpg")
    crash = {"BGZERO_CRASH_AT": "published-written"}
    with home.started("run", "--inbox", home.inbox, "--outbox", home.outbox, **MOVE, **crash) as daemon:
        until(lambda: daemon.process.poll() == -signal.SIGKILL, "it dies")
    (home.inbox / "a.jpg").rename(home.inbox / "b.jpg")
    with home.daemon(**MOVE) as daemon:
        until(lambda: not (home.inbox / "b.jpg").exists(), lambda: f"it has moved on\n{daemon.log}")
        assert (home.inbox.parent / "Done" / "b.jpg").exists()
        assert daemon.outputs() == ["b.png"]
