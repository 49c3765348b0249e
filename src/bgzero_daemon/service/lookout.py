"""Noticing that the configuration file has changed. Editors replace files, so its folder is watched."""

import hashlib
import logging
import threading
from collections.abc import Callable
from pathlib import Path

from watchdog.events import (
    DirCreatedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from bgzero_daemon.core.names import display

log = logging.getLogger(__name__)

_QUIET_SECONDS = 0.3  # editors write in several steps


class Lookout:
    """Calls `on_change` from a thread of its own, a while after the file's bytes have become others than those read.

    `note_reading` is called from any thread before the file is read.

    A file that is a link is watched where it is and where it leads, one that is not there where it would be. Where
    nothing can be watched, a signal or a command has to do.
    """

    def __init__(self, file: Path | None, on_change: Callable[[], None]) -> None:
        self._file, self._on_change = file, on_change
        self._read = ""
        self._watched: set[Path] = set()
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()
        self._observer: BaseObserver | None = None

    def start(self) -> None:
        """Begin to watch."""
        if self._file is None:
            return
        observer = Observer()
        try:
            observer.start()
        except OSError as error:
            log.debug("%s is not watched: %s", display(self._file), error)
            return
        self._observer = observer
        self._arm(self._file)
        self._on_change()  # it may have changed since it was read

    def _arm(self, file: Path) -> None:
        """Watch the folders of the file and of what it leads to, or those in which these would appear."""
        kinds = [FileCreatedEvent, FileClosedEvent, FileMovedEvent, FileDeletedEvent, DirCreatedEvent, DirMovedEvent]
        for folder in {_nearest(file.absolute().parent), _nearest(file.resolve().parent)} - self._watched:
            try:
                assert self._observer
                self._observer.schedule(_Hints(self._note), str(folder), event_filter=kinds)
                self._watched.add(folder)
            except OSError as error:
                log.debug("%s is not watched: %s", display(folder), error)

    def note_reading(self) -> None:
        """Remember which bytes are read now."""
        self._read = self._digest()

    def _note(self) -> None:
        with self._lock:
            if self._timer:
                self._timer.cancel()
            self._timer = threading.Timer(_QUIET_SECONDS, self._compare)
            self._timer.daemon = True
            self._timer.start()

    def _compare(self) -> None:
        if self._file and self._observer:
            self._arm(self._file)  # its folder may be there by now
        found = self._digest()
        if found and found != self._read:  # one that is gone is on its way, most likely
            self._on_change()

    def _digest(self) -> str:
        try:
            return hashlib.sha256(self._file.read_bytes()).hexdigest() if self._file else ""
        except OSError:
            return ""

    def close(self) -> None:
        """Stop watching."""
        with self._lock:
            if self._timer:
                self._timer.cancel()
        if self._observer:
            self._observer.stop()
            self._observer.join(5.0)


def _nearest(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that exists."""
    return next((place for place in (folder, *folder.parents) if place.is_dir()), Path("/"))


class _Hints(FileSystemEventHandler):
    """Anything that happened in the folder is a reason to look at the file: an exception here would end the thread."""

    def __init__(self, note: Callable[[], None]) -> None:
        self._note = note

    def on_any_event(self, _event: FileSystemEvent) -> None:
        try:
            self._note()
        except Exception:
            log.exception("a change of the configuration was not noted")
