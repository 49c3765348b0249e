"""One worker process as the pool sees it: started, spoken to, watched, ended."""

import contextlib
import logging
import math
import socket
import time
from concurrent.futures import Future
from dataclasses import dataclass, field

from bgzero_daemon.catalog.card import Model
from bgzero_daemon.core.errors import BgzeroError, PhotoDelayed, WorkforceLost
from bgzero_daemon.core.job import Staged, Task
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _
from bgzero_daemon.service import answers, blame
from bgzero_daemon.service.allowance import Allowance
from bgzero_daemon.service.doors import Weights
from bgzero_daemon.service.given import Given
from bgzero_daemon.service.launch import launch
from bgzero_daemon.service.mending import Footing
from bgzero_daemon.service.meter import Meter
from bgzero_daemon.service.murmur import Murmur
from bgzero_daemon.service.plan import Plan
from bgzero_daemon.service.process import WorkerProcess
from bgzero_daemon.service.proofs import Proofs
from bgzero_daemon.service.sizes import Sizes
from bgzero_daemon.settings.schema import Worker
from bgzero_daemon.wire import framing, work

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Child:
    """A worker with one model. Every method is called from the pool's thread.

    `name` is what recipes call its model. Moments are seconds of the monotonic clock, which stands still while the
    machine sleeps. `photos` counts what it was given; `is_proven`: it began with one; `rest_since`: when it last had
    nothing to do; `is_retiring`: it is to get nothing more; `is_dismissed`: sent away with nothing to do, or by us;
    `plan`: the number of the one that it was started by.
    """

    name: str
    model: Model
    sock: socket.socket
    process: WorkerProcess
    murmur: Murmur
    allowance: Allowance
    sizes: Sizes
    meter: Meter
    ready_due: float
    rest_since: float
    take_due: float = math.inf
    footing: Footing = field(default_factory=Footing)
    sandbox: str = ""
    is_verified: bool = True
    network_seconds: float = 0.0
    photos: int = 0
    is_proven: bool = False
    is_retiring: bool = False
    is_dismissed: bool = False
    plan: int = 0
    is_unfit: bool = False
    proofs: Proofs = field(default_factory=lambda: Proofs(None))
    held: dict[str, Given] = field(default_factory=dict)
    _why: BgzeroError | None = None
    _culprit: str = ""
    _receiver: framing.Receiver = field(default_factory=framing.Receiver)

    @classmethod
    def start(cls, name: str, model: Model, plan: Plan, weights: Weights) -> "Child":
        """Spawn a worker and tell it its model; the descriptor of `weights` is closed here.

        Raises WorkforceLost where that is impossible.
        """
        now, allowance = time.monotonic(), plan.allowances[name]
        footing = Footing.at(now, plan.config.model.provider, plan.mendings[name], is_prepared=weights.is_prepared)
        sock, popen, weights_bytes = launch(model, plan, weights, footing.asked)
        log.debug("worker %d started for %s", popen.pid, model.name)
        due = now + allowance.to_load(weights_bytes) + allowance.to_prove(footing.asked)
        assert popen.stderr
        return cls(
            name, model, sock, WorkerProcess(popen), Murmur(popen.pid, popen.stderr), allowance, plan.sizes,
            Meter(popen.pid, plan.sizes.memory_bytes), ready_due=due, rest_since=now, plan=plan.number,
            footing=footing, proofs=plan.proofs,
        )  # fmt: skip

    @property
    def is_ready(self) -> bool:
        """Say whether its model is loaded."""
        return bool(self.footing.provider)

    def description(self) -> dict[str, object]:
        """Return what the status says of it."""
        return {
            "pid": self.process.pid, "model": display(self.model.name), "provider": self.footing.provider,
            "note": display(self.footing.note), "sandbox": display(self.sandbox), "photos": self.photos,
            "verified": self.is_verified, "network_seconds": self.network_seconds,
            "memory_mb": self.meter.resident_bytes // 1_000_000, "prepared": self.footing.is_prepared,
            "steps": {job: held.step for job, held in self.held.items()},
        }  # fmt: skip

    def has_room_for(self, task: Task) -> bool:
        """Say whether a task may be given to it now, beside what it holds already."""
        if self.is_retiring or len(self.held) > self.sizes.lanes or (task.is_alone and self.photos):
            return False
        pixels = sum(self.sizes.likely_pixels(held.task) for held in self.held.values())
        return not self.held or pixels + self.sizes.likely_pixels(task) <= self.sizes.pixels_beside(self.base_bytes)

    @property
    def base_bytes(self) -> int:
        """The memory that it needs beside photos: as measured once the model had run, or as its card says."""
        return self.meter.base_bytes or self.sizes.expected_bytes(self.model)

    def give(self, task: Task, future: "Future[Staged]") -> None:
        """Send a task. Raises OSError where the worker is gone: `bury` answers for the task then."""
        self.held[task.job] = given = Given(task, future)
        self.photos += 1
        self._expect_beginning()
        framing.send(self.sock, given.order, (task.source, task.staged))

    def _expect_beginning(self) -> None:
        """Where it is ready and has begun with nothing that it was given, it has to begin soon."""
        if self.is_ready and self.held and not any(held.has_begun for held in self.held.values()):
            self.take_due = min(self.take_due, time.monotonic() + self.allowance.to_begin())
        else:
            self.take_due = math.inf

    def listen(self) -> bool:
        """Take the frames that are there. Returns False where the worker has ended or makes no sense."""
        try:
            frames = self._receiver.receive(self.sock)
            for frame in frames or ():
                self._take(frame)
                if isinstance(frame, work.Unfit):
                    return False
        except OSError as error:  # killed with frames unread
            log.debug("worker %d: %s", self.process.pid, error)
            return False
        except framing.ProtocolError as error:
            log.warning("worker %d: %s", self.process.pid, display(str(error)))
            self.process.kill(time.monotonic())
            return False
        return frames is not None

    def _take(self, frame: work.Frame) -> None:
        now = time.monotonic()
        match frame:
            case work.Ready() if not self.is_ready:
                self._on_ready(frame)
            case work.Unfit() if not self.is_ready:
                self._why, self.is_unfit = WorkforceLost(frame.sentence, hint=frame.hint), True
            case work.Begun() if (held := self.held.get(frame.job)) and not held.has_begun:
                held.has_begun = self.is_proven = True
                held.due = now + self.allowance.to_read(held.task.size_bytes)
            case work.Hashed() if (held := self.held.get(frame.job)) and held.has_begun and not held.sha256:
                self._on_hashed(held, frame)
            case work.Done() if (held := self.held.get(frame.job)) and held.sha256:
                if failed := self.footing.note_ran(now, frame.provider, self.photos):
                    self.proofs.drop(self.model.proof_prefix, failed)
                self.allowance.note(frame.seconds.get("network", 0.0))
                self._release(frame.job)
                held.future.set_result(answers.staged(frame, held.sha256, self.model.name))
            case work.Refused() if (held := self.held.get(frame.job)) and held.has_begun:
                self._on_refused(frame)
            case _:  # it would move its own deadline, or speak of what it was not given
                raise framing.ProtocolError(f"a {frame.kind} frame out of turn")
        self._expect_beginning()

    def _on_ready(self, frame: work.Ready) -> None:
        self.ready_due = math.inf
        self.meter.sample()
        self.meter.base_bytes = self.meter.resident_bytes
        if self.meter.is_beyond:
            self._kill_as_too_large()
            return
        self.network_seconds = frame.network_seconds
        self.allowance.note(frame.network_seconds)
        self.footing.note_ready(time.monotonic(), frame.provider, frame.note)
        self.sandbox, self.is_verified = frame.sandbox, frame.is_verified
        self.proofs.note(self.model.proof_prefix, frame.proofs)
        log.info("model %s on %s, loaded in %.1f s", self.model.name, frame.provider, frame.seconds)

    def _on_hashed(self, held: Given, frame: work.Hashed) -> None:
        held.sha256 = frame.sha256
        held.due = time.monotonic() + self.allowance.to_cut(self.sizes.most_pixels(held.task), held.task.name)
        go = frame.sha256 != held.task.done_sha256
        with contextlib.suppress(OSError):  # it is dead or dying: what it said before still counts
            framing.send(self.sock, work.Verdict(job=frame.job, go=go))
        if not go:
            self._release(frame.job).future.set_result(Staged(frame.sha256, dropped=True))

    def _on_refused(self, frame: work.Refused) -> None:
        held = self._release(frame.job)
        self.is_retiring = self.is_retiring or frame.verdict == "broken"
        held.future.set_exception(answers.refusal(frame, held.sha256))

    def _release(self, job: str) -> Given:
        self.meter.note_photo()
        held = self.held.pop(job)
        self.rest_since = time.monotonic()
        return held

    def next_look(self, now: float, wanted: Worker) -> float:
        """Return when `look_after` or `has_served` is due, `math.inf` where nothing is."""
        if self.process.is_leaving:
            return self.process.next_look(now)
        if not self.held and self.is_ready:
            return min(self._end_of_rest(wanted), self.footing.due)
        return min(self.ready_due, self.take_due, self.meter.next_sample(), *(held.due for held in self.held.values()))

    def forgive(self, seconds: float) -> None:
        """Move all deadlines: for so long nobody was there to hear the worker, or the worker was stopped with us."""
        self.ready_due += seconds
        self.take_due += seconds
        for held in self.held.values():
            held.due += seconds

    def look_after(self, now: float) -> None:
        """Kill it where it hangs or has grown too large; `bury` tells why, once it has ended."""
        if self.process.is_leaving:
            return
        if now >= self.ready_due:
            self._kill(WorkforceLost(_("The model {name} could not be loaded in time.").format(name=self.model.name)))
        elif now >= self.take_due:
            self._kill(WorkforceLost(_("The worker did not begin with a photo in time.")))
        elif overdue := next((held for held in self.held.values() if now >= held.due), None):
            self._on_overdue(overdue)
        elif (self.held or not self.is_ready) and now >= self.meter.next_sample():
            self.meter.sample()
            if self.meter.is_beyond:
                self._kill_as_too_large()

    def has_served(self, now: float, wanted: Worker) -> bool:
        """Say whether it is to be sent away: it rests for long, or it is to be renewed and has nothing in its hands."""
        if (
            self.meter.has_grown
            or now >= self.footing.due
            or (wanted.renew_after and self.photos >= wanted.renew_after)
        ):
            self.is_retiring = True
        if self.held or not (self.is_retiring or now >= self._end_of_rest(wanted)):
            return False
        log.debug("worker %d is %s", self.process.pid, "renewed" if self.is_retiring else "idle")
        return True

    def _end_of_rest(self, wanted: Worker) -> float:
        return self.rest_since + wanted.idle_seconds if wanted.idle_seconds else math.inf

    def _kill_as_too_large(self) -> None:
        have, limit = self.meter.resident_bytes, self.meter.memory_bytes
        self._kill(blame.too_large(limit) if self.is_ready else blame.model_too_large(self.model.name, have, limit))

    def _on_overdue(self, held: Given) -> None:
        if held.sha256:
            self._culprit = held.task.job
            self._kill(blame.too_slow(self.allowance.to_cut(self.sizes.most_pixels(held.task), held.task.name)))
            return
        sentence = _("The photo could not be read in time.")  # a dead mount: nobody's strike, but it is in no hurry
        self.held.pop(held.task.job).future.set_exception(PhotoDelayed(sentence))
        self._kill(WorkforceLost(sentence))

    def _kill(self, why: BgzeroError) -> None:
        log.debug("worker %d is killed: %s", self.process.pid, why)
        self._why, self.is_retiring = why, True
        self.process.kill(time.monotonic())

    def leave(self, *, kill: bool = False) -> None:
        """Close the socket, which ends the worker, or kill it at once; `bury` it once its process is over."""
        self.is_retiring = True
        self.sock.close()
        if kill:
            self.process.kill(time.monotonic())
        self.process.leave(time.monotonic())

    @property
    def why(self) -> BgzeroError:
        """Why it had to be ended, or did end."""
        return self._why or (blame.died if self.is_proven else blame.never_began)(self.process.how)

    @property
    def lost(self) -> WorkforceLost:
        """The same for photos that cannot have had to do with it."""
        return blame.nobodys(self.why)

    def note_failed_proof(self) -> None:
        """It ended while it was to prove a provider: the next one leaves that alone for a while."""
        if not (self.is_ready or self.is_unfit or self.is_dismissed):
            self.footing.note_death(time.monotonic())

    def bury(self) -> None:
        """Answer for every task that the worker still held when it ended."""
        self.murmur.close()
        log.debug("worker %d ended: %s", self.process.pid, self.process.how)
        for job, held in self.held.items():
            has_begun, is_culprit = self.is_ready and held.has_begun, self._culprit in ("", job)
            held.future.set_exception(blame.share(self.why, has_begun=has_begun, is_culprit=is_culprit))
        self.held.clear()
