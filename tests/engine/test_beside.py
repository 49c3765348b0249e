"""Runs beside each other: the same answer, bit for bit, and no more memory than is bearable."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from bgzero_daemon.catalog import shelf
from bgzero_daemon.catalog.card import Model
from bgzero_daemon.core.errors import ModelError
from bgzero_daemon.engine import memory
from bgzero_daemon.engine.beside import Beside
from bgzero_daemon.engine.session import Engine

MB = 1_000_000
MP = 1_000_000
F32 = NDArray[np.float32]


def weights_of(model: Model) -> bytes:
    """Return an installed model's weights."""
    assert model.weights
    return model.weights.read_bytes()


class Same:
    """A session that gives back what it gets."""

    def run(self, tensor: F32) -> F32:
        """Give it back."""
        return tensor


@pytest.mark.parametrize(
    ("run_bytes", "run_seconds", "pixels", "wanted"),
    [
        (100 * MB, 0.8, 1 * MP, 4),
        (100 * MB, 0.8, 50 * MP, 4),  # it takes little: always
        (300 * MB, 0.8, 1 * MP, 4),  # bearable, where the photos are small
        (300 * MB, 0.8, 12 * MP, 0),  # the network is most of it: one alone, with all threads
        (300 * MB, 0.8, 24 * MP, 1),  # the photo is most of it: one at a time, with a share
        (1000 * MB, 0.8, 1 * MP, 0),
        (1000 * MB, 2.5, 24 * MP, 0),
    ],
)
def test_who_goes_beside_whom(run_bytes: int, run_seconds: float, pixels: int, wanted: int) -> None:
    assert Beside(Same, 4, run_bytes, run_seconds).most(pixels) == wanted


def test_second_session_that_does_not_load_is_not_asked_for_again() -> None:
    tries = []

    def load() -> Same:
        tries.append(1)
        raise ModelError("no memory")

    made = Beside(load, 4, 1, 0.1)
    assert made.session() is None
    assert made.session() is None
    assert made.most(1) == 0
    assert len(tries) == 1


def test_runs_beside_each_other_say_what_one_alone_says() -> None:
    """u2netp on noise: with one thread, with two, and two runs at once, to the last bit."""
    model = shelf.installed("u2netp")
    engine = Engine(weights_of(model), model.card, asked="cpu", threads=2, runs=2)
    draw = np.random.default_rng(0)
    tensors = [draw.standard_normal((1, 3, 320, 320)).astype(np.float32) for _number in range(4)]
    alone = [engine.run(tensor) for tensor in tensors]
    assert engine.most_beside(MP) == 2
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(engine.run_beside, tensors))
    assert all((one == other).all() for one, other in zip(alone, together, strict=True))
    assert Engine(weights_of(model), model.card, asked="cpu", threads=2).most_beside(MP) == 0


def test_sessions_that_stay_share_their_memory() -> None:
    """The second session's runs, one at a time, take what the first one's have left: u2netp takes some 290 MB a run."""
    model = shelf.installed("u2netp")
    engine = Engine(weights_of(model), model.card, asked="cpu", threads=2, runs=2)
    tensor = np.zeros((1, 3, 320, 320), np.float32)
    before = memory.resident_bytes()
    engine.run_beside(tensor)
    grown = memory.grown_bytes(before)
    assert grown is not None
    assert grown < 100 * MB
