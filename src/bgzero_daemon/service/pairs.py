"""Files behind the gate that wait for the other file of their shot, which is to be cut in their place."""

import heapq
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from bgzero_daemon.core.job import PhotoKey
from bgzero_daemon.core.shots import Pair, Shot, is_developed, is_photo, shot_of

_LOOK_SECONDS = 0.25  # while the other file is on its way
_MOST_WAITING = 20_000


@dataclass(frozen=True, slots=True)
class Pairing:
    """How files of one shot wait, in seconds.

    `pair`: which kind is cut. The other waits until its folder has been quiet for `wait`, `most` at most, and as long
    as a file of the kind that is cut is on its way. Nobody waits for RAW files as long as none can be read here.
    """

    pair: Pair
    wait: float
    most: float
    reads_raw: Callable[[], bool] = lambda: True

    def is_preferred(self, rel: str) -> bool:
        """Say whether a file of this name is of the kind that is cut, and so never waits."""
        if self.pair is Pair.BOTH or not is_photo(rel):
            return True
        wants_raw = self.pair is Pair.RAW and self.reads_raw()
        return is_developed(rel) is not wants_raw


@dataclass(slots=True)
class _Waiting:
    since: float
    due: float
    is_to_ask: bool = True


@dataclass(slots=True)
class Pairs:
    """Files that wait for the other one of their shot. Time is handed in, in seconds of a monotonic clock.

    It is enough to know names: who is whose other half is decided by whoever writes down what arrives. All but
    `note_through` are called from one thread. `is_at_gate` says whether a file is still before the gate, `is_known`
    whether the other file of a shot has been written down.
    """

    pairing: Pairing
    is_at_gate: Callable[[PhotoKey], bool]
    is_known: Callable[[PhotoKey], bool]
    _waiting: dict[PhotoKey, _Waiting] = field(default_factory=dict)
    _due: list[tuple[float, int, PhotoKey]] = field(default_factory=list)
    _order: int = 0
    _active: dict[str, float] = field(default_factory=dict)  # folders in which something waits, and their last change
    _coming: dict[Shot, dict[PhotoKey, bool]] = field(default_factory=dict)  # True: behind the gate already
    _most_coming: int = _MOST_WAITING
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __len__(self) -> int:
        return len(self._waiting)

    def note_change(self, key: PhotoKey, now: float) -> None:
        """A file is new before the gate, or has changed there."""
        folder = os.path.dirname(key.rel)
        if folder in self._active:
            self._active[folder] = now
        self._note_coming(key, is_behind=False)

    def note_passed(self, key: PhotoKey) -> None:
        """A file is behind the gate, and will be written down."""
        self._note_coming(key, is_behind=True)

    def _note_coming(self, key: PhotoKey, *, is_behind: bool) -> None:
        if self.pairing.pair is not Pair.BOTH and is_photo(key.rel) and self.pairing.is_preferred(key.rel):
            with self._lock:
                self._coming.setdefault(shot_of(key.rel), {})[key] = is_behind
                if len(self._coming) > self._most_coming:
                    self._sweep()

    def _sweep(self) -> None:
        """Forget what went away before the gate; nobody asked after it."""
        for shot, mates in [*self._coming.items()]:
            kept = {mate: is_behind for mate, is_behind in mates.items() if is_behind or self.is_at_gate(mate)}
            if kept:
                self._coming[shot] = kept
            else:
                del self._coming[shot]
        self._most_coming = max(_MOST_WAITING, 2 * len(self._coming))

    def note_through(self, key: PhotoKey) -> bool:
        """A file was written down. From any thread. Returns whether somebody may have waited for that."""
        with self._lock:
            shot = shot_of(key.rel)
            mates = self._coming.get(shot, {})
            if mates.pop(key, None) is None:
                return False
            if not mates:
                del self._coming[shot]
        return bool(self._waiting)

    def _is_coming(self, key: PhotoKey) -> bool:
        """Say whether the file that this one waits for is on its way."""
        with self._lock:
            shot = shot_of(key.rel)
            mates = self._coming.get(shot, {})
            for mate in [mate for mate, is_behind in mates.items() if not is_behind and not self.is_at_gate(mate)]:
                del mates[mate]  # it went away
            if not mates:
                self._coming.pop(shot, None)
            return bool(mates)

    def wait(self, key: PhotoKey, now: float) -> None:
        """Let a file wait."""
        self._active[os.path.dirname(key.rel)] = now
        self._waiting[key] = _Waiting(now, now)
        self._push(key)

    def _push(self, key: PhotoKey) -> None:
        self._order += 1
        heapq.heappush(self._due, (self._waiting[key].due, self._order, key))

    def forget(self, key: PhotoKey) -> None:
        """Let go of a file that has changed or gone."""
        self._waiting.pop(key, None)

    def next_due(self) -> float | None:
        """Return when the next file is worth a look."""
        while self._due and self._is_stale(self._due[0]):
            heapq.heappop(self._due)
        return self._due[0][0] if self._due else None

    def _is_stale(self, entry: tuple[float, int, PhotoKey]) -> bool:
        waiting = self._waiting.get(entry[2])
        return waiting is None or waiting.due != entry[0]

    def ready(self, now: float) -> Iterator[PhotoKey]:
        """Yield the files that have waited long enough, and let go of them: their other half is here, or missing."""
        while (due := self.next_due()) is not None and due <= now:
            _due, _order, key = heapq.heappop(self._due)
            waiting = self._waiting[key]
            if self._is_coming(key):
                waiting.due, waiting.is_to_ask = now + _LOOK_SECONDS, True
            elif (until := self._end_of(key, waiting)) > now and not self._is_over(key, waiting):
                waiting.due = until
            else:
                del self._waiting[key]
                yield key
                continue
            self._push(key)
        if not self._waiting:
            self._active.clear()

    def _is_over(self, key: PhotoKey, waiting: _Waiting) -> bool:
        """Say whether there is nothing to wait for: its other half is known, or there is no room."""
        is_known = waiting.is_to_ask and self.is_known(key)
        waiting.is_to_ask = False
        return is_known or len(self._waiting) > _MOST_WAITING

    def _end_of(self, key: PhotoKey, waiting: _Waiting) -> float:
        quiet_since = max(waiting.since, self._active.get(os.path.dirname(key.rel), waiting.since))
        return min(quiet_since + self.pairing.wait, waiting.since + max(self.pairing.wait, self.pairing.most))
