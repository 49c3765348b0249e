"""What happens to the watch itself: rows F17 to F26 and F53 of the fault table."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bgzero_daemon.core.mounts import mount_of
from bgzero_daemon.service.inbox import Inbox
from bgzero_daemon.service.watcher import Watcher
from bgzero_daemon.settings.schema import Folder, Watch
from tests.fault.space import inside, need_namespace
from tests.home import Daemon, Home, photo, until

NEVER = {"BGZERO_WATCH__RESCAN_SECONDS": "3600"}  # so that no scan of the clock's hides a lost event


def watches(daemon: Daemon) -> str:
    """What the kernel says of the process's open files; an inotify watch is a line "inotify wd:..."."""
    found = ""
    for info in Path(f"/proc/{daemon.process.pid}/fdinfo").iterdir():
        with contextlib.suppress(OSError):
            found += info.read_text()
    return found


@pytest.mark.fault("F17")
def test_folder_without_events_is_polled(home: Home) -> None:
    """`watch = "poll"`: found by scans alone, and quiet for longer, since nobody can tell who writes."""
    env = {"BGZERO_FOLDER__WATCH": "poll", "BGZERO_WATCH__POLL_SECONDS": "0.5", **NEVER}
    with home.daemon(BGZERO_WATCH__UNSURE_SETTLE_SECONDS="0.5", **env) as daemon:
        assert "inotify wd" not in watches(daemon)
        photo(home.inbox / "sub" / "a.jpg")
        daemon.wait_for("sub/a.png")


@pytest.mark.fault("F17")
@pytest.mark.parametrize(
    ("kind", "is_remote"),
    [("nfs4", True), ("cifs", True), ("fuse.sshfs", True), ("9p", True), ("ext4", False), ("fuse.portal", False)],
)
def test_mount_table_tells_where_events_do_not_come(tmp_path: Path, kind: str, is_remote: bool) -> None:
    """The innermost mount counts, spaces in its name and all; the last one mounted on a point shows."""
    share = tmp_path / "my share"
    (share / "in").mkdir(parents=True)
    escaped = str(share).replace(" ", "\\040")
    table = tmp_path / "mountinfo"
    table.write_text(
        f"21 1 8:1 / / rw - ext4 /dev/sda1 rw\n22 21 0:5 / {escaped} rw - tmpfs none rw\n"
        f"23 22 0:6 / {escaped} rw shared:1 - {kind} server:/x rw\n24 21 0:7 / {escaped}x rw - proc none rw\n"
    )
    mount = mount_of(str(share / "in"), table)
    assert mount
    assert (mount.kind, mount.is_remote) == (kind, is_remote)


@pytest.mark.fault("F17")
def test_real_fuse_mount_is_polled_and_harms_nobody_else_when_it_hangs(home: Home) -> None:
    """Written behind the mount's back, then hanging, dead, unmounted and back; the other inbox never waits."""
    behind, second, others = home.root / "behind", home.root / "in2", home.root / "out2"
    for folder in (behind, second, others):
        folder.mkdir()
    if not shutil.which("bindfs"):
        pytest.skip("NO BINDFS ON THIS MACHINE: no network-like mount was tried")
    mount = ["bindfs", "-f", str(behind), str(home.inbox)]
    share = subprocess.Popen(mount, stderr=subprocess.DEVNULL)
    try:
        until(lambda: os.path.ismount(home.inbox) or share.poll() is not None, "it is mounted")
        if share.poll() is not None:
            pytest.skip("THIS ACCOUNT MAY NOT MOUNT FUSE: no network-like mount was tried")
        config = home.root / "two.toml"
        config.write_text(
            f'[[folder]]\ninbox = "{home.inbox}"\noutbox = "{home.outbox}"\n'
            f'[[folder]]\ninbox = "{second}"\noutbox = "{others}"\n'
        )
        env = {"BGZERO_WATCH__POLL_SECONDS": "0.5", "BGZERO_WATCH__UNSURE_SETTLE_SECONDS": "0.5"}
        with home.started("run", "--config", config, **env) as daemon:
            until(lambda: "Drop photos" in daemon.log, "it watches")
            photo(behind / "sub" / "a.jpg")
            daemon.wait_for("sub/a.png")
            share.send_signal(signal.SIGSTOP)
            photo(behind / "late.jpg")
            time.sleep(1.5)
            photo(second / "other.jpg")
            until((others / "other.png").exists, "the other inbox goes on")
            share.send_signal(signal.SIGCONT)
            daemon.wait_for("late.png")
            share.kill()
            share.wait()
            until(lambda: "is not there: Transport endpoint" in daemon.log, "the sentence")
            subprocess.run(["fusermount3", "-u", str(home.inbox)], check=True)
            share = subprocess.Popen(mount, stderr=subprocess.DEVNULL)
            photo(behind / "again.jpg")
            daemon.wait_for("again.png")
            until(lambda: daemon.log.count(": done") == 4, "each of them once")
    finally:
        share.send_signal(signal.SIGCONT)
        share.kill()
        share.wait()
        subprocess.run(["fusermount3", "-uz", str(home.inbox)], capture_output=True)


