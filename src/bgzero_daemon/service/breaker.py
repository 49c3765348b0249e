"""One breaker for an outbox: while it cannot be written, nothing is cut for it, and nothing is marked failed."""

import logging
from dataclasses import dataclass

from bgzero_daemon.core.texts import _

log = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS = 2.0
_LONGEST_PAUSE_SECONDS = 15.0


@dataclass(slots=True)
class Breaker:
    """Closed: work goes on. Open: nothing is begun until a probe, at `due`, finds the outbox well.

    A single photo that could not be published only makes the outbox suspect: it is open until it was
    probed, at once. `sentence` is "" or says what a probe found. Times are seconds of a monotonic
    clock. `folder` is what the log calls it.
    """

    folder: str
    sentence: str = ""
    due: float = 0.0
    is_open: bool = False
    is_probing: bool = False
    _pause: float = _FIRST_PAUSE_SECONDS

    def suspect(self, now: float) -> None:
        """A photo could not be staged or published: find out whether that is the outbox's trouble."""
        if not self.is_open:
            self.is_open, self.due = True, now

    def fail(self, sentence: str, now: float) -> None:
        """A probe found trouble. The same is said once only, and looked after less and less often."""
        self.is_probing = False
        if sentence != self.sentence:
            log.warning(_("%s Work for it waits and goes on by itself."), sentence)
            self.sentence = sentence
        self.due = now + self._pause
        self._pause = min(2 * self._pause, _LONGEST_PAUSE_SECONDS)

    def close(self) -> None:
        """A probe found nothing wrong."""
        if self.sentence:
            log.info(_("The outbox %s can be written again; work goes on."), self.folder)
        self.is_open = self.is_probing = False
        self.sentence = ""
        self._pause = _FIRST_PAUSE_SECONDS
