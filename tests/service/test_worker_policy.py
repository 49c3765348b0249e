"""What is decided about workers before anything is measured: cores, memory, deadlines, growth."""

import os
import socket
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from bgzero_daemon.catalog import shelf
from bgzero_daemon.catalog.card import Model
from bgzero_daemon.core.errors import ModelError, PhotoRefused
from bgzero_daemon.core.job import Task
from bgzero_daemon.core.recipe import Recipe
from bgzero_daemon.service import machine
from bgzero_daemon.service.allowance import Allowance
from bgzero_daemon.service.growth import Growth
from bgzero_daemon.service.sizes import BYTES_PER_PIXEL, Sizes
from bgzero_daemon.settings.schema import Config, Worker
from bgzero_daemon.worker.lanes import Lanes


def groups(root: Path, **settings: str) -> Path:
    """A tree of control groups in which the root one has settings; this process's own is deeper, or the same."""
    for name, value in settings.items():
        (root / name.replace("_", ".")).write_text(f"{value}\n")
    return root


@pytest.mark.parametrize(
    ("quota", "cores"), [("max 100000", None), ("50000 100000", 1), ("100000 100000", 1), ("150000 100000", 2)]
)
def test_cores_are_those_of_affinity_and_quota(tmp_path: Path, quota: str, cores: int | None) -> None:
    """A container with half a core gets one thread, not as many as the machine has cores."""
    allowed = machine.cores(tmp_path)
    assert allowed >= 1
    assert machine.cores(groups(tmp_path, cpu_max=quota)) == min(allowed, cores or allowed)


def test_memory_is_the_machines_or_the_groups(tmp_path: Path) -> None:
    """The smallest limit on the way up counts."""
    assert machine.memory_bytes(tmp_path) == psutil.virtual_memory().total
    assert machine.memory_bytes(groups(tmp_path, memory_max="max")) == psutil.virtual_memory().total
    assert machine.memory_bytes(groups(tmp_path, memory_max="1000000")) == 1_000_000


def test_deadline_grows_with_model_lanes_and_photo() -> None:
    """At least half a minute; ten times what is expected; a slower machine than the card's is learned from."""
    assert Allowance(0.1, 2).to_cut(1_000_000) == 30.0
    assert Allowance(5.0, 4).to_cut(24_000_000) == pytest.approx(10 * 4 * (5.0 + 2.4))
    assert Allowance(None, 1).to_cut(0) == 100.0
    assert Allowance(5.0, 4, fixed=2.0).to_cut(24_000_000) == 2.0
    slow = Allowance(0.1, 1)
    for _photo in range(50):
        slow.note(20.0)
    assert slow.to_cut(0) == pytest.approx(200.0)
    slow.note(0.1)
    assert slow.to_cut(0) > 150.0, "one quick photo changes little"
    assert Allowance(0.1, 1).to_read(512_000_000) > 512
    assert Allowance(0.1, 1).to_load(100_000_000) > Allowance(0.1, 1).to_load(0)


def test_shipped_model_has_a_measured_speed() -> None:
    """So its deadline is reckoned, not guessed."""
    seconds = shelf.installed("u2netp").card.seconds
    assert seconds
    assert Allowance(seconds, 4).to_cut(24_000_000) < Allowance(None, 4).to_cut(24_000_000)


def test_growth_is_told_from_large_photos() -> None:
    """Every second photo is large: no growth. The least memory of many photos climbs: growth."""
    steady = Growth()
    assert not any(steady.note(10**9 if photo % 2 else 200_000_000) for photo in range(1000))
    leaking = Growth()
    seen = [leaking.note(200_000_000 + photo * 2_000_000) for photo in range(1000)]
    assert any(seen)
    assert 100 <= seen.index(True) < 250, "beyond half as much again and 100 MB"


def sizes(**worker: float) -> Sizes:
    return Sizes.of(Config(worker=Worker.model_validate(worker)))


