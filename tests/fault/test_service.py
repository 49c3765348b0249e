"""The service itself: rows F30, F32, F44, F52, F54, F55, F59 and F60, driven by process and by file system."""

import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from tests.fault.oracle import Oracle, files
from tests.fault.space import inside, need_namespace
from tests.home import Home, photo, until

MOVE = {"BGZERO_FOLDER__ORIGINALS": "move", "BGZERO_WATCH__SETTLE_SECONDS": "0.1"}
QUICK = {"BGZERO_WATCH__SETTLE_SECONDS": "0.1"}


def size_of(cutout: Path) -> tuple[int, int]:
    """Return a picture's width and height in pixels."""
    with Image.open(cutout) as opened:
        return opened.size


@pytest.mark.fault("F30")
def test_order_of_the_last_steps_survives_a_power_cut(home: Home) -> None:
    """Read from a trace: fsync of the file, its name, fsync of the folder, the ledger, and only then the original."""
    photo(home.inbox / "trip" / "a.png")
    trace = home.root / "trace"
    calls = "fsync,fdatasync,link,linkat,rename,renameat,renameat2,unlink,unlinkat,pwrite64,mkdir,mkdirat"
    command = ["strace", "-D", "-f", "-y", "-s", "256", "-o", str(trace), "-e", f"trace={calls}", "bgzero", "run"]
    with home.started_by([*command, "--inbox", str(home.inbox), "--outbox", str(home.outbox)], **MOVE) as daemon:
        daemon.wait_for("trip/a.png")
        until(lambda: not (home.inbox / "trip" / "a.png").exists(), "it moves")
        assert daemon.stop() == 0
    lines = [line for line in trace.read_text().splitlines() if "resumed>" not in line]

    def first(pattern: str, after: int = 0) -> int:
        found = [number for number, line in enumerate(lines) if number >= after and re.search(pattern, line)]
        assert found, f"{pattern} behind line {after} of\n" + "\n".join(lines[after:])
        return found[0]

    staged = re.escape(f"{home.outbox}/.bgz-")
    written = first(rf"pwrite64\(\d+<{staged}")
    flushed = first(rf"fsync\(\d+<{staged}", written)
    made = first(rf'mkdir(at)?\(.*"{re.escape(str(home.outbox))}/trip"', flushed)
    above = first(rf"fsync\(\d+<{re.escape(str(home.outbox))}>", made)
    named = first(rf'link(at)?\(.*{staged}.*"{re.escape(str(home.outbox))}/trip/a\.png"', above)
    folder = first(rf"fsync\(\d+<{re.escape(str(home.outbox))}/trip>", named)
    row = first(r"(fsync|fdatasync)\(\d+<.*ledger\.db-wal", folder)
    moved = first(rf'rename.*"{re.escape(str(home.inbox))}/trip/a\.png".*Done/trip/a\.png"', row)
    first(r"(fsync|fdatasync)\(\d+<.*ledger\.db-wal", moved)
    assert not [line for line in lines[:row] if f'"{home.inbox}/trip/a.png"' in line], (
        "nothing touches the original before"
    )
    name_first = first(r"(fsync|fdatasync)\(\d+<.*ledger\.db-wal", written)
    assert name_first < named, "the name is written down before it is used"


@pytest.mark.fault("F32")
def test_second_daemon_on_an_inbox_is_refused(home: Home) -> None:
    """By whatever path, and with whatever state folder: exit 75, one sentence, and the first one goes on."""
    (home.root / "link").symlink_to(home.inbox)
    other = {"XDG_STATE_HOME": str(home.root / "other-state"), "XDG_RUNTIME_DIR": str(home.root / "other-run")}
    none: dict[str, str] = {}
    with home.daemon(**QUICK) as daemon:
        for inbox, env in ((home.inbox, none), (home.root / "link", none), (home.inbox, other)):
            done = home.bgzero("run", "--inbox", inbox, "--outbox", home.outbox, stdin=b"", **env)
            assert done.returncode == 75
            assert b"already watches" in done.stderr
            assert b"Stop it first" in done.stderr
        photo(home.inbox / "a.jpg")
        daemon.wait_for("a.png")
    with home.daemon(**QUICK, **other) as daemon:
        photo(home.inbox / "b.jpg")
        daemon.wait_for("b.png")


