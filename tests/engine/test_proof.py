"""Providers that are not what they seem: a real network, whose other session is wrapped."""

import hashlib
import re
import time
import tomllib
from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import onnxruntime
import pytest
from onnxruntime.capi.onnxruntime_pybind11_state import EPFail

from bgzero_daemon import __version__
from bgzero_daemon.catalog import shelf
from bgzero_daemon.catalog.card import ModelCard
from bgzero_daemon.core.errors import ModelError
from bgzero_daemon.core.providers import read_order
from bgzero_daemon.engine import proof, providers
from bgzero_daemon.engine.driver import cards_of, driver_of
from bgzero_daemon.engine.proof import test_picture as picture_of_test
from bgzero_daemon.engine.providers import Candidate
from bgzero_daemon.engine.session import Engine
from bgzero_daemon.photo.matte import to_mask
from bgzero_daemon.wire.work import ProofFrame
from tests import tiny

Raw = np.ndarray[tuple[int, ...], np.dtype[np.float32]]
Change = Callable[[Raw], Raw]
WEIGHTS = tiny.network()
CARD = ModelCard.model_validate(
    tomllib.loads(
        tiny.CARD.format(
            name="tiny", size=len(WEIGHTS), sha256=hashlib.sha256(WEIGHTS).hexdigest(), side=tiny.SIDE_PX, fit="stretch"
        )
    )
)
GPU = "CUDAExecutionProvider"
REAL_OPEN = providers.open_session


class Wrapped:
    """A real session under another provider's name, whose answers are changed and slowed."""

    def __init__(self, real: onnxruntime.InferenceSession, change: Change, seconds: float) -> None:
        self._real, self._change, self._seconds = real, change, seconds

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)

    def run(self, *arguments: object) -> list[Raw]:
        """What the real one says, changed."""
        time.sleep(self._seconds)
        return [self._change(raw) for raw in self._real.run(*arguments)]


def engine(
    monkeypatch: pytest.MonkeyPatch, change: Change = lambda raw: raw, *, cpu_seconds: float = 0.05,
    seconds: float = 0.0, share: float = 1.0, known: dict[str, str] | None = None,
    opened: list[str] | None = None, missing: str = "",
) -> Engine:  # fmt: skip
    """An engine whose ONNX Runtime offers CUDA, which is the CPU in disguise; the CPU itself is slow.

    `opened` gets the provider of each session; with `missing` CUDA does not load, for this reason.
    """
    real = REAL_OPEN

    def open_session(weights: bytes, candidate: Candidate, threads: int, *, stays: bool = False) -> object:
        if opened is not None:
            opened.append(candidate.runtime_name)
        if missing and candidate.runtime_name == GPU:
            raise ModelError(f"{GPU}: {missing}")
        session = real(weights, Candidate("cpu", providers.CPU), threads)
        is_gpu = candidate.runtime_name == GPU
        return Wrapped(session, change, seconds) if is_gpu else Wrapped(session, lambda raw: raw, cpu_seconds)

    monkeypatch.setattr(providers, "open_session", open_session)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [GPU, providers.CPU])
    monkeypatch.setattr(providers, "share_of", lambda *_of: share)
    return Engine(WEIGHTS, CARD, asked="auto", threads=2, known=known)


