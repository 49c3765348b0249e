"""Which photo is cut next, and what becomes of each. All methods are called from the service's main thread."""

import heapq
import itertools
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from queue import Empty, SimpleQueue
from typing import Protocol

from bgzero_daemon.core.errors import BgzeroError, OutputError, PhotoCrashed, PhotoRefused, PhotoSkipped
from bgzero_daemon.core.job import Fingerprint, Job, Outcome, PhotoKey, Staged, Task
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _
from bgzero_daemon.service.ledger import Entry, Ledger
from bgzero_daemon.service.place import Held, PhotoChanged, Place

log = logging.getLogger(__name__)

_STRIKES = 2
_LONGEST_WAIT_SECONDS = 600.0


class Workforce(Protocol):
    """Whoever cuts. A future ends in Staged, or fails with WorkforceLost (back to waiting, no strike),
    PhotoCrashed (one strike if the photo ran alone) or PhotoRefused (for good, one sentence).
    """

    def places(self) -> int:
        """Return how many tasks may be submitted now; 0 while nobody is there."""

    def submit(self, task: Task) -> "Future[Staged]":
        """Take a task; its descriptors stay open until the future has ended."""


@dataclass(slots=True)
class Tally:
    """How many photos ended how since the start. `given_up` were put back too often for one run with --once."""

    done: int = 0
    failed: int = 0
    skipped: int = 0
    given_up: int = 0


