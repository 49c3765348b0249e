"""A thread that runs errands one after another: for file systems that may take their time, or hang for good."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Errands:
    """One thread, begun with the first errand.

    It is a daemon thread on purpose: one that hangs in a dead network mount must not keep the process
    from ending, as a thread of `concurrent.futures` would.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._queue: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def submit(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        """Have something called after all that was submitted before. Call from one thread only."""
        future: Future[T] = Future()
        if self._thread is None:
            self._thread = threading.Thread(target=self._live, name=self._name, daemon=True)
            self._thread.start()
        self._queue.put((future, lambda: call(*args, **kwargs)))
        return future

    def _live(self) -> None:
        while errand := self._queue.get():
            future, call = errand
            try:
                result = call()
            except BaseException as error:  # noqa: BLE001 - whoever waits for it gets it
                future.set_exception(error)
            else:
                future.set_result(result)

    def close(self, seconds: float) -> bool:
        """Run what was submitted, for at most this long. Returns whether all of it was."""
        self._queue.put(None)
        if self._thread:
            self._thread.join(seconds)
            return not self._thread.is_alive()
        return True


def close_all(errands: Sequence[Errands], seconds: float) -> set[int]:
    """Run what was submitted to any of them, for at most this long in all. Returns the numbers of those that hang."""
    deadline = time.monotonic() + seconds
    return {number for number, one in enumerate(errands) if not one.close(max(0.1, deadline - time.monotonic()))}
