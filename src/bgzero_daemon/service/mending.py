"""A provider that failed is left alone for a while: how long, and what one worker runs on meanwhile."""

import math
from dataclasses import dataclass, field

from bgzero_daemon.catalog.runtime import runs_on_cpu
from bgzero_daemon.core.texts import _

_GOOD_PHOTOS = 100
_MENDING_SECONDS = 60.0
_LONGEST_MENDING_SECONDS = 3600.0
_TURNED_DOWN_SECONDS = 3600.0


@dataclass(slots=True)
class Mending:
    """How long a provider that failed is left alone, and the CPU runs: a minute, then longer, an hour at most.

    It may have failed in the middle of work, or have brought down the worker that was to prove it. `why` says so.
    """

    failures: int = 0
    until: float = -math.inf
    why: str = ""

    def pause(self, now: float, why: str) -> float:
        """It failed once more; return when it is worth another try."""
        self.failures, self.why = self.failures + 1, why
        self.until = now + min(_LONGEST_MENDING_SECONDS, _MENDING_SECONDS * 2.0 ** (self.failures - 1))
        return self.until

    def note_good(self) -> None:
        """It has worked for a while."""
        self.failures, self.why = 0, ""


@dataclass(slots=True)
class Footing:
    """What one worker was asked to run on, what it does run on, and when another one is worth starting.

    Moments are seconds of the monotonic clock. `provider`: the one that ran last, "" before the model is loaded;
    `note`: why it is not `asked`; `due`: when the provider that failed or was turned down may be tried again,
    infinity where nothing is amiss; `mending`: what all workers with this model know of it; `is_prepared`: it was given
    a graph that was prepared for the CPU.
    """

    asked: str = "cpu"
    mending: Mending = field(default_factory=Mending)
    due: float = math.inf
    provider: str = ""
    note: str = ""
    is_prepared: bool = False

    @classmethod
    def at(cls, now: float, wanted: str, mending: Mending, *, is_prepared: bool = False) -> "Footing":
        """Return that of a worker which starts now: the CPU's, where the wanted provider is to be left alone."""
        asked, due = ("cpu", mending.until) if now < mending.until else (wanted, math.inf)
        return cls(asked, mending, due, is_prepared=is_prepared)

    def note_ready(self, now: float, provider: str, note: str) -> None:
        """The model is loaded. With a note the provider was turned down, or is not there now: it may be in an hour."""
        self.provider, self.note = provider, note or ("" if self.due == math.inf else self.mending.why)
        if note and not runs_on_cpu(self.asked):
            self.due = min(self.due, now + _TURNED_DOWN_SECONDS)

    def note_ran(self, now: float, provider: str, photos: int) -> str:
        """Say which one a photo really ran on: a GPU that fails in the middle leaves its photos to the CPU.

        Returns the provider of which that has just become known, whose proof is worth nothing then; "" for none.
        """
        if provider != self.provider and self.due == math.inf:  # a lane that is slow may still speak of before
            failed, self.provider = self.provider, provider
            self.note = _("{provider} failed").format(provider=failed)
            self.due = self.mending.pause(now, self.note)
            return failed
        if self.due == math.inf and photos % _GOOD_PHOTOS == 0:
            self.mending.note_good()
        return ""

    def note_death(self, now: float) -> None:
        """The worker ended while it was to prove a provider: the next one leaves that alone for a while."""
        if not runs_on_cpu(self.asked):
            self.mending.pause(now, _("{asked}: the worker ended while it was tried").format(asked=self.asked))
