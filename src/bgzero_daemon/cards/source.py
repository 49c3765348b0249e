"""A card or folder with photos, opened for reading alone: not even the times of its last reading change."""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bgzero_daemon.core.errors import CardError
from bgzero_daemon.core.mounts import mount_of
from bgzero_daemon.core.names import display
from bgzero_daemon.core.shots import is_photo
from bgzero_daemon.core.texts import _

_BY_UUID = "/dev/disk/by-uuid"
_UNMARKED = getattr(os, "O_NOATIME", 0)


@dataclass(frozen=True, slots=True)
class Found:
    """A photo on a card: its path below the card's root, its length, and when it was taken by its file's time."""

    path: str
    size_bytes: int
    mtime_ns: int

    @property
    def moment(self) -> int:
        """Seconds since 1970, rounded to even ones: FAT keeps no others."""
        return self.mtime_ns // 2_000_000_000 * 2


class Card:
    """A card by any of its folders. `name` is what people call it; `identity` outlives being pulled out and put back.

    `root` is where it is mounted, and paths are told from there; photos are looked for below `top` alone: in the
    folder DCIM, as cameras and phones make it, and in all of what was named where there is none.
    """

    def __init__(self, place: Path) -> None:
        """Raises CardError where there is no folder that can be read."""
        try:
            named = os.path.realpath(place, strict=True)
            if not os.path.isdir(named):
                raise CardError(_("{place} is not a folder.").format(place=display(place)))
            mount = mount_of(named)
            self.root = mount.point if mount else "/"
            self.named, self.top = named, photo_folder(named) or named
            self.identity = _identity(self.root)
            self._mark = _mark(self.top)
        except FileNotFoundError:
            raise CardError(_("There is no {path}.").format(path=display(place))) from None
        except OSError as error:
            raise _trouble(place, error) from error
        self.name = os.path.basename(named) or named

    @property
    def is_there(self) -> bool:
        """Say whether it still is where it was: not pulled out, not unmounted, no other one in its place."""
        try:
            return _mark(self.top) == self._mark and next(_entries(self.top), None) is not None
        except OSError:
            return False

    def place(self, found: Found) -> str:
        """Return a photo's full path."""
        return os.path.join(self.root, found.path)

    def photos(self) -> tuple[list[Found], list[str]]:
        """Return all that is called like a photo, and the folders that cannot be read. Raises CardError for the top.

        No links are followed, and nothing hidden is looked at.
        """
        photos: list[Found] = []
        unreadable: list[str] = []
        waiting = [self.top]
        while waiting:
            folder = waiting.pop()
            try:
                for name, found in _entries(folder):
                    path = os.path.join(folder, name)
                    if stat.S_ISDIR(found.st_mode):
                        waiting.append(path)
                    elif stat.S_ISREG(found.st_mode) and is_photo(name):
                        photos.append(Found(os.path.relpath(path, self.root), found.st_size, found.st_mtime_ns))
            except OSError as error:
                if folder == self.top:
                    raise _trouble(folder, error) from error
                unreadable.append(folder)
        return photos, unreadable

    @contextlib.contextmanager
    def opened(self, found: Found) -> Iterator[int]:
        """Open a photo for reading. Raises OSError, also where another one is there by now, as of another card."""
        descriptor = _open(self.place(found), os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            now = os.fstat(descriptor)
            if (now.st_size, now.st_mtime_ns) != (found.size_bytes, found.mtime_ns) or not stat.S_ISREG(now.st_mode):
                raise OSError(errno.ESTALE, _("it has changed since the photos were counted"))
            yield descriptor
        finally:
            os.close(descriptor)


def photo_folder(place: str) -> str | None:
    """Return the folder DCIM of a card; None where there is none. A link is none: it could lead anywhere."""
    for name in ("DCIM", "dcim"):
        with contextlib.suppress(OSError):
            if stat.S_ISDIR(os.lstat(top := os.path.join(place, name)).st_mode):
                return top
    return None


def _open(path: str, flags: int) -> int:
    """Open without noting that it was read, where this account may ask for that: only for files of its own."""
    flags |= os.O_RDONLY | os.O_CLOEXEC
    try:
        return os.open(path, flags | _UNMARKED)
    except PermissionError:
        return os.open(path, flags)


def _entries(folder: str) -> Iterator[tuple[str, os.stat_result]]:
    descriptor = _open(folder, os.O_DIRECTORY)
    try:
        with os.scandir(descriptor) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                with contextlib.suppress(FileNotFoundError):  # gone since the folder was read: the others are there
                    yield entry.name, entry.stat(follow_symlinks=False)
    finally:
        os.close(descriptor)


def _mark(folder: str) -> tuple[int, int]:
    found = os.stat(folder)
    return found.st_dev, found.st_ino


def _identity(root: str) -> str:
    """Return the file system's UUID where the machine tells it, else its size in bytes."""
    device = os.stat(root).st_dev
    with contextlib.suppress(OSError):
        for link in os.scandir(_BY_UUID):
            with contextlib.suppress(OSError):
                if os.stat(link.path).st_rdev == device:
                    return f"uuid:{link.name}"
    space = os.statvfs(root)
    return f"size:{space.f_blocks * space.f_frsize}"


def _trouble(place: str | Path, error: OSError) -> CardError:
    return CardError(_("{place} cannot be read: {why}.").format(place=display(place), why=error.strerror))