def needing(peak_mb: int) -> Model:
    model = shelf.installed("u2netp")
    return model.model_copy(update={"card": model.card.model_copy(update={"peak_mb": peak_mb})})


def test_workers_share_cores_and_memory() -> None:
    """Two workers get half of each; what is set is taken as it is."""
    one, two = sizes(), sizes(workers=2)
    assert two.threads == max(1, one.threads // 2)
    assert two.memory_bytes == pytest.approx(one.memory_bytes / 2, abs=1)
    assert (sizes(threads=7).threads, sizes(lanes=9).lanes) == (7, 9)
    assert sizes(memory_limit=2.5).memory_bytes == 2_500_000_000


def test_pixels_in_work_fit_into_the_memory_beside_the_model() -> None:
    """The configured bound, or less where the memory is short; a fifth of it is left for surprises."""
    assert sizes(memory_limit=100).pixels_beside(500_000_000) == 120_000_000
    assert sizes(memory_limit=100, workers=2).pixels_beside(500_000_000) == 60_000_000
    assert sizes(memory_limit=2).pixels_beside(500_000_000) == 1_100_000_000 // BYTES_PER_PIXEL
    assert sizes(memory_limit=0.1).pixels_beside(500_000_000) == 0, "one at a time"
    assert sizes().expected_bytes(needing(300)) == 300_000_000


def test_small_photo_counts_with_what_its_edges_take() -> None:
    """Grids of them are the same for any photo; of one whose size nobody knows much is expected."""
    one = Task("1", "a.png", Recipe("u2netp"), 0, 0)
    likely = [sizes().likely_pixels(replace(one, pixels=pixels)) for pixels in (1, 24_000_000, 1 << 40, 0)]
    assert likely[0] * BYTES_PER_PIXEL == 50_000_000
    assert likely[1:] == [24_000_000] * 3


def test_runs_go_beside_each_other_where_memory_is_plenty() -> None:
    """As many as there are lanes and threads; one where little is left beside the model."""
    model = needing(400)
    assert sizes(memory_limit=8, lanes=4, threads=4).runs_of(model) == 4
    assert sizes(memory_limit=8, lanes=2, threads=4).runs_of(model) == 2
    assert sizes(memory_limit=8, lanes=4, threads=1).runs_of(model) == 1
    assert sizes(memory_limit=2, lanes=4, threads=4).runs_of(model) == 1
    assert sizes(memory_limit=8, lanes=4, threads=4).runs_of(needing(5000)) == 1


def test_file_that_grows_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its length was looked at first; what comes after counts too."""
    file = tmp_path / "a.jpg"
    file.write_bytes(bytes(100))
    real = file.stat()
    with socket.socket() as sock, file.open("rb") as source, monkeypatch.context() as patched:
        lanes = Lanes(sock, None, 1, max_bytes=50)  # type: ignore[arg-type]
        with pytest.raises(PhotoRefused, match="the limit is"):
            lanes._read(source.fileno())
        patched.setattr(os, "fstat", lambda _number: os.stat_result((*real[:6], 40, *real[7:10])))
        with pytest.raises(PhotoRefused, match="grew beyond the limit"):
            lanes._read(source.fileno())
        generous = Lanes(sock, None, 1, max_bytes=100)  # type: ignore[arg-type]
        assert generous._read(source.fileno()) == bytes(100)


def test_model_that_needs_more_than_was_allowed_is_refused() -> None:
    """Where somebody set the limit; the machine's own is a warning, and so is memory that others use."""
    with pytest.raises(ModelError, match="needs about 3000 MB"):
        sizes(memory_limit=1).check(needing(3000))
    assert sizes(memory_limit=4).check(needing(300)) == ""
    assert "needs about 9000000 MB" in sizes().check(needing(9_000_000))
    free_mb = machine.free_bytes() // 1_000_000
    assert "MB are free" in sizes(memory_limit=99_999).check(needing(free_mb + 5000))
