"""What a worker prints: passed on line by line, made fit for a log, and not without end.

A worker that was taken over would otherwise hold the service's terminal or log file itself.
"""

import logging
import os
from dataclasses import dataclass, field
from typing import IO

from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _

log = logging.getLogger(__name__)

_MOST_LINES = 100  # of one worker
_MOST_BYTES = 4096  # of one line, and of one look


@dataclass(slots=True)
class Murmur:
    """The reading end of a worker's standard error."""

    pid: int
    pipe: IO[bytes]
    _rest: bytearray = field(default_factory=bytearray)
    _lines: int = 0

    def __post_init__(self) -> None:
        os.set_blocking(self.pipe.fileno(), False)

    def hear(self) -> bool:
        """Pass on what is there. Returns False where the other end was closed."""
        try:
            part = os.read(self.pipe.fileno(), _MOST_BYTES)
        except BlockingIOError:
            return True
        *lines, rest = bytes(self._rest + part).split(b"\n")
        self._rest = bytearray(rest[:_MOST_BYTES])
        for line in lines:
            self._say(line)
        return bool(part)

    def _say(self, line: bytes) -> None:
        self._lines += 1
        if self._lines <= _MOST_LINES and line.strip():
            log.warning("worker %d: %s", self.pid, display(line))
        elif self._lines == _MOST_LINES + 1:
            log.warning(_("worker %d says more than is worth a log"), self.pid)

    def close(self) -> None:
        """Pass on the last of it; it has ended, or nobody waits for more. May be called again."""
        if self.pipe.closed:
            return
        for _look in range(_MOST_LINES):
            if not self.hear():
                break
        if self._rest:
            self._say(bytes(self._rest))
        self.pipe.close()
