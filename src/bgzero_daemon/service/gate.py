"""The gate: lets a file through once nobody writes to it, it has been quiet for a while, and it looks whole."""

import heapq
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bgzero_daemon.core.job import Fingerprint, PhotoKey
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _
from bgzero_daemon.service.container import Structure
from bgzero_daemon.service.sight import Sight

log = logging.getLogger(__name__)

_LONGEST_PAUSE_SECONDS = 60.0
_MOST_PIXELS = 1 << 40  # headers may say anything


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the gate waits, in seconds.

    `settle` after the last change where the kernel can tell that nobody writes, `unsure` where it
    cannot, and `most` for a file that is quiet but does not look whole. A file that somebody has open
    for writing is let go of after `busy`; None: it waits for as long as that takes.
    """

    settle: float = 1.0
    unsure: float = 5.0
    most: float = 600.0
    busy: float | None = None


@dataclass(slots=True)
class _Waiting:
    fingerprint: Fingerprint
    since: float
    quiet_since: float
    due: float
    pause: float = 1.0


class Gate:
    """Files on their way in.

    A file passes once it looked the same for a while **and** nobody has it open for writing **and** its
    container is complete; what never completes passes after `Patience.most`, and the decoder decides.
    Time is handed in, in seconds of a monotonic clock: the file's own times are only compared for
    equality.
    """

    def __init__(
        self,
        patience: Patience,
        *,
        look: Callable[[PhotoKey], Sight | None],
        look_inside: Callable[[PhotoKey], Structure],
        on_change: Callable[[PhotoKey, float], None] = lambda _key, _now: None,
    ) -> None:
        """`look` and `look_inside` are the gate's eyes (`service.sight`).

        `on_change` is told of every file that is new or has changed, and is still being written.
        """
        self._patience, self._look, self._look_inside, self._on_change = patience, look, look_inside, on_change
        self._seen: dict[PhotoKey, _Waiting] = {}
        self._due: list[tuple[float, int, PhotoKey]] = []
        self._order = 0

    def __len__(self) -> int:
        return len(self._seen)

    def __contains__(self, key: PhotoKey) -> bool:
        return key in self._seen

    def notice(self, key: PhotoKey, now: float) -> None:
        """Look at a file that is new or may have changed; its quiet time begins again if it did."""
        sight = self._look(key)
        former = self._seen.get(key)
        if sight is None:
            self._seen.pop(key, None)
        elif former is None or former.fingerprint != sight.fingerprint:
            self._begin(key, sight, now, since=former.since if former else now)

    def _begin(self, key: PhotoKey, sight: Sight, now: float, *, since: float) -> None:
        settle = self._patience.unsure if sight.is_written is None else self._patience.settle
        self._wait(key, _Waiting(sight.fingerprint, since, now, now + settle))
        self._on_change(key, now)

    def _wait(self, key: PhotoKey, waiting: _Waiting) -> None:
        self._seen[key] = waiting
        self._order += 1
        heapq.heappush(self._due, (waiting.due, self._order, key))

    def let_go_of_waiting(self, count: int) -> int:
        """Forget up to `count` files that are quiet but not whole; a scan finds them again. Returns how many."""
        stuck = [key for key, waiting in self._seen.items() if waiting.pause > 1.0][:count]
        for key in stuck:
            del self._seen[key]
        return len(stuck)

    def next_due(self) -> float | None:
        """Return when the next file is worth a look."""
        while self._due and self._is_stale(self._due[0]):
            heapq.heappop(self._due)
        return self._due[0][0] if self._due else None

    def _is_stale(self, entry: tuple[float, int, PhotoKey]) -> bool:
        seen = self._seen.get(entry[2])
        return seen is None or seen.due != entry[0]

    def ready(self, now: float) -> Iterator[tuple[PhotoKey, Fingerprint, int]]:
        """Yield the files that may be cut, oldest first, and let go of them.

        With each comes its fingerprint, and width × height in pixels as its container says, or 0.
        """
        while (due := self.next_due()) is not None and due <= now:
            _due, _order, key = heapq.heappop(self._due)
            waiting = self._seen[key]
            sight = self._look(key)
            if sight is None or self._is_busy_for_too_long(key, sight, now - waiting.since):
                del self._seen[key]
            elif sight.fingerprint != waiting.fingerprint or sight.is_written:
                self._begin(key, sight, now, since=waiting.since)
            else:
                inside = self._look_inside(key)
                if inside.missing and self._lets_wait(key, waiting, inside.missing, now):
                    continue
                del self._seen[key]
                yield key, waiting.fingerprint, min(inside.width_px * inside.height_px, _MOST_PIXELS)

    def _is_busy_for_too_long(self, key: PhotoKey, sight: Sight, waited: float) -> bool:
        if not sight.is_written or self._patience.busy is None or waited < self._patience.busy:
            return False
        log.warning(_("%s: is still being written; left for the next time."), display(key.rel))
        return True

    def _lets_wait(self, key: PhotoKey, waiting: _Waiting, missing: str, now: float) -> bool:
        """Say whether a quiet file that is not whole gets more time, and give it some."""
        left = waiting.quiet_since + self._patience.most - now
        if left <= 0:
            return False
        if waiting.pause == 1.0:
            log.info(_("%s: waits, %s."), display(key.rel), missing)
        waiting.due = now + min(waiting.pause, left)
        waiting.pause = min(2 * waiting.pause, _LONGEST_PAUSE_SECONDS)
        self._wait(key, waiting)
        return True
