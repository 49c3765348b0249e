"""One thread for each inbox: it watches, holds files at the gate, and hands on what passed.

An inbox on a network share that hangs holds up its own thread and nobody else.
"""

import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bgzero_daemon.core import crash
from bgzero_daemon.core.errors import BgzeroError, Code
from bgzero_daemon.core.extras import EXTRAS
from bgzero_daemon.core.formats import HEAD_BYTES, RAW, Kind, has_photo_suffix, has_raw_suffix, sniff
from bgzero_daemon.core.job import Fingerprint, JobState, PhotoKey
from bgzero_daemon.core.shots import is_beside
from bgzero_daemon.core.texts import _
from bgzero_daemon.service.covering import other_halves
from bgzero_daemon.service.gate import Gate, Patience
from bgzero_daemon.service.inbox import Inbox
from bgzero_daemon.service.ledger import Ledger
from bgzero_daemon.service.pairs import Pairing, Pairs
from bgzero_daemon.service.sight import look_inside, open_below
from bgzero_daemon.service.watcher import Watcher
from bgzero_daemon.settings.schema import Watch

log = logging.getLogger(__name__)

_TROUBLE_SECONDS = 5.0
_MOST_AT_GATE = 20_000  # beyond it the folder is scanned again when half of them are through
_MOST_HANDED_ON = 1_000


@dataclass(frozen=True, slots=True)
class Arrival:
    """A file that passed the gate: what it was then, what kind of file it is, and width × height, 0 if unknown."""

    key: PhotoKey
    fingerprint: Fingerprint
    kind: Kind
    word: str
    pixels: int


