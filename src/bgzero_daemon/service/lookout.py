"""Noticing that the configuration file has changed.

Its path is looked at every second: that finds files that editors replace, that links lead to, that lie on network
mounts, and that were not there before, and takes no watch from the inboxes, which the kernel counts.
"""

import hashlib
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

from bgzero_daemon.core.names import display

log = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0
_QUIET_SECONDS = 0.3  # editors write in several steps

_Sight = tuple[int, ...] | None


class Lookout:
    """Calls `on_change` from a thread of its own, once the file's bytes have become others than those read.

    `note_reading` is called from any thread before the file is read.
    """

    def __init__(self, file: Path | None, on_change: Callable[[], None]) -> None:
        self._file, self._on_change = file, on_change
        self._read = ""
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._live, name="bgzero-lookout", daemon=True)

    def start(self) -> None:
        """Begin to look. It may have changed since it was read: that is found out at once."""
        if self._file:
            self._on_change()
            self._thread.start()

    def note_reading(self) -> None:
        """Remember which bytes are read now."""
        self._read = self._digest()

    def _live(self) -> None:
        seen = self._look()
        while not self._is_over.wait(_LOOK_SECONDS):
            try:
                seen = self._turn(seen)
            except Exception:  # a mistake of ours may cost a change, not all that follow
                log.exception("%s was not looked at", display(self._file or ""))

    def _turn(self, seen: _Sight) -> _Sight:
        now = self._look()
        if now == seen:
            return seen
        while not self._is_over.wait(_QUIET_SECONDS) and (later := self._look()) != now:
            now = later
        digest = self._digest()
        if digest and digest != self._read:  # one that is gone is on its way, most likely
            self._on_change()
        return now

    def _look(self) -> _Sight:
        try:
            found = os.stat(self._file or "")
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns

    def _digest(self) -> str:
        try:
            return hashlib.sha256(self._file.read_bytes()).hexdigest() if self._file else ""
        except OSError:
            return ""

    def close(self) -> None:
        """Stop looking. A thread that hangs at a dead mount is left behind."""
        self._is_over.set()
        if self._thread.is_alive():
            self._thread.join(2.0)
