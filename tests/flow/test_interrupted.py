"""`bgzero run` when it is killed, stopped, started again, or has the ground pulled from under it."""

import os
import signal
from pathlib import Path

import pytest
from PIL import Image

from tests.home import Home, is_alive, photo, until


def staged(home: Home) -> list[Path]:
    """Unpublished files in the outbox."""
    return list(home.outbox.rglob(".bgz-*"))


def test_worker_killed_at_the_third_of_ten_costs_nothing(home: Home) -> None:
    """kill -9 of the worker: ten cut-outs, each once."""
    for number in range(10):
        photo(home.inbox / f"{number}.png", (1500, 1000), number)
    with home.daemon() as daemon:
        until(lambda: len(daemon.outputs()) >= 3, "three results")
        worker = daemon.worker()
        assert worker
        os.kill(worker, signal.SIGKILL)
        daemon.wait_for(*(f"{number}.png" for number in range(10)))
        until(lambda: daemon.log.count(": done") == 10, "ten log lines")
        assert daemon.stop() == 0
    assert len(daemon.outputs()) == 10
    assert not staged(home)


def test_second_start_cuts_nothing_again(home: Home) -> None:
    """The ledger remembers over restarts, for any model, even when an output was taken away."""
    for number in range(3):
        photo(home.inbox / f"{number}.jpg", seed=number)
    assert b"3 cut" in home.once().stderr
    (home.outbox / "1.png").unlink()
    assert b"0 cut" in home.once().stderr
    assert b"0 cut" in home.once(BGZERO_MODEL__NAME="u2netp").stderr
    assert not (home.outbox / "1.png").exists()


def test_lost_ledger_doubles_nothing(home: Home) -> None:
    """Without the ledger the tags in the outputs still tell whose they are."""
    photo(home.inbox / "a.jpg", seed=1)
    photo(home.inbox / "a.png", seed=2)
    home.once()
    outputs = sorted(path.name for path in home.outbox.iterdir())
    for file in (home.root / "state" / "bgzero").glob("ledger.db*"):
        file.unlink()
    assert b"2 cut" in home.once().stderr
    assert sorted(path.name for path in home.outbox.iterdir()) == outputs


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_cleanly_in_the_middle_of_work(home: Home, number: int) -> None:
    """The photos in work are finished, nothing staged stays, the worker is gone, the rest is cut next time."""
    for index in range(12):
        photo(home.inbox / f"{index}.png", (1500, 1000), index)
    with home.daemon() as daemon:
        until(lambda: len(daemon.outputs()) >= 2, "two results")
        worker = daemon.worker()
        assert worker
        assert daemon.stop(number) == 0
    assert not staged(home)
    assert not is_alive(worker)
    done = daemon.log.count(": done")
    assert len(daemon.outputs()) == done < 12
    assert f"{12 - done} cut".encode() in home.once().stderr
    assert len(daemon.outputs()) == 12


def test_service_killed_leaves_no_worker_and_no_staged_file_after_the_next_start(home: Home) -> None:
    """kill -9 of the service: its worker ends by itself; the next start sweeps up and loses nothing."""
    for index in range(8):
        photo(home.inbox / f"{index}.png", (1500, 1000), index)
    with home.daemon() as daemon:
        until(lambda: len(daemon.outputs()) >= 1, "a result")
        worker = daemon.worker()
        daemon.stop(signal.SIGKILL)
    until(lambda: not is_alive(worker), "the worker ends with its service")
    assert home.once().returncode == 0
    assert len(daemon.outputs()) == 8
    assert not staged(home)


@pytest.mark.fault("F16")
def test_output_trouble_is_no_failure_of_the_photo(home: Home) -> None:
    """An outbox that goes away delays photos; when it is back they are cut."""
    with home.daemon() as daemon:
        home.outbox.rename(home.root / "gone")
        photo(home.inbox / "a.jpg")
        until(lambda: "is not there. Work for it waits" in daemon.log, "the sentence")
        assert not home.outbox.exists()
        (home.root / "gone").rename(home.outbox)
        daemon.wait_for("a.png")


def test_photo_that_kills_its_worker_does_not_stop_the_others(home: Home) -> None:
    """A worker that keeps dying takes nobody with it: killed on sight three times, all photos are cut."""
    for number in range(6):
        photo(home.inbox / f"{number}.png", (1500, 1000), number)
    with home.daemon() as daemon:
        killed: set[int] = set()
        for _time in range(3):
            until(lambda: (daemon.worker() or 0) not in (killed | {0}), "a new worker")
            killed.add(worker := daemon.worker() or 0)
            os.kill(worker, signal.SIGKILL)
        daemon.wait_for(*(f"{number}.png" for number in range(6)))


def test_photo_that_changes_while_it_is_cut_is_cut_anew(home: Home) -> None:
    """The bytes that were read are no longer the photo: nothing of them is published, the new ones are cut."""
    photo(home.inbox / "a.png", (400, 300), seed=1)
    places = ("--once", "--inbox", home.inbox, "--outbox", home.outbox)
    with home.started("run", *places) as daemon:
        until(daemon.worker, "the worker")
        worker = daemon.worker()
        assert worker
        os.kill(worker, signal.SIGSTOP)
        photo(home.inbox / "a.png", (90, 60), seed=2)
        os.kill(worker, signal.SIGCONT)
        assert daemon.process.wait(60) == 0
    with Image.open(home.outbox / "a.png") as cutout:
        assert cutout.size == (90, 60)
    assert "1 cut, 0 failed" in daemon.log


def test_photo_that_is_taken_away_while_it_is_cut_is_not_published(home: Home) -> None:
    """Gone is gone: no output, no failure."""
    photo(home.inbox / "a.png", (400, 300))
    with home.started("run", "--once", "--inbox", home.inbox, "--outbox", home.outbox) as daemon:
        until(daemon.worker, "the worker")
        worker = daemon.worker()
        assert worker
        os.kill(worker, signal.SIGSTOP)
        (home.inbox / "a.png").unlink()
        os.kill(worker, signal.SIGCONT)
        assert daemon.process.wait(60) == 0
    assert not list(home.outbox.iterdir())
