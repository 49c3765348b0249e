"""What photos were skipped for, said once for a burst of them, with the command that changes it."""

import logging
from dataclasses import dataclass, field

from bgzero_daemon.core.errors import PhotoSkipped

log = logging.getLogger(__name__)

_CALM_SECONDS = 60.0  # without such a photo: then a burst is over


@dataclass(slots=True)
class Lacking:
    """Moments are of the monotonic clock, in seconds."""

    _until: dict[str, float] = field(default_factory=dict)

    def note(self, error: PhotoSkipped, now: float) -> None:
        """Say why a photo was skipped, and how it would be cut, unless that was just said of another."""
        said = f"{error} {error.hint}"
        if now >= self._until.get(said, now):
            log.warning("%s", said)
        self._until[said] = now + _CALM_SECONDS
