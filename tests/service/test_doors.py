"""Weight files on what does not answer: a pipe that nobody writes to."""

import os
import threading
import time
from pathlib import Path

import pytest

from bgzero_daemon.catalog import prepared, shelf
from bgzero_daemon.catalog.card import Model
from bgzero_daemon.core.errors import WorkforceLost
from bgzero_daemon.service import doors
from bgzero_daemon.service.doors import Doors, Weights
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


def test_what_nobody_asks_for_any_more_wakes_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial that was given up leaves a door that never opens: the pool is woken once, and does not spin."""
    monkeypatch.setattr(doors, "_PATIENCE_SECONDS", 0.2)
    made = Doors(lambda: None)
    pipe = tmp_path / "a.onnx"
    os.mkfifo(pipe)
    assert made.open(model(pipe)) is None
    due = made.next_due()
    until(lambda: time.monotonic() > due, "it is due")
    assert made.next_due() == due
    assert made.next_due() == float("inf")
    made.close()
    with pipe.open("wb"):
        until(lambda: not any(thread.name == "bgzero-weights" for thread in threading.enumerate()), "it is opened")


class Cache:
    """A cache of prepared graphs on a mount that answers when it is told to."""

    def __init__(self, graph: Path) -> None:
        self.graph, self.may_go, self.asked, self.damage = graph, threading.Event(), 0, ""

    def open_graph(self, _card: object) -> prepared.Opened:
        """Stand in for `prepared.open_graph`."""
        self.asked += 1
        assert self.may_go.wait(20)
        if self.damage:
            raise prepared.NotPrepared(self.damage)
        return prepared.Opened(os.open(self.graph, os.O_RDONLY | os.O_CLOEXEC), "ab" * 32)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    """The cache, with a graph in it, beside weights in `a.onnx`."""
    (tmp_path / "a.onnx").write_bytes(b"weights")
    (tmp_path / "graph").write_bytes(b"graph")
    made = Cache(tmp_path / "graph")
    monkeypatch.setattr(prepared, "open_graph", made.open_graph)
    return made


def had(made: Doors, wanted: Model, seconds: float = 10.0) -> tuple[bytes, str]:
    """Ask until something is open; return what it holds, and the hash that it has to have."""
    found: list[Weights] = []

    def is_open() -> bool:
        if weights := made.open(wanted, may_be_prepared=True):
            found.append(weights)
        return bool(found)

    until(is_open, "it is open", seconds)
    with open(found[0].descriptor, "rb") as file:
        return file.read(), found[0].prepared_sha256


def test_cache_that_does_not_answer_leaves_the_published_weights_their_time(
    tmp_path: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The graph's time is its own; one warning and one thread, until it answers; then it is taken."""
    monkeypatch.setattr(doors, "_PREPARED_PATIENCE_SECONDS", 0.1)
    made, wanted = Doors(lambda: None), model(tmp_path / "a.onnx")
    before = len(os.listdir("/proc/self/fd"))
    assert made.open(wanted, may_be_prepared=True) is None
    assert made.next_due() < time.monotonic() + 1
    for _time in range(3):
        assert had(made, wanted) == (b"weights", "")
    assert cache.asked == 1
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "prepared graph of u2netp does not answer" in caplog.text
    assert made.next_due() == float("inf")
    cache.may_go.set()
    until(lambda: not any(thread.name == "bgzero-weights" for thread in threading.enumerate()), "it has answered")
    assert had(made, wanted) == (b"graph", "ab" * 32)
    assert len(os.listdir("/proc/self/fd")) == before
    made.close()


def test_graph_that_cannot_be_used_is_looked_at_and_told_once_a_start(
    tmp_path: Path, cache: Cache, caplog: pytest.LogCaptureFixture
) -> None:
    """However often the weights are asked for meanwhile."""
    cache.damage = "its bytes are not those"
    cache.may_go.set()
    made, wanted = Doors(lambda: None), model(tmp_path / "a.onnx")
    for start in (1, 2):
        assert had(made, wanted) == (b"weights", "")
        assert (cache.asked, len(caplog.records)) == (start, start)
    assert "its bytes are not those" in caplog.text
    made.close()


def test_graph_that_comes_late_is_not_taken_for_another_cards(
    tmp_path: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file under that name may be another one by then, and its card too."""
    monkeypatch.setattr(doors, "_PREPARED_PATIENCE_SECONDS", 0.1)
    made, wanted = Doors(lambda: None), model(tmp_path / "a.onnx")
    before = len(os.listdir("/proc/self/fd"))
    assert had(made, wanted) == (b"weights", "")
    cache.may_go.set()
    until(lambda: not any(thread.name == "bgzero-weights" for thread in threading.enumerate()), "it has answered")
    cache.may_go.clear()
    other = wanted.model_copy(update={"card": wanted.card.model_copy(update={"sha256": "0" * 64})})
    assert had(made, other) == (b"weights", "")
    assert cache.asked == 2
    cache.may_go.set()
    until(lambda: not any(thread.name == "bgzero-weights" for thread in threading.enumerate()), "it has answered")
    made.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_graph_that_was_asked_for_before_the_provider_changed_is_let_go(tmp_path: Path, cache: Cache) -> None:
    """A prepared graph is for the CPU; whoever asks later, for another, gets the weights."""
    rung, may_go = threading.Event(), cache.may_go
    made, wanted = Doors(rung.set), model(tmp_path / "a.onnx")
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
