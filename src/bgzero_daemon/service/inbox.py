"""One watched folder. Events are hints that only mark a path as dirty; a scan of the folder is the truth."""

import logging
import os
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

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

from bgzero_daemon.core.job import Fingerprint, PhotoKey
from bgzero_daemon.core.mounts import Mount, mount_of
from bgzero_daemon.core.names import display
from bgzero_daemon.core.shots import is_beside
from bgzero_daemon.core.texts import _
from bgzero_daemon.service.sight import Sight, look
from bgzero_daemon.service.unfinished import is_ignored
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
_MOST_DIRTY = 10_000


class Inbox:
    """A folder, its identity on disk, and the watch on it.

    `on_dirty`, to be set by whoever listens, is called from any thread when there is something in
    `take_dirty`. `trouble` is "" or
    the sentence that says why nothing is seen at present; `is_blind` says that events do not come, so
    the folder has to be polled.
    """

    def __init__(self, number: int, folder: Folder) -> None:
        self.number, self.folder = number, folder
        self.root = str(folder.inbox)
        self.trouble = ""
        self.mount: Mount | None = mount_of(self.root)
        self.is_blind = False
        self.overflowed = False
        self.folders_seen = 0
        self.on_dirty: Callable[[], None] = lambda: None
        self._lock = threading.Lock()
        self._dirty: set[str] = set()
        self._observer: BaseObserver | None = None
        self._identity: tuple[int, int] | None = None
        self._is_armed = False

    @property
    def is_remote(self) -> bool:
        """Say whether other machines may write here without an event."""
        return self.folder.watch == "poll" or (self.mount is not None and self.mount.is_remote)

    @property
    def is_watched(self) -> bool:
        """Say whether events of it are asked for."""
        return self._observer is not None

    def arm(self) -> None:
        """Begin to watch, and remember which folder it is. Where the system refuses, say so and be blind."""
        self.disarm()
        self._is_armed = True
        try:
            found = os.stat(self.root)
        except OSError as error:
            self._set_trouble(error.strerror or str(error))
            return
        self._identity = found.st_dev, found.st_ino
        self.mount = mount_of(self.root)
        self.is_blind = self.is_remote
        if self.is_blind:
            return
        try:
            observer = Observer()
            observer.schedule(_Hints(self._mark), self.root, recursive=self.folder.recursive, event_filter=_EVENTS)
            observer.start()
        except OSError as error:
            self.say_blind(error.strerror or str(error))
            return
        self._observer = observer

    def say_blind(self, why: str) -> None:
        """Note, and say once, that events do not come or not for all of it."""
        if not self.is_blind:
            log.warning(
                _("%s is scanned often instead of watched: %s. The limits are raised by: sysctl %s"),
                display(self.root),
                why,
                "fs.inotify.max_user_watches=524288 fs.inotify.max_user_instances=512",
            )
        self.is_blind = True

    def fingerprint(self, found: os.stat_result) -> Fingerprint:
        """Take a file's fingerprint; only length and time where device, inode and ctime may change by themselves."""
        is_remote = self.mount is not None and self.mount.is_remote
        return Fingerprint.of_remote(found) if is_remote else Fingerprint.of(found)

    def look(self, key: PhotoKey) -> Sight | None:
        """Look at one of its files. A lease knows the writers of this machine only."""
        sight = look(self.root, key.rel, self.fingerprint)
        return replace(sight, is_written=None) if sight and self.is_remote else sight

    def disarm(self) -> None:
        """Stop watching."""
        observer, self._observer = self._observer, None
        if observer:
            observer.stop()
            observer.join(5)

    def check(self) -> bool:
        """Look whether this is still the folder that is watched. Returns True where it has to be scanned anew.

        A folder that is gone, or whose mount is gone, is trouble and never an empty folder; another one
        in its place (recreated, mounted over) is watched instead. Before `arm` there is nothing to check.
        """
        if not self._is_armed:
            return False
        try:
            found = os.stat(self.root)
        except OSError as error:
            self._set_trouble(error.strerror or str(error))
            return False
        mount = mount_of(self.root)
        if self.mount and mount and self.mount.point == os.path.realpath(self.root) != mount.point:
            self._set_trouble(_("nothing is mounted there"))
            return False
        is_another = self._identity != (found.st_dev, found.st_ino)
        is_dead = self._observer is not None and not self._is_observed()
        if not (self.trouble or is_another or is_dead):
            return False
        if self.trouble:
            log.info(_("The inbox %s is back."), display(self.root))
        elif is_another:
            log.warning(_("The inbox %s is another folder now; it is watched from here on."), display(self.root))
        self.trouble = ""
        self.arm()
        return True

    def _is_observed(self) -> bool:
        observer = self._observer
        return observer is not None and observer.is_alive() and all(emitter.is_alive() for emitter in observer.emitters)

    def _set_trouble(self, why: str) -> None:
        if not self.trouble:
            log.warning(
                _("The inbox %s is not there: %s. It is watched again when it is back."), display(self.root), why
            )
            self.disarm()
        self.trouble = why

    def _mark(self, path: str) -> None:
        with self._lock:
            if len(self._dirty) < _MOST_DIRTY:
                self._dirty.add(path)
            else:
                self.overflowed = True
        self.on_dirty()

    def note_overflow(self) -> None:
        """Note that events were lost: the whole folder has to be scanned."""
        self.overflowed = True
        self.on_dirty()

    def take_dirty(self) -> list[str]:
        """Return the paths that events named since the last call."""
        with self._lock:
            paths, self._dirty = self._dirty, set()
        return list(paths)

    def below(self, path: str) -> Iterator[PhotoKey]:
        """Yield the regular files at a path: itself, or all that is in it, but for what only lies beside photos."""
        try:
            mode = os.lstat(path).st_mode
        except OSError:
            return
        if stat.S_ISDIR(mode) and self.folder.recursive:
            yield from self._walk(path)
        elif stat.S_ISREG(mode) and (key := self._key(path)):
            yield key

    def scan(self) -> Iterator[PhotoKey]:
        """Yield every regular file in the inbox that is not ignored. `folders_seen` counts its folders meanwhile."""
        self.folders_seen = 0
        yield from self._walk(self.root)

    def _key(self, path: str) -> PhotoKey | None:
        rel = os.path.relpath(path, self.root)
        parts = rel.split(os.sep)
        is_in = self.folder.recursive or len(parts) == 1
        if not is_in or any(is_ignored(part) for part in parts) or is_beside(parts[-1]):
            return None
        return PhotoKey(self.number, rel)

    def _walk(self, top: str) -> Iterator[PhotoKey]:
        waiting = [top]
        while waiting:
            folder = waiting.pop()
            try:
                entries = [entry for entry in os.scandir(folder) if not is_ignored(entry.name)]
                folders = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
                files = [entry.path for entry in entries if entry.is_file(follow_symlinks=False)]
            except OSError as error:
                log.debug("%s cannot be read: %s", display(folder), error.strerror)
                continue
            self.folders_seen += 1
            if self.folder.recursive:
                waiting.extend(folders)
            yield from (key for path in files if (key := self._key(path)))


class _Hints(FileSystemEventHandler):
    """Leaves a message and returns: an exception here would end watchdog's thread for good."""

    def __init__(self, mark: Callable[[str], None]) -> None:
        self._mark = mark

    def on_any_event(self, event: FileSystemEvent) -> None:
        try:
            self._mark(os.fsdecode(event.dest_path or event.src_path))
        except Exception:
            log.exception("an event could not be noted; the next scan finds the file")
