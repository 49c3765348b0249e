"""The table of doubts counts what it says it counts."""

import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

import confidence
from bgzero_daemon.core.confidence import Confidence, Doubt
from bgzero_daemon.photo.confidence import Judgement
from tests.flow.test_review import empty, foggy
from tests.home import Home, photo


def row(name: str, word: Confidence, doubt: Doubt = Doubt.NONE, truth: float | None = None) -> confidence.Row:
    """What came out of a picture."""
    return confidence.Row(name, Judgement(word, doubt), truth)


def test_doubts_are_counted_against_the_truth() -> None:
    """Of wrong masks those that were doubted, and of right ones; photos without a truth count in neither."""
    rows = [
        row("a", Confidence.FINE, truth=0.99),
        row("b", Confidence.CHECK, Doubt.SEE_THROUGH, truth=0.95),
        row("c", Confidence.CHECK, Doubt.SEE_THROUGH, truth=0.5),
        row("d", Confidence.NO_SUBJECT, Doubt.NOTHING_FOUND, truth=0.1),
        row("e", Confidence.FINE, truth=0.2),
        row("f", Confidence.CHECK, Doubt.PASSES_DIFFER),
    ]
    assert [*confidence.summary(rows).values()] == [
        "6", "2", "3", "1", "passes-differ 1, see-through 2", "2/3", "1/2"
    ]  # fmt: skip


def test_benchmark_runs_on_a_folder(home: Home) -> None:
    """By the networks that are installed; pictures beside truths are no photos."""
    photo(home.inbox / "p0.jpg")
    foggy(home.inbox / "p1.png")
    empty(home.inbox / "p2.png")
    alpha = np.zeros((80, 120), np.uint8)
    alpha[20:60, 30:90] = 255
    Image.fromarray(alpha).save(home.inbox / "p0.alpha.png")
    script = Path(confidence.__file__)
    command: list[str | Path] = [
        sys.executable,
        script,
        home.inbox,
        "--model",
        "tiny",
        "--other",
        "tiny",
        "--mirror",
        "--blanks",
    ]
    done = subprocess.run(command, env=home.env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "p1.png: wants a look: see-through inside" in done.stdout
    assert "| tiny | in | 3 | 1 | 1 | 1 | see-through 1 | 0/0 | 0/1 |" in done.stdout
    assert "| tiny | blanks | 12 |" in done.stdout
