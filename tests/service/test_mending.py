"""What one worker runs on, and when a provider that failed is tried again."""

import math

import pytest

from bgzero_daemon.service.mending import Footing, Mending


@pytest.fixture(autouse=True)
def with_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anything but "cpu" may be more than the CPU here."""
    monkeypatch.setattr("bgzero_daemon.service.mending.runs_on_cpu", lambda asked: asked == "cpu")


def test_worker_that_starts_while_a_provider_is_left_alone_runs_on_the_cpu_and_says_why() -> None:
    """Until the pause is over; the next one tries again."""
    mending = Mending()
    until = mending.pause(100.0, "CUDA failed")
    during, after = Footing.at(until - 1, "auto", mending), Footing.at(until, "auto", mending)
    during.note_ready(until - 1, "CPUExecutionProvider", "")
    assert (during.asked, during.due, during.note) == ("cpu", until, "CUDA failed")
    assert (after.asked, after.due) == ("auto", math.inf)


@pytest.mark.parametrize(
    ("asked", "note", "due"), [("auto", "slower", 3700.0), ("auto", "", math.inf), ("cpu", "no", math.inf)]
)
def test_provider_that_was_turned_down_may_try_again_in_an_hour(asked: str, note: str, due: float) -> None:
    """Not one that runs, and not the CPU."""
    footing = Footing.at(100.0, asked, Mending())
    footing.note_ready(100.0, "CPUExecutionProvider", note)
    assert (footing.due, footing.note) == (due, note)


def test_provider_that_worked_for_a_hundred_photos_begins_with_a_minute_again() -> None:
    """Earlier failures are forgotten then, and not before."""
    mending = Mending()
    mending.pause(0.0, "failed")
    footing = Footing.at(200.0, "cuda", mending)
    footing.note_ready(200.0, "CUDA", "")
    footing.note_ran(200.0, "CUDA", 99)
    assert mending.failures == 1
    footing.note_ran(200.0, "CUDA", 100)
    assert (mending.failures, mending.why) == (0, "")
