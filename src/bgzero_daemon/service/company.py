"""Photos on their way into the worker and in it: how many there may be, and who has to be alone."""

from collections import deque
from dataclasses import dataclass, field

from bgzero_daemon.core.job import Job
from bgzero_daemon.service.place import Held
from bgzero_daemon.service.workforce import Workforce

_SLOW_SECONDS = 3.0
_UNKNOWN_PIXELS = 24_000_000  # a photo whose container does not say


@dataclass(slots=True)
class Company:
    """Bounded by the workforce's places and by the photos' pixels.

    `opening` maps job ids to jobs and when their opening began, in seconds of a monotonic clock. One that
    takes long, as in a mount that hangs, counts no more: it stands in nobody's way.
    """

    workforce: Workforce
    most_pixels: int
    opening: dict[str, tuple[Job, float]] = field(default_factory=dict)
    opened: deque[Held] = field(default_factory=deque)
    at_work: dict[str, Held] = field(default_factory=dict)

    def _soon(self, now: float) -> list[Job]:
        return [job for job, began in self.opening.values() if now - began < _SLOW_SECONDS]

    def room(self, now: float) -> int:
        """Return how many more photos may be opened."""
        return self.workforce.places() - len(self.opened) - len(self._soon(now))

    @property
    def is_somebody_alone(self) -> bool:
        """Say whether a suspect is in the worker, or next."""
        return any(held.is_alone for held in (*self.at_work.values(), *self.opened))

    def is_too_much(self, job: Job, now: float) -> bool:
        """Say whether a photo has to wait for others to end, so that large ones do not meet."""
        others = [held.job for held in (*self.at_work.values(), *self.opened)] + self._soon(now)
        at_work = sum(other.pixels or _UNKNOWN_PIXELS for other in others)
        return bool(others) and at_work + (job.pixels or _UNKNOWN_PIXELS) > self.most_pixels

    def join(self) -> Held | None:
        """Return the next photo that may be submitted now, and count it as at work; None where nobody may.

        Who is to be alone waits until nobody else is at work, and others wait for it to end.
        """
        if not self.opened or self.workforce.places() <= 0:
            return None
        held = self.opened[0]
        if any(other.is_alone for other in self.at_work.values()) or (held.is_alone and self.at_work):
            return None
        self.opened.popleft()
        self.at_work[held.job.id] = held
        return held
