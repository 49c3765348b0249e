"""Photos on their way as the daemon has them, timed: the same worker, staged files and last steps."""

import os
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import BinaryIO

from bgzero_daemon.cli.gauge import Cost, Gauge
from bgzero_daemon.cli.source import Sources, pixels_of
from bgzero_daemon.core.errors import BgzeroError, Code, PhotoRefused
from bgzero_daemon.core.job import Staged, Task
from bgzero_daemon.core.names import display, to_wire
from bgzero_daemon.core.recipe import Recipe
from bgzero_daemon.core.texts import _
from bgzero_daemon.service.outbox import Outbox, StagedFile
from bgzero_daemon.service.pool import LocalWorkforce
from bgzero_daemon.service.sight import hash_of

WORKER_STEPS = ("decode", "tensor", "wait", "network", "edges", "encode")
SERVICE_STEPS = ("hash", "check", "publish")
"""The service's last steps: hash the photo; read the staged file back and flush it; give it its name."""

Seconds = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Passage:
    """One photo's way. `wall` and `cpu` are seconds of each step, `seconds` all of it, from opening to its name."""

    pixels: int
    source_bytes: int
    output_bytes: int
    seconds: float
    wall: Seconds
    cpu: Seconds


@dataclass(frozen=True, slots=True)
class Alone:
    """Photos that were cut one at a time: medians, as in `Passage`."""

    seconds: float
    wall: Seconds
    cpu: Seconds

    @classmethod
    def of(cls, passages: Sequence[Passage]) -> "Alone":
        """Take the medians."""
        return cls(
            statistics.median(one.seconds for one in passages),
            _medians([one.wall for one in passages]),
            _medians([one.cpu for one in passages]),
        )

    def bound_seconds(self, cores: int, *, on_cpu: bool) -> float:
        """Return the least seconds a photo, many after another: decoding, network and compressing alone, on all cores.

        A network that runs elsewhere takes its wall time there, beside the rest; the slower of both counts.
        """
        work = self.cpu["decode"] + self.cpu["deflate"]
        return (work + self.cpu["network"]) / cores if on_cpu else max(work / cores, self.wall["network"])


def _medians(told: Sequence[Seconds]) -> dict[str, float]:
    steps = dict.fromkeys(step for one in told for step in one)
    return {step: statistics.median(one.get(step, 0.0) for one in told) for step in steps}


@dataclass(frozen=True, slots=True)
class _Held:
    photo: str
    source: BinaryIO
    staged: StagedFile
    began: float

    def let_go(self) -> None:
        self.source.close()
        self.staged.discard()


class Track:
    """Cuts photos and takes their times. Cut-outs are published in the outbox and removed at once."""

    def __init__(self, workforce: LocalWorkforce, recipe: Recipe, outbox: Outbox) -> None:
        self._workforce, self._recipe, self._outbox = workforce, recipe, outbox
        self._sources = Sources()
        self._errands = ThreadPoolExecutor(1, thread_name_prefix="bgzero-errand")  # as each outbox has one
        self._number = 0

    def one(self, photo: str) -> Passage:
        """Cut a photo while no other is in work.

        Raises PhotoRefused for one that cannot be read or cut, and BgzeroError for what is not the photo's fault.
        """
        future, held = self._begin(photo)
        try:
            staged = future.result()
        except BgzeroError:
            held.let_go()
            raise
        return self._errands.submit(self._end, held, staged).result()

    def many(self, photos: Iterable[str], report: Callable[[], None]) -> tuple[list[Passage], Cost]:
        """Cut all photos at once, as the lanes have room. `report` is called for each. Raises BgzeroError."""
        gauge = Gauge(self._pids)
        waiting, work = deque(photos), dict[Future[Staged], _Held]()
        ending: list[Future[Passage]] = []
        gauge.start()
        try:
            while waiting or work:
                while waiting and (not work or self._workforce.places(self._recipe.model) > 0):
                    future, held = self._begin(waiting.popleft())
                    work[future] = held
                for future in wait(work, return_when=FIRST_COMPLETED).done:
                    ending.append(self._errands.submit(self._end, work.pop(future), future.result()))
                    ending[-1].add_done_callback(lambda _done: report())
            passages = [one.result() for one in ending]
            return passages, gauge.stop()
        finally:
            gauge.end()

    def close(self) -> None:
        """Wait for the last steps that are under way."""
        self._errands.shutdown(cancel_futures=True)

    def _pids(self) -> list[int]:
        return [int(str(worker["pid"])) for worker in self._workforce.told]

    def _begin(self, photo: str) -> "tuple[Future[Staged], _Held]":
        began = time.monotonic()
        try:
            source = self._sources.open(photo)
        except OSError as error:
            why = _("it cannot be read: {why}.").format(why=error.strerror)
            raise PhotoRefused(why, code=Code.UNREADABLE) from error
        held = _Held(photo, source, self._outbox.stage(), began)
        self._number += 1
        task = Task(
            str(self._number), to_wire(os.path.basename(photo)), self._recipe, source.fileno(), held.staged.descriptor,
            size_bytes=os.fstat(source.fileno()).st_size, pixels=pixels_of(source),
        )  # fmt: skip
        return self._workforce.submit(task), held

    def _end(self, held: _Held, staged: Staged) -> Passage:
        """Do the last steps as the daemon does them, in a thread of their own."""
        try:
            laps, source = _Laps(), held.source.fileno()
            if hash_of(source) != staged.source_sha256:
                raise BgzeroError(_("{photo} has changed while it was read.").format(photo=display(held.photo)))
            laps.lap("hash")
            self._outbox.seal(held.staged, staged)
            laps.lap("check")
            name = f"{held.staged.path.stem.lstrip('.')}.png"
            self._outbox.publish(held.staged, name, may_replace=False)
            laps.lap("publish")
            seconds = time.monotonic() - held.began
            (self._outbox.root / name).unlink()
            return Passage(
                staged.width_px * staged.height_px, os.fstat(source).st_size, staged.size_bytes, seconds,
                {**staged.seconds, **laps.wall}, {**staged.cpu_seconds, **laps.cpu},
            )  # fmt: skip
        finally:
            held.let_go()


class _Laps:
    """Wall time of each step, and CPU time of this thread."""

    def __init__(self) -> None:
        self.wall: dict[str, float] = {}
        self.cpu: dict[str, float] = {}
        self._last = time.monotonic(), time.thread_time()

    def lap(self, step: str) -> None:
        now = time.monotonic(), time.thread_time()
        self.wall[step], self.cpu[step] = now[0] - self._last[0], now[1] - self._last[1]
        self._last = now
