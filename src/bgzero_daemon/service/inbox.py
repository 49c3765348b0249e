"""Watching an inbox. Events are hints that only mark a path as dirty; a scan of the folder is the truth."""

import logging
import os
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from watchdog.events import (
    DirCreatedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from bgzero_daemon.core.errors import BgzeroError
from bgzero_daemon.core.job import PhotoKey
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _
from bgzero_daemon.settings.schema import Folder

log = logging.getLogger(__name__)

# Without "opened" and "closed without writing" our own reading makes no events.
_EVENTS: list[type[FileSystemEvent]] = [
    FileCreatedEvent,
    FileClosedEvent,
    FileMovedEvent,
    DirCreatedEvent,
    DirMovedEvent,
]
_UNFINISHED = (".part", ".partial", ".filepart", ".crdownload", ".download", ".opdownload", ".tmp", ".temp", "~")


def is_ignored(name: str) -> bool:
    """Say whether a file or folder of this name is hidden, or something that is still being made."""
    return name.startswith(".") or name.lower().endswith(_UNFINISHED)


class Inbox:
    """One watched folder. `on_dirty` is called, from any thread, when there is something in `take_dirty`."""

    def __init__(self, number: int, folder: Folder, on_dirty: Callable[[], None]) -> None:
        self.number, self.folder = number, folder
        self.root = str(folder.inbox)
        self._on_dirty = on_dirty
        self._lock = threading.Lock()
        self._dirty: set[str] = set()
        self._observer: BaseObserver | None = None

    def arm(self) -> None:
        """Begin to watch. Raises BgzeroError where the system refuses."""
        observer = Observer()
        try:
            observer.schedule(_Hints(self._mark), self.root, recursive=self.folder.recursive, event_filter=_EVENTS)
            observer.start()
        except OSError as error:
            raise BgzeroError(
                _("The inbox {folder} cannot be watched: {why}.").format(folder=display(self.root), why=error.strerror),
                hint=_("If the limit of watches is reached: sysctl fs.inotify.max_user_watches=524288"),
            ) from error
        self._observer = observer

    def close(self) -> None:
        """Stop watching."""
        if self._observer:
            self._observer.stop()
            self._observer.join(5)

    def _mark(self, path: str) -> None:
        with self._lock:
            self._dirty.add(path)
        self._on_dirty()

    def take_dirty(self) -> Iterator[tuple[PhotoKey, Path]]:
        """Yield the files that events named since the last call; of a new folder, all that is in it."""
        with self._lock:
            paths, self._dirty = self._dirty, set()
        for path in paths:
            try:
                mode = os.lstat(path).st_mode
            except OSError:
                continue
            if stat.S_ISDIR(mode) and self.folder.recursive:
                yield from self._walk(path)
            elif stat.S_ISREG(mode) and (found := self._key(path)):
                yield found, Path(path)

    def scan(self) -> Iterator[tuple[PhotoKey, Path]]:
        """Yield every regular file in the inbox that is not ignored."""
        yield from self._walk(self.root)

    def _key(self, path: str) -> PhotoKey | None:
        rel = os.path.relpath(path, self.root)
        parts = rel.split(os.sep)
        if any(is_ignored(part) for part in parts) or (len(parts) > 1 and not self.folder.recursive):
            return None
        return PhotoKey(self.number, rel)

    def _walk(self, top: str) -> Iterator[tuple[PhotoKey, Path]]:
        waiting = [top]
        while waiting:
            folder = waiting.pop()
            try:
                entries = list(os.scandir(folder))
            except OSError as error:
                log.warning("%s cannot be read: %s", display(folder), error.strerror)
                continue
            for entry in entries:
                if is_ignored(entry.name):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if self.folder.recursive:
                        waiting.append(entry.path)
                elif entry.is_file(follow_symlinks=False) and (key := self._key(entry.path)):
                    yield key, Path(entry.path)


class _Hints(FileSystemEventHandler):
    """Leaves a message and returns: an exception here would end watchdog's thread for good."""

    def __init__(self, mark: Callable[[str], None]) -> None:
        self._mark = mark

    def on_any_event(self, event: FileSystemEvent) -> None:
        try:
            self._mark(os.fsdecode(event.dest_path or event.src_path))
        except Exception:
            log.exception("an event could not be noted; the next scan finds the file")