@pytest.mark.fault("F32")
def test_two_daemons_share_one_outbox_and_one_account(home: Home) -> None:
    """Two inboxes with the same names: no output is taken for the other's, none is replaced."""
    (home.root / "in2").mkdir()
    second = ("run", "--inbox", home.root / "in2", "--outbox", home.outbox)
    for number in range(5):
        photo(home.inbox / f"{number}.jpg", (60, 40), number)
        photo(home.root / "in2" / f"{number}.jpg", (70, 40), number)
    with home.daemon(**QUICK), home.started(*second, **QUICK):
        until(lambda: len(home.visible()) == 10, lambda: f"all: {home.visible()}")
    Oracle(home).check_no_doubles()


@pytest.mark.fault("F44")
def test_daemon_that_has_nothing_to_do_does_nothing(home: Home) -> None:
    """Its own reading makes no events: after ten photos less than 2 % of a core in four seconds."""
    for number in range(10):
        photo(home.inbox / f"{number}.jpg", seed=number)
    with home.daemon(BGZERO_WATCH__RESCAN_SECONDS="1", **QUICK) as daemon:
        daemon.wait_for(*(f"{number}.png" for number in range(10)))
        time.sleep(1)

        def ticks() -> int:
            text = Path(f"/proc/{daemon.process.pid}/stat").read_text().rpartition(")")[2].split()
            return int(text[11]) + int(text[12])

        before = ticks()
        time.sleep(4)
        assert ticks() - before < 0.02 * 4 * os.sysconf("SC_CLK_TCK")


@pytest.mark.fault("F54")
def test_log_stays_small_whatever_lies_in_the_inbox(home: Home) -> None:
    """Twenty bad files over many scans and a restart: at most 1 KB for each of them, and nothing more with time."""
    for number in range(20):
        (home.inbox / f"bad{number}.png").write_bytes(b"\x89PNG\r\n\x1a\n" + random.Random(number).randbytes(300))
    env = {"BGZERO_WATCH__RESCAN_SECONDS": "1", "BGZERO_WATCH__MAX_WAIT_SECONDS": "1", **QUICK}
    with home.daemon(**env) as daemon:
        until(lambda: daemon.log.count("failed.") == 20, lambda: daemon.log)
        time.sleep(1)
        size = len(daemon.log)
        assert size < 20 * 1024
        time.sleep(4)
        assert len(daemon.log) == size
    with home.daemon(**env) as daemon:
        time.sleep(3)
        assert "bad" not in daemon.log


@pytest.mark.fault("F55")
def test_no_file_name_is_a_command(home: Home) -> None:
    """Names that stop, pause or configure other programs, and that look like options: photos, or nothing."""
    names = ["stop", "pause", "exit", "--help", "-rf", "$(reboot)", "`id`", "%s%n", "config.toml", "a;b", "CON", "*"]
    with home.daemon(**QUICK) as daemon:
        for name in ("stop.txt", "config.toml", "pause", "control.sock", "reload"):
            (home.inbox / name).write_text('[model]\nname = "other"\n')
        for name in names:
            photo(home.inbox / f"{name}.jpg")
        daemon.wait_for(*(f"{name}.png" for name in names))
        assert daemon.process.poll() is None
        assert (home.inbox / "stop.txt").exists()


