"""One breaker for an outbox: while it cannot be written, nothing is cut for it, and nothing is marked failed."""

import logging
from dataclasses import dataclass

from bgzero_daemon.core.texts import _

log = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS = 2.0
_LONGEST_PAUSE_SECONDS = 15.0


@dataclass(slots=True)
class Breaker:
    """Closed: `sentence` is "" and work goes on. Open: it says why not, and `due` when to look again.

    Times are seconds of a monotonic clock. `folder` is what the log calls it.
    """

    folder: str
    sentence: str = ""
    due: float = 0.0
    is_probing: bool = False
    _pause: float = _FIRST_PAUSE_SECONDS

    @property
    def is_open(self) -> bool:
        """Say whether work has to wait."""
        return bool(self.sentence)

    def open(self, sentence: str, now: float) -> None:
        """Note trouble; the same trouble again is said once only, and looked after less and less often."""
        self.is_probing = False
        if sentence != self.sentence:
            log.warning(_("%s Work for it waits and goes on by itself."), sentence)
            self.sentence = sentence
        self.due = now + self._pause
        self._pause = min(2 * self._pause, _LONGEST_PAUSE_SECONDS)

    def half_close(self) -> None:
        """Work is tried again. Only a success makes the next trouble a new one."""
        if self.is_open:
            log.info(_("The outbox %s can be written again; work goes on."), self.folder)
        self.is_probing = False
        self.sentence = ""

    def succeed(self) -> None:
        """Something was published."""
        self._pause = _FIRST_PAUSE_SECONDS
