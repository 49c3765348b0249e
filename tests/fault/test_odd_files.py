"""Things in an inbox that are no plain photo, or not where they seem to be: rows F14, F31, F33 to F36, F43."""

import os
import socket
import struct
import time
import zlib
from pathlib import Path

import pytest

from tests.home import Home, photo, until

needs_user = pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")


@pytest.mark.fault("F14")
@needs_user
def test_unreadable_photo_waits_until_it_may_be_read(home: Home) -> None:
    """chmod 000 is no failure: one sentence, no hurry; readable again, it is cut."""
    source = photo(home.inbox / "a.jpg")
    source.chmod(0)
    env = {"BGZERO_WATCH__RESCAN_SECONDS": "1", "BGZERO_WATCH__UNSURE_SETTLE_SECONDS": "0.3"}
    with home.daemon(**env) as daemon:
        until(lambda: "may not read" in daemon.log, "the sentence")
        photo(home.inbox / "b.jpg")
        daemon.wait_for("b.png")
        time.sleep(2.5)  # two scans more
        assert daemon.log.count("a.jpg") == 1
        source.chmod(0o600)
        daemon.wait_for("a.png")


@pytest.mark.fault("F14")
@needs_user
def test_folder_that_may_be_listed_but_not_entered_ends_nothing(home: Home) -> None:
    """chmod 644 of a sub-folder: its photos wait, all others are cut, and the daemon lives."""
    photo(home.inbox / "closed" / "a.jpg")
    (home.inbox / "closed").chmod(0o644)
    with home.daemon(BGZERO_WATCH__RESCAN_SECONDS="1") as daemon:
        photo(home.inbox / "b.jpg")
        daemon.wait_for("b.png")
        (home.inbox / "closed").chmod(0o755)
        daemon.wait_for("closed/a.png")


@needs_user
def test_outbox_that_becomes_read_only_in_work_ends_nothing(home: Home) -> None:
    """The staged file can neither be published nor removed: said, and made good when the folder is open again."""
    photo(home.inbox / "a.png", (600, 400))
    with home.daemon() as daemon:
        until(lambda: list(home.outbox.glob(".bgz-*")), "a staged file")
        home.outbox.chmod(0o555)
        until(lambda: "cannot be written" in daemon.log, f"the sentence\n{daemon.log}")
        home.outbox.chmod(0o755)
        daemon.wait_for("a.png")


@pytest.mark.fault("F31")
@pytest.mark.parametrize("moment", [0, 2**31 + 5, 4_000_000_000, -86_400])
def test_times_of_a_file_mean_nothing(home: Home, moment: int) -> None:
    """Back-dated to the shot, or from a camera that lives in the future: cut like any other, and once."""
    source = photo(home.root / "a.jpg")
    os.utime(source, (moment, moment))
    with home.daemon(BGZERO_WATCH__RESCAN_SECONDS="1", TZ="Asia/Kathmandu") as daemon:
        source.rename(home.inbox / "a.jpg")
        daemon.wait_for("a.png")
        time.sleep(1.5)
        assert daemon.log.count(": done") == 1


@pytest.mark.fault("F31")
def test_other_bytes_behind_the_same_times_are_seen(home: Home) -> None:
    """Deleted, made anew with other bytes of the same length, and back-dated: ctime tells."""
    photo(home.inbox / "a.bmp", seed=1)
    before = (home.inbox / "a.bmp").stat()
    home.once()
    first = (home.outbox / "a.png").read_bytes()
    (home.inbox / "a.bmp").unlink()
    photo(home.inbox / "a.bmp", seed=2)
    os.utime(home.inbox / "a.bmp", ns=(before.st_atime_ns, before.st_mtime_ns))
    after = (home.inbox / "a.bmp").stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    home.once()
    assert (home.outbox / "a.png").read_bytes() != first


@pytest.mark.fault("F33")
def test_link_that_leads_out_is_never_followed(home: Home) -> None:
    """Links to a file, a folder, through "..", and a name that is swapped for a link while it waits."""
    secret = photo(home.root / "secret" / "s.jpg")
    with home.daemon(BGZERO_WATCH__RESCAN_SECONDS="1") as daemon:
        (home.inbox / "file.jpg").symlink_to(secret)
        (home.inbox / "folder").symlink_to(secret.parent)
        (home.inbox / "up.jpg").symlink_to("../secret/s.jpg")
        swapped = photo(home.inbox / "swapped.jpg")
        swapped.unlink()
        swapped.symlink_to(secret)
        photo(home.inbox / "good.jpg")
        daemon.wait_for("good.png")
        time.sleep(1.5)
        assert daemon.outputs() == ["good.png"]


