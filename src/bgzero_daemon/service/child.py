"""One worker process as the pool sees it: started, spoken to, watched, ended."""

import logging
import math
import os
import socket
import subprocess
import time
from concurrent.futures import Future
from dataclasses import dataclass, field

import psutil

from bgzero_daemon.catalog.card import Model
from bgzero_daemon.core.errors import (
    BgzeroError,
    Code,
    PhotoCrashed,
    PhotoDelayed,
    WorkforceLost,
)
from bgzero_daemon.core.job import Staged, Task
from bgzero_daemon.core.texts import _
from bgzero_daemon.service.allowance import Allowance
from bgzero_daemon.service.growth import Growth
from bgzero_daemon.service.launch import launch
from bgzero_daemon.service.refusal import refusal
from bgzero_daemon.service.sizes import Sizes
from bgzero_daemon.settings.schema import Config
from bgzero_daemon.wire import work

log = logging.getLogger(__name__)

_GRACE_SECONDS = 5.0
_SAMPLE_SECONDS, _CLOSE_SECONDS = 0.25, 0.02  # the latter from half of its memory on
_NEARLY_FULL = 0.8  # of its memory: renewed before it has to be killed


@dataclass(slots=True)
class _Held:
    task: Task
    future: "Future[Staged]"
    has_begun: bool = False
    sha256: str = ""
    due: float = math.inf


