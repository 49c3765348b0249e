"""When to look where: events, scans, and everything that makes a scan necessary at once."""

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bgzero_daemon.core.job import PhotoKey
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _
from bgzero_daemon.service.inbox import Inbox
from bgzero_daemon.settings.schema import Watch

log = logging.getLogger(__name__)

_IDENTITY_SECONDS = 2.0
_NEW_FOLDER_SECONDS = 1.0  # a folder that just appeared is walked again: files in it may have made no event
_SCAN_SHARE = 1000.0  # a scan that took t seconds of CPU is followed by a pause of at least 1,000 t
_REMOTE_SHARE = 20.0  # and where another machine does the work, by 20 times the time it took
_SHORTAGES = 2  # scans in a row: folders come and go while they are counted
_SLEEP_SECONDS = 5.0  # a jump of the clock that goes on in suspend, by this much, means: we slept


def suspended_seconds() -> float:
    """Return how long this machine has been suspended since it was started; 0 where no clock tells."""
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return 0.0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)


class Watcher:
    """What happens to one inbox. Time is handed in, in seconds of a monotonic clock.

    `all_inboxes` are those of this process: the kernel's watches are counted for all of them together.
    """

    def __init__(
        self,
        inbox: Inbox,
        config: Watch,
        *,
        all_inboxes: Sequence[Inbox] = (),
        suspended: Callable[[], float] = suspended_seconds,
    ) -> None:
        self._inbox, self._config, self._suspended = inbox, config, suspended
        self._all = all_inboxes or (inbox,)
        self._next_scan = 0.0
        self._next_check = 0.0
        self._again: list[tuple[float, str]] = []
        self._slept = suspended()
        self._shortages = 0
        self._why = _("at the start")

    def arm(self) -> None:
        """Begin to watch; the first call of `findings` scans, so nothing falls in between."""
        observers = logging.getLogger("watchdog.observers")
        observers.setLevel(logging.WARNING)  # whatever level the user wants to read
        observers.addHandler(_OverflowHandler(self._inbox))
        self._inbox.arm()

    def close(self) -> None:
        """Stop watching."""
        # watchdog calls it an error that its own thread was asked once more after it was told to end
        logging.getLogger("watchdog.observers").setLevel(logging.CRITICAL)
        self._inbox.disarm()

    @property
    def is_scanned(self) -> bool:
        """Say whether the inbox was scanned at least once."""
        return self._next_scan > 0

    def scan_at(self, moment: float, why: str) -> None:
        """Have the whole folder scanned at that moment, if not before. `why` goes to the log."""
        if moment < self._next_scan:
            self._next_scan, self._why = moment, why

    def next_due(self) -> float:
        """Return when there is something to do even if no event comes."""
        return min([self._next_scan, self._next_check, *(moment for moment, _path in self._again)])

    def findings(self, now: float) -> Iterator[PhotoKey]:
        """Yield every file that is new, may have changed, or was found by a scan that is due."""
        self._check(now)
        inbox = self._inbox
        if inbox.overflowed:
            inbox.overflowed = False
            inbox.take_dirty()
            self.scan_at(now, _("as events were lost"))
        for path in inbox.take_dirty():
            if os.path.isdir(path) and not os.path.islink(path):
                self._again.append((now + _NEW_FOLDER_SECONDS, path))
            yield from inbox.below(path)
        due = [path for moment, path in self._again if moment <= now]
        self._again = [entry for entry in self._again if entry[0] > now]
        for path in due:
            yield from inbox.below(path)
        if now >= self._next_scan:
            yield from self._scan()

    def _check(self, now: float) -> None:
        slept = self._suspended()
        if slept - self._slept > _SLEEP_SECONDS:
            self.scan_at(now, _("as this machine slept"))
        self._slept = slept
        if now < self._next_check:
            return
        self._next_check = now + _IDENTITY_SECONDS
        if self._inbox.check():
            self.scan_at(now, _("as it is another folder, or is back"))

    def _scan(self) -> Iterator[PhotoKey]:
        inbox, count = self._inbox, 0
        cpu, clock = time.thread_time(), time.monotonic()
        if not inbox.trouble:
            for key in inbox.scan():
                count += 1
                yield key
            self._count_watches()
        pause = max(
            self._config.poll_seconds if inbox.is_blind else self._config.rescan_seconds,
            _SCAN_SHARE * (time.thread_time() - cpu),
            _REMOTE_SHARE * (time.monotonic() - clock) if inbox.is_remote else 0.0,
        )
        self._next_scan = time.monotonic() + pause
        why, self._why = self._why, ""
        log.log(
            logging.INFO if why else logging.DEBUG,
            _("%s was looked through%s: %d files."), display(inbox.root), f" {why}" if why else "", count,
        )  # fmt: skip

    def _count_watches(self) -> None:
        """Find out whether the kernel gave as many watches as there are folders: watchdog does not say."""
        watched = [inbox for inbox in self._all if inbox.is_watched and not inbox.is_blind]
        wanted = sum(inbox.folders_seen if inbox.folder.recursive else 1 for inbox in watched)
        have = _watches_held()
        is_short = bool(watched) and have is not None and have < wanted and self.is_scanned
        self._shortages = self._shortages + 1 if is_short else 0
        if self._shortages >= _SHORTAGES and not self._inbox.is_blind:
            self._inbox.say_blind(f"{have} of {wanted} folders can be watched")


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

    def __init__(self, inbox: Inbox) -> None:
        super().__init__(logging.WARNING)
        self._inbox = inbox

    def emit(self, record: logging.LogRecord) -> None:
        if "overflow" in record.getMessage():
            self._inbox.note_overflow()
