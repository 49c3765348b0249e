"""What the doctor tells of proofs that the daemon goes by, and of the memory that a driver tells."""

import os
from pathlib import Path

import pytest

from bgzero_daemon.catalog import shelf
from bgzero_daemon.cli.bench import _sentence
from bgzero_daemon.doctor import worker
from bgzero_daemon.doctor.device import device_bytes
from bgzero_daemon.doctor.findings import Verdict
from bgzero_daemon.doctor.ground import Ground
from bgzero_daemon.service.proofs import Proofs
from bgzero_daemon.wire.work import ProofFrame

CUDA = ProofFrame(provider="CUDAExecutionProvider", share=1.0, difference=0.0, seconds=0.1, cpu_seconds=0.35)


def test_what_providers_have_proved_is_told_with_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Accepted is well; turned down comes with why, and with the command that has it proved anew."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    ground = Ground(None, {"BGZERO_MODEL__NAME": "u2netp"})
    assert list(worker._remembered(ground)) == []
    prefix = shelf.find("u2netp").proof_prefix
    rocm = ProofFrame(provider="ROCMExecutionProvider", reason="libamdhip64.so is missing")
    Proofs.of_account().note(prefix, {f"{prefix} a": CUDA, f"{prefix} b": rocm})
    accepted, rejected = worker._remembered(ground)
    assert accepted.verdict is Verdict.OK
    assert "u2netp: CUDAExecutionProvider proved itself on 20" in accepted.sentence
    assert "3.5 times as fast as the CPU" in accepted.sentence
    assert (rejected.verdict, rejected.remedy) == (Verdict.NOTE, "bgzero model bench u2netp")
    assert rejected.sentence.endswith(": libamdhip64.so is missing.")


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ('echo "$PPID, 300"; echo "1, 70"; echo "$PPID, 20"', 320 << 20),
        ('echo "1, 70"', None), ('echo "$PPID, [N/A]"', None), ('echo "$PPID, 300"; exit 9', None),
        ("", None),
    ],
)  # fmt: skip
def test_memory_on_a_card_is_what_its_driver_says_or_not_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, found: int | None
) -> None:
    """Of this process alone, on all cards; no number is no guess."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert device_bytes(os.getpid()) is None, "no such program"
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    assert device_bytes(os.getpid()) == found
    sentence = _sentence(CUDA.model_copy(update={"device_bytes": found}), is_used=True)
    assert ("336 MB on the device" if found else "an unknown amount on the device") in sentence
