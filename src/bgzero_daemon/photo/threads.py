"""Threads for whatever is done in pieces. numpy and the compressors let go of the interpreter."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Threads:
    """A pool for pieces; with one thread, or one piece, the caller does it."""

    def __init__(self, count: int = 1) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="strip") if count > 1 else None
        self._ahead = 2 * count

    def in_order(self, work: Callable[[T], R], pieces: Sequence[T]) -> Iterator[R]:
        """Yield what `work` makes of each piece, in their order. A few are made ahead, never all.

        Raises what `work` raises; what was not begun then is left.
        """
        if self._pool is None or len(pieces) == 1:
            yield from map(work, pieces)
            return
        begun: deque[Future[R]] = deque()
        try:
            for piece in pieces:
                begun.append(self._pool.submit(work, piece))
                if len(begun) >= self._ahead:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            for future in begun:
                future.cancel()