@pytest.mark.fault("F59")
@pytest.mark.parametrize("how", ["deleted", "replaced", "grown", "renamed", "folder gone", "folder renamed"])
def test_source_that_changes_in_mid_job_is_never_published_stale(home: Home, how: str) -> None:
    """The worker is frozen while it has the photo; what comes out is of the bytes that are there in the end."""
    source = photo(home.inbox / "trip" / "a.png", (400, 300), seed=1)
    places = ("run", "--inbox", home.inbox, "--outbox", home.outbox)
    with home.started(*places, **QUICK) as daemon:
        until(daemon.worker, "the worker")
        worker = daemon.worker() or 0
        os.kill(worker, signal.SIGSTOP)
        time.sleep(0.5)
        match how:
            case "deleted":
                source.unlink()
            case "replaced":
                os.replace(photo(home.root / "b.png", (90, 60), seed=2), source)
            case "grown":
                with source.open("ab") as file:
                    file.write(bytes(10))
            case "renamed":
                source.rename(source.with_name("b.png"))
            case "folder renamed":
                source.parent.rename(home.inbox / "other")
            case "folder gone":
                shutil.rmtree(source.parent)
        os.kill(worker, signal.SIGCONT)
        oracle = Oracle(home)
        oracle.wait_until_settled()
        oracle.check_in_the_end()
        photo(home.inbox / "next.jpg")
        daemon.wait_for("next.png")
        wanted = {
            "renamed": ["trip/b.png"],
            "folder renamed": ["other/a.png"],
            "replaced": ["trip/a.png"],
            "grown": ["trip/a.png"],
        }.get(how, [])
        assert home.visible() == sorted(["next.png", *wanted])


@pytest.mark.fault("F60")
def test_damaged_ledger_is_filled_again_from_the_cut_outs(home: Home) -> None:
    """Random bytes, holes, a cut-off end, flipped bytes: the daemon starts, and cuts nothing twice."""
    for number in range(4):
        photo(home.inbox / "sub" / f"{number}.jpg", seed=number)
    assert home.once(**QUICK).returncode == 0
    ledger = home.root / "state" / "bgzero" / "ledger.db"
    good, before = ledger.read_bytes(), {name: (home.outbox / name).stat().st_mtime_ns for name in home.visible()}
    chance = random.Random(5)
    for damage in range(16):
        content = bytearray(good)
        match damage % 4:
            case 0:
                content = bytearray(chance.randbytes(len(good)))
            case 1:
                at = chance.randrange(len(good) - 2000)
                content[at : at + 2000] = bytes(2000)
            case 2:
                content = content[: chance.randrange(1, len(good))]
            case 3:
                for _byte in range(300):
                    content[chance.randrange(len(good))] = chance.randrange(256)
        for file in ledger.parent.glob("ledger.db*"):
            file.unlink()
        ledger.write_bytes(content)
        done = home.once(**QUICK)
        assert done.returncode == 0, (damage, done.stderr)
        assert b"kept in memory" not in done.stderr
        assert b"0 cut" in done.stderr, (damage, done.stderr)
        assert {name: (home.outbox / name).stat().st_mtime_ns for name in home.visible()} == before, damage


@pytest.mark.fault("F60")
@pytest.mark.parametrize("what", ["sha256 = substr(sha256, 2) || '0'", "rel = x'7a'", "size = size + 1"])
def test_one_flipped_value_is_damage_too(home: Home, what: str) -> None:
    """SQLite has no checksums of its own: a row that is not as it was written makes the ledger be set aside."""
    photo(home.inbox / "a.jpg")
    assert home.once(**QUICK).returncode == 0
    ledger = home.root / "state" / "bgzero" / "ledger.db"
    base = sqlite3.connect(ledger, isolation_level=None)
    base.execute(f"UPDATE photo SET {what}")
    base.close()
    done = home.once(**QUICK)
    assert b"is damaged" in done.stderr
    assert b"0 cut" in done.stderr
    assert list(ledger.parent.glob("ledger.db.damaged-*"))
    assert home.visible() == ["a.png"]


