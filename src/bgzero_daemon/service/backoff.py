"""Pauses between the starts of workers that come to nothing, longer each time."""

import logging
import math
from collections.abc import Iterable
from dataclasses import dataclass

from bgzero_daemon.core.errors import WorkforceLost

log = logging.getLogger(__name__)

_LONGEST_SECONDS = 60.0


@dataclass(slots=True)
class Backoff:
    """How often in a row it went wrong, why the last time, and when it is worth another try.

    Moments are seconds of the monotonic clock. `until` lies infinitely far back where there is no pause.
    """

    failures: int = 0
    trouble: str = ""
    until: float = -math.inf

    def pause(self, now: float) -> None:
        """It went wrong once more."""
        self.failures += 1
        self.until = now + min(_LONGEST_SECONDS, 2.0 ** (self.failures - 1))

    def say(self, error: WorkforceLost) -> None:
        """Say why, but not again and again."""
        if str(error) != self.trouble:
            log.error("%s %s", error, error.hint)
        self.trouble = str(error)

    def clear(self) -> None:
        """It went well."""
        self.failures, self.trouble = 0, ""

    def has_ended(self, now: float) -> bool:
        """Say once, when a pause is over, that it is."""
        if not 0 < self.until <= now:
            return False
        self.until = -math.inf
        return True

    def next_due(self) -> float:
        """Return when a pause ends, infinity where there is none."""
        return self.until if self.until > 0 else math.inf


class Backoffs:
    """One for each model: a model that cannot be had holds up no other."""

    def __init__(self, models: Iterable[str]) -> None:
        self._of = {model: Backoff() for model in models}

    def know(self, models: Iterable[str]) -> None:
        """Keep one for each of these, too."""
        self._of = {**{model: Backoff() for model in models}, **self._of}

    def __getitem__(self, model: str) -> Backoff:
        return self._of[model]

    def failing(self, times: int) -> frozenset[str]:
        """Return the models for which it went wrong so many times in a row."""
        return frozenset(model for model, backoff in self._of.items() if backoff.failures >= times)

    @property
    def trouble(self) -> str:
        """Each reason once, in a sentence; "" where all is well."""
        return " ".join(dict.fromkeys(filter(None, (backoff.trouble for backoff in self._of.values()))))

    def next_due(self) -> float:
        """Return when the next pause ends, infinity where there is none."""
        return min((backoff.next_due() for backoff in self._of.values()), default=math.inf)

    def have_ended(self, now: float) -> bool:
        """Say once, when pauses are over, that they are."""
        ended = [backoff.has_ended(now) for backoff in self._of.values()]
        return any(ended)
