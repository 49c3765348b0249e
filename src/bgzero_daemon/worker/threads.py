"""Threads for whatever is done in pieces. numpy and the compressors let go of the interpreter."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Condition
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


_WORTH_HELP = 4
"""Pieces for each helper, at least: with fewer, handing them over costs what they win."""


class Threads:
    """Helpers that several callers share. A caller works too, so it needs none where others have them."""

    def __init__(self, count: int = 1) -> None:
        """`count` threads in all, the caller's own among them."""
        self._helpers = max(0, count - 1)
        self._pool = ThreadPoolExecutor(self._helpers, thread_name_prefix="strip") if self._helpers else None

    def in_order(self, work: Callable[[T], R], pieces: Sequence[T]) -> Iterator[R]:
        """Yield what `work` makes of each piece, in their order. A few are made ahead, never all.

        Raises what `work` raises; what was not begun then is left.
        """
        helpers = min(self._helpers, len(pieces) // _WORTH_HELP)
        if self._pool is None or not helpers:
            yield from map(work, pieces)
            return
        row = _Row(work, pieces, ahead=2 * (helpers + 1))
        for _number in range(helpers):
            self._pool.submit(row.help)
        try:
            yield from row
        finally:
            row.close()


class _Row(Generic[T, R]):
    """Pieces that wait, are in work, or are made and not yet taken."""

    def __init__(self, work: Callable[[T], R], pieces: Sequence[T], ahead: int) -> None:
        self._work, self._pieces, self._ahead = work, pieces, ahead
        self._change = Condition()
        self._next = 0
        self._taken = 0
        self._made: dict[int, R | BaseException] = {}
        self._is_closed = False

    def __iter__(self) -> Iterator[R]:
        while self._taken < len(self._pieces):
            with self._change:
                self._change.wait_for(lambda: self._taken in self._made or self._is_open())
                is_made = self._taken in self._made
                if is_made:
                    made = self._made.pop(self._taken)
                    self._taken += 1
                    self._change.notify_all()
                else:
                    number = self._begin()
            if not is_made:
                self._make(number)
            elif isinstance(made, BaseException):
                raise made
            else:
                yield made

    def help(self) -> None:
        """Make pieces until none is left."""
        while True:
            with self._change:
                self._change.wait_for(lambda: self._is_closed or self._next == len(self._pieces) or self._is_open())
                if self._is_closed or self._next == len(self._pieces):
                    return
                number = self._begin()
            self._make(number)

    def close(self) -> None:
        """Begin nothing more."""
        with self._change:
            self._is_closed = True
            self._change.notify_all()

    def _is_open(self) -> bool:
        return self._next < min(len(self._pieces), self._taken + self._ahead)

    def _begin(self) -> int:
        self._next += 1
        return self._next - 1

    def _make(self, number: int) -> None:
        made: R | BaseException
        try:
            made = self._work(self._pieces[number])
        except BaseException as error:  # noqa: BLE001 - whoever takes this piece raises it
            made = error
        with self._change:
            self._made[number] = made
            self._change.notify_all()