@pytest.mark.fault("F60")
def test_state_folder_that_is_none_costs_hashing_only(home: Home) -> None:
    """A file in its place: said once and loudly; photos are cut, originals stay, nothing is cut again."""
    (home.root / "state").write_text("")
    photo(home.inbox / "a.jpg")
    with home.daemon(**MOVE) as daemon:
        daemon.wait_for("a.png")
        assert daemon.log.count("kept in memory") == 1
        time.sleep(0.5)
        assert (home.inbox / "a.jpg").exists()
    with home.daemon(**MOVE) as daemon:
        Oracle(home).wait_until_settled()
        assert ": done" not in daemon.log
    assert home.visible() == ["a.png"]


@pytest.mark.fault("F60")
def test_tags_that_make_no_sense_do_not_keep_the_daemon_from_starting(home: Home) -> None:
    """With the ledger gone every PNG in the outbox is read: whatever somebody wrote into one is passed over."""
    tags = [
        {"source": "a.jpg", "source_sha256": "0" * 64, "model": "\ud800"},
        {"source": "\ud800", "source_sha256": "0" * 64},
        {"source": "..", "source_sha256": "0" * 64},
        {"source": "", "source_sha256": "0" * 64},
        {"source": "a.jpg", "source_sha256": "zz"},
        {"source": ["a.jpg"], "source_sha256": {}},
    ]
    for number, tag in enumerate(tags):
        texts = PngImagePlugin.PngInfo()
        texts.add_itxt("bgzero", json.dumps(tag))
        Image.new("RGBA", (3, 2)).save(home.outbox / f"old{number}.png", pnginfo=texts)
    photo(home.inbox / "a.jpg")
    done = home.once(**QUICK)
    assert done.returncode == 0, done.stderr
    assert (home.outbox / "a.png").exists()


@pytest.mark.fault("F59")
def test_folder_that_goes_away_and_comes_back_with_new_bytes_is_cut_from_those(home: Home) -> None:
    """A photo was done, is overwritten, waits, and its folder is renamed away and back meanwhile."""
    source = photo(home.inbox / "trip" / "a.png", (60, 40), seed=1)
    block = [photo(home.inbox / f"{number}.png", (900, 900), number) for number in range(4)]
    oracle = Oracle(home)
    with home.daemon(**QUICK) as daemon:
        daemon.wait_for("trip/a.png", *(f"{file.stem}.png" for file in block))
        os.kill(daemon.worker() or 0, signal.SIGSTOP)
        for number, file in enumerate(block):
            photo(file, (900, 800), 10 + number)
        photo(source, (70, 50), seed=2)
        time.sleep(1)
        source.parent.rename(home.root / "away")
        os.kill(daemon.worker() or 0, signal.SIGCONT)
        oracle.wait_until_settled()
        (home.root / "away").rename(source.parent)
        until(lambda: size_of(home.outbox / "trip" / "a.png") == (70, 50), lambda: daemon.log)
        oracle.wait_until_settled()
        oracle.check_in_the_end()


@pytest.mark.fault("F60")
def test_state_folder_that_cannot_be_written_costs_hashing_only(home: Home) -> None:
    """Said once and loudly; photos are cut, originals stay, and after a restart nothing is cut again."""
    if os.getuid() == 0:
        pytest.skip("root may read and write everything")
    (home.root / "state").mkdir()
    (home.root / "state").chmod(0o500)
    photo(home.inbox / "a.jpg")
    try:
        with home.daemon(**MOVE) as daemon:
            daemon.wait_for("a.png")
            assert "kept in memory" in daemon.log
            time.sleep(0.5)
            assert (home.inbox / "a.jpg").exists()
        with home.daemon(**MOVE) as daemon:
            Oracle(home).wait_until_settled()
            assert ": done" not in daemon.log
    finally:
        (home.root / "state").chmod(0o700)


