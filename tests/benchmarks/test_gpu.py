"""benchmarks/gpu.py up to the card: what it reads, compares and prints, and that it says where there is no card."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import gpu_card
import gpu_report
from gpu_masks import distance
from gpu_trial import providers, reasons

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.py"
SAID = "NVIDIA H100 80GB HBM3, 550.54.15, 81559, 4\nNVIDIA GB10, 580.95.05, [N/A], [N/A]\nNo devices were found\n"


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Start it where no nvidia-smi is found."""
    env = os.environ | {"PATH": os.devnull}
    return subprocess.run([sys.executable, SCRIPT, *words], env=env, capture_output=True, text=True, timeout=60)


def test_cards_are_read_and_what_is_not_told_is_none() -> None:
    """Cards with memory of their own, cards that share the machine's, and sentences that are no cards."""
    assert gpu_card.parse(SAID) == [
        gpu_card.Card("NVIDIA H100 80GB HBM3", "550.54.15", 81559, 4),
        gpu_card.Card("NVIDIA GB10", "580.95.05", None, None),
    ]


def test_masks_are_compared_by_mean_and_most() -> None:
    """Not by their sum, and in either direction."""
    one = np.zeros((4, 4), np.float32)
    other = one.copy()
    other[0, 0] = 0.5
    assert distance(one, other) == distance(other, one)
    assert distance(one, other).most == 0.5
    assert distance(one, other).mean == pytest.approx(0.5 / 16)


def test_broken_promise_is_shown_and_is_the_exit_status() -> None:
    """Beside the figures; what could not be measured breaks nothing."""
    kept = gpu_report.Step("one", unmeasured=("a card",), figures={"mean": 0.00012, "card MiB": None})
    broken = gpu_report.Step("two", broken=("a photo was not cut",))
    assert gpu_report.status([kept]) == 0
    assert gpu_report.status([kept, broken]) == 1
    shown = gpu_report.text({"card": "none"}, [kept, broken])
    assert "one: kept\n  mean: 0.00012\n  card MiB: -\n  not measured: a card" in shown
    assert "two: BROKEN\n  BROKEN: a photo was not cut" in shown
    assert json.loads(gpu_report.as_json({"card": "none"}, [kept, broken]))["steps"][1]["broken"]


def test_lanes_are_compared_round_by_round() -> None:
    """The ratio of neighbours, not of medians."""
    found = gpu_report.rates({1: [10.0, 20.0, 30.0], 2: [20.0, 20.0, 60.0]})
    assert found["2 lanes, times those of 1"] == "2.00 (1.00 to 2.00)"


def test_log_is_counted_by_provider() -> None:
    """Photos, not the line that tells of the model."""
    line = "INFO    00001 a.jpg: done, u2netp on {}, 0.75 s\n"
    log = "INFO    model u2netp on CUDAExecutionProvider, loaded in 0.4 s\n" + line.format("CUDAExecutionProvider")
    assert providers(log + 2 * line.format("CPUExecutionProvider")) == {
        "CUDAExecutionProvider": 1, "CPUExecutionProvider": 2,
    }  # fmt: skip


def test_reason_for_a_failure_in_the_middle_is_read_from_the_log() -> None:
    """A provider that was turned down at the start is none of those."""
    failed = "CUDAExecutionProvider failed, this photo and the next ones run on the CPU: no memory"
    log = (
        "00:00:01 WARNING worker 7: TensorrtExecutionProvider: not here\n"
        f"00:00:02 WARNING worker 7: {failed}\n"
        "00:00:03 INFO    00004 a.jpg: done, u2netp on CPUExecutionProvider, 3.89 s\n"
    )
    assert reasons(log) == {"CUDAExecutionProvider": "no memory"}
    assert reasons(log.replace("CPU: no memory", "CPU: ")) == {}


def test_machine_without_a_card_is_told_apart_from_a_failure() -> None:
    """It says so and ends with 2; with the CPU standing in and no wheels it prints how to gather them, and 3."""
    done = run()
    assert (done.returncode, done.stdout) == (2, "")
    assert "no card" in done.stderr
    done = run("--provider", "CPUExecutionProvider", "--wheels", os.devnull)
    assert done.returncode == 3
    assert "pip download" in done.stdout
