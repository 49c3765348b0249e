"""What is remembered of proofs, in a file that the daemon and commands share."""

import fcntl
import json
import multiprocessing
import time
from pathlib import Path

import pytest

from bgzero_daemon.service import proofs
from bgzero_daemon.service.proofs import Proofs
from bgzero_daemon.wire.work import ProofFrame

MODEL, DAY = "0123456789abcdef", 86400.0
CUDA, OPENVINO = "CUDAExecutionProvider", "OpenVINOExecutionProvider"


def frame(reason: str = "", provider: str = CUDA) -> ProofFrame:
    """A proof."""
    return ProofFrame(provider=provider, share=1.0, difference=0.0, seconds=0.1, cpu_seconds=0.2, reason=reason)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where they are kept."""
    return tmp_path / "state" / "proofs.json"


@pytest.mark.parametrize(
    ("reason", "age", "holds"),
    [
        ("", 29.9 * DAY, True), ("", 30.1 * DAY, False), ("slow", 0.9 * DAY, True), ("slow", 1.1 * DAY, False),
        ("", -DAY, False),
    ],
)  # fmt: skip
def test_accepted_holds_for_thirty_days_and_turned_down_for_one(
    file: Path, reason: str, age: float, holds: bool
) -> None:
    """By the moments in the file; none from the future."""
    key = f"{MODEL} {CUDA} 1"
    file.parent.mkdir()
    file.write_text(json.dumps({key: {"proved_at": time.time() - age, "proof": frame(reason).model_dump()}}))
    kept = Proofs(file)
    assert kept.known(MODEL) == ({key: reason} if holds else {})
    assert len(kept.latest(MODEL)) == holds
    kept.note(MODEL, {f"{MODEL} other": frame()})
    assert (key in json.loads(file.read_text())) is holds, "what does not hold any more is swept out"


def noting(file: Path, number: int) -> None:
    """Another process that finds something out, ten times; it waits for its turn however busy the machine is."""
    proofs._LOCK_SECONDS = 60.0
    mine = proofs.Proofs(file)
    for time_ in range(10):
        mine.note(MODEL, {f"{MODEL} {number} {time_}": frame()})


def test_two_processes_lose_nothing_of_each_other(file: Path) -> None:
    """Each lays what it found over what is there: the daemon, and `bgzero model bench`."""
    daemon = Proofs(file)
    daemon.note(MODEL, {f"{MODEL} daemon": frame()})
    context = multiprocessing.get_context("spawn")
    others = [context.Process(target=noting, args=(file, number)) for number in range(2)]
    for other in others:
        other.start()
    for other in others:
        other.join(60)
    assert [other.exitcode for other in others] == [0, 0]
    assert len(daemon.known(MODEL)) == 21, "and the one that runs hears of it"
    daemon.note(MODEL, {f"{MODEL} later": frame()})
    assert len(json.loads(file.read_text())) == 22


def test_file_that_somebody_holds_for_good_is_not_waited_for(file: Path) -> None:
    """What was found is known all the same, and written the next time."""
    kept = Proofs(file)
    file.parent.mkdir()
    with file.with_name(".proofs.json.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept.note(MODEL, {f"{MODEL} a": frame()})
    assert not file.exists()
    assert kept.known(MODEL) == {f"{MODEL} a": ""}
    kept.note(MODEL, {f"{MODEL} b": frame()})
    assert set(Proofs(file).known(MODEL)) == {f"{MODEL} a", f"{MODEL} b"}


def test_proof_is_dropped_where_its_provider_failed_at_work(file: Path) -> None:
    """That of this model and provider, for all processes; why another was turned down stays."""
    kept = Proofs(file)
    kept.note(MODEL, {f"{MODEL} a": frame(), f"{MODEL} b": frame("slow"), f"{MODEL} c": frame(provider=OPENVINO)})
    kept.note("f" * 16, {f"{'f' * 16} a": frame()})
    kept.drop(MODEL, CUDA)
    for seen in (kept, Proofs(file)):
        assert set(seen.known(MODEL)) == {f"{MODEL} b", f"{MODEL} c"}
        assert set(seen.known("f" * 16)) == {f"{'f' * 16} a"}


def test_those_that_were_turned_down_are_forgotten_when_somebody_asks_anew(file: Path) -> None:
    """Not what was accepted."""
    kept = Proofs(file)
    kept.note(MODEL, {f"{MODEL} a": frame(), f"{MODEL} b": frame("slow")})
    kept.forget_rejected()
    assert Proofs(file).known(MODEL) == {f"{MODEL} a": ""}


def test_worker_speaks_of_its_own_model_only(file: Path) -> None:
    """Whatever it says of others is dropped."""
    Proofs(file).note(MODEL, {f"{MODEL} a": frame(), "f" * 16: frame("spite")})
    assert list(json.loads(file.read_text())) == [f"{MODEL} a"]


def test_entry_that_makes_no_sense_costs_no_other(file: Path) -> None:
    """Nor does a file that is none."""
    Proofs(file).note(MODEL, {f"{MODEL} a": frame()})
    told = json.loads(file.read_text())
    file.write_text(json.dumps({**told, f"{MODEL} b": {"proved_at": "x", "proof": {}}, f"{MODEL} c": 5}))
    assert Proofs(file).known(MODEL) == {f"{MODEL} a": ""}
    for text in ("[]", "{", "7"):
        file.write_text(text)
        assert Proofs(file).known(MODEL) == {}


def test_proving_anew_believes_nothing_and_is_remembered(file: Path) -> None:
    """As `bgzero model bench` does; without a file it is kept for as long as the process lives."""
    Proofs(file).note(MODEL, {f"{MODEL} a": frame("slow")})
    bench = Proofs(file, anew=True)
    assert bench.known(MODEL) == {}
    bench.note(MODEL, {f"{MODEL} a": frame()})
    assert (bench.noted, Proofs(file).known(MODEL)) == ({f"{MODEL} a": frame()}, {f"{MODEL} a": ""})
    alone = Proofs(None)
    alone.note(MODEL, {f"{MODEL} a": frame()})
    assert alone.known(MODEL) == {f"{MODEL} a": ""}


def test_latest_of_each_provider_is_told(file: Path) -> None:
    """Of an older runtime something else may be known; the CPU has nothing to prove."""
    entries = {
        "old": (300.0, frame()), "new": (100.0, frame("slow")), "other": (200.0, frame(provider=OPENVINO)),
        "cpu": (1.0, frame(provider="CPUExecutionProvider")),
    }  # fmt: skip
    told = {f"{MODEL} {word}": {"proved_at": time.time() - age, "proof": one.model_dump()}
            for word, (age, one) in entries.items()}  # fmt: skip
    file.parent.mkdir()
    file.write_text(json.dumps(told))
    assert [(one.proof.provider, one.proof.reason) for one in Proofs(file).latest(MODEL)] == [
        (CUDA, "slow"), (OPENVINO, ""),
    ]  # fmt: skip
