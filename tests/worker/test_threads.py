"""Work in pieces: in order, ahead but not too far, and with whatever goes wrong."""

import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bgzero_daemon.worker.threads import Threads


@settings(max_examples=60, deadline=None)
@given(count=st.integers(1, 5), pieces=st.integers(0, 60), seed=st.integers(0, 999))
def test_order_is_kept_however_long_pieces_take(count: int, pieces: int, seed: int) -> None:
    pauses = np.random.default_rng(seed).random(pieces) * 0.002

    def work(number: int) -> int:
        time.sleep(pauses[number])
        return number * number

    assert list(Threads(count).in_order(work, range(pieces))) == [number * number for number in range(pieces)]


def test_threads_are_really_beside_each_other() -> None:
    """Each piece waits for another one: one thread alone would wait for ever."""
    both = threading.Barrier(2, timeout=30)
    assert list(Threads(2).in_order(lambda number: both.wait() < 2 and number, range(8))) == list(range(8))


def test_one_thread_and_few_pieces_are_the_callers_own() -> None:
    here = threading.get_ident()
    assert list(Threads(1).in_order(lambda _piece: threading.get_ident(), range(4))) == [here] * 4
    assert list(Threads(8).in_order(lambda _piece: threading.get_ident(), range(3))) == [here] * 3


@pytest.mark.parametrize("count", [1, 2, 4])
def test_error_is_raised_in_its_place_and_ends_the_work(count: int) -> None:
    """The tenth of a thousand fails: nine come before it, and the last are never begun."""
    begun, threads = [], Threads(count)

    def work(number: int) -> int:
        begun.append(number)
        if number == 9:
            raise ValueError("the tenth")
        return number

    row = threads.in_order(work, range(1000))
    assert [next(row) for _number in range(9)] == list(range(9))
    with pytest.raises(ValueError, match="the tenth"):
        next(row)
    assert max(begun) < 40
    assert list(threads.in_order(abs, [-1, -2, -3])) == [1, 2, 3], "and the threads are free again"


@pytest.mark.parametrize("count", [2, 4])
def test_a_slow_taker_is_not_flooded(count: int) -> None:
    """Whoever takes a piece now and then has a few beside him, not all of the rest."""
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        return number

    taker = Threads(count).in_order(work, range(1000))
    assert next(taker) == 0
    time.sleep(0.2)
    assert len(begun) <= 2 * count + 1
    taker.close()  # type: ignore[attr-defined]
    time.sleep(0.05)
    assert len(begun) <= 2 * count + 1


def test_callers_share_helpers_and_none_waits_for_them() -> None:
    """More callers than helpers: all come to their end."""
    threads, sums = Threads(2), []

    def call() -> None:
        sums.append(sum(threads.in_order(lambda number: number, range(200))))

    callers = [threading.Thread(target=call) for _number in range(6)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(60)
    assert sums == [199 * 100] * 6