def test_provider_that_does_what_the_cpu_does_and_sooner_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what came out is remembered: the next one that knows it asks the CPU for nothing."""
    made = engine(monkeypatch)
    assert (made.provider, made.note) == (GPU, "")
    ((key, found),) = made.proofs.items()
    assert (found.reason, found.difference, found.share) == ("", 0.0, 1.0)
    assert found.cpu_seconds > found.seconds
    assert key.startswith(f"{CARD.sha256[:16]} {GPU} {CARD.sha256[:16]} ")
    assert key.endswith(f" t2 {onnxruntime.__version__} - {__version__} {driver_of('cuda')} {cards_of('cuda')}")
    ProofFrame.model_validate(asdict(found))
    assert re.fullmatch(r"[A-Za-z0-9_. +-]{1,400}", key), "what the wire lets pass"
    again = engine(monkeypatch, known={key: ""})
    assert (again.provider, again.proofs) == (GPU, {})
    never = engine(monkeypatch, known={key: "it was slow"})
    assert (never.provider, never.proofs) == (providers.CPU, {})
    assert never.note == f"{GPU}: it was slow"


def shifted(raw: Raw) -> Raw:
    """A mask that is a little beside itself."""
    return np.roll(raw, raw.shape[-1] // 10, axis=-1)


@pytest.mark.parametrize(
    ("change", "options", "word"),
    [
        (shifted, {}, "its mask differs from the CPU's by 0."),
        (lambda raw: raw[..., ::-1, :], {}, "its mask differs"),
        (lambda raw: raw * np.float32("nan"), {}, "no numbers"),
        (np.zeros_like, {}, "its mask differs"),
        (lambda raw: raw, {"seconds": 0.05, "cpu_seconds": 0.0}, "where the CPU takes"),
        (lambda raw: raw, {"share": 0.02}, "it left 98 % of the network to the CPU"),
    ],
    ids=["shifted", "mirrored", "nan", "empty", "slow", "on-the-cpu"],
)
def test_provider_that_lies_or_is_of_no_use_is_turned_down_with_a_reason(
    monkeypatch: pytest.MonkeyPatch, change: Change, options: dict[str, float], word: str
) -> None:
    """The CPU runs instead, and one sentence says why."""
    made = engine(monkeypatch, change, **options)  # type: ignore[arg-type]
    assert made.provider == providers.CPU
    assert made.note.startswith(f"{GPU}: ")
    assert word in made.note
    assert made.run(picture_of_test(CARD.input.size_px)).shape[-1] == CARD.input.size_px


def test_session_that_really_runs_on_the_cpu_is_found_out() -> None:
    """ONNX Runtime itself says who took which node."""
    session = providers.open_session(WEIGHTS, Candidate("cpu", providers.CPU), 1)
    assert providers.share_of(session, Candidate("cpu", providers.CPU)) == 1.0
    assert providers.share_of(session, Candidate("cuda", GPU)) == 0.0


def test_weights_with_a_bit_flipped_are_not_loaded_whatever_they_would_say() -> None:
    """By their hash, before any provider."""
    flipped = bytearray(WEIGHTS)
    flipped[len(flipped) // 2] ^= 1
    with pytest.raises(ModelError, match="not the one"):
        Engine(bytes(flipped), CARD, asked="cpu", threads=1)


def test_number_that_is_none_in_the_middle_of_work_leaves_the_photo_to_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has proved itself, and then says NaN: this photo and the next ones are the CPU's."""
    runs = []

    def later(raw: Raw) -> Raw:
        runs.append(1)
        return raw * np.float32("nan") if len(runs) > 9 else raw

    made = engine(monkeypatch, later)
    assert made.provider == GPU
    picture = picture_of_test(CARD.input.size_px)
    while made.provider == GPU:
        assert np.isfinite(made.run(picture)).all()
    assert "no numbers" in made.note


def test_picture_tells_any_turn_from_another() -> None:
    """Its mask is neither empty nor full, and no mirror image of itself."""
    model = shelf.installed("u2netp")
    assert model.weights
    made = Engine(model.weights.read_bytes(), model.card, asked="cpu", threads=2)
    mask = to_mask(made.run(picture_of_test(model.card.input.size_px)), model.card.output.spec())
    assert 0.05 < mask.mean() < 0.8
    for turned in (mask[::-1], mask[:, ::-1], mask.T, np.roll(mask, len(mask) // 10, 1)):
        assert np.abs(mask - turned).mean() > proof.MOST_DIFFERENCE


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("auto", ("auto",)), ("cpu", ("cpu",)), ("cuda", ("cuda", "cpu")),
        ("TensorRT, cuda", ("tensorrt", "cuda", "cpu")),
        ("cuda,cuda,cpu", ("cuda", "cpu")), ("cpu, cuda", ("cpu",)),
    ],
)  # fmt: skip
def test_order_is_read_as_people_write_it(text: str, order: tuple[str, ...]) -> None:
    """The CPU is always the last."""
    assert read_order(text) == order


@pytest.mark.parametrize(
    ("text", "word"),
    [("gpu", "there is no provider 'gpu'"), ("cudaa", "did you mean cuda"), ("auto,cpu", "alone"), ("", "''")],
)
def test_what_is_no_provider_is_told(text: str, word: str) -> None:
    """With all there are, and the nearest."""
    with pytest.raises(ValueError, match=word):
        read_order(text)


def test_provider_that_was_asked_for_and_is_not_here_is_told() -> None:
    """It runs on the CPU, and says why."""
    made = Engine(WEIGHTS, CARD, asked="tensorrt,cuda", threads=1)
    assert made.provider == providers.CPU
    assert "tensorrt is not in this ONNX Runtime" in made.note
    assert "cuda is not in this ONNX Runtime" in made.note


