"""When to look where: events, scans, and everything that makes a scan necessary at once."""

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bgzero_daemon.core.job import PhotoKey
from bgzero_daemon.service.inbox import Inbox
from bgzero_daemon.settings.schema import Watch

log = logging.getLogger(__name__)

_IDENTITY_SECONDS = 2.0
_NEW_FOLDER_SECONDS = 1.0  # a folder that just appeared is walked again: files in it may have made no event
_SCAN_SHARE = 1000.0  # a scan that took t seconds of CPU is followed by a pause of at least 1,000 t
_SHORTAGES = 2  # scans in a row: folders come and go while they are counted
_SLEEP_SECONDS = 5.0  # a jump of the clock that goes on in suspend, by this much, means: we slept


def suspended_seconds() -> float:
    """Return how long this machine has been suspended since it was started; 0 where no clock tells."""
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return 0.0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)


class Watcher:
    """All inboxes together. Time is handed in, in seconds of a monotonic clock."""

    def __init__(
        self,
        inboxes: Sequence[Inbox],
        config: Watch,
        *,
        suspended: Callable[[], float] = suspended_seconds,
    ) -> None:
        self._inboxes, self._config, self._suspended = inboxes, config, suspended
        self._next_scan = dict.fromkeys(range(len(inboxes)), 0.0)
        self._next_check = 0.0
        self._again: list[tuple[float, Inbox, str]] = []
        self._slept = suspended()
        self._shortages = 0

    def arm(self) -> None:
        """Begin to watch every inbox; the first call of `findings` scans them, so nothing falls in between."""
        logging.getLogger("watchdog.observers").setLevel(logging.WARNING)  # whatever level the user wants to read
        logging.getLogger("watchdog.observers").addHandler(_OverflowHandler(self._inboxes))
        for inbox in self._inboxes:
            inbox.arm()

    def close(self) -> None:
        """Stop watching."""
        for inbox in self._inboxes:
            inbox.disarm()

    @property
    def is_scanned(self) -> bool:
        """Say whether every inbox was scanned at least once."""
        return all(moment > 0 for moment in self._next_scan.values())

    def next_due(self) -> float:
        """Return when there is something to do even if no event comes."""
        again = [moment for moment, _inbox, _path in self._again]
        return min([*self._next_scan.values(), self._next_check, *again])

    def findings(self, now: float) -> Iterator[PhotoKey]:
        """Yield every file that is new, may have changed, or was found by a scan that is due."""
        self._check(now)
        for inbox in self._inboxes:
            if inbox.overflowed:
                inbox.overflowed = False
                inbox.take_dirty()
                self._next_scan[inbox.number] = now
            for path in inbox.take_dirty():
                if os.path.isdir(path) and not os.path.islink(path):
                    self._again.append((now + _NEW_FOLDER_SECONDS, inbox, path))
                yield from inbox.below(path)
        due = [entry for entry in self._again if entry[0] <= now]
        self._again = [entry for entry in self._again if entry[0] > now]
        for _moment, inbox, path in due:
            yield from inbox.below(path)
        for inbox in self._inboxes:
            if now >= self._next_scan[inbox.number]:
                yield from self._scan(inbox)

    def _check(self, now: float) -> None:
        slept = self._suspended()
        if slept - self._slept > _SLEEP_SECONDS:
            log.info("back from sleep: everything is scanned")
            self._next_scan = dict.fromkeys(self._next_scan, now)
        self._slept = slept
        if now < self._next_check:
            return
        self._next_check = now + _IDENTITY_SECONDS
        for inbox in self._inboxes:
            if inbox.check():
                self._next_scan[inbox.number] = now

    def _scan(self, inbox: Inbox) -> Iterator[PhotoKey]:
        before = time.thread_time()
        if not inbox.trouble:
            yield from inbox.scan()
            self._count_watches()
        cost = time.thread_time() - before
        shortest = self._config.poll_seconds if inbox.is_blind else self._config.rescan_seconds
        self._next_scan[inbox.number] = time.monotonic() + max(shortest, _SCAN_SHARE * cost)

    def _count_watches(self) -> None:
        """Find out whether the kernel gave as many watches as there are folders: watchdog does not say."""
        watched = [inbox for inbox in self._inboxes if not inbox.is_blind and not inbox.trouble]
        wanted = sum(inbox.folders_seen if inbox.folder.recursive else 1 for inbox in watched)
        have = _watches_held()
        is_short = bool(watched) and have is not None and have < wanted and self.is_scanned
        self._shortages = self._shortages + 1 if is_short else 0
        if self._shortages >= _SHORTAGES:
            for inbox in watched:
                inbox.say_blind(f"{have} of {wanted} folders can be watched")


def _watches_held() -> int | None:
    """Return how many inotify watches this process holds (proc(5), fdinfo); None where nothing tells."""
    try:
        numbers = os.listdir("/proc/self/fdinfo")
    except OSError:
        return None
    count = 0
    for number in numbers:
        with contextlib.suppress(OSError):  # closed meanwhile, as the listing's own
            count += Path("/proc/self/fdinfo", number).read_bytes().count(b"inotify wd")
    return count


class _OverflowHandler(logging.Handler):
    """watchdog says in its log, and nowhere else, that the kernel dropped events."""

    def __init__(self, inboxes: Sequence[Inbox]) -> None:
        super().__init__(logging.WARNING)
        self._inboxes = inboxes

    def emit(self, record: logging.LogRecord) -> None:
        if "overflow" in record.getMessage():
            for inbox in self._inboxes:
                inbox.note_overflow()
