"""Photos that were in a worker when it died: tried again one at a time, alone, and put aside at the second death."""

import logging
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

from bgzero_daemon.core.errors import PhotoCrashed, PhotoRefused
from bgzero_daemon.core.job import Job
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _

log = logging.getLogger(__name__)

_STRIKES = 2


@dataclass(slots=True)
class Suspects:
    """Those that wait for their turn alone."""

    _jobs: deque[Job] = field(default_factory=deque)

    def __bool__(self) -> bool:
        return bool(self._jobs)

    def are_all_for(self, models: Collection[str]) -> bool:
        """Say whether all of them are for these models."""
        return all(job.recipe.model in models for job in self._jobs)

    def judge(self, job: Job, error: PhotoCrashed, *, is_alone: bool) -> Job | PhotoRefused:
        """Return the job with its strikes, which is a suspect now, or the refusal where that was the last one.

        Only a death while it was alone counts.
        """
        strikes = job.strikes + is_alone
        if strikes >= _STRIKES:
            sentence = _("{what} That happened {count} times while the photo was alone.").format(
                what=error, count=strikes
            )
            return PhotoRefused(sentence, hint=error.hint, code=error.code)
        log.warning(_("%s %s: %s It is tried again alone."), job.id, display(job.key.rel), error)
        suspect = replace(job, strikes=strikes)
        self._jobs.append(suspect)
        return suspect

    def next(self, can_be_run: Callable[[Job], bool]) -> Job | None:
        """Return the first one that can be run now; it waits on until `release`."""
        return next(filter(can_be_run, self._jobs), None)

    def release(self, job: Job) -> None:
        """Its turn has come."""
        self._jobs.remove(job)
