"""What is cut next: a few jobs of each folder in memory, all others as rows of the ledger and files."""

import itertools
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

from bgzero_daemon.core.job import Job, PhotoKey
from bgzero_daemon.core.recipe import Edges
from bgzero_daemon.service.ledger import Ledger
from bgzero_daemon.service.place import Place

_STREAK = 32  # photos for one model before another folder's model gets its turn


@dataclass(slots=True)
class Backlog:
    """Jobs of every folder, taken in turns. `capacity` of them are in memory for each folder at most.

    Folders whose model is the one in use come first, for a while: loading a model takes longer than a
    photo. `newest` takes the latest arrival first.
    """

    ledger: Ledger
    places: Sequence[Place]
    capacity: int
    newest: bool = False
    _ready: list[deque[Job]] = field(default_factory=list)
    _may_hold_more: list[bool] = field(default_factory=list)
    _last: int = -1
    _model: str = ""
    _streak: int = 0
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self._ready = [deque() for _place in self.places]
        self._may_hold_more = [True for _place in self.places]

    def note_arrival(self, folder: int, *, is_urgent: bool = False) -> None:
        """Something waits in this folder; with `is_urgent` the jobs in memory are looked for anew."""
        self._may_hold_more[folder] = True
        if is_urgent or self.newest:
            self._ready[folder].clear()

    def note_leftover(self, folder: int) -> None:
        """A job of this folder ended; its row may wait again."""
        self._may_hold_more[folder] = True

    def forget(self) -> None:
        """Look for all jobs anew: they are cut with something else now."""
        for ready in self._ready:
            ready.clear()
        self.note_retries()

    def note_retries(self) -> None:
        """Photos that were put back may be due in any folder."""
        self._may_hold_more = [True for _place in self.places]

    def take(
        self, now: float, busy: Collection[PhotoKey], closed: Collection[int],
        can_run: Callable[[str], bool] = lambda _model: True,
    ) -> Job | None:  # fmt: skip
        """Return the next job that is not `busy`, of a folder that is not `closed`; None where there is none.

        A job whose model nobody can run now lets others pass.
        """
        order = [(self._last + step) % len(self.places) for step in range(1, len(self.places) + 1)]
        if self._streak < _STREAK:
            order.sort(key=lambda folder: self.places[folder].recipe.model != self._model)
        else:
            order.sort(key=lambda folder: self.places[folder].recipe.model == self._model)
        for folder in order:
            if folder in closed:
                continue
            if job := self._next(folder, now, busy, can_run):
                self._last = folder
                self._count(job.recipe.model)
                return job
        return None

    def _next(self, folder: int, now: float, busy: Collection[PhotoKey], can_run: Callable[[str], bool]) -> Job | None:
        ready, blocked = self._ready[folder], set[str]()
        while True:
            for job in tuple(ready):
                if job.key not in busy and not can_run(job.recipe.model):
                    blocked.add(job.recipe.model)
                    continue
                ready.remove(job)
                if job.key not in busy:
                    return job
            if not self._may_hold_more[folder] or len(ready) > self.capacity:
                return None
            self._fetch(folder, now, busy, blocked)

    def _count(self, model: str) -> None:
        self._streak = self._streak + 1 if model == self._model else 1
        self._model = model

    def _fetch(self, folder: int, now: float, busy: Collection[PhotoKey], but_for: Collection[str]) -> None:
        place = self.places[folder]
        known = {job.key for job in self._ready[folder]}
        limit = self.capacity + len(busy) + len(known)
        rows = self.ledger.waiting(place.name, limit, now, newest=self.newest, but_for=but_for)
        self._may_hold_more[folder] = len(rows) == limit
        for rel, record in rows:
            key = PhotoKey(folder, rel)
            if key not in busy and key not in known:
                number = f"{next(self.numbers):05d}"
                recipe = replace(
                    place.recipe, model=record.wanted or place.recipe.model,
                    edges=Edges(record.wanted_edges or place.recipe.edges),
                )  # fmt: skip
                self._ready[folder].append(
                    Job(number, key, record.fingerprint, recipe, pixels=record.pixels,
                        strikes=record.strikes, tries=record.tries)
                )  # fmt: skip

    @property
    def is_empty(self) -> bool:
        """Say whether it is certain that nothing waits that could be cut now."""
        return self.is_empty_but_for(())

    def is_empty_but_for(self, models: Collection[str]) -> bool:
        """Say the same of the folders that use other models than these."""
        return not any(
            any(job.recipe.model not in models for job in self._ready[number])
            or (self._may_hold_more[number] and place.recipe.model not in models)
            for number, place in enumerate(self.places)
        )
