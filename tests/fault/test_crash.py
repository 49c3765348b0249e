"""kill -9 at every named step, of the service and of its worker: rows F27 to F29, and promises I1 to I4."""

import os
import re
import signal
import sqlite3
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bgzero_daemon.core.crash import VARIABLE
from bgzero_daemon.service import base
from tests.fault.oracle import Oracle, files
from tests.home import Daemon, Home, is_alive, photo, until

SOURCE = Path(__file__).parents[2] / "src"
POINTS = {
    point
    for file in SOURCE.rglob("*.py")
    for point in re.findall(r'crash\.point\(f?"([a-z0-9-]+)[{"]', file.read_text())
}
# Reached on paths of their own, tested where those are: migration, renames, failures, reviews, odd file systems.
ELSEWHERE = {"ledger-copied", "ledger-version-", "follow-chosen", "followed", "failure-written", "held", "replaced",
             "config-written", "accept-written", "accept-moved", "accept-done", "taken-back", "half-waits",
             "covered"}  # fmt: skip
ELSEWHERE |= {point for point in POINTS if point.startswith("import-")}  # tests/fault/test_import.py
WORKER = {point for point in POINTS if point.startswith("worker-")}
MOVE = {"BGZERO_FOLDER__ORIGINALS": "move", "BGZERO_WATCH__SETTLE_SECONDS": "0.1"}


def die(home: Home, at: str, **env: str) -> None:
    """Run a daemon until it kills itself at a point."""
    env = {**MOVE, **env, VARIABLE: at}
    with home.started("run", "--inbox", home.inbox, "--outbox", home.outbox, **env) as daemon:
        until(lambda: daemon.process.poll() is not None, lambda: f"it dies at {at}\n{daemon.log}")
        assert daemon.process.returncode == -signal.SIGKILL, daemon.log


def see_it_through(home: Home, oracle: Oracle, **env: str) -> Daemon:
    """Start a daemon that lives, and wait until everything is decided."""
    with home.daemon(**{**MOVE, **env}) as daemon:
        oracle.wait_until_settled()
        oracle.check_in_the_end(moved=env.get("BGZERO_FOLDER__ORIGINALS") != "keep")
    return daemon


def test_there_are_at_least_25_named_steps() -> None:
    """And every one is used by a test here."""
    assert len(POINTS) >= 25
    assert POINTS >= ELSEWHERE


@pytest.mark.fault("F27")
@pytest.mark.parametrize("point", sorted(POINTS - ELSEWHERE - WORKER))
def test_service_that_is_killed_at_a_step_loses_and_doubles_nothing(home: Home, point: str) -> None:
    """Three photos, the second pass of the step where there is one; then a second start finishes the work."""
    oracle = Oracle(home)
    for number in range(3):
        oracle.remember(photo(home.inbox / "trip" / f"{number}.png", (60 + number, 40), number))
    once = {"admitted", "armed", "begins-worker", "caught-up", "ledger-opened", "locked", "recovering"}
    if point == "swept":
        (home.outbox / ".bgz-left.tmp").write_bytes(b"half")
        once.add(point)
    die(home, point if point in once else f"{point}:2")
    oracle.check_now()
    see_it_through(home, oracle)
    assert home.visible() == [f"trip/{number}.png" for number in range(3)]
    assert len(files(oracle.done)) == 3


@pytest.mark.fault("F28")
@pytest.mark.parametrize("point", sorted(WORKER))
def test_worker_that_is_killed_at_a_step_costs_time_only(home: Home, point: str) -> None:
    """Every worker dies at its second photo there, and alone none does: all are cut, none is put aside."""
    oracle = Oracle(home)
    # two photos: each is the first of a worker's sooner or later, whichever is tried alone first
    for number in range(2):
        oracle.remember(photo(home.inbox / f"{number}.png", (60 + number, 40), number))
    with home.daemon(**MOVE, **{VARIABLE: f"{point}:2"}) as daemon:
        oracle.wait_until_settled()
        oracle.check_in_the_end(moved=True)
        assert daemon.process.poll() is None
        assert "tried again alone" in daemon.log
        assert "failed" not in daemon.log
    assert home.visible() == ["0.png", "1.png"]


