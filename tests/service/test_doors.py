"""Weight files on what does not answer: a pipe that nobody writes to."""

import os
import threading
from pathlib import Path

import pytest

from bgzero_daemon.catalog import prepared, shelf
from bgzero_daemon.catalog.card import Model
from bgzero_daemon.core.errors import WorkforceLost
from bgzero_daemon.service import doors
from bgzero_daemon.service.doors import Doors
from tests.home import until


def model(weights: Path | None) -> Model:
    """A model whose weights lie there."""
    return shelf.installed("u2netp").model_copy(update={"weights": weights})


def opened(made: Doors, wanted: Model, rung: threading.Event) -> int:
    """Ask until they are open: after the first time whenever it rings."""
    weights = made.open(wanted)
    while weights is None:
        assert rung.wait(10)
        rung.clear()
        weights = made.open(wanted)
    return weights.descriptor


def test_weights_are_opened_beside_whoever_asks(tmp_path: Path) -> None:
    """It rings when they are open; each descriptor is the caller's."""
    rung = threading.Event()
    made = Doors(rung.set)
    (tmp_path / "a.onnx").write_bytes(b"weights")
    for _time in range(2):
        descriptor = opened(made, model(tmp_path / "a.onnx"), rung)
        assert os.read(descriptor, 10) == b"weights"
        os.close(descriptor)
    made.close()


def test_weights_that_cannot_be_had_are_told(tmp_path: Path) -> None:
    """Not installed, or gone meanwhile: a sentence each."""
    rung = threading.Event()
    made = Doors(rung.set)
    with pytest.raises(WorkforceLost, match="not installed"):
        made.open(model(None))
    with pytest.raises(WorkforceLost, match="No such file"):
        opened(made, model(tmp_path / "gone.onnx"), rung)


def test_weights_that_do_not_answer_are_given_up_and_had_when_they_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One thread waits for them, however often they are asked for; nobody leaves a descriptor behind."""
    monkeypatch.setattr(doors, "_PATIENCE_SECONDS", 0.2)
    made = Doors(lambda: None)
    pipe = tmp_path / "a.onnx"
    os.mkfifo(pipe)
    assert made.open(model(pipe)) is None
    assert made.next_due() < float("inf")

    def is_given_up() -> bool:
        try:
            assert made.open(model(pipe)) is None
        except WorkforceLost as error:
            return "does not answer" in str(error)
        return False

    until(is_given_up, "it is given up")
    assert is_given_up()
    assert made.next_due() == float("inf")
    assert sum(thread.name == "bgzero-weights" for thread in threading.enumerate()) == 1
    before = len(os.listdir("/proc/self/fd"))
    made.close()
    with pipe.open("wb"):
        until(lambda: not any(thread.name == "bgzero-weights" for thread in threading.enumerate()), "it is opened")
    assert len(os.listdir("/proc/self/fd")) == before


def test_graph_that_was_asked_for_before_the_provider_changed_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A prepared graph is for the CPU; whoever asks later, for another, gets the weights."""
    graph, weights = tmp_path / "graph", tmp_path / "a.onnx"
    graph.write_bytes(b"graph")
    weights.write_bytes(b"weights")
    may_go = threading.Event()

    def open_graph(_card: object) -> prepared.Opened:
        assert may_go.wait(10)
        return prepared.Opened(os.open(graph, os.O_RDONLY | os.O_CLOEXEC), "ab" * 32)

    monkeypatch.setattr(prepared, "open_graph", open_graph)
    rung = threading.Event()
    made, wanted = Doors(rung.set), model(weights)
    before = len(os.listdir("/proc/self/fd"))
    assert made.open(wanted, may_be_prepared=True) is None
    may_go.set()
    assert rung.wait(10)
    found = made.open(wanted, may_be_prepared=True)
    assert found
    assert (os.read(found.descriptor, 10), found.prepared_sha256) == (b"graph", "ab" * 32)
    os.close(found.descriptor)

    may_go.clear()
    rung.clear()
    assert made.open(wanted, may_be_prepared=True) is None
    may_go.set()
    assert rung.wait(10)
    rung.clear()
    descriptor = opened(made, wanted, rung)
    assert os.read(descriptor, 10) == b"weights"
    os.close(descriptor)
    assert len(os.listdir("/proc/self/fd")) == before
    made.close()