@pytest.mark.fault("F34")
def test_links_in_a_circle_harm_nobody(home: Home) -> None:
    """To itself, to each other, and a folder that contains itself."""
    for name, target in (("self.jpg", "self.jpg"), ("a.jpg", "b.jpg"), ("b.jpg", "a.jpg"), ("loop", ".")):
        (home.inbox / name).symlink_to(target)
    photo(home.inbox / "good.jpg")
    done = home.once()
    assert done.returncode == 0
    assert [path.name for path in home.outbox.rglob("*.png")] == ["good.png"]


@pytest.mark.fault("F35")
def test_hard_link_that_is_written_through_its_other_name_is_seen(home: Home) -> None:
    """Writes under a name outside the inbox make no event in it: the next scan sees the change."""
    outside = photo(home.root / "outside.png", seed=1)
    with home.daemon(BGZERO_WATCH__RESCAN_SECONDS="1") as daemon:
        os.link(outside, home.inbox / "a.png")
        daemon.wait_for("a.png")
        first = (home.outbox / "a.png").read_bytes()
        content = photo(home.root / "other.png", (50, 70), seed=2).read_bytes()
        with outside.open("r+b") as writer:
            writer.write(content)
            writer.truncate()
        until(lambda: (home.outbox / "a.png").read_bytes() != first, "the new content")


@pytest.mark.fault("F36")
def test_pipes_sockets_and_devices_stop_nobody(home: Home) -> None:
    """A FIFO with a photo's name would block whoever opens it; the next photo comes through all the same."""
    os.mkfifo(home.inbox / "pipe.jpg")
    (home.inbox / "device.jpg").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.getcwd()
        os.chdir(home.inbox)  # a socket's path is short
        listener.bind("socket.jpg")
        os.chdir(here)
        with home.daemon(BGZERO_WATCH__MAX_WAIT_SECONDS="1") as daemon:
            os.mkfifo(home.inbox / "late.jpg")
            photo(home.inbox / "good.jpg")
            daemon.wait_for("good.png")
            time.sleep(2)  # longer than anything may wait
            assert daemon.outputs() == ["good.png"]
            assert ": failed" not in daemon.log


@pytest.mark.fault("F43")
@pytest.mark.parametrize(
    ("inbox", "outbox"),
    [("a", "a"), ("a", "a/b"), ("a/b", "a"), ("a", "link/b"), ("link", "a"), ("a/../a", "a"), ("a", "deep")],
)
def test_outputs_never_become_inputs(home: Home, inbox: str, outbox: str) -> None:
    """Equal, inside, around, and all that through a link: refused before anything is touched."""
    (home.root / "a" / "b").mkdir(parents=True)
    (home.root / "link").symlink_to(home.root / "a")
    (home.root / "deep").symlink_to(home.root / "a" / "b")
    photo(home.root / "a" / "x.jpg")
    before = sorted(str(path) for path in (home.root / "a").rglob("*"))
    done = home.bgzero("run", "--once", "--inbox", home.root / inbox, "--outbox", home.root / outbox)
    assert done.returncode == 78
    assert sorted(str(path) for path in (home.root / "a").rglob("*")) == before


@pytest.mark.fault("F43")
def test_bind_mount_does_not_hide_that_two_folders_are_one(home: Home) -> None:
    """The same folder under two paths, without any link."""
    from tests.fault.space import need_namespace

    need_namespace()
    (home.root / "twin").mkdir()
    script = f"mount --bind {home.inbox} {home.root}/twin; exec bgzero run --once --inbox {home.inbox} "
    with home.started_by(["unshare", "-Urm", "sh", "-c", f"{script} --outbox {home.root}/twin"]) as daemon:
        assert daemon.process.wait(30) == 78
        assert "at once" in Path(home.root / "daemon.log").read_text()


@pytest.mark.fault("F31")
def test_numbers_that_no_ledger_holds_stop_nobody(home: Home) -> None:
    """A header that claims 2^64 pixels, and a photo from the year 2299: one fails, one is cut, the daemon goes on."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", 0xFFFFFFFF, 0xFFFFFFFF, 8, 2, 0, 0, 0)
    header = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    end = struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))
    (home.inbox / "claims.png").write_bytes(header + end)
    far = photo(home.inbox / "far.jpg")
    os.utime(far, ns=(10_390_000_000 * 10**9, 10_390_000_000 * 10**9))
    with home.daemon(BGZERO_WATCH__MAX_WAIT_SECONDS="0") as daemon:
        daemon.wait_for("far.png")
        until(lambda: "claims.png: failed" in daemon.log, lambda: daemon.log)
        photo(home.inbox / "next.jpg")
        daemon.wait_for("next.png")
    with home.daemon(BGZERO_WATCH__MAX_WAIT_SECONDS="0") as daemon:
        photo(home.inbox / "again.jpg")
        daemon.wait_for("again.png")
        assert "far.jpg: done" not in daemon.log
