"""One worker process as the pool sees it: started, spoken to, ended."""

import logging
import os
import socket
import subprocess
import sys
from concurrent.futures import Future
from dataclasses import dataclass, field

from bgzero_daemon.catalog.card import Model
from bgzero_daemon.core.errors import (
    BgzeroError,
    OutputError,
    PhotoCrashed,
    PhotoRefused,
    PhotoSkipped,
    WorkforceLost,
)
from bgzero_daemon.core.job import Staged, Task
from bgzero_daemon.core.texts import _
from bgzero_daemon.settings.schema import Config
from bgzero_daemon.wire import work

log = logging.getLogger(__name__)

_GRACE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much a worker does at once: network threads, and photos in work."""

    threads: int
    lanes: int

    @classmethod
    def of(cls, config: Config) -> "Sizes":
        """Take the configured sizes, or choose them from the cores this process may use."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return cls(config.worker.threads or cores, config.worker.lanes or min(4, max(2, cores)))


@dataclass(slots=True)
class _Held:
    task: Task
    future: "Future[Staged]"
    sha256: str = ""


@dataclass(slots=True)
class Child:
    """A worker with one model. Every method is called from the pool's thread."""

    model: Model
    sock: socket.socket
    process: subprocess.Popen[bytes]
    is_ready: bool = False
    held: dict[str, _Held] = field(default_factory=dict)

    @classmethod
    def start(cls, model: Model, config: Config, sizes: Sizes) -> "Child":
        """Spawn a worker and tell it its model. Raises WorkforceLost where that is impossible."""
        ours, theirs = socket.socketpair()
        try:
            if model.weights is None:
                raise WorkforceLost(_("The weights of {name} are not installed.").format(name=model.name))
            with theirs, open(model.weights, "rb") as weights:
                process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "bgzero_daemon.worker.main", str(theirs.fileno())],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    # BLAS threads would fight the network's; the switch against telemetry is inherited
                    env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
                )
                setup = work.Setup(
                    model=model.name,
                    card=model.card,
                    provider=config.model.provider,
                    threads=sizes.threads,
                    lanes=sizes.lanes,
                    max_pixels=int(config.limits.megapixels * 1e6),
                    max_bytes=int(config.limits.megabytes * 1e6),
                )
                work.send(ours, setup, (weights.fileno(),))
        except OSError as error:
            ours.close()
            raise WorkforceLost(_("The worker cannot be started: {why}.").format(why=error)) from error
        log.debug("worker %d started for %s", process.pid, model.name)
        return cls(model, ours, process)

    def give(self, task: Task, future: "Future[Staged]") -> None:
        """Send a task. Raises OSError where the worker is gone: `bury` answers for the task then."""
        self.held[task.job] = _Held(task, future)
        order = work.Cut(job=task.job, name=task.name, metadata=task.recipe.metadata, product=task.recipe.product)
        work.send(self.sock, order, (task.source, task.staged))

    def listen(self) -> bool:
        """Take one frame. Returns False where the worker has ended or makes no sense."""
        try:
            received = work.receive(self.sock)
            if received is not None:
                self._take(received[0])
                return not isinstance(received[0], work.Unfit)
        except OSError as error:  # killed with frames unread
            log.debug("worker %d: %s", self.process.pid, error)
        except work.ProtocolError as error:
            log.warning("worker %d: %s", self.process.pid, error)
            self.process.kill()
        return False

    def _take(self, frame: work.Frame) -> None:
        match frame:
            case work.Ready():
                self.is_ready = True
                log.info("model %s on %s, loaded in %.1f s", self.model.name, frame.provider, frame.seconds)
            case work.Unfit():
                self._fail_all(WorkforceLost(frame.sentence, hint=frame.hint))
            case work.Hashed() if held := self.held.get(frame.job):
                held.sha256 = frame.sha256
                go = frame.sha256 != held.task.done_sha256
                work.send(self.sock, work.Verdict(job=frame.job, go=go))
                if not go:
                    self.held.pop(frame.job).future.set_result(Staged(frame.sha256, dropped=True))
            case work.Done() if held := self.held.pop(frame.job, None):
                held.future.set_result(self._staged(held, frame))
            case work.Refused() if held := self.held.pop(frame.job, None):
                held.future.set_exception(_refusal(frame, held.sha256))

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

    def _fail_all(self, error: BgzeroError) -> None:
        for held in self.held.values():
            held.future.set_exception(error)
        self.held.clear()

    def bury(self) -> None:
        """Answer for every task the dead worker still held, and take back what the process used.

        A photo whose bytes were read may have killed the worker: one strike. One that was still
        waiting in the worker cannot have: no strike.
        """
        self.sock.close()
        try:
            status = self.process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        log.debug("worker %d ended with %d", self.process.pid, status)
        for held in self.held.values():
            crashed = self.is_ready and held.sha256
            kind = PhotoCrashed if crashed else WorkforceLost
            held.future.set_exception(
                kind(_("The worker ended in the middle of its work ({how}).").format(how=_how(status)))
            )
        self.held.clear()

    def end(self, kill: bool = False) -> None:
        """Close the socket, which ends the worker, or kill it at once; then `bury` it."""
        if kill:
            self.process.kill()
        self.bury()


def _how(status: int) -> str:
    return (
        _("signal {number}").format(number=-status) if status < 0 else _("exit status {number}").format(number=status)
    )


def _refusal(frame: work.Refused, sha256: str) -> BgzeroError:
    match frame.verdict:
        case "retry":
            return WorkforceLost(frame.sentence, hint=frame.hint)
        case "output":
            return OutputError(frame.sentence, hint=frame.hint)
    kind = PhotoSkipped if frame.verdict == "skipped" else PhotoRefused
    return kind(frame.sentence, hint=frame.hint, code=frame.code, sha256=sha256)
