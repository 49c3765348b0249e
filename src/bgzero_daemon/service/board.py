"""The one mutable cell that everybody looks at: the latest Snapshot."""

import threading
from collections.abc import Callable

from bgzero_daemon.wire.control import encode
from bgzero_daemon.wire.snapshot import Snapshot


class Board:
    """Written by the main thread, read from any. `on_change` is called by the writer when others should be told."""

    def __init__(self) -> None:
        self._snapshot: Snapshot | None = None
        self._encoded = b""
        self._lock = threading.Lock()
        self.on_change: Callable[[], None] = lambda: None

    @property
    def snapshot(self) -> Snapshot | None:
        """The latest one; None before the first."""
        return self._snapshot

    @property
    def event(self) -> bytes:
        """Return the latest one as the line that subscribers get."""
        with self._lock:
            if not self._encoded and self._snapshot:
                self._encoded = encode({"event": "snapshot", **self._snapshot.told()})
            return self._encoded

    def post(self, snapshot: Snapshot) -> bool:
        """Put up a new one. Returns whether it says anything new."""
        former = self._snapshot
        is_news = former is None or former.without_time() != snapshot.without_time()
        with self._lock:
            self._snapshot, self._encoded = snapshot, b""
        if is_news:
            self.on_change()
        return is_news
