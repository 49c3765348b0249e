"""One worker from the pool's side, with a process that only sleeps at the other end of the socket."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from bgzero_daemon.catalog import shelf
from bgzero_daemon.core.errors import Code, PhotoCrashed, PhotoDelayed, WorkforceLost
from bgzero_daemon.core.job import Staged, Task
from bgzero_daemon.core.recipe import Recipe
from bgzero_daemon.service.allowance import Allowance
from bgzero_daemon.service.child import Child
from bgzero_daemon.service.meter import Meter
from bgzero_daemon.service.murmur import Murmur
from bgzero_daemon.service.process import WorkerProcess
from bgzero_daemon.service.sizes import Sizes
from bgzero_daemon.settings.schema import Worker
from bgzero_daemon.wire import framing, work
from tests.home import until

WANTED = Worker()
DONE = work.Done(
    job="1", staged_bytes=1, staged_sha256="ab" * 32, width_px=1, height_px=1, provider="cpu", seconds={"network": 50.0}
)
READY = work.Ready(provider="cpu", seconds=0.1, network_seconds=0.1, sandbox="closed", is_verified=True)

Pair = tuple[Child, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """A child that believes it has a worker, and the worker's end."""
    ours, theirs = socket.socketpair()
    ours.settimeout(5)
    model = shelf.installed("u2netp")
    process = subprocess.Popen(["sleep", "600"], stderr=subprocess.PIPE)
    assert process.stderr
    murmur = Murmur(process.pid, process.stderr)
    now = time.monotonic()
    sizes = Sizes(workers=1, threads=1, lanes=2, runs=1, memory_bytes=10**9, photo_pixels=10**6)
    meter = Meter(process.pid, sizes.memory_bytes)
    child = Child(
        "u2netp",
        model,
        ours,
        WorkerProcess(process),
        murmur,
        Allowance(0.1, 2),
        sizes,
        meter,
        ready_due=now + 100,
        rest_since=now,
    )
    yield child, theirs
    theirs.close()
    ended(child)
    process.wait(10)


def ended(child: Child) -> None:
    """Kill it if need be, wait for its end, and let it answer for what it held."""
    child.leave(kill=True)
    until(lambda: child.process.is_over(time.monotonic()), "it ends")
    child.bury()


def given(child: Child, job: str) -> "Future[Staged]":
    """Give it a task."""
    future: Future[Staged] = Future()
    with open(os.devnull, "r+b") as file:
        child.give(Task(job, f"{job}.jpg", Recipe("u2netp"), file.fileno(), file.fileno(), size_bytes=10), future)
    return future


def said(pair: Pair, *frames: work.Frame) -> None:
    """Let the worker say something."""
    for frame in frames:
        framing.send(pair[1], frame)
        assert pair[0].listen()


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
    assert child.process.popen.wait(5) == -9
    ended(child)
    assert isinstance(other.exception(0), WorkforceLost)


def test_photo_that_hangs_takes_those_beside_it_down_as_suspects(pair: Pair) -> None:
    """Nobody can tell which one hangs; one that was not begun with is none."""
    child = pair[0]
    first, second, third = given(child, "1"), given(child, "2"), given(child, "3")
    said(pair, READY, work.Begun(job="1"), work.Hashed(job="1", sha256="ab" * 32), work.Begun(job="2"))
    child.look_after(time.monotonic() + 31)
    ended(child)
    assert [type(future.exception(0)) for future in (first, second, third)] == [
        PhotoCrashed, PhotoCrashed, WorkforceLost,
    ]  # fmt: skip
    assert "not finished within" in str(first.exception(0))
    assert "with a photo that was not finished in time" in str(second.exception(0))


def test_model_that_loads_for_ever_is_given_up(pair: Pair) -> None:
    """Not the photos' fault."""
    child = pair[0]
    future = given(child, "1")
    child.look_after(time.monotonic() + 50)
    assert child.process.popen.poll() is None
    child.look_after(time.monotonic() + 101)
    ended(child)
    assert isinstance(future.exception(0), WorkforceLost)
    assert "could not be loaded in time" in str(future.exception(0))


def test_descriptors_from_a_worker_are_closed(pair: Pair) -> None:
    """It has no reason to send any; one that does must not fill the service's table."""
    said(pair, READY)
    before = len(os.listdir("/proc/self/fd"))
    with open(os.devnull, "rb") as file:
        for number in range(5):
            given(pair[0], str(number))
            framing.send(pair[1], work.Begun(job=str(number)), (file.fileno(), file.fileno()))
            assert pair[0].listen()
    assert len(os.listdir("/proc/self/fd")) == before


