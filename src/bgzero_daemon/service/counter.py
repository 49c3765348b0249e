"""Where tasks are handed in, from any thread, and wait for a worker."""

import threading
from concurrent.futures import Future

from bgzero_daemon.core.errors import WorkforceLost
from bgzero_daemon.core.job import Staged, Task

Entry = tuple[Task, "Future[Staged]"]


class Counter:
    """Tasks in the order in which they came. `outstanding` counts them until their futures have ended."""

    def __init__(self) -> None:
        self.outstanding = 0
        self._waiting: list[Entry] = []
        self._lock = threading.Lock()

    def hand_in(self, task: Task) -> "Future[Staged]":
        """Let a task wait."""
        future: Future[Staged] = Future()
        future.add_done_callback(self._count_down)
        with self._lock:
            self.outstanding += 1
            self._waiting.append((task, future))
        return future

    def _count_down(self, _future: "Future[Staged]") -> None:
        with self._lock:
            self.outstanding -= 1

    @property
    def waiting(self) -> list[Entry]:
        """Those that no worker has yet."""
        with self._lock:
            return list(self._waiting)

    def take(self, entry: Entry) -> None:
        """It is a worker's now."""
        with self._lock:
            self._waiting.remove(entry)

    def refuse(self, error: WorkforceLost, model: str = "") -> None:
        """Answer for those that wait, for one model or for all."""
        with self._lock:
            refused = [entry for entry in self._waiting if entry[0].recipe.model == model or not model]
            self._waiting = [entry for entry in self._waiting if entry not in refused]
        for _task, future in refused:
            future.set_exception(error)
