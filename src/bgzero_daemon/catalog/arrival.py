"""Weights on their way onto the shelf: a hidden file that one process writes at a time, named only when it is whole."""

import errno
import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bgzero_daemon.catalog.card import ModelCard
from bgzero_daemon.core.errors import ModelError
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _

ENDING = ".part"
_SPARE_BYTES = 50_000_000  # left to others on the same disk
_LOOK_AGAIN_SECONDS = 0.2
_PIECE_BYTES = 1 << 20


class Part:
    """What has arrived of a card's weights. Every method raises ModelError where the disk does not take it."""

    def __init__(self, descriptor: int, path: Path, card: ModelCard) -> None:
        self._descriptor, self.path, self._card = descriptor, path, card
        self.size = os.fstat(descriptor).st_size

    def append(self, content: bytes) -> None:
        """Write further bytes at the end."""
        view = memoryview(content)
        while view:
            try:
                written = os.pwrite(self._descriptor, view, self.size)
            except OSError as error:
                raise _disk(error, self.path) from error
            self.size += written
            view = view[written:]

    def cut(self, size: int) -> None:
        """Keep the first `size` bytes."""
        try:
            os.ftruncate(self._descriptor, size)
        except OSError as error:
            raise _disk(error, self.path) from error
        self.size = size

    def sha256(self, start: int = 0, end: int | None = None) -> str:
        """Return the hash of what lies on the disk from one offset to another, as hex digits."""
        digits, at = hashlib.sha256(), start
        end = self.size if end is None else end
        try:
            while piece := os.pread(self._descriptor, min(_PIECE_BYTES, end - at), at):
                digits.update(piece)
                at += len(piece)
        except OSError as error:
            raise _disk(error, self.path) from error
        return digits.hexdigest()

    def need_room(self, size: int) -> None:
        """Raise ModelError where the disk has no room for a file of `size` bytes."""
        more, free = size - self.size, shutil.disk_usage(self.path.parent).free
        if more > 0 and free < more + _SPARE_BYTES:
            raise ModelError(
                _("{mb} MB are needed in {folder}, and {free} MB are free there.").format(
                    mb=round((more + _SPARE_BYTES) / 1e6), folder=display(self.path.parent), free=round(free / 1e6)
                ),
                hint=_("Make room, or move that folder with XDG_DATA_HOME."),
            )

    def publish(self) -> Path:
        """Give it the card's name, once its bytes are safe. What stood there is set aside. Returns the path."""
        final = self.path.with_name(self._card.file)
        try:
            os.fchmod(self._descriptor, 0o644)
            os.fsync(self._descriptor)
            with suppress(FileNotFoundError):
                os.rename(final, final.with_name(f"{final.name}.aside-{time.strftime('%Y%m%d-%H%M%S')}"))
            os.rename(self.path, final)
            folder = os.open(final.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise _disk(error, final) from error
        return final

    def discard(self) -> None:
        """Leave nothing behind."""
        with suppress(OSError):
            os.unlink(self.path)


def part_path(folder: Path, card: ModelCard) -> Path:
    """Return where a card's weights are while they are on their way."""
    return folder / f".{card.sha256[:16]}{ENDING}"


def forget(folder: Path, card: ModelCard) -> bool:
    """Take away what has arrived of a card's weights, unless a process is at it. Says whether there was something."""
    path = part_path(folder, card)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(path)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


@contextmanager
def arriving(folder: Path, card: ModelCard, on_wait: Callable[[], None]) -> Iterator[Part | None]:
    """Hold the hidden file of a card's weights. None where another process has brought them meanwhile.

    `on_wait` is called once where another process is at it: this one waits for its end. Raises ModelError.
    """
    path = part_path(folder, card)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = _hold(path, on_wait)
    except OSError as error:
        raise _disk(error, path) from error
    try:
        is_here = is_right(folder / card.file, card)
        part = Part(descriptor, path, card)
        if is_here:
            part.discard()
        yield None if is_here else part
    finally:
        os.close(descriptor)


def _hold(path: Path, on_wait: Callable[[], None]) -> int:
    is_waiting = False
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # whoever had it may have given it its name, or taken it away: then this is another file by now
            if _is_same(descriptor, path):
                return descriptor
        except BlockingIOError:
            if not is_waiting:
                is_waiting = True
                on_wait()
            time.sleep(_LOOK_AGAIN_SECONDS)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_same(descriptor: int, path: Path) -> bool:
    mine = os.fstat(descriptor)
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return False
    return (mine.st_dev, mine.st_ino) == (found.st_dev, found.st_ino)


def is_right(file: Path, card: ModelCard) -> bool:
    """Say whether a file can be read and is what a card describes: what is damaged below is fetched anew."""
    if not os.path.isfile(file):
        return False
    try:
        with open(file, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == card.sha256
    except OSError:
        return False


def _disk(error: OSError, path: Path) -> ModelError:
    is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return ModelError(
        _("{file} cannot be written: {why}.").format(file=display(path), why=error.strerror),
        hint=_("Make room; the same command goes on where it stopped.") if is_full else "",
    )
