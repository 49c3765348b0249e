"""The gate: lets a file through once nobody writes to it and it has been quiet for a while."""

import fcntl
import heapq
import logging
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bgzero_daemon.core.job import Fingerprint, PhotoKey, is_regular

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sight:
    """One look at a file: its fingerprint, and whether somebody has it open for writing (None: cannot tell)."""

    fingerprint: Fingerprint
    is_written: bool | None


def look(path: Path) -> Sight | None:
    """Look at a file without following links and without blocking. None for anything but a regular file."""
    try:
        stat = os.lstat(path)
        if not is_regular(stat):
            return None
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError:
        return Sight(Fingerprint.of(stat), None)
    except OSError:
        return None
    try:
        stat = os.fstat(descriptor)
        return Sight(Fingerprint.of(stat), _is_written(descriptor)) if is_regular(stat) else None
    finally:
        os.close(descriptor)


def ignore_lease_breaks() -> None:
    """Ignore SIGIO, whose default action would kill the process. Call once, before the first `look`."""
    if hasattr(signal, "SIGIO"):
        signal.signal(signal.SIGIO, signal.SIG_IGN)


def _is_written(descriptor: int) -> bool | None:
    """Ask the kernel whether anybody has this file open for writing, by a read lease taken and given back.

    Exact on local Linux file systems (fcntl(2), "Leases"); None where leases say nothing: another's
    file, a network mount, another system.
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


class Gate:
    """Files on their way in. A file is ready once it looked the same for `settle_seconds` of our own clock
    and nobody has it open for writing. Time is handed in, in seconds of a monotonic clock.
    """

    def __init__(self, settle_seconds: float, look_at: Callable[[Path], Sight | None] = look) -> None:
        self._settle, self._look = settle_seconds, look_at
        self._seen: dict[PhotoKey, tuple[Path, Fingerprint, float]] = {}
        self._due: list[tuple[float, int, PhotoKey]] = []
        self._order = 0

    def __len__(self) -> int:
        return len(self._seen)

    def notice(self, key: PhotoKey, path: Path, now: float) -> None:
        """Look at a file that is new or may have changed; its quiet time begins again if it did."""
        sight = self._look(path)
        if sight is None:
            self._seen.pop(key, None)
            return
        former = self._seen.get(key)
        if former is None or former[1] != sight.fingerprint:
            self._wait(key, path, sight.fingerprint, now)

    def _wait(self, key: PhotoKey, path: Path, fingerprint: Fingerprint, now: float) -> None:
        due = now + self._settle
        self._seen[key] = (path, fingerprint, due)
        self._order += 1
        heapq.heappush(self._due, (due, self._order, key))

    def next_due(self) -> float | None:
        """Return when the next file is worth a look."""
        while self._due and self._is_stale(self._due[0]):
            heapq.heappop(self._due)
        return self._due[0][0] if self._due else None

    def _is_stale(self, entry: tuple[float, int, PhotoKey]) -> bool:
        seen = self._seen.get(entry[2])
        return seen is None or seen[2] != entry[0]

    def ready(self, now: float) -> Iterator[tuple[PhotoKey, Fingerprint]]:
        """Yield the files that are whole as far as can be seen, oldest first, and let go of them."""
        while (due := self.next_due()) is not None and due <= now:
            _due, _order, key = heapq.heappop(self._due)
            path, fingerprint, _since = self._seen[key]
            sight = self._look(path)
            if sight is None:
                del self._seen[key]
            elif sight.fingerprint != fingerprint or sight.is_written:
                self._wait(key, path, sight.fingerprint, now)
            else:
                del self._seen[key]
                yield key, fingerprint