class Intake:
    """An inbox from the first event to the far side of its gate.

    `arrivals` is read by another thread, which `wake` tells that there is something. With `once` the
    folder is scanned a single time, and what is still being written after a while is left for later.
    """

    def __init__(
        self,
        inbox: Inbox,
        config: Watch,
        ledger: Ledger,
        wake: Callable[[], None],
        *,
        once: bool = False,
        all_inboxes: Sequence[Inbox] = (),
    ) -> None:
        self.inbox, self._ledger, self._wake, self._once = inbox, ledger, wake, once
        inbox.on_dirty = self._ring
        self._watcher = Watcher(inbox, config, all_inboxes=all_inboxes)
        most = 0.0 if once else config.max_wait_seconds  # "what is there now" is decided now
        self._gate = Gate(
            Patience(config.settle_seconds, config.unsure_settle_seconds, most, busy=10.0 if once else None),
            look=inbox.look,
            look_inside=lambda key: look_inside(inbox.root, key.rel),
            on_change=self._note_change,
        )
        pair, wait = inbox.folder.pair or config.pair, 0.0 if once else config.pair_wait
        self.pairing = Pairing(pair, wait, most, lambda: EXTRAS[RAW].is_there)
        self._pairs = Pairs(self.pairing, lambda key: key in self._gate, self._has_other_half)
        self._halves: dict[PhotoKey, Arrival] = {}  # those that wait there
        self.arrivals: queue.Queue[Arrival] = queue.Queue(_MOST_HANDED_ON)
        self._overlooked: dict[PhotoKey, None] = {}  # found no room at the gate: their turn comes before a scan's
        self._handed_on: dict[PhotoKey, Fingerprint] = {}
        self._bell = threading.Event()
        self._asked: queue.SimpleQueue[PhotoKey | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._is_at_rest = self._is_stopping = self._is_full = False
        self._told: tuple[bool, str] | None = None
        self._must_scan = True
        self._thread = threading.Thread(target=self._live, name=f"bgzero-intake-{inbox.number}", daemon=True)

    def start(self) -> None:
        """Begin to watch, unless it is for once, and to look; returns when the watch is armed."""
        if not self._once:
            self._watcher.arm()
        self._thread.start()

    def close(self, seconds: float) -> None:
        """Stop. A thread that hangs in its file system is left behind."""
        self._is_stopping = True
        self._ring()
        if self._thread.ident:
            self._thread.join(seconds)
        if not self._thread.is_alive():
            self._watcher.close()

    def note_taken(self, key: PhotoKey) -> None:
        """Note that an arrival was written down, or could not be. From any thread."""
        self._handed_on.pop(key, None)
        if self._pairs.note_through(key):
            self._ring()

    def look_again(self, key: PhotoKey) -> None:
        """Bring a file before the gate once more. From any thread."""
        self._ask(key)

    def scan(self) -> None:
        """Look through the whole folder now. From any thread."""
        self._ask(None)

    def _ask(self, key: PhotoKey | None) -> None:
        with self._lock:
            self._is_at_rest = False
            self._told = None  # whoever asks is told of the end, even where nothing was found
            self._asked.put(key)
        self._ring()

    @property
    def is_at_rest(self) -> bool:
        """Say whether everything that was there at the start or asked for since is through the gate."""
        return self._is_at_rest and self.arrivals.empty()

    @property
    def waiting(self) -> int:
        """How many files stand at the gate, or behind it and wait for the other half of their shot."""
        return len(self._gate) + len(self._pairs)

    def _ring(self) -> None:
        self._bell.set()

    def _live(self) -> None:
        while not self._is_stopping:
            try:
                self._turn()
            except (BgzeroError, OSError) as error:
                log.error("%s", error)  # noqa: TRY400 - a sentence for a person
                self._bell.wait(_TROUBLE_SECONDS)
            except Exception:  # a mistake of ours may cost a file some time; the inbox has to be watched
                log.exception("a turn of the inbox is given up")
                self._bell.wait(_TROUBLE_SECONDS)

    def _turn(self) -> None:
        self._bell.clear()
        now = time.monotonic()
        try:
            for key in list(self._overlooked)[:_MOST_HANDED_ON]:
                self._consider(key, now)
            self._obey(now)
            if self._must_scan or not self._once:
                for key in self._watcher.findings(now):
                    self._consider(key, now)
                self._must_scan = False
        except BaseException:  # what was being looked at is found again
            self._scan_again()
            raise
        for key, fingerprint, pixels in self._gate.ready(time.monotonic()):
            kind, word = self._judge(key.rel)
            self._let_in(Arrival(key, fingerprint, kind, word, pixels))
        for key in self._pairs.ready(time.monotonic()):
            self._let_go_on(key)
        if self._is_full and len(self._gate) < _MOST_AT_GATE // 2:
            self._is_full = False
            self._scan_again()
            return
        with self._lock:
            is_idle = self._watcher.is_scanned and not self.waiting and not (self._is_full or self._must_scan)
            self._is_at_rest = is_idle and self._asked.empty()
            told = self._is_at_rest, self.inbox.trouble
            is_news = told != self._told
            self._told = told
        if is_news:  # not after every look: who is woken counts all photos for the status
            self._wake()
        self._bell.wait(self._patience())

    def _scan_again(self) -> None:
        self._must_scan = True
        self._watcher.scan_at(time.monotonic(), "")

    def _patience(self) -> float | None:
        """Return how long there is certainly nothing to do, in seconds; None: until something rings."""
        due = [None if self._once and not self._must_scan else self._watcher.next_due()]
        due += [self._gate.next_due(), self._pairs.next_due()]
        moments = [moment for moment in due if moment is not None]
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def _obey(self, now: float) -> None:
        while not self._asked.empty():
            key = self._asked.get()
            if key is None:
                self._must_scan = True
                self._watcher.scan_at(now, _("as work goes on"))
            else:
                self._consider(key, now)

    def _consider(self, key: PhotoKey, now: float) -> None:
        if is_beside(key.rel):  # somebody named it
            return
        self._overlooked.pop(key, None)
        handed_on = self._handed_on.get(key)  # asked before the ledger: it is written down first, then forgotten
        known = self._ledger.get(self.inbox.root, key.rel)
        if known or handed_on:
            try:
                fingerprint = self.inbox.fingerprint(os.lstat(os.path.join(self.inbox.root, key.rel)))
            except OSError:
                return
            if fingerprint == handed_on:
                return
        if known:
            was_unreadable = known.code == Code.UNREADABLE and known.state is JobState.FAILED
            if known.is_about(fingerprint) and not (was_unreadable and self._can_read(key)):
                return
        if len(self._gate) >= _MOST_AT_GATE and not self._gate.let_go_of_waiting(_MOST_HANDED_ON):
            self._is_full = True
            if len(self._overlooked) < _MOST_AT_GATE:
                self._overlooked[key] = None
            return
        if self._halves.pop(key, None):  # it has changed
            self._pairs.forget(key)
        self._gate.notice(key, now)
        crash.point("noticed")

    def _can_read(self, key: PhotoKey) -> bool:
        return os.access(os.path.join(self.inbox.root, key.rel), os.R_OK)

    def _note_change(self, key: PhotoKey, now: float) -> None:
        self._pairs.note_change(key, now)

    def _let_in(self, arrival: Arrival) -> None:
        """Hand on what passed the gate, unless it has to wait for the other half of its shot."""
        crash.point("passed-gate")
        self._handed_on[arrival.key] = arrival.fingerprint
        if self.pairing.is_preferred(arrival.key.rel):
            self._pairs.note_passed(arrival.key)
            self._hand_on(arrival)
            return
        self._halves[arrival.key] = arrival
        self._pairs.wait(arrival.key, time.monotonic())
        crash.point("half-waits")

    def _has_other_half(self, key: PhotoKey) -> bool:
        return bool(other_halves(self._ledger, self.inbox.root, key.rel, self._halves[key].fingerprint))

    def _let_go_on(self, key: PhotoKey) -> None:
        """Hand on what has waited for its other half, if it is still what passed the gate."""
        arrival = self._halves.pop(key)
        sight = self.inbox.look(key)
        if sight and sight.fingerprint == arrival.fingerprint:
            self._hand_on(arrival)
            return
        self._handed_on.pop(key, None)
        if sight:
            self._consider(key, time.monotonic())

    def _hand_on(self, arrival: Arrival) -> None:
        while not self._is_stopping:
            try:
                self.arrivals.put(arrival, timeout=0.5)
            except queue.Full:
                self._wake()
            else:
                if self.arrivals.qsize() == 1:
                    self._wake()
                return

    def _judge(self, rel: str) -> tuple[Kind, str]:
        """Judge a file by its content, and by its name where that says RAW.

        What is called like a photo counts as one: the worker then says what it is instead.
        """
        if has_raw_suffix(rel):
            return Kind.EXTRA, RAW
        try:
            descriptor = open_below(self.inbox.root, rel)
        except OSError:
            return Kind.PHOTO, ""  # whoever opens it next meets the same trouble and knows what to do
        try:
            kind, word = sniff(os.pread(descriptor, HEAD_BYTES, 0))
        except OSError:
            return Kind.PHOTO, ""
        finally:
            os.close(descriptor)
        is_called_a_photo = kind in (Kind.OTHER, Kind.UNKNOWN) and has_photo_suffix(rel)
        return (Kind.PHOTO, word) if is_called_a_photo else (kind, word)