@pytest.mark.fault("F60")
def test_full_state_disk_is_said_and_waited_for(home: Home) -> None:
    """A real full file system under the ledger: photos wait, none is doubled; freed, all are cut."""
    need_namespace()
    state = home.root / "state"
    state.mkdir()
    mount = f"mount -t tmpfs -o size=6M none {state}; mkdir {state}/bgzero; chmod 700 {state}/bgzero"
    fill = f"head -c 20M /dev/zero > {state}/filler || true"
    program = f"exec bgzero run --inbox {home.inbox} --outbox {home.outbox}"
    with home.started_by(["unshare", "-Urm", "sh", "-c", f"{mount}; {program}"], **MOVE) as daemon:
        until(lambda: "Drop photos" in daemon.log, "it watches")
        inside(daemon.process.pid, fill)
        for number in range(30):
            photo(home.inbox / f"{number}.png", (60 + number, 40), number)
        until(lambda: "The ledger" in daemon.log, lambda: daemon.log)
        time.sleep(1)
        inside(daemon.process.pid, f"rm {state}/filler")
        daemon.wait_for(*(f"{number}.png" for number in range(30)))
        until(lambda: len(files(home.root / "Done")) == 30, "all moved")
        assert len(home.visible()) == 30
        assert daemon.log.count("The ledger") < 10, daemon.log


@pytest.mark.fault("F52")
def test_signal_to_everybody_ends_the_photo_in_work_and_nothing_else(home: Home) -> None:
    """A service manager signals the whole group: exit 0, the photo in work is finished, nothing half-made stays."""
    for number in range(8):
        photo(home.inbox / f"{number}.png", (1200, 900), number)
    oracle = Oracle(home)
    with home.daemon(**MOVE) as daemon:
        until(lambda: daemon.worker() and home.visible(), "work")
        worker = daemon.worker() or 0
        os.kill(worker, signal.SIGSTOP)
        time.sleep(0.5)
        busy = [os.path.splitext(one["photo"])[0] + ".png" for one in oracle.status()["at_work"]]
        assert busy
        for child in (worker, daemon.process.pid):
            os.kill(child, signal.SIGTERM)
        os.kill(worker, signal.SIGCONT)
        assert daemon.process.wait(60) == 0
        done = daemon.log.count(": done")
        assert "ended in the middle" not in daemon.log
        assert set(busy) <= set(home.visible())
    assert not oracle.leftovers()
    assert len(home.visible()) == done == len(files(oracle.done))
    with home.daemon(**MOVE):
        oracle.wait_until_settled()
        oracle.check_in_the_end(moved=True)
    assert len(home.visible()) == 8


def pile(home: Home, count: int) -> None:
    """Put so many photos into the inbox: names of one file, which costs no space."""
    for number in range(count):
        if number % 10_000 == 0:  # a file has 65,000 names at most on ext4
            source = photo(home.root / f"{number}.png", (8, 8), number)
        folder = home.inbox / f"{number // 1000}"
        folder.mkdir(exist_ok=True)
        os.link(source, folder / f"IMG_{number:06d}.png")


def check_backlog(home: Home, count: int) -> None:
    """All of them wait as rows while the outbox is in trouble, and the service stays small."""
    pile(home, count)
    oracle = Oracle(home)
    with home.daemon(**QUICK, BGZERO_OUTPUT__KEEP_FREE="100000") as daemon:
        until(lambda: oracle.status().get("waiting") == count, lambda: f"{oracle.status()}", seconds=600)
        status = Path(f"/proc/{daemon.process.pid}/status").read_text()
        peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
        print(f"{count} waiting: peak {peak // 1000} MB")
        assert peak < 150_000
        assert daemon.log.count("IMG_") <= 8


@pytest.mark.fault("F62")
def test_backlog_costs_rows_and_no_memory(home: Home) -> None:
    """5,000 photos that wait; `make soak` has 100,000."""
    check_backlog(home, 5_000)