@pytest.mark.fault("F28")
def test_photo_that_kills_every_worker_is_put_aside_alone(home: Home) -> None:
    """Each worker dies at its first photo: after two deaths alone a photo fails, with a sentence, and stays whole."""
    oracle = Oracle(home)
    for number in range(2):
        oracle.remember(photo(home.inbox / f"{number}.png", (60 + number, 40), number))
    with home.daemon(**MOVE, **{VARIABLE: "worker-cut"}) as daemon:
        until(lambda: daemon.log.count(": failed") == 2, lambda: daemon.log)
        assert "2 times while the photo was alone" in daemon.log
        oracle.check_now()
    with home.daemon(**MOVE) as daemon:
        assert home.bgzero("failed", "retry", "--all").returncode == 0
        daemon.wait_for("0.png", "1.png")


@pytest.mark.fault("F29")
@pytest.mark.parametrize("originals", ["keep", "move"])
@pytest.mark.parametrize("point", ["linked", "unlinked", "folder-flushed", "published"])
def test_output_that_was_published_before_the_death_is_adopted(home: Home, point: str, originals: str) -> None:
    """Its name was written down before, its tag says what it is of: the network does not run again."""
    oracle = Oracle(home)
    oracle.remember(photo(home.inbox / "a.png"))
    env = {"BGZERO_FOLDER__ORIGINALS": originals}
    with home.started(
        "run", "--inbox", home.inbox, "--outbox", home.outbox, **{**MOVE, **env, VARIABLE: point}
    ) as daemon:
        until(lambda: daemon.process.poll() is not None, "it dies")
    before = (home.outbox / "a.png").stat()
    log = see_it_through(home, oracle, **env).log
    assert "was finished before" in log
    assert "a.png: done" not in log
    after = (home.outbox / "a.png").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.fault("F29")
def test_replacement_is_whole_before_and_after_a_death(home: Home) -> None:
    """New content under an old name: at any moment the old cut-out or the new one is there, never none or both."""
    oracle = Oracle(home)
    source = photo(home.inbox / "a.png", seed=1)
    keep = {"BGZERO_FOLDER__ORIGINALS": "keep"}
    see_it_through(home, oracle, **keep)
    photo(source, (70, 50), seed=2)
    with home.started(
        "run", "--inbox", home.inbox, "--outbox", home.outbox, **{**MOVE, **keep, VARIABLE: "replaced"}
    ) as daemon:
        until(lambda: daemon.process.poll() is not None, "it dies")
    oracle.check_now()
    see_it_through(home, oracle, **keep)
    assert home.visible() == ["a.png"]


@pytest.mark.parametrize("point", ["follow-chosen", "followed"])
def test_rename_that_is_cut_short_by_a_death_is_finished(home: Home, point: str) -> None:
    """A renamed photo takes its cut-out with it, also in two goes."""
    oracle = Oracle(home)
    keep = {"BGZERO_FOLDER__ORIGINALS": "keep"}
    source = photo(home.inbox / "a.png")
    see_it_through(home, oracle, **keep)
    source.rename(home.inbox / "b.png")
    with home.started(
        "run", "--inbox", home.inbox, "--outbox", home.outbox, **{**MOVE, **keep, VARIABLE: point}
    ) as daemon:
        until(lambda: daemon.process.poll() is not None, "it dies")
    log = see_it_through(home, oracle, **keep).log
    assert home.visible() == ["b.png"]
    assert ": done" not in log


@pytest.mark.fault("F60")
@pytest.mark.parametrize(
    "point", ["ledger-copied", "ledger-version-2", "ledger-version-3", "ledger-version-4", "ledger-version-5"]
)
def test_ledger_that_was_being_brought_forward_is_whole(home: Home, point: str) -> None:
    """A death in the middle of a migration: the next start goes on, and what was decided is decided."""
    photo(home.inbox / "a.png")
    keep = {"BGZERO_FOLDER__ORIGINALS": "keep"}
    state = home.root / "state" / "bgzero"
    state.mkdir(parents=True)
    found = (home.inbox / "a.png").stat()
    old = sqlite3.connect(state / "ledger.db", isolation_level=None)
    old.executescript(f"{base._STEPS[1]} PRAGMA user_version = 1;")
    mark = found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
    row = (os.fsencode(home.inbox), b"a.png", *mark, "skipped", "", b"", "", "It was there before.", 7.0)
    old.execute("INSERT INTO photo VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)", row)
    old.close()
    die(home, point, **keep)
    with home.daemon(**{**MOVE, **keep}) as daemon:
        photo(home.inbox / "b.png")
        daemon.wait_for("b.png")
        assert home.visible() == ["b.png"]
    assert (state / "ledger.db.version-1").exists()


