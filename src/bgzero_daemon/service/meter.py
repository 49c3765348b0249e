"""How much memory a worker has, read often enough to stop one that grows."""

import logging
import time
from dataclasses import dataclass, field

import psutil

from bgzero_daemon.service.growth import Growth

log = logging.getLogger(__name__)

_SAMPLE_SECONDS, _CLOSE_SECONDS = 0.25, 0.02  # the latter from half of its memory on
_NEARLY_FULL = 0.8  # of its memory beside the model: renewed before it has to be killed


@dataclass(slots=True)
class Meter:
    """Reads the resident memory of a process, which has `base_bytes` without any photo.

    `has_grown` says that it is better renewed soon.
    """

    pid: int
    memory_bytes: int
    base_bytes: int = 0
    resident_bytes: int = 0
    has_grown: bool = False
    _growth: Growth = field(default_factory=Growth)
    _sampled: float = 0.0

    def sample(self) -> None:
        """Ask how much memory it has."""
        self._sampled = time.monotonic()
        try:
            self.resident_bytes = psutil.Process(self.pid).memory_info().rss
        except psutil.Error:
            log.debug("worker %d is gone", self.pid)

    @property
    def is_beyond(self) -> bool:
        """Say whether it has more than it may have."""
        return self.resident_bytes > self.memory_bytes

    def next_sample(self) -> float:
        """Return when the next look is due, in seconds of the monotonic clock."""
        is_close = 2 * self.resident_bytes > self.memory_bytes
        return self._sampled + (_CLOSE_SECONDS if is_close else _SAMPLE_SECONDS)

    def note_photo(self) -> None:
        """Look at it after a photo: at its least it should not grow."""
        self.sample()
        is_nearly_full = self.resident_bytes > self.base_bytes + _NEARLY_FULL * (self.memory_bytes - self.base_bytes)
        self.has_grown = self._growth.note(self.resident_bytes) or is_nearly_full or self.has_grown
