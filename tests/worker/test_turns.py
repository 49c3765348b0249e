"""Turns in the network: alone, or beside each other, and never both."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import pytest

from bgzero_daemon.worker.turns import Turns


class Witness:
    """Goes into the network in some way, and sees who is there."""

    def __init__(self, turns: Turns) -> None:
        self._turns, self._lock = turns, threading.Lock()
        self._there: list[str] = []
        self.seen: set[tuple[str, ...]] = set()

    def go(self, way: str, most: int = 0) -> None:
        """Be there for a moment."""
        with self._turns.beside(most) if most else self._turns.alone():
            with self._lock:
                self._there.append(way)
                self.seen.add(tuple(sorted(self._there)))
            time.sleep(0.002)
            with self._lock:
                self._there.remove(way)


def crowd(*deeds: Callable[[], None]) -> None:
    """Do everything at once, often. Raises what one of them raises."""
    with ThreadPoolExecutor(len(deeds)) as pool:
        for done in [pool.submit(deed) for _round in range(25) for deed in deeds]:
            done.result(60)


def test_one_alone_is_alone() -> None:
    witness = Witness(Turns())
    crowd(*[lambda: witness.go("alone")] * 3, *[lambda: witness.go("beside", 2)] * 3)
    assert ("alone",) in witness.seen
    assert ("beside", "beside") in witness.seen, "others really are beside each other"
    assert witness.seen <= {("alone",), ("beside",), ("beside", "beside")}


def test_a_heavy_one_goes_beside_nobody() -> None:
    """Who may be there with none beside waits for the others, and no more than `most` are there for anybody."""
    witness = Witness(Turns())
    crowd(*[lambda: witness.go("heavy", 1)] * 3)
    assert witness.seen == {("heavy",)}
    crowd(*[lambda: witness.go("light", 3)] * 6)
    assert max(map(len, witness.seen)) == 3


def test_crowd_is_more_than_one_in_work_and_ends_with_an_error() -> None:
    turns = Turns()

    def fail(turn: AbstractContextManager[None], *, crowded: bool) -> None:
        with turn:
            assert turns.is_crowded is crowded
            raise KeyError

    with turns.work():
        assert not turns.is_crowded
        with pytest.raises(KeyError):
            fail(turns.work(), crowded=True)
        assert not turns.is_crowded
    with pytest.raises(KeyError):
        fail(turns.alone(), crowded=False)
    with pytest.raises(KeyError):
        fail(turns.beside(1), crowded=False)
    with turns.beside(1):
        pass