def test_nobody_waits_for_the_rest_of_a_frame(pair: Pair) -> None:
    """A worker that sends one byte at a time must not stop the pool's thread; its deadlines go on."""
    given(pair[0], "1")
    far, near = socket.socketpair()
    with far, near:
        framing.send(far, READY)
        whole = near.recv(1 << 16)
    for byte in whole[:-1]:
        pair[1].sendall(bytes([byte]))
        began = time.monotonic()
        assert pair[0].listen()
        assert time.monotonic() - began < 0.5
        assert not pair[0].is_ready
    pair[1].sendall(whole[-1:])
    assert pair[0].listen()
    assert pair[0].is_ready


BEGUN, HASHED = work.Begun(job="1"), work.Hashed(job="1", sha256="ab" * 32)


@pytest.mark.parametrize(
    "frames",
    [
        (BEGUN, BEGUN), (BEGUN, HASHED, HASHED), (HASHED,), (READY,), (work.Begun(job="2"),),
        (work.Unfit(sentence="No."),), (work.Refused(job="1", verdict="failed", sentence="No."),), (BEGUN, DONE),
    ],
)  # fmt: skip
def test_worker_that_says_things_out_of_turn_is_ended(pair: Pair, frames: tuple[work.Frame, ...]) -> None:
    """It could move its own deadlines, call itself ready again, or speak of photos that it never had."""
    future = given(pair[0], "1")
    said(pair, READY, *frames[:-1])
    framing.send(pair[1], frames[-1])
    assert not pair[0].listen()
    assert pair[0].process.popen.wait(5) == -9
    ended(pair[0])
    assert isinstance(future.exception(0), PhotoCrashed | WorkforceLost)


def test_header_that_claims_any_size_gets_no_longer_deadline(pair: Pair) -> None:
    """What is beyond the limit is refused in no time: four thousand million pixels buy a hang no hours."""
    child = pair[0]
    future: Future[Staged] = Future()
    with open(os.devnull, "r+b") as file:
        child.give(Task("1", "1.jpg", Recipe("u2netp"), file.fileno(), file.fileno(), pixels=1 << 40), future)
    said(pair, READY, work.Begun(job="1"), work.Hashed(job="1", sha256="ab" * 32))
    assert child.held["1"].due < time.monotonic() + 40
    child.look_after(time.monotonic() + 40)
    ended(child)
    assert isinstance(future.exception(0), PhotoCrashed)