@pytest.mark.fault("F27")
def test_empty_file_that_held_a_name_when_somebody_died_is_filled(home: Home) -> None:
    """No links and no renameat2 (strace refuses both): the name is held by an empty file, and a death leaves it."""
    photo(home.inbox / "a.png")
    inject = ["-e", "inject=link,linkat:error=EPERM", "-e", "inject=renameat2:error=EINVAL"]
    command = ["strace", "-D", "-f", "-o", "/dev/null", "-e", "trace=link,linkat,renameat2", *inject, "bgzero", "run"]
    places = ["--inbox", str(home.inbox), "--outbox", str(home.outbox)]
    with home.started_by([*command, *places], **MOVE, **{VARIABLE: "held"}) as daemon:
        until(lambda: daemon.process.poll() is not None, "it dies")
    assert (home.outbox / "a.png").stat().st_size == 0
    oracle = Oracle(home)
    see_it_through(home, oracle)
    assert home.visible() == ["a.png"]


def test_failure_that_was_written_down_before_the_death_stays_one_failure(home: Home) -> None:
    """No second attempt, no second line."""
    (home.inbox / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200))
    once = {"BGZERO_WATCH__MAX_WAIT_SECONDS": "0"}
    die(home, "failure-written", **once)
    with home.daemon(**MOVE, **once) as daemon:
        until(lambda: b"a.png" in home.bgzero("failed").stdout, "it is listed")
        time.sleep(1)
        assert "failed" not in daemon.log


@pytest.mark.fault("F28")
@pytest.mark.parametrize("number", [1, 4, 9, 20, 40])
def test_kill_in_the_middle_of_a_write_leaves_the_ledger_whole(home: Home, number: int) -> None:
    """strace kills the service at its n-th write with an offset: SQLite's, once the ledger is there."""
    assert home.once(**MOVE).returncode == 0
    oracle = Oracle(home)
    for index in range(4):
        oracle.remember(photo(home.inbox / f"{index}.png", (60 + index, 40), index))
    inject = f"inject=pwrite64:signal=KILL:when={number}"
    command = ["strace", "-D", "-f", "-o", "/dev/null", "-e", "trace=pwrite64", "-e", inject, "bgzero", "run"]
    with home.started_by([*command, "--inbox", str(home.inbox), "--outbox", str(home.outbox)], **MOVE) as daemon:
        until(lambda: daemon.process.poll() is not None or len(home.visible()) == 4, "it dies, or lives on")
        oracle.check_now()
    log = see_it_through(home, oracle).log
    assert "is damaged" not in log
    assert home.visible() == [f"{index}.png" for index in range(4)]


@pytest.mark.fault("F28")
def test_half_an_output_is_never_visible(home: Home) -> None:
    """Each worker stops after the first of its file's pieces, and dies: it is hidden, and cleared away."""
    oracle = Oracle(home)
    noise = np.random.default_rng(1).integers(200, 255, (900, 900, 3), dtype=np.uint8)
    Image.fromarray(noise).save(home.inbox / "large.png")
    oracle.remember(home.inbox / "large.png")
    with home.daemon(**MOVE, **{VARIABLE: "worker-writes:1:STOP"}) as daemon:
        for _try in range(3):
            until(lambda: stopped(daemon.worker()), lambda: daemon.log)
            worker = daemon.worker()
            assert worker
            (half,) = [size_of(file) for file in oracle.leftovers()]
            assert 1 << 20 <= half < 1.5 * (1 << 20), "a megabyte, of two"
            assert home.visible() == []
            os.kill(worker, signal.SIGKILL)
            until(lambda: not is_alive(worker), "it is dead")  # noqa: B023 - asked at once
        until(lambda: ": failed" in daemon.log, lambda: daemon.log)
        assert home.visible() == []
        until(lambda: not oracle.leftovers(), "and is gone")
    with home.daemon(**MOVE) as daemon:
        assert home.bgzero("failed", "retry", "--all").returncode == 0
        daemon.wait_for("large.png")
        oracle.check_now()


def stopped(pid: int | None) -> bool:
    """Say whether a process was stopped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    except OSError:
        return False


def size_of(file: Path) -> int:
    """Return a file's length in bytes, 0 where it is gone."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0