@dataclass(slots=True)
class Scheduler:
    """Holds a bounded number of jobs ready, hands them to the workforce, and sees results through.

    After a crash every photo that was in work is a suspect: suspects run one at a time and alone, and
    only a crash while alone counts. `unreadable` holds photos that this account may not read, with the
    fingerprint they had. `wake` is called from any thread when `collect` has something to do.
    """

    workforce: Workforce
    ledger: Ledger
    places: Sequence[Place]
    capacity: int
    wake: Callable[[], None]
    most_tries: int | None = None
    tally: Tally = field(default_factory=Tally)
    unreadable: dict[PhotoKey, Fingerprint] = field(default_factory=dict)
    changed: list[PhotoKey] = field(default_factory=list)
    _ready: deque[Job] = field(default_factory=deque)
    _suspects: deque[Job] = field(default_factory=deque)
    _delayed: list[tuple[float, int, Job]] = field(default_factory=list)
    _held: dict[str, Held] = field(default_factory=dict)
    _keys: set[PhotoKey] = field(default_factory=set)
    _touched: set[PhotoKey] = field(default_factory=set)
    _is_closing: bool = False
    _ended: SimpleQueue[Callable[[float], None]] = field(default_factory=SimpleQueue)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    _publisher: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "bgzero-publish"))

    def room(self) -> int:
        """Return how many more photos may be added. What was put back takes no room: it must not starve others."""
        return self.capacity - len(self._ready) - len(self._suspects) - len(self._held)

    def holds(self, key: PhotoKey) -> bool:
        """Say whether this photo is waiting or in work here."""
        return key in self._keys

    def look_again(self, key: PhotoKey) -> None:
        """Put this photo into `changed` once its job has ended: something happened to it meanwhile."""
        self._touched.add(key)

    @property
    def is_idle(self) -> bool:
        """Nothing waits and nothing is in work."""
        return not self._keys

    @property
    def in_work(self) -> int:
        """How many photos are in work."""
        return len(self._held)

    def next_due(self) -> float | None:
        """Return when a photo that was put back is due again."""
        return self._delayed[0][0] if self._delayed else None

    def add(self, key: PhotoKey, fingerprint: Fingerprint) -> None:
        """Take a photo that passed the gate."""
        place = self.places[key.folder]
        known = self.ledger.get(str(place.inbox), key.rel)
        done = known.sha256 if known and known.outcome is Outcome.DONE else ""
        self._keys.add(key)
        self._ready.append(Job(f"{next(self._numbers):05d}", key, fingerprint, place.recipe, done))

    def decide(self, key: PhotoKey, entry: Entry) -> None:
        """Write down how a photo ended, and count it."""
        place = self.places[key.folder]
        self.ledger.put(str(place.inbox), key.rel, replace(entry, decided_at=time.time()))
        match entry.outcome:
            case Outcome.DONE:
                self.tally.done += 1
            case Outcome.FAILED:
                self.tally.failed += 1
            case Outcome.SKIPPED:
                self.tally.skipped += 1

    def pump(self, now: float) -> None:
        """Hand out as many jobs as the workforce has places for."""
        while self._delayed and self._delayed[0][0] <= now:
            self._ready.append(heapq.heappop(self._delayed)[2])
        while self.workforce.places() > 0:
            if any(held.is_alone for held in self._held.values()):
                return
            if self._suspects:
                if self._held:
                    return
                self._start(self._suspects.popleft(), now, is_alone=True)
            elif self._ready:
                self._start(self._ready.popleft(), now, is_alone=False)
            else:
                return

    def _start(self, job: Job, now: float, *, is_alone: bool) -> None:
        try:
            held = self.places[job.key.folder].hold(job, now, is_alone=is_alone)
        except (FileNotFoundError, NotADirectoryError):  # gone, or behind something that is no folder now
            self._forget(job)
        except PhotoChanged:
            self._again(job)
        except PermissionError:
            self._set_aside_unreadable(job)
        except OSError as error:
            self._put_back(job, now, _("The photo cannot be read: {why}.").format(why=error.strerror))
        except OutputError as error:
            self._put_back(job, now, str(error))
        else:
            self._held[job.id] = held
            future = self.workforce.submit(held.task())
            future.add_done_callback(lambda ended: self._tell(partial(self._on_staged, held, ended)))

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

    def _on_staged(self, held: Held, ended: "Future[Staged]", now: float) -> None:
        try:
            staged = ended.result()
        except BgzeroError as error:
            self._release(held)
            self._on_trouble(held, error, now)
            return
        if self._is_closing:
            self._release(held)
            self._forget(held.job)
            return
        place = self.places[held.job.key.folder]
        if not place.is_unchanged(held):
            self._release(held)
            self._again(held.job)
        elif staged.dropped:
            self._release(held)
            self._on_dropped(held.job)
        else:
            published = self._publisher.submit(place.publish, held, staged, *place.names(held.job, self.ledger))
            published.add_done_callback(lambda done: self._tell(partial(self._on_published, held, staged, done)))

    def _on_published(self, held: Held, staged: Staged, done: "Future[str]", now: float) -> None:
        job = held.job
        try:
            output = done.result()
        except BgzeroError as error:
            self._release(held)
            self._put_back(job, now, str(error))
            return
        self._release(held)
        self._forget(job)  # even if the ledger fails now: the next scan finds the photo, and its output by the tag
        self.decide(
            job.key,
            Entry(job.fingerprint, Outcome.DONE, staged.source_sha256, output, staged.model, staged.note),
        )
        log.info(
            "%s %s: done, %s on %s, %.2f s%s", job.id, display(job.key.rel), staged.model, staged.provider,
            now - held.started, f" ({staged.note})" if staged.note else "",
        )  # fmt: skip

    def _on_dropped(self, job: Job) -> None:
        """The same bytes again: only the fingerprint is new."""
        inbox = str(self.places[job.key.folder].inbox)
        if known := self.ledger.get(inbox, job.key.rel):
            self.ledger.put(inbox, job.key.rel, replace(known, fingerprint=job.fingerprint))
        log.debug("%s %s: the same content again", job.id, display(job.key.rel))
        self._forget(job)

    def _on_trouble(self, held: Held, error: BgzeroError, now: float) -> None:
        job = held.job
        if self._is_closing:
            self._forget(job)
        elif isinstance(error, PhotoSkipped):
            self._end(job, Outcome.SKIPPED, str(error))
        elif isinstance(error, PhotoRefused):
            self._end(job, Outcome.FAILED, str(error))
        elif isinstance(error, PhotoCrashed):
            strikes = job.strikes + held.is_alone
            if strikes >= _STRIKES:
                self._end(
                    job,
                    Outcome.FAILED,
                    _("The worker crashed on this photo, {count} times while it was alone.").format(count=strikes),
                )
            else:
                log.warning("%s %s: %s It is tried again alone.", job.id, display(job.key.rel), error)
                self._suspects.append(replace(job, strikes=strikes))
        else:
            self._put_back(job, now, str(error))

    def _end(self, job: Job, outcome: Outcome, sentence: str) -> None:
        level = logging.ERROR if outcome is Outcome.FAILED else logging.INFO
        log.log(level, "%s %s: %s. %s", job.id, display(job.key.rel), outcome.value, sentence)
        self._forget(job)
        self.decide(job.key, Entry(job.fingerprint, outcome, model=job.recipe.model, sentence=sentence))

    def _put_back(self, job: Job, now: float, sentence: str) -> None:
        """Trouble that is not the photo's: try again after a while that grows."""
        tries = job.tries + 1
        if self.most_tries and tries >= self.most_tries:
            log.error("%s %s: given up for now. %s", job.id, display(job.key.rel), sentence)
            self.tally.given_up += 1
            self._forget(job)
            return
        wait = min(_LONGEST_WAIT_SECONDS, 2.0 ** (tries - 1))
        log.warning("%s %s: %s Tried again in %.0f s.", job.id, display(job.key.rel), sentence, wait)
        heapq.heappush(self._delayed, (now + wait, next(self._numbers), replace(job, tries=tries)))

    def _set_aside_unreadable(self, job: Job) -> None:
        """This account may not read the photo: no failure, and nothing to try until somebody changes that."""
        log.warning("%s %s: %s", job.id, display(job.key.rel), _("This account may not read the photo; it waits."))
        self.unreadable[job.key] = job.fingerprint
        self.tally.given_up += 1
        self._forget(job)

    def _again(self, job: Job) -> None:
        """The file changed since it passed the gate: back to the gate."""
        self._touched.add(job.key)
        self._forget(job)

    def _forget(self, job: Job) -> None:
        self._keys.discard(job.key)
        if job.key in self._touched:
            self._touched.discard(job.key)
            self.changed.append(job.key)

    def _release(self, held: Held) -> None:
        del self._held[held.job.id]
        held.let_go()

    def close(self) -> None:
        """Wait for what is being published, and let go of the rest: it is waiting in its folder as before."""
        self._is_closing = True
        self._publisher.shutdown(wait=True)
        self.collect(time.monotonic())
        for held in list(self._held.values()):
            self._release(held)