def test_killed_worker_that_does_not_end_is_not_waited_for(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a dead disk or mount: it gets nothing more, and after a while it is given up, with a sentence."""
    child = pair[0]
    future = given(child, "1")
    with monkeypatch.context() as patched:
        patched.setattr(child.process.popen, "kill", lambda: None)
        child.look_after(time.monotonic() + 101)
        assert child.is_retiring
        now = time.monotonic()
        assert not child.process.is_over(now)
        assert child.next_look(now, WANTED) < now + 6
        assert child.process.is_over(now + 6)
        assert "does not end" in child.process.how
        child.bury()
    assert isinstance(future.exception(0), WorkforceLost)


def test_worker_that_is_asked_to_end_and_does_not_is_killed(pair: Pair) -> None:
    """A process that sleeps does not see its socket close."""
    child = pair[0]
    child.leave()
    now = time.monotonic()
    assert not child.process.is_over(now + 4.9)
    assert child.process.popen.poll() is None
    child.process.is_over(now + 5.1)
    assert child.process.popen.wait(5) == -9


def test_worker_that_begins_with_nothing_is_given_up(pair: Pair) -> None:
    """Frozen while it had nothing to do: no photo's fault."""
    child = pair[0]
    said(pair, READY)
    now = time.monotonic()
    child.look_after(now + 1000)
    assert not child.process.is_leaving, "it is loaded, and nothing is due"
    future = given(child, "1")
    child.look_after(now + 29)
    assert child.process.popen.poll() is None
    child.look_after(now + 31)
    ended(child)
    assert isinstance(future.exception(0), WorkforceLost)


def test_photo_that_waits_for_a_lane_has_no_deadline(pair: Pair) -> None:
    """As long as another one is in work, whose own deadline counts; then it has to be begun with."""
    child = pair[0]
    said(pair, READY)
    given(child, "1")
    said(pair, work.Begun(job="1"), work.Hashed(job="1", sha256="ab" * 32))
    child.held["1"].due += 1000
    given(child, "2")
    child.look_after(time.monotonic() + 500)
    assert child.process.popen.poll() is None
    said(pair, work.Refused(job="1", verdict="failed", sentence="No."))
    child.look_after(time.monotonic() + 31)
    assert child.process.popen.wait(5) == -9


def test_deadlines_move_by_the_time_nobody_listened(pair: Pair) -> None:
    """Ctrl-Z and fg of the whole service: nobody hangs."""
    child = pair[0]
    given(child, "1")
    said(pair, READY, work.Begun(job="1"), work.Hashed(job="1", sha256="ab" * 32))
    child.forgive(600)
    child.look_after(time.monotonic() + 601)
    assert child.process.popen.poll() is None
    child.look_after(time.monotonic() + 631)
    assert child.process.popen.wait(5) == -9


def test_network_that_fails_on_a_photo_makes_it_a_suspect(pair: Pair) -> None:
    """It ran at the start, so it is the photo or the worker: another worker tries it alone, this one gets nothing."""
    child = pair[0]
    future = given(child, "1")
    said(pair, READY, work.Begun(job="1"), work.Refused(job="1", verdict="broken", sentence="The network failed."))
    assert isinstance(future.exception(0), PhotoCrashed)
    assert child.is_retiring


def test_short_of_memory_is_a_strike_only_in_the_end(pair: Pair) -> None:
    """It is tried alone then, where nobody else takes memory."""
    future = given(pair[0], "1")
    said(pair, READY, work.Begun(job="1"), work.Refused(job="1", verdict="heavy", sentence="Not enough memory."))
    error = future.exception(0)
    assert isinstance(error, PhotoCrashed)
    assert error.code == Code.TOO_HEAVY


def test_speed_is_learned_from_the_first_run_and_every_photo(pair: Pair) -> None:
    """A machine a hundred times slower than the card's gets longer deadlines before its first photo."""
    child = pair[0]
    said(pair, work.Ready(provider="cpu", seconds=60, network_seconds=10.0, sandbox="off", is_verified=True))
    assert child.allowance.to_cut(0) >= 200
    given(child, "1")
    said(pair, work.Begun(job="1"), work.Hashed(job="1", sha256="ab" * 32), DONE)
    assert child.allowance.to_cut(0) >= 270
    assert child.rest_since > time.monotonic() - 5


def test_rest_begins_with_the_last_photo(pair: Pair) -> None:
    """Not when the worker was started."""
    child = pair[0]
    child.rest_since = 0.0
    given(child, "1")
    said(pair, READY, work.Begun(job="1"), work.Refused(job="1", verdict="failed", sentence="No."))
    assert child.rest_since > 0
    assert child.next_look(time.monotonic(), WANTED) == child.rest_since + 300


def test_large_photos_are_not_given_to_one_worker_together(pair: Pair) -> None:
    """What memory leaves beside the model, at 20 bytes a pixel; one that is larger is alone."""
    child = pair[0]
    child.sizes = Sizes(workers=1, threads=1, lanes=4, runs=1, memory_bytes=10**9, photo_pixels=10**8)
    said(pair, READY)
    child.meter.base_bytes = 400_000_000  # leaves 400 MB of 800, for 20 million pixels

    def task(job: str, pixels: int, descriptor: int = 0) -> Task:
        return Task(job, job, Recipe("u2netp"), descriptor, descriptor, pixels=pixels)

    assert child.has_room_for(task("0", 99_000_000)), "alone"
    with open(os.devnull, "r+b") as file:
        child.give(task("1", 12_000_000, file.fileno()), Future())
    assert child.has_room_for(task("2", 7_000_000))
    assert not child.has_room_for(task("2", 9_000_000))
    assert not child.has_room_for(task("2", 0)), "unknown: a usual camera's"
    assert not child.has_room_for(task("2", 1 << 40)), "a header that exaggerates"


def test_provider_that_failed_is_tried_again_after_a_while(pair: Pair) -> None:
    """Its worker is renewed once it has nothing in its hands; a lane that speaks of before changes nothing."""
    child, _theirs = pair
    said(pair, READY)
    child.footing.provider = "CUDAExecutionProvider"
    late = DONE.model_copy(update={"job": "2", "provider": "CUDAExecutionProvider"})
    for job in ("1", "2"):
        given(child, job)
        said(pair, work.Begun(job=job), work.Hashed(job=job, sha256="ab" * 32))
    said(pair, DONE, late)
    now = time.monotonic()
    assert (child.footing.provider, child.footing.note) == ("cpu", "CUDAExecutionProvider failed")
    assert 50 < child.footing.due - now <= 60
    assert child.footing.mending.failures == 1
    assert not child.has_served(now, WANTED)
    assert child.next_look(now, WANTED) == child.footing.due
    assert child.has_served(child.footing.due, WANTED)
    assert [child.footing.mending.pause(0.0, "") for _time in range(8)] == [120, 240, 480, 960, 1920, 3600, 3600, 3600]


def test_worker_that_ends_while_it_tries_a_provider_leaves_the_next_one_to_the_cpu(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A driver that crashes or hangs in its proof: not for ever."""
    child, theirs = pair
    monkeypatch.setattr("bgzero_daemon.service.mending.runs_on_cpu", lambda asked: asked == "cpu")
    child.footing.asked = "auto"
    theirs.close()
    child.process.kill(time.monotonic())
    until(lambda: child.process.is_over(time.monotonic()), "it ends")
    child.note_failed_proof()
    assert child.footing.mending.until > time.monotonic() + 50
    assert child.footing.mending.why == "auto: the worker ended while it was tried"
