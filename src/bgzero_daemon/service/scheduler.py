"""Which photo is handed out when, and what becomes of each. All methods are called from the service's main thread."""

import logging
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, SimpleQueue

from bgzero_daemon.core import crash
from bgzero_daemon.core.errors import (
    BgzeroError,
    Code,
    LedgerError,
    NameTaken,
    OutputError,
    PhotoCrashed,
    PhotoRefused,
    WorkforceLost,
)
from bgzero_daemon.core.job import Job, PhotoKey, Staged
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _
from bgzero_daemon.service.backlog import Backlog
from bgzero_daemon.service.company import Company
from bgzero_daemon.service.decisions import Decisions, Tally
from bgzero_daemon.service.doubts import not_empty
from bgzero_daemon.service.errand import close_all
from bgzero_daemon.service.last_steps import Ending, LastSteps
from bgzero_daemon.service.ledger import Ledger
from bgzero_daemon.service.pace import Pace
from bgzero_daemon.service.place import Held, PhotoChanged, PhotoKnown, Place
from bgzero_daemon.service.probes import Probes
from bgzero_daemon.service.suspects import Suspects
from bgzero_daemon.service.workforce import Workforce

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Scheduler:
    """Hands waiting photos to the workforce, a bounded number of them at once.

    After a crash every photo that was in work is a suspect: suspects run one at a time and alone, and
    only a crash while alone counts. `wake` is called from any thread when `collect` has something to do;
    `look_again` is told of photos that changed or went away while they were on their way through. Paused,
    it hands out nothing; what is in work is finished, and all else goes on. Held, for a change, it does the same.
    """

    workforce: Workforce
    ledger: Ledger
    places: Sequence[Place]
    queue: Backlog
    wake: Callable[[], None]
    look_again: Callable[[PhotoKey], None]
    most_tries: int | None = None
    is_paused: bool = False
    is_held: bool = False
    pace: Pace = field(default_factory=Pace)
    _suspects: Suspects = field(default_factory=Suspects)
    _busy: dict[PhotoKey, Job] = field(default_factory=dict)
    company: Company = field(init=False)
    _is_closing: bool = False
    _ended: SimpleQueue[Callable[[float], None]] = field(default_factory=SimpleQueue)
    _next_retry: float | None = None
    decisions: Decisions = field(init=False)
    _probes: Probes = field(init=False)

    def __post_init__(self) -> None:
        self.decisions = Decisions(self.ledger, self.places, self.look_again, self.most_tries)
        self.company = Company(self.workforce)
        self._probes = Probes(self.places, self._tell)

    @property
    def tally(self) -> Tally:
        """How many photos ended how since the start."""
        return self.decisions.tally

    def holds(self, key: PhotoKey) -> bool:
        """Say whether this photo is in work here."""
        return key in self._busy

    @property
    def is_idle(self) -> bool:
        """Nothing is in work, and nothing that could be."""
        return not (self._busy or self._suspects or self._next_retry is not None) and self.queue.is_empty

    def is_idle_but_for(self, models: Collection[str]) -> bool:
        """Say whether nothing is in work, and only photos for these models could be."""
        is_idle = not self.in_work and self._next_retry is None and self._suspects.are_all_for(models)
        return is_idle and self.queue.is_empty_but_for(models)

    @property
    def in_work(self) -> list[Job]:
        """The photos in work; not those that wait to be tried alone."""
        return [job for job in self._busy.values() if job.id in self.company.held or job.id in self.company.opening]

    def follow(self, former: "Scheduler") -> None:
        """Go on where a former one stopped."""
        self.is_paused, self.is_held = former.is_paused, former.is_held
        self.decisions.tally, self.pace, self.queue.numbers = former.tally, former.pace, former.queue.numbers

    def next_due(self) -> float | None:
        """Return when a photo that was put back, or an outbox in trouble, is worth another look."""
        return min(filter(None, (self._probes.next_due(), self._next_retry)), default=None)

    def pump(self, now: float) -> None:
        """Hand out as many jobs as the workforce has places for."""
        self._probes.begin(now)
        if self._next_retry is not None and self._next_retry <= now:
            self.queue.note_retries()
            self._next_retry = self.ledger.next_retry(now)
        self._hand_out()
        while not (self.is_paused or self.is_held) and not self.company.is_somebody_alone:
            if suspect := self._suspects.next(lambda job: self._can_run(job.recipe.model)):
                if not (self.company.at_work or self.company.opened):
                    self._suspects.release(suspect)
                    self._open(suspect, now, is_alone=True)
                return
            job = self.queue.take(now, self._busy, self._closed(now), self._can_run)
            if job is None:
                return
            self._open(job, now, is_alone=False)

    def _can_run(self, model: str) -> bool:
        return self.workforce.places(model) > 0

    def _hand_out(self) -> None:
        while held := self.company.join():
            crash.point("submitted")
            future = self.workforce.submit(held.task())
            future.add_done_callback(partial(lambda held, done: self._tell(partial(self._on_staged, held, done)), held))

    def _closed(self, now: float) -> set[int]:
        """Return the folders that get nothing now: opening a photo, no room for their model, or outbox in trouble."""
        opening = {job.key.folder for job, _began in self.company.opening.values()}
        return opening | {
            number
            for number, place in enumerate(self.places)
            if place.breaker.is_open or self.company.room(now, place.recipe.model) <= 0
        }

    def _open(self, job: Job, now: float, *, is_alone: bool) -> None:
        self._busy[job.key] = job
        self.company.opening[job.id] = job, now
        place = self.places[job.key.folder]
        opened = place.errands.submit(place.hold, job, now, is_alone=is_alone)
        opened.add_done_callback(lambda done: self._tell(partial(self._on_opened, job, done)))

    def _tell(self, then: Callable[[float], None]) -> None:
        self._ended.put(then)
        self.wake()

    def collect(self, now: float) -> None:
        """Deal with everything that ended since the last call."""
        while True:
            try:
                self._ended.get_nowait()(now)
            except Empty:
                return

    def _on_opened(self, job: Job, opened: "Future[Held]", now: float) -> None:
        self.company.opening.pop(job.id, None)
        try:
            held = opened.result()
        except (PhotoChanged, PhotoKnown, FileNotFoundError, NotADirectoryError):
            self._again(job)
        except PermissionError:
            sentence = _("This account may not read the photo.")
            hint = _("Correct its permissions; it is then cut by itself.")
            self._end(job, PhotoRefused(sentence, hint=hint, code=Code.UNREADABLE))
        except OSError as error:
            self._put_back(job, now, _("The photo cannot be read: {why}.").format(why=error.strerror))
        except OutputError as error:
            self._on_output_trouble(job, error, now)
        except Exception as error:  # noqa: BLE001 - said and put back there
            self._put_back_after_surprise(job, now, error)
        else:
            if self._is_closing:
                held.let_go()
                self._forget(job)
                return
            self._busy[job.key] = held.job
            self.company.held[job.id] = held
            self.company.opened.append(held)
            self._hand_out()

    def _on_staged(self, held: Held, ended: "Future[Staged]", now: float) -> None:
        self.company.at_work.pop(held.job.id, None)
        try:
            staged = not_empty(held.job, ended.result())
        except BgzeroError as error:
            self._release(held)
            self._on_trouble(held, error, now)
            return
        if self._is_closing:
            self._release(held)
            self._forget(held.job)
            return
        place = self.places[held.job.key.folder]
        finished = place.errands.submit(LastSteps(place).finish, held, staged)
        finished.add_done_callback(lambda done: self._tell(partial(self._on_finished, held, staged, done)))

    def _on_finished(self, held: Held, staged: Staged, done: "Future[Ending]", now: float) -> None:
        job = held.job
        self._release(held)
        try:
            ending = done.result()
        except OutputError as error:
            self._on_output_trouble(job, error, now)
            return
        except Exception as error:  # noqa: BLE001 - said and put back there
            self._put_back_after_surprise(job, now, error)
            return
        if ending is Ending.CHANGED:
            self._again(job)
            return
        self._forget(job)
        if ending is Ending.SAME:
            log.debug("%s %s: the same content again", job.id, display(job.key.rel))
            return
        self.pace.note_done(now, is_busy=bool(self._busy))
        self.decisions.note_done(job, staged, now - held.started, ending)

    def _on_trouble(self, held: Held, error: BgzeroError, now: float) -> None:
        job = held.job
        if self._is_closing:
            self._forget(job)
        elif isinstance(error, PhotoRefused):
            self._end(job, error)
        elif isinstance(error, OutputError):
            self._on_output_trouble(job, error, now)
        elif isinstance(error, PhotoCrashed):
            self._on_crash(job, error, is_alone=held.is_alone)
        elif isinstance(error, WorkforceLost):
            log.debug("%s %s: %s", job.id, display(job.key.rel), error)
            self._forget(job)
        else:
            self._put_back(job, now, str(error))

    def _on_crash(self, job: Job, error: PhotoCrashed, *, is_alone: bool) -> None:
        judged = self._suspects.judge(job, error, is_alone=is_alone)
        if isinstance(judged, PhotoRefused):
            self._end(job, judged)
        elif is_alone:
            self.decisions.strike(job, judged.strikes)

    def _on_output_trouble(self, job: Job, error: BgzeroError, now: float) -> None:
        """Never the photo's fault: it is tried again after a while, and the outbox is probed before anything else."""
        if not self.most_tries and not isinstance(error, NameTaken):
            self.places[job.key.folder].breaker.suspect(now)
        self._put_back(job, now, str(error))

    def _end(self, job: Job, error: PhotoRefused) -> None:
        self._forget(job)
        if not self.decisions.refuse(job, error):
            self._again(job)

    def _put_back(self, job: Job, now: float, sentence: str) -> None:
        self._forget(job)
        if due := self.decisions.put_back(job, now, sentence):
            self._next_retry = min(due, self._next_retry or due)

    def _put_back_after_surprise(self, job: Job, now: float, error: Exception) -> None:
        """The ledger in trouble, or a mistake of ours: the row still waits, and an output is found by its tag."""
        if isinstance(error, LedgerError):
            self._forget(job)
            raise error
        log.error("%s %s", job.id, display(job.key.rel), exc_info=None if isinstance(error, BgzeroError) else error)
        self._put_back(job, now, str(error))

    def _again(self, job: Job) -> None:
        """The file changed or went away since it passed the gate: back to the gate."""
        self._forget(job)
        self.look_again(job.key)
        self.decisions.withdraw(job)

    def _forget(self, job: Job) -> None:
        """Let go of a job. If its row still waits, and whatever happens next, it is found there."""
        self._busy.pop(job.key, None)
        self.queue.note_leftover(job.key.folder)

    def _release(self, held: Held) -> None:
        if self.company.held.pop(held.job.id, None):
            held.let_go()

    def close(self) -> None:
        """Wait for what is being published, and let go of the rest: it is waiting in its folder as before."""
        self._is_closing = True
        hung = close_all([place.errands for place in self.places], 10.0)
        try:
            self.collect(time.monotonic())
        except BgzeroError as error:
            log.error("%s", error)  # noqa: TRY400 - a sentence for a person
        for held in list(self.company.held.values()):
            if held.job.key.folder not in hung:  # its descriptors are in use, for good
                self._release(held)