@dataclass(slots=True)
class Child:
    """A worker with one model. Every method is called from the pool's thread.

    Moments are seconds of the monotonic clock, which stands still while the machine sleeps. `photos` counts what
    it was given; `is_proven` says that it began with one; `rest_since` is when it last had nothing to do;
    `is_retiring` says that it is to get nothing more. `most_pixels` is what a photo of unknown size is taken for.
    """

    model: Model
    sock: socket.socket
    process: subprocess.Popen[bytes]
    allowance: Allowance
    memory_bytes: int
    most_pixels: int
    ready_due: float
    rest_since: float
    provider: str = ""
    note: str = ""
    photos: int = 0
    is_proven: bool = False
    resident_bytes: int = 0
    has_grown: bool = False
    is_retiring: bool = False
    held: dict[str, _Held] = field(default_factory=dict)
    _growth: Growth = field(default_factory=Growth)
    _sampled: float = 0.0
    _why: BgzeroError | None = None
    _killed: float = math.inf

    @classmethod
    def start(cls, model: Model, config: Config, sizes: Sizes, *, nice: int) -> "Child":
        """Spawn a worker and tell it its model. Raises WorkforceLost where that is impossible."""
        sock, process, weights_bytes = launch(model, config, sizes, nice=nice)
        log.debug("worker %d started for %s", process.pid, model.name)
        allowance = Allowance(model.card.seconds, sizes.lanes, config.worker.deadline_seconds)
        now = time.monotonic()
        due = now + allowance.to_load(weights_bytes)
        most_pixels = int(config.limits.megapixels * 1e6)
        return cls(model, sock, process, allowance, sizes.memory_bytes, most_pixels, ready_due=due, rest_since=now)

    def is_undead(self, now: float) -> bool:
        """Say whether it was killed and does not end: it hangs in the kernel, and nobody is to wait for it."""
        return now >= self._killed + _GRACE_SECONDS

    @property
    def is_ready(self) -> bool:
        """Say whether its model is loaded."""
        return bool(self.provider)

    def give(self, task: Task, future: "Future[Staged]") -> None:
        """Send a task. Raises OSError where the worker is gone: `bury` answers for the task then."""
        self.held[task.job] = _Held(task, future)
        self.photos += 1
        order = work.Cut(job=task.job, name=task.name, metadata=task.recipe.metadata, product=task.recipe.product)
        work.send(self.sock, order, (task.source, task.staged))

    def listen(self) -> bool:
        """Take one frame. Returns False where the worker has ended or makes no sense."""
        try:
            received = work.receive(self.sock)
            if received is not None:
                frame, descriptors = received
                for descriptor in descriptors:  # no worker has a reason to send any
                    os.close(descriptor)
                self._take(frame)
                return not isinstance(frame, work.Unfit)
        except OSError as error:  # killed with frames unread
            log.debug("worker %d: %s", self.process.pid, error)
        except work.ProtocolError as error:
            log.warning("worker %d: %s", self.process.pid, error)
            self.process.kill()
        return False

    def _take(self, frame: work.Frame) -> None:
        now = time.monotonic()
        match frame:
            case work.Ready():
                self._on_ready(frame)
            case work.Unfit():
                self._why = WorkforceLost(frame.sentence, hint=frame.hint)
            case work.Begun() if held := self.held.get(frame.job):
                held.has_begun = self.is_proven = True
                held.due = now + self.allowance.to_read(held.task.size_bytes)
            case work.Hashed() if held := self.held.get(frame.job):
                held.sha256 = frame.sha256
                held.due = now + self.allowance.to_cut(self._pixels(held.task))
                go = frame.sha256 != held.task.done_sha256
                work.send(self.sock, work.Verdict(job=frame.job, go=go))
                if not go:
                    self._release(frame.job).future.set_result(Staged(frame.sha256, dropped=True))
            case work.Done() if frame.job in self.held:
                self._note_provider(frame.provider)
                self.allowance.note(frame.seconds.get("network", 0.0))
                held = self._release(frame.job)
                held.future.set_result(self._staged(held, frame))
            case work.Refused() if frame.job in self.held:
                held = self._release(frame.job)
                held.future.set_exception(refusal(frame, held.sha256))

    def _on_ready(self, frame: work.Ready) -> None:
        self.ready_due = math.inf
        self.sample()
        if self.resident_bytes > self.memory_bytes:
            sentence = _("The model {name} takes {have} MB of memory, and a worker may use {limit} MB.").format(
                name=self.model.name, have=self.resident_bytes // 1_000_000, limit=self.memory_bytes // 1_000_000
            )
            self._kill(WorkforceLost(sentence, hint=_("Raise worker.memory_limit, or choose a smaller model.")))
            return
        self.provider, self.note = frame.provider, frame.note
        log.info("model %s on %s, loaded in %.1f s", self.model.name, frame.provider, frame.seconds)

    def _note_provider(self, provider: str) -> None:
        """Say which one really ran: a GPU that fails in the middle leaves its photos to the CPU."""
        if provider != self.provider:
            self.note = _("{provider} failed").format(provider=self.provider)
            self.provider = provider

    def _release(self, job: str) -> _Held:
        self.sample()
        is_nearly_full = self.resident_bytes > _NEARLY_FULL * self.memory_bytes
        self.has_grown = self._growth.note(self.resident_bytes) or is_nearly_full or self.has_grown
        held = self.held.pop(job)
        self.rest_since = time.monotonic()
        return held

    def _staged(self, held: _Held, done: work.Done) -> Staged:
        return Staged(
            source_sha256=held.sha256,
            size_bytes=done.staged_bytes,
            sha256=done.staged_sha256,
            width_px=done.width_px,
            height_px=done.height_px,
            model=self.model.name,
            provider=done.provider,
            note=done.note,
            seconds=done.seconds,
        )

    def sample(self) -> None:
        """Ask how much memory it has."""
        self._sampled = time.monotonic()
        try:
            self.resident_bytes = psutil.Process(self.process.pid).memory_info().rss
        except psutil.Error:
            log.debug("worker %d is gone", self.process.pid)

    def next_look(self) -> float:
        """Return when `look_after` is due, `math.inf` for a worker that rests."""
        if self._why:
            return self._killed + _GRACE_SECONDS
        if not self.held:
            return self.ready_due
        return min(self.ready_due, self._next_sample(), *(held.due for held in self.held.values()))

    def _next_sample(self) -> float:
        is_close = 2 * self.resident_bytes > self.memory_bytes
        return self._sampled + (_CLOSE_SECONDS if is_close else _SAMPLE_SECONDS)

    def look_after(self, now: float) -> None:
        """Kill it where it hangs or has grown too large. Its socket closes, and `bury` tells why."""
        if self._why:
            return
        if now >= self.ready_due:
            self._kill(WorkforceLost(_("The model {name} could not be loaded in time.").format(name=self.model.name)))
            return
        for held in self.held.values():
            if now >= held.due:
                self._on_overdue(held)
                return
        if self.held and now >= self._next_sample():
            self.sample()
            if self.resident_bytes > self.memory_bytes:
                self._kill(
                    PhotoCrashed(
                        _("The worker grew beyond {limit} MB of memory.").format(limit=self.memory_bytes // 1_000_000),
                        hint=_("Raise worker.memory_limit, or export the photo smaller."),
                        code=Code.TOO_HEAVY,
                    )
                )

    def _pixels(self, task: Task) -> int:
        """Return how large a photo may be: headers say anything, and beyond the limit it is refused anyway."""
        return min(task.pixels or self.most_pixels, self.most_pixels)

    def _on_overdue(self, held: _Held) -> None:
        if not held.sha256:  # a dead mount: nobody's strike, but this photo is in no hurry
            sentence = _("The photo could not be read in time.")
            self.held.pop(held.task.job).future.set_exception(PhotoDelayed(sentence))
            self._kill(WorkforceLost(sentence))
            return
        seconds = round(self.allowance.to_cut(self._pixels(held.task)))
        self._kill(
            PhotoCrashed(
                _("It was not finished within {seconds} s.").format(seconds=seconds),
                hint=_("It may provoke a bug in a decoder: export it again. Or raise worker.deadline_seconds."),
                code=Code.TOO_SLOW,
            )
        )

    def _kill(self, why: BgzeroError) -> None:
        log.debug("worker %d is killed: %s", self.process.pid, why)
        self._why, self._killed, self.is_retiring = why, time.monotonic(), True
        self.process.kill()

    def bury(self) -> WorkforceLost:
        """Answer for every task the dead worker still held, and take back what the process used. Returns what it was.

        A photo that a lane had begun with may have killed the worker: one strike. One that was still
        waiting in the worker cannot have: no strike.
        """
        self.sock.close()
        status = self._end_of_process()
        log.debug("worker %d ended with %s", self.process.pid, status)
        why = self._why or PhotoCrashed(
            _("The worker ended in the middle of its work ({how}).").format(how=_how(status)),
            hint=_("The file is damaged, or provokes a bug in a decoder. Try to export it again."),
        )
        lost = why if isinstance(why, WorkforceLost) else WorkforceLost(str(why), hint=why.hint)
        for held in self.held.values():
            held.future.set_exception(why if self.is_ready and held.has_begun else lost)
        self.held.clear()
        return lost

    def _end_of_process(self) -> int | None:
        """Wait for the process to end, killing it if need be. None: it hangs in the kernel, and is reaped some day."""
        for _attempt in range(2):
            try:
                return self.process.wait(_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
        log.warning(_("The worker %d does not end: it waits for a device or a mount."), self.process.pid)
        return None

    def end(self, kill: bool = False) -> None:
        """Close the socket, which ends the worker, or kill it at once; then `bury` it."""
        if kill:
            self.process.kill()
        self.bury()


def _how(status: int | None) -> str:
    if status is None:
        return _("it does not end")
    return (
        _("signal {number}").format(number=-status) if status < 0 else _("exit status {number}").format(number=status)
    )