def limited(home: Home, limit: str, number: int) -> str:
    """A script that runs the daemon under a limit of inotify's."""
    program = " ".join(["bgzero", "run", "--inbox", str(home.inbox), "--outbox", str(home.outbox)])
    return f"echo {number} > /proc/sys/user/{limit}; exec {program}"


@pytest.mark.parametrize(
    ("limit", "number"),
    [
        pytest.param("max_inotify_watches", 8, marks=pytest.mark.fault("F18")),
        pytest.param("max_inotify_instances", 0, marks=pytest.mark.fault("F19")),
    ],
)
def test_limits_of_the_watch_are_said_and_nothing_is_lost(home: Home, limit: str, number: int) -> None:
    """Too few watches (watchdog is silent about it) or no instance: the sentence names the sysctl, scans go on."""
    need_namespace()
    for index in range(20):
        (home.inbox / str(index)).mkdir()
    script = limited(home, limit, number)
    env = {"BGZERO_WATCH__POLL_SECONDS": "0.5", "BGZERO_WATCH__RESCAN_SECONDS": "2"}
    with home.started_by(["unshare", "-Ur", "sh", "-c", script], **env) as daemon:
        until(lambda: "Drop photos" in daemon.log, "it watches")
        until(lambda: "fs.inotify.max_user_watches" in daemon.log, lambda: f"the sentence\n{daemon.log}")
        for index in range(20):
            photo(home.inbox / str(index) / "a.jpg")
        daemon.wait_for(*(f"{index}/a.png" for index in range(20)))
        assert daemon.log.count("fs.inotify.max_user_watches") == 1


@pytest.mark.fault("F20")
def test_lost_events_make_a_scan(home: Home) -> None:
    """Frozen while more files arrive than the kernel keeps events for: all photos are found within 30 s of going on."""
    home.env["BGZERO_LOG__LEVEL"] = "error"  # what is listened to inside has to be said, whatever is shown
    with home.started("run", "--inbox", home.inbox, "--outbox", home.outbox, **NEVER) as daemon:
        until(lambda: "inotify wd" in watches(daemon), "it watches")
        photo(home.inbox / "first.jpg")
        daemon.wait_for("first.png")
        daemon.process.send_signal(signal.SIGSTOP)
        for number in range(9000):
            (home.inbox / f"{number}.txt").write_text("x")
        for number in range(20):
            photo(home.inbox / f"{number}.jpg", seed=number)
        daemon.process.send_signal(signal.SIGCONT)
        daemon.wait_for(*(f"{number}.png" for number in range(20)))


@pytest.mark.fault("F21")
def test_nothing_falls_between_watch_and_first_scan(home: Home) -> None:
    """Photos that arrive all the while the daemon starts: each one is cut, with no later scan to help."""
    sources = [photo(home.root / "made" / f"{number}.jpg", seed=number) for number in range(60)]
    with home.started("run", "--inbox", home.inbox, "--outbox", home.outbox, **NEVER) as daemon:
        for source in sources:
            source.rename(home.inbox / source.name)
            time.sleep(0.02)
        daemon.wait_for(*(f"{number}.png" for number in range(60)))


@pytest.mark.fault("F22")
def test_folders_of_every_shape_are_followed(home: Home) -> None:
    """mkdir -p, cp -r, mv of a full folder, mv of an empty one filled later, deep trees, rename: all mirrored."""
    for number in range(10):
        photo(home.root / "tree" / "x" / f"{number}.jpg", seed=number)
        photo(home.root / "moved" / f"{number}.jpg", seed=number)
    (home.root / "hollow").mkdir()
    with home.daemon(**NEVER) as daemon:
        for number in range(10):
            photo(home.inbox / "p" / str(number) / "q" / "a.jpg", seed=number)
        shutil.copytree(home.root / "tree", home.inbox / "copied")
        (home.root / "moved").rename(home.inbox / "moved")
        (home.root / "hollow").rename(home.inbox / "hollow")
        time.sleep(0.5)
        photo(home.inbox / "hollow" / "later.jpg")
        photo(home.inbox / "moved" / "later.jpg")
        (home.inbox / "before").mkdir()
        (home.inbox / "before").rename(home.inbox / "after")
        time.sleep(0.5)
        photo(home.inbox / "after" / "a.jpg")
        wanted = [f"p/{number}/q/a.png" for number in range(10)]
        wanted += [f"{folder}/{number}.png" for folder in ("copied/x", "moved") for number in range(10)]
        daemon.wait_for(*wanted, "hollow/later.png", "moved/later.png", "after/a.png")
        assert len(daemon.outputs()) == 33