def test_provider_that_does_not_load_is_remembered_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not tried again by whoever knows it."""
    made = engine(monkeypatch, missing="libcudart.so.13: cannot open shared object file")
    ((key, found),) = made.proofs.items()
    assert (found.provider, found.reason) == (GPU, "libcudart.so.13: cannot open shared object file")
    assert (made.provider, made.note) == (providers.CPU, f"{GPU}: {found.reason}")
    opened: list[str] = []
    again = engine(monkeypatch, opened=opened, known={key: found.reason})
    assert (again.note, again.proofs, opened) == (made.note, {}, [providers.CPU])


def test_card_whose_memory_is_taken_is_not_held_against_the_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program may have ended in a minute."""
    why = "BFCArena::AllocateRawInternal Failed to allocate memory for requested buffer of size 3145728"
    made = engine(monkeypatch, missing=why)
    assert (made.provider, made.proofs) == (providers.CPU, {})
    assert why in made.note
    assert not proof.is_passing("CUDA failure 700: an illegal memory access was encountered")
    assert proof.is_passing("CUDA failure 2: out of memory")


def failing(after: int) -> Change:
    """A provider that raises ONNX Runtime's own class, which is an Exception and nothing more, after so many runs."""
    runs = []

    def change(raw: Raw) -> Raw:
        runs.append(1)
        if len(runs) > after:
            raise EPFail("[ONNXRuntimeError] : 11 : EP_FAIL : CUDA failure 719: unspecified launch failure")
        return raw

    return change


@pytest.mark.parametrize("after", [0, 2])
def test_provider_that_raises_in_its_proof_is_remembered(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """At its first run or a later one."""
    made = engine(monkeypatch, failing(after))
    (found,) = made.proofs.values()
    assert "EP_FAIL : CUDA failure 719" in found.reason
    assert made.provider == providers.CPU


def test_provider_that_proved_itself_once_and_fails_at_its_next_start_is_turned_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is remembered of it is replaced."""
    (key,) = engine(monkeypatch).proofs
    made = engine(monkeypatch, failing(0), known={key: ""})
    assert "EP_FAIL" in made.proofs[key].reason
    made = engine(monkeypatch, lambda raw: raw * np.float32("nan"), known={key: ""})
    assert "no numbers" in made.proofs[key].reason


def test_exception_of_onnx_runtime_in_the_middle_of_work_leaves_the_photo_to_the_cpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It proves itself with four runs, and fails at the sixth."""
    made = engine(monkeypatch, failing(5))
    picture = picture_of_test(CARD.input.size_px)
    assert made.run(picture).shape == made.run(picture).shape
    assert made.provider == providers.CPU
    assert "EP_FAIL" in made.note


def test_provider_is_loaded_once_to_prove_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the CPU has said what it thinks: compiling takes some of them minutes."""
    opened: list[str] = []
    engine(monkeypatch, opened=opened)
    assert opened == [providers.CPU, GPU]


def test_cpu_that_fails_blames_no_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that no session can run: the model is at fault, in a sentence."""
    monkeypatch.setattr(proof, "measure", lambda *_: (_ for _ in ()).throw(EPFail("no kernel for Foo")))
    made = engine(monkeypatch)
    assert (made.provider, made.proofs) == (providers.CPU, {})
    assert f"{providers.CPU}: no kernel for Foo" in made.note


def test_memory_that_a_network_takes_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of this process: 64 MB that a provider keeps are found."""
    kept: list[Raw] = []

    def greedy(raw: Raw) -> Raw:
        if not kept:
            kept.append(np.ones(16 << 20, np.float32))
        return raw

    (found,) = engine(monkeypatch, greedy).proofs.values()
    assert found.memory_bytes
    assert 60 << 20 < found.memory_bytes < 200 << 20


def test_cpu_is_measured_where_that_is_asked_for() -> None:
    """Like a provider, warm; else it has nothing to prove."""
    (found,) = Engine(WEIGHTS, CARD, asked="cpu", threads=1, measures=True).proofs.values()
    assert (found.provider, found.share, found.difference, found.reason) == (providers.CPU, 1.0, 0.0, "")
    assert found.seconds == found.cpu_seconds > 0
    assert found.memory_bytes is not None
    assert Engine(WEIGHTS, CARD, asked="cpu", threads=1).proofs == {}


def test_proof_is_of_the_bytes_that_were_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """With allow_unverified these are not the card's, whose hash only leads to them."""
    other = tiny.network() + b"\x12\x05tests"  # ModelProto.producer_name
    monkeypatch.setattr("bgzero_daemon.engine.session.key_of", lambda card, loaded, *_: loaded)
    made = Engine(other, CARD, asked="cpu", threads=1, allow_unverified=True, measures=True)
    assert set(made.proofs) == {hashlib.sha256(other).hexdigest()}
