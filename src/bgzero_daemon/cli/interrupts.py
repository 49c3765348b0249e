"""Ctrl-C at the wrong moment."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


def end_on_sigterm() -> None:
    """Let SIGTERM end this process as an error does: what it has begun is undone."""
    signal.signal(signal.SIGTERM, _on_sigterm)


def _on_sigterm(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + signal.SIGTERM)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait until the block is left, so that what is made in it can be undone.

    For the main thread, and for blocks that are short.
    """
    came: list[int] = []
    former = {
        number: signal.signal(number, lambda number, _frame: came.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
    for seen in came:
        signal.raise_signal(seen)
