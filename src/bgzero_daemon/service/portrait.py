"""Making the Snapshot: what every part of the service says of itself, put together in the main thread."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bgzero_daemon import __version__
from bgzero_daemon.core.confidence import words_of
from bgzero_daemon.core.job import JobState
from bgzero_daemon.core.names import display, to_wire
from bgzero_daemon.core.texts import _
from bgzero_daemon.service.ledger import Address
from bgzero_daemon.service.pool import LocalWorkforce
from bgzero_daemon.service.record import Record
from bgzero_daemon.service.survey import Overviews
from bgzero_daemon.service.workshop import Workshop
from bgzero_daemon.wire.snapshot import AtWork, Card, Choice, Counts, Folder, Outcome, Provider, Snapshot, WorkerState

_LATEST = 8  # as many as the tray shows
_HALF_A_DAY = 43200.0
_MEASURE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Steering:
    """What the helm adds to the picture; moments are Unix time, 0 where there is none."""

    paused: bool
    paused_until: float
    notifications: bool
    quiet_until: float
    model: Choice
    provider: Choice
    switching_to: str
    config_file: str
    config_error: str
    needs_restart: tuple[str, ...]
    is_stopping: bool
    trouble: str


@dataclass(slots=True)
class Portrait:
    """Remembers what a moment alone does not show: since when it runs, and which provider ran last."""

    workforce: LocalWorkforce
    cards: Callable[[], tuple[Card, ...]] = tuple
    _started: float = field(default_factory=time.time)
    _provider: tuple[str, str] = ("", "")
    _measured: tuple[int, float] = (0, 0.0)
    _measuring: list["Future[None]"] = field(default_factory=list)
    _overviews: Overviews = field(default_factory=lambda: Overviews(_LATEST))
    _memory: psutil.Process = field(default_factory=psutil.Process)

    def take(self, workshop: Workshop, steering: Steering) -> Snapshot:
        """Return the Snapshot of this moment. Raises LedgerError where the ledger cannot be asked."""
        self._measure(workshop)
        overview = self._overviews.take(workshop.ledger)
        counts = overview.counts
        scheduler = workshop.scheduler
        workers = [_worker(told) for told in self.workforce.told]
        self._note_provider(workers)
        steps = {job: step for worker in workers for job, step in worker.steps.items()}
        running = [
            AtWork(
                job.id, display(job.key.rel), to_wire(workshop.places[job.key.folder].inbox / job.key.rel),
                job.recipe.model, steps.get(job.id, step), seconds,
            )
            for job, step, seconds in scheduler.company.steps(time.monotonic())
        ]  # fmt: skip
        waiting = max(0, counts[JobState.WAITING] - len(running))
        arriving = sum(intake.waiting for intake in workshop.intakes)
        folders = _folders(workshop)
        trouble = " ".join(filter(None, [steering.trouble, self.workforce.trouble]))
        pace = scheduler.pace
        theirs = [f"{folder.inbox}: {said}" for folder in folders for said in folder.trouble]
        state, why = _state(steering, [trouble, *theirs], running)
        sandboxes = [worker.sandbox for worker in workers if worker.provider]
        own = self._memory.memory_info().rss // 1_000_000
        return Snapshot(
            version=__version__, pid=os.getpid(), started_at=self._started, taken_at=time.time(), state=state, why=why,
            paused=steering.paused, paused_until=steering.paused_until, notifications=steering.notifications,
            quiet_until=steering.quiet_until, model=steering.model, switching_to=steering.switching_to,
            provider=Provider(steering.provider.value, steering.provider.origin, *self._provider),
            waiting=waiting, running=len(running), arriving=arriving, finishing=counts[JobState.PUBLISHED],
            done=counts[JobState.DONE] + counts[JobState.PUBLISHED], failed=counts[JobState.FAILED],
            skipped=counts[JobState.SKIPPED] - overview.covered, covered=overview.covered, today=_today(overview.today),
            seconds_left=pace.seconds_left(waiting + len(running)),
            photos_per_minute=60 / pace.seconds_per_photo if pace.seconds_per_photo else None,
            at_work=tuple(running), latest=tuple(_outcome(*row) for row in overview.latest),
            folders=folders, workers=tuple(workers),
            sandbox=next((one for one in sandboxes if one != "closed"), "closed" if sandboxes else ""),
            memory_mb=own + sum(worker.memory_mb for worker in workers), trouble=trouble,
            config_file=steering.config_file, config_error=steering.config_error,
            needs_restart=steering.needs_restart, wanting_look=overview.wanting_look, no_subject=overview.empty,
            cards=self.cards(),
        )  # fmt: skip

    def _note_provider(self, workers: Sequence[WorkerState]) -> None:
        ready = [worker for worker in workers if worker.provider and not worker.on_trial]
        if ready:
            self._provider = (ready[-1].provider, ready[-1].note)

    def _measure(self, workshop: Workshop) -> None:
        """Have the outboxes' free space measured, in threads that a dead mount may hold up."""
        now = time.monotonic()
        house, moment = self._measured
        is_due = now >= moment + _MEASURE_SECONDS and all(one.done() for one in self._measuring)
        if house != id(workshop.house) or is_due:
            self._measured = id(workshop.house), now
            self._measuring = [place.errands.submit(place.outbox.measure) for place in workshop.places]


def _state(steering: Steering, troubles: Sequence[str], running: Sequence[AtWork]) -> tuple[str, str]:
    """Return the most urgent state, and why."""
    trouble = next((said for said in troubles if said), "")
    if steering.is_stopping:
        return "stopping", _("stopping")
    if trouble:
        return "trouble", " ".join(filter(None, [_("paused;") if steering.paused else "", trouble]))
    if steering.paused:
        return "paused", _paused(steering.paused_until)
    if steering.switching_to:
        return "switching", _("loading {model}").format(model=steering.switching_to)
    if steering.config_error:
        return ("working" if running else "watching"), _("the configuration has a mistake, the last good one holds")
    return ("working", "") if running else ("watching", "")


def _paused(until: float) -> str:
    if not until:
        return _("paused")
    is_near = until - time.time() < _HALF_A_DAY
    form = "%H:%M:%S" if is_near else "%Y-%m-%d %H:%M"
    return _("paused until {time}").format(time=time.strftime(form, time.localtime(until)))


def _worker(told: Mapping[str, object]) -> WorkerState:
    return WorkerState(**told)  # type: ignore[arg-type]  # `Child.description` has these keys


def _folders(workshop: Workshop) -> tuple[Folder, ...]:
    return tuple(
        Folder(
            inbox=display(place.inbox), outbox=display(place.outbox.root), inbox_path=to_wire(place.inbox),
            outbox_path=to_wire(place.outbox.root), model=place.recipe.model,
            has_own_model=wanted.model is not None, arriving=intake.waiting, free_bytes=place.outbox.free_bytes,
            trouble=tuple(said for said in (intake.inbox.trouble, place.breaker.sentence) if said),
        )
        for place, intake, wanted in zip(workshop.places, workshop.intakes, workshop.config.folder, strict=True)
    )  # fmt: skip


def _outcome(address: Address, record: Record) -> Outcome:
    path = Path(address.inbox, address.rel)
    return Outcome(
        display(path), to_wire(path), record.state.value, record.sentence, display(record.output),
        to_wire(record.output), record.model, record.decided_at, record.confidence,
        words_of(record.confidence, record.doubt),
    )  # fmt: skip


def _today(counts: Mapping[JobState, int]) -> Counts:
    done = counts[JobState.DONE] + counts[JobState.PUBLISHED]
    return Counts(done, counts[JobState.FAILED], counts[JobState.SKIPPED])
