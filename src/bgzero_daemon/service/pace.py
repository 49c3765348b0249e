"""How fast photos are cut, to say how long the rest will take."""

from dataclasses import dataclass

_WEIGHT = 0.1  # of the latest photo in the moving average
_LONGEST_SECONDS = 600.0


@dataclass(slots=True)
class Pace:
    """A moving average of the time between two photos while there is work, in seconds of a monotonic clock."""

    seconds_per_photo: float = 0.0
    _last: float | None = None

    def note_done(self, now: float, *, is_busy: bool) -> None:
        """Count a photo. When nothing is in work after it, the time until the next one says nothing."""
        if self._last is not None:
            took = min(now - self._last, _LONGEST_SECONDS)
            known = self.seconds_per_photo
            self.seconds_per_photo = took if not known else known + _WEIGHT * (took - known)
        self._last = now if is_busy else None

    def seconds_left(self, photos: int) -> float | None:
        """Return how long so many photos take, in seconds; None while nothing is known."""
        return photos * self.seconds_per_photo if self.seconds_per_photo else None
