"""One worker from the pool's side, with a process that only sleeps at the other end of the socket."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from bgzero_daemon.catalog import shelf
from bgzero_daemon.core.errors import PhotoCrashed, PhotoDelayed, WorkforceLost
from bgzero_daemon.core.job import Staged, Task
from bgzero_daemon.core.recipe import Recipe
from bgzero_daemon.service.allowance import Allowance
from bgzero_daemon.service.child import Child
from bgzero_daemon.wire import work

Pair = tuple[Child, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """A child that believes it has a worker, and the worker's end."""
    ours, theirs = socket.socketpair()
    ours.settimeout(5)
    model = shelf.installed("u2netp")
    process = subprocess.Popen(["sleep", "600"])
    now = time.monotonic()
    child = Child(model, ours, process, Allowance(0.1, 2), 10**9, 10**6, ready_due=now + 100, rest_since=now)
    yield child, theirs
    theirs.close()
    child.end(kill=True)


def given(child: Child, job: str) -> "Future[Staged]":
    """Give it a task."""
    future: Future[Staged] = Future()
    with open(os.devnull, "r+b") as file:
        child.give(Task(job, f"{job}.jpg", Recipe("u2netp"), file.fileno(), file.fileno(), size_bytes=10), future)
    return future


def said(pair: Pair, *frames: work.Frame) -> None:
    """Let the worker say something."""
    for frame in frames:
        work.send(pair[1], frame)
        assert pair[0].listen()


READY = work.Ready(provider="cpu", seconds=0.1)


def test_reading_that_hangs_is_no_strike(pair: Pair) -> None:
    """A dead mount: that photo waits a while, the one that was being cut goes back at once, and the worker ends."""
    child = pair[0]
    slow, other = given(child, "1"), given(child, "2")
    said(pair, READY, work.Begun(job="1"), work.Begun(job="2"), work.Hashed(job="2", sha256="ab" * 32))
    now = time.monotonic()
    assert 25 < child.held["1"].due - now < child.held["2"].due - now + 5
    child.held["2"].due = now + 100
    child.look_after(now + 31)
    assert isinstance(slow.exception(0), PhotoDelayed)
    assert child.process.wait(5) == -9
    child.bury()
    assert isinstance(other.exception(0), WorkforceLost)


def test_photo_that_hangs_takes_those_beside_it_down_as_suspects(pair: Pair) -> None:
    """Nobody can tell which one hangs; one that was not begun with is none."""
    child = pair[0]
    first, second, third = given(child, "1"), given(child, "2"), given(child, "3")
    said(pair, READY, work.Begun(job="1"), work.Hashed(job="1", sha256="ab" * 32), work.Begun(job="2"))
    child.look_after(time.monotonic() + 31)
    child.bury()
    assert [type(future.exception(0)) for future in (first, second, third)] == [
        PhotoCrashed, PhotoCrashed, WorkforceLost,
    ]  # fmt: skip


def test_model_that_loads_for_ever_is_given_up(pair: Pair) -> None:
    """Not the photos' fault."""
    child = pair[0]
    future = given(child, "1")
    child.look_after(time.monotonic() + 50)
    assert child.process.poll() is None
    child.look_after(time.monotonic() + 101)
    child.bury()
    assert isinstance(future.exception(0), WorkforceLost)
    assert "could not be loaded in time" in str(future.exception(0))


def test_descriptors_from_a_worker_are_closed(pair: Pair) -> None:
    """It has no reason to send any; one that does must not fill the service's table."""
    said(pair, READY)
    before = len(os.listdir("/proc/self/fd"))
    with open(os.devnull, "rb") as file:
        for _time in range(5):
            work.send(pair[1], work.Begun(job="9"), (file.fileno(),))
            assert pair[0].listen()
    assert len(os.listdir("/proc/self/fd")) == before


def test_half_a_frame_ends_the_waiting(pair: Pair) -> None:
    """A worker that stops in the middle of a frame must not stop the pool's thread."""
    pair[0].sock.settimeout(0.2)
    pair[1].sendall(b"BGZ")
    assert not pair[0].listen()


def test_header_that_claims_any_size_gets_no_longer_deadline(pair: Pair) -> None:
    """What is beyond the limit is refused in no time: four thousand million pixels buy a hang no hours."""
    child = pair[0]
    future: Future[Staged] = Future()
    with open(os.devnull, "r+b") as file:
        child.give(Task("1", "1.jpg", Recipe("u2netp"), file.fileno(), file.fileno(), pixels=1 << 40), future)
    said(pair, READY, work.Begun(job="1"), work.Hashed(job="1", sha256="ab" * 32))
    assert child.held["1"].due < time.monotonic() + 40
    child.look_after(time.monotonic() + 40)
    child.bury()
    assert isinstance(future.exception(0), PhotoCrashed)


def test_killed_worker_that_does_not_end_is_not_waited_for(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a dead disk or mount: it gets nothing more, and after a while it is given up."""
    child = pair[0]
    given(child, "1")
    with monkeypatch.context() as patched:
        patched.setattr(child.process, "kill", lambda: None)
        child.look_after(time.monotonic() + 101)
        assert child.is_retiring
        assert not child.is_undead(time.monotonic())
        assert child.next_look() < time.monotonic() + 6
        assert child.is_undead(time.monotonic() + 6)
