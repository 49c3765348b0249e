"""Damaged photos of every format, for a while, and all that ever made trouble."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from . import fuzz

CORPUS = sorted((Path(__file__).parent / "corpus").iterdir())
ROOT = Path(__file__).parents[2]


def tried(folder: Path, seed: int, *limit: str) -> int:
    """Fuzz in a process of its own; return how many inputs there were. What it died of is left in the folder."""
    command = [sys.executable, "-m", "tests.photo.fuzz", "--seed", str(seed), *limit]
    last = folder / "last.bin"
    done = subprocess.run([*command, "--last", last], cwd=ROOT, env=dict(os.environ), capture_output=True, text=True)
    assert done.returncode == 0, f"{last} ended it with {done.returncode}\n{done.stdout}{done.stderr[-3000:]}"
    print(done.stdout)
    found = re.match(r"(\d+) inputs: ", done.stdout)
    assert found
    return int(found[1])


def test_decode_room_takes_anything(tmp_path: Path) -> None:
    """Thirty thousand, the same ones each time: photos and refusals, nothing else."""
    assert tried(tmp_path, 1, "--inputs", "30000") == 30_000


@pytest.mark.soak
@pytest.mark.timeout(400)
@pytest.mark.parametrize("seed", [100, 101])
def test_decode_room_takes_anything_for_longer(tmp_path: Path, seed: int) -> None:
    """Five minutes each, by hand."""
    assert tried(tmp_path, seed, "--seconds", "300") > 10_000


@pytest.mark.parametrize("file", CORPUS, ids=lambda file: file.name)
def test_what_was_found_stays_mended(file: Path) -> None:
    """Every input that ever made trouble, and some that come near."""
    assert fuzz.outcome(file.read_bytes())