@contextlib.contextmanager
def inode_kept(folder: Path) -> Iterator[None]:
    """Let no other folder get the inode of one that is removed: the daemon's lock is on that."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield
    finally:
        os.close(descriptor)


@pytest.mark.fault("F23")
def test_inbox_that_is_deleted_is_watched_again_when_it_is_back(home: Home) -> None:
    """Never an empty folder: a sentence while it is gone, and everything as before when it is made again."""
    with home.daemon(**NEVER) as daemon, inode_kept(home.inbox):
        shutil.rmtree(home.inbox)
        until(lambda: "is not there" in daemon.log, "the sentence")
        home.inbox.mkdir()
        until(lambda: "is back" in daemon.log, "the other sentence")
        photo(home.inbox / "a.jpg")
        daemon.wait_for("a.png")


@pytest.mark.fault("F23")
def test_inbox_that_is_replaced_between_two_looks_is_noticed(home: Home) -> None:
    """Deleted and recreated at once: another folder under the same path."""
    with home.daemon(**NEVER) as daemon, inode_kept(home.inbox):
        home.inbox.rmdir()
        home.inbox.mkdir()
        photo(home.inbox / "a.jpg")
        daemon.wait_for("a.png")
        photo(home.inbox / "b.jpg")
        daemon.wait_for("b.png")


@pytest.mark.fault("F24")
def test_inbox_that_is_renamed_away_is_not_followed(home: Home) -> None:
    """What arrives in the folder that went away is nobody's; the new one under the old path is watched."""
    with home.daemon(**NEVER) as daemon:
        home.inbox.rename(home.root / "away")
        until(lambda: "is not there" in daemon.log, "the sentence")
        photo(home.root / "away" / "ghost.jpg")
        home.inbox.mkdir()
        photo(home.inbox / "a.jpg")
        daemon.wait_for("a.png")
        until(lambda: "inotify wd" in watches(daemon), "the new folder is watched")
        assert daemon.outputs() == ["a.png"]


@pytest.mark.fault("F25")
def test_unmounted_inbox_is_trouble_and_comes_back(home: Home) -> None:
    """A real mount goes, and comes back with another photo; then something is mounted over it."""
    need_namespace()
    mount = f"mount -t tmpfs none {home.inbox}"
    program = f"exec bgzero run --inbox {home.inbox} --outbox {home.outbox}"
    with home.started_by(["unshare", "-Urm", "sh", "-c", f"{mount}; {program}"], **NEVER) as daemon:
        until(lambda: "Drop photos" in daemon.log, "it watches")
        source = photo(home.root / "a.jpg")

        def arrive(name: str) -> None:
            inside(daemon.process.pid, f"cp {source} {home.inbox}/{name}.jpg")
            daemon.wait_for(f"{name}.png")

        arrive("first")
        inside(daemon.process.pid, f"umount {home.inbox}")
        until(lambda: "nothing is mounted there" in daemon.log, lambda: f"the sentence\n{daemon.log}")
        inside(daemon.process.pid, mount)
        until(lambda: "is back" in daemon.log, "the other sentence")
        arrive("second")
        inside(daemon.process.pid, mount)
        until(lambda: "another folder now" in daemon.log, "mounted over")
        arrive("third")


@pytest.mark.fault("F26")
def test_mistake_in_the_event_handler_does_not_end_the_watch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception there would end watchdog's thread for good; the next event has to come through."""
    (tmp_path / "in").mkdir()
    inbox = Inbox(0, Folder(inbox=tmp_path / "in", outbox=tmp_path))
    real = inbox._mark

    def mistaken(path: str) -> None:
        if "bad" in path:
            raise ZeroDivisionError
        real(path)

    monkeypatch.setattr(inbox, "_mark", mistaken)
    inbox.arm()
    (tmp_path / "in" / "bad.jpg").write_bytes(b"x")
    until(lambda: "could not be noted" in caplog.text, "the mistake is logged")
    (tmp_path / "in" / "good.jpg").write_bytes(b"x")
    until(lambda: any(path.endswith("good.jpg") for path in inbox.take_dirty()), "the next event")
    inbox.disarm()


@pytest.mark.fault("F26")
def test_dead_watch_is_replaced(tmp_path: Path) -> None:
    """Where watchdog's thread has ended all the same, the check finds out and begins anew."""
    (tmp_path / "in").mkdir()
    inbox = Inbox(0, Folder(inbox=tmp_path / "in", outbox=tmp_path))
    inbox.arm()
    assert inbox.check() is False
    for emitter in list(inbox._observer.emitters):  # type: ignore[union-attr]
        emitter.stop()
        emitter.join(5)
    assert inbox.check() is True
    (tmp_path / "in" / "a.jpg").write_bytes(b"x")
    until(inbox.take_dirty, "an event")
    inbox.disarm()


@pytest.mark.fault("F53")
def test_sleep_makes_a_scan(tmp_path: Path) -> None:
    """The clock that goes on in suspend jumps ahead of the one that does not: everything is scanned (fake clocks)."""
    (tmp_path / "in").mkdir()
    inbox = Inbox(0, Folder(inbox=tmp_path / "in", outbox=tmp_path))
    asleep = 0.0
    watcher = Watcher(inbox, Watch(rescan_seconds=3600), suspended=lambda: asleep)
    assert list(watcher.findings(time.monotonic())) == []
    (tmp_path / "in" / "a.jpg").write_bytes(b"x")
    assert list(watcher.findings(time.monotonic())) == []
    asleep = 4.0
    assert list(watcher.findings(time.monotonic())) == []
    asleep = 3600.0
    assert [key.rel for key in watcher.findings(time.monotonic())] == ["a.jpg"]
