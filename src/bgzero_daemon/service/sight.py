"""Looking at a file in an inbox: without following links, without blocking, without being noticed."""

import fcntl
import hashlib
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bgzero_daemon.core.job import Fingerprint, is_regular
from bgzero_daemon.service.container import Structure
from bgzero_daemon.service.structure import examine

_PIECE_BYTES = 1 << 20
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Sight:
    """One look at a file: its fingerprint, and whether somebody has it open for writing (None: cannot tell)."""

    fingerprint: Fingerprint
    is_written: bool | None


def hash_of(descriptor: int) -> str:
    """Return the SHA-256 of an open file's bytes as hex digits, wherever it was read up to. Raises OSError."""
    digits, at = hashlib.sha256(), 0
    while part := os.pread(descriptor, _PIECE_BYTES, at):
        digits.update(part)
        at += len(part)
    return digits.hexdigest()


def open_below(root: str | Path, rel: str) -> int:
    """Open a file below a folder for reading, following no link on the way, whatever is swapped meanwhile.

    The root itself may be reached through links: somebody configured it. Raises OSError; a link in the
    path is ELOOP or ENOTDIR.
    """
    *folders, name = rel.split(os.sep)
    place = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for folder in folders:
            inner = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place)
            os.close(place)
            place = inner
        return os.open(name, _FLAGS, dir_fd=place)
    finally:
        os.close(place)


def hash_below(root: str | Path, rel: str) -> str:
    """Return the SHA-256 of a file below a folder as hex digits, "" where it cannot be read."""
    try:
        descriptor = open_below(root, rel)
    except (OSError, ValueError):  # a NUL in a name that somebody else wrote
        return ""
    try:
        return hash_of(descriptor)
    except OSError:
        return ""
    finally:
        os.close(descriptor)


def look(
    root: str | Path, rel: str, fingerprint: Callable[[os.stat_result], Fingerprint] = Fingerprint.of
) -> Sight | None:
    """Look at a file below a folder. None for anything but a regular file that no link leads to."""
    path = os.path.join(root, rel)
    try:
        stat = os.lstat(path)
    except OSError:  # gone, or in a folder that this account may list but not enter
        return None
    if not is_regular(stat):
        return None
    try:
        descriptor = open_below(root, rel)
    except PermissionError:
        return Sight(fingerprint(stat), None)
    except OSError:
        return None
    try:
        stat = os.fstat(descriptor)
        return Sight(fingerprint(stat), _is_written(descriptor)) if is_regular(stat) else None
    finally:
        os.close(descriptor)


def look_inside(root: str | Path, rel: str) -> Structure:
    """Examine a file's structure. What cannot be opened or read misses nothing: others will say why."""
    try:
        descriptor = open_below(root, rel)
    except OSError:
        return Structure()
    try:
        return examine(descriptor)
    except OSError:
        return Structure()
    finally:
        os.close(descriptor)


def ignore_lease_breaks() -> None:
    """Ignore SIGIO, whose default action would kill the process. Call once, before the first `look`."""
    if hasattr(signal, "SIGIO"):
        signal.signal(signal.SIGIO, signal.SIG_IGN)


def _is_written(descriptor: int) -> bool | None:
    """Ask the kernel whether anybody has this file open for writing, by a read lease taken and given back.

    Exact on local Linux file systems (fcntl(2), "Leases"); None where leases say nothing: another's
    file, a network mount, another system. It is given back at once: a writer that comes in between
    would have to wait for it.
    """
    if not hasattr(fcntl, "F_SETLEASE"):
        return None
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return True
    except OSError:
        return None
    return False
