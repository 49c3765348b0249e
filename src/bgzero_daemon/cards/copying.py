"""One photo copied: hashed on its way, brought to the disk, and read back from there."""

import contextlib
import fcntl
import hashlib
import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bgzero_daemon.core import crash
from bgzero_daemon.core.durable import flush
from bgzero_daemon.core.errors import InboxError
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _

_PREFIX, _SUFFIX = ".bgz-import-", ".tmp"
_PIECE_BYTES = 1 << 20


class Unreadable(Exception):
    """A photo cannot be read from where it is, or is not what it was when it was found; the message says why."""


@dataclass(slots=True)
class HiddenFile:
    """A photo on its way into an inbox, under a hidden name that no watcher looks at, locked by whoever copies it."""

    path: Path
    reader: int  # holds the lock; the writer is closed before the photo gets its name, so that nobody has it open
    writer: int

    def close_writer(self) -> None:
        """Have nobody write to it any more."""
        if self.writer >= 0:
            os.close(self.writer)
            self.writer = -1

    def discard(self) -> None:
        """Remove it where it is there still, and let go of it."""
        try:
            with contextlib.suppress(OSError):  # an inbox that is gone: swept when it is back
                self.path.unlink(missing_ok=True)
        finally:
            self.close_writer()
            os.close(self.reader)


def hidden_file(inbox: Path, mark: str) -> HiddenFile:
    """Make an empty one, `mark` telling whose it is. Raises InboxError."""
    while True:
        path = inbox / f"{_PREFIX}{mark}-{secrets.token_hex(8)}{_SUFFIX}"
        try:
            writer = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise trouble(inbox, error) from error
        try:
            reader = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            os.close(writer)
            raise trouble(inbox, error) from error
        with contextlib.suppress(OSError):  # no locks on this file system: then nothing is swept there either
            fcntl.flock(reader, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(reader).st_nlink:
            return HiddenFile(path, reader, writer)
        os.close(writer)  # swept away before it was locked
        os.close(reader)


def copy(source: int, file: HiddenFile, *, umask: int, on_bytes: Callable[[int], None]) -> str:
    """Copy an open photo and return the SHA-256 of what lies on the disk afterwards, in hex digits.

    `on_bytes` is called with what was copied since it was called last. Raises Unreadable for what is wrong
    with the photo, InboxError for the disk.
    """
    before = _look(source)
    digits, copied = hashlib.sha256(), 0
    for piece in _pieces(source):
        digits.update(piece)
        try:
            _write(file.writer, piece)
        except OSError as error:
            raise trouble(file.path.parent, error) from error
        copied += len(piece)
        crash.point("import-copies")
        on_bytes(len(piece))
    after = _look(source)
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or copied != after.st_size:
        raise Unreadable(_("it changed while it was copied"))
    try:
        os.fchmod(file.writer, 0o666 & ~umask)
        with contextlib.suppress(OSError):  # not a member of that group, or no groups here
            os.fchown(file.writer, -1, os.stat(file.path.parent).st_gid)
        os.utime(file.writer, ns=(before.st_mtime_ns, before.st_mtime_ns))
        flush(file.writer)
        file.close_writer()
        crash.point("import-copied")
        found = _hash_on_disk(file.reader)
    except OSError as error:
        raise trouble(file.path.parent, error) from error
    if found != digits.hexdigest():
        raise InboxError(
            _(
                "A copy in {folder} is not what was written there: that disk, or this machine's memory, is failing."
            ).format(folder=display(file.path.parent))
        )
    crash.point("import-verified")
    return found


def leftovers(inbox: Path) -> Iterator[Path]:
    """Yield the hidden files of imports in an inbox, whoever works on them. Raises OSError."""
    with os.scandir(inbox) as entries:
        for entry in entries:
            if entry.name.startswith(_PREFIX) and entry.name.endswith(_SUFFIX):
                yield Path(entry.path)


def is_of(path: Path, mark: str) -> bool:
    """Say whether a hidden file is of the memory with this mark."""
    return path.name.startswith(f"{_PREFIX}{mark}-")


def sweep(path: Path) -> bool:
    """Remove a hidden file unless somebody works on it. Returns whether it was removed."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def is_content(path: Path, size_bytes: int, sha256: str) -> bool:
    """Say whether a file of this content can be read there."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    with open(descriptor, "rb") as stream, contextlib.suppress(OSError):
        if os.fstat(descriptor).st_size == size_bytes:
            return hashlib.file_digest(stream, "sha256").hexdigest() == sha256
    return False


def trouble(inbox: Path, error: OSError) -> InboxError:
    """Put into words what is wrong with an inbox."""
    return InboxError(
        _("The inbox {folder} cannot be written: {why}.").format(folder=display(inbox), why=error.strerror or error),
        hint=_(
            "Free some space, mount it again or correct its permissions; the next import goes on where this stopped."
        ),
    )


def _look(source: int) -> os.stat_result:
    try:
        return os.fstat(source)
    except OSError as error:
        raise Unreadable(error.strerror) from error


def _pieces(source: int) -> Iterator[bytes]:
    with contextlib.suppress(OSError, AttributeError):
        os.posix_fadvise(source, 0, 0, os.POSIX_FADV_SEQUENTIAL)
    while True:
        try:
            piece = os.read(source, _PIECE_BYTES)
        except OSError as error:
            raise Unreadable(error.strerror) from error
        if not piece:
            return
        yield piece


def _write(descriptor: int, piece: bytes) -> None:
    view = memoryview(piece)
    while view:
        view = view[os.write(descriptor, view) :]


def _hash_on_disk(descriptor: int) -> str:
    """Hash a file that was flushed, by way of the device: memory would only give back what was put there."""
    with contextlib.suppress(OSError, AttributeError):
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    digits, at = hashlib.sha256(), 0
    while piece := os.pread(descriptor, _PIECE_BYTES, at):
        digits.update(piece)
        at += len(piece)
    return digits.hexdigest()