@pytest.mark.soak
@pytest.mark.fault("F62")
@pytest.mark.timeout(1200)
def test_backlog_of_a_hundred_thousand(home: Home) -> None:
    """The figure of the issue: the service stays below 150 MB."""
    check_backlog(home, 100_000)


def test_paused_daemon_finishes_what_is_in_work_and_notices_what_comes(home: Home) -> None:
    """Resumed, it looks through its folders at once and cuts everything, in the order of arrival."""
    with home.daemon(**QUICK, BGZERO_WATCH__RESCAN_SECONDS="3600") as daemon:
        photo(home.inbox / "a.png")
        daemon.wait_for("a.png")
        assert home.bgzero("pause").returncode == 0
        for number in range(3):
            photo(home.inbox / f"{number}.png", seed=number)
        until(lambda: Oracle(home).status().get("waiting") == 3, "they wait")
        assert b"paused" in home.bgzero("status").stdout
        time.sleep(1)
        assert home.visible() == ["a.png"]
        before = daemon.log.count("looked through")
        assert home.bgzero("resume").returncode == 0
        daemon.wait_for("0.png", "1.png", "2.png")
        until(lambda: daemon.log.count("looked through") == before + 1, "one scan")


@pytest.mark.fault("F62")
@pytest.mark.parametrize("order", ["oldest", "newest"])
def test_order_of_a_backlog_is_as_asked_and_add_comes_first(home: Home, order: str) -> None:
    """By arrival; what is asked for by hand is cut before all others."""
    env = {**QUICK, "BGZERO_WORKER__ORDER": order, "BGZERO_WORKER__LANES": "1", "BGZERO_WORKER__QUEUE": "1"}
    with home.daemon(**env, BGZERO_OUTPUT__KEEP_FREE="100000"):
        for number in range(8):
            photo(home.inbox / f"{number}.png", (40 + number, 40), number)
            until(lambda: Oracle(home).status().get("waiting") == number + 1, "it waits")  # noqa: B023 - used at once
        assert home.bgzero("add", home.inbox / "4.png").returncode == 0
    with home.daemon(**env) as daemon:
        until(lambda: daemon.log.count(": done") == 8, lambda: daemon.log)
        done = re.findall(r"(\d)\.png: done", daemon.log)
    rest = list("0123567")
    assert done == ["4", *(rest if order == "oldest" else reversed(rest))]


@pytest.mark.skipif(sys.platform != "linux", reason="peer credentials")
def test_control_socket_is_for_this_account_only_and_survives_nonsense(home: Home) -> None:
    """Private by mode; garbage, giants and people who say nothing harm nobody; long lists of paths arrive."""
    with home.daemon(**QUICK) as daemon:
        sock = home.root / "run" / "bgzero" / "control.sock"
        until(sock.exists, "the socket")
        assert sock.stat().st_mode & 0o777 == 0o600
        assert sock.parent.stat().st_mode & 0o777 == 0o700
        silent = [subprocess.Popen(["python3", "-c", _TALK, str(sock), "0"]) for _number in range(3)]
        for size in ("1", "100", "70000", "3000000"):
            subprocess.run(["python3", "-c", _TALK, str(sock), size], timeout=30)
        assert home.bgzero("status").returncode == 0
        for talker in silent:
            talker.kill()
            talker.wait()
        names = [photo(home.inbox / f"{'long' * 20}{number}.jpg") for number in range(3)]
        daemon.wait_for(*(f"{name.stem}.png" for name in names))
        added = home.bgzero("add", *(names * 400))
        assert (added.returncode, added.stderr) == (0, b"")


_TALK = """
import socket, sys, time
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
size = int(sys.argv[2])
if not size: time.sleep(60)
try: s.sendall(b'{' * size + b'\\n'); print(s.recv(200))
except OSError as e: print(e)
"""
