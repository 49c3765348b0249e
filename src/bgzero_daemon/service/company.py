"""Photos on their way to the workforce and at it: how many there may be, and who has to be alone."""

from collections import deque
from dataclasses import dataclass, field

from bgzero_daemon.core.job import Job
from bgzero_daemon.service.place import Held
from bgzero_daemon.service.workforce import Workforce

_SLOW_SECONDS = 3.0


@dataclass(slots=True)
class Company:
    """Bounded by the workforce's places.

    `opening` maps job ids to jobs and when their opening began, in seconds of a monotonic clock. One that
    takes long, as in a mount that hangs, counts no more: it stands in nobody's way. `held` has all whose files are
    open, from there until they are published or put back.
    """

    workforce: Workforce
    held: dict[str, Held] = field(default_factory=dict)
    opening: dict[str, tuple[Job, float]] = field(default_factory=dict)
    opened: deque[Held] = field(default_factory=deque)
    at_work: dict[str, Held] = field(default_factory=dict)

    def room(self, now: float, model: str) -> int:
        """Return how many more photos for a model may be opened."""
        soon = sum(now - began < _SLOW_SECONDS for _job, began in self.opening.values())
        ready = sum(self._has_place(held) for held in self.opened)
        return self.workforce.places(model) - ready - soon

    def _has_place(self, held: Held) -> bool:
        return self.workforce.places(held.job.recipe.model) > 0

    @property
    def is_busy(self) -> bool:
        """Say whether photos are with the workforce, or about to be."""
        return bool(self.at_work or self.opened)

    def steps(self, now: float) -> list[tuple[Job, str, float]]:
        """Return the photos in work, which step each is at as far as is known here, and for how many seconds."""
        found = [(job, "opening", now - began) for job, began in self.opening.values()]
        waiting = {one.job.id for one in self.opened} | self.at_work.keys()
        return found + [
            (one.job, "waiting" if one.job.id in waiting else "publishing", now - one.started)
            for one in self.held.values()
        ]

    @property
    def is_somebody_alone(self) -> bool:
        """Say whether a suspect is in the worker, or next."""
        return any(held.is_alone for held in (*self.at_work.values(), *self.opened))

    def join(self) -> Held | None:
        """Return the next photo that may be submitted now, and count it as at work; None where nobody may.

        Who is to be alone waits until nobody else is at work, and others wait for it to end.
        """
        held = next(filter(self._has_place, self.opened), None)
        if held is None or any(other.is_alone for other in self.at_work.values()) or (held.is_alone and self.at_work):
            return None
        self.opened.remove(held)
        self.at_work[held.job.id] = held
        return held
