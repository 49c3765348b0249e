"""`bgzero bench`: what it prints, draws and counts, and that nothing of it stays."""

import json
import os
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgzero_daemon.cli import specimens
from bgzero_daemon.cli.gauge import Gauge
from bgzero_daemon.cli.plot import Point, svg
from bgzero_daemon.cli.speedrun import Alone
from bgzero_daemon.core import paths
from tests.fault.space import need_namespace
from tests.home import PROGRAM, Home, is_alive, photo, until

STEPS = {"decode", "tensor", "wait", "network", "edges", "encode", "hash", "check", "publish"}
# Uses time, waits, has 300 MB for a moment and uses time, and waits.
USER = """
import sys, time
def spin(seconds):
    while time.process_time() < seconds: pass
spin(0.5)
print(end="x", flush=True)
sys.stdin.buffer.read(1)
bytearray(b"x") * 100_000_000
spin(time.process_time() + 0.2)
print(end="x", flush=True)
sys.stdin.buffer.read(1)
"""
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def scratch(home: Home) -> Path:
    """The folder for what lives for minutes, empty; nobody waits for workers that give way to others."""
    folder = home.root / "scratch"
    folder.mkdir()
    home.env |= {"TMPDIR": str(folder), "BGZERO_WORKER__NICE": "0"}
    return folder


def told(done: "subprocess.CompletedProcess[bytes]", status: int = 0) -> Any:
    """Read what was printed as JSON."""
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout)


def labels(drawing: str) -> list[str]:
    """All that is written in a plot, which has to be XML."""
    return [text.text or "" for text in ET.fromstring(drawing).iter(f"{SVG}text")]


def test_each_size_is_measured_alone_and_together(home: Home, scratch: Path) -> None:
    """Medians of every step, a rate, a share of the bound, memory; a plot that names the sizes; nothing is left."""
    plot = home.root / "plot.svg"
    sizes = ("--megapixels", "0.3,0.1", "--photos-each", "2")
    found = told(home.bgzero("bench", *sizes, "--json", "--svg", plot))
    assert {"schema", "version", "processor", "cores", "load", "lanes", "model", "provider"} <= set(found)
    assert (found["model"], found["provider"], found["sandbox"]) == ("tiny", "CPUExecutionProvider", "closed")
    assert (found["png"], found["on_cpu"], found["is_shared"], found["not_cut"]) == ("balanced", True, False, [])
    assert [round(size["megapixels"], 1) for size in found["sizes"]] == [0.1, 0.3]
    for size in found["sizes"]:
        alone, together = size["alone"], size["together"]
        assert size["photos"] == {"alone": 2, "together": 8}
        assert set(alone["wall_seconds"]) == STEPS
        assert set(alone["cpu_seconds"]) == STEPS | {"deflate"}
        assert all(alone["wall_seconds"][step] > 0 for step in ("decode", "network", "encode", "hash", "check"))
        assert sum(alone["wall_seconds"].values()) <= 1.5 * alone["seconds"]
        assert together["photos_per_minute"] == pytest.approx(60 / together["seconds"], rel=0.1)
        assert together["worker_cpu_seconds"] > 0 < together["service_cpu_seconds"]
        assert 40 < together["worker_memory_mb"] < together["memory_mb"] < 2000
        assert 0.25 < size["source_bytes"] / size["megapixels"] / 1e6 < 0.45
        assert 0.2 < size["output_bytes"] / size["megapixels"] / 1e6 < 3
        assert size["share_of_bound"] == pytest.approx(size["bound_seconds"] / together["seconds"], abs=0.03)
        assert 0 < size["share_of_bound"] < 1.5
    assert {"0.1 MP", "0.3 MP"} <= set(labels(plot.read_text()))
    assert list(scratch.iterdir()) == []


def test_own_photos_are_measured_and_one_that_cannot_be_cut_is_named(home: Home, scratch: Path) -> None:
    """By their sizes, from a folder and by name; what is no photo costs an exit status, not the rest."""
    for number in range(3):
        photo(home.root / "mine" / f"{number}.jpg", (400, 300), number)
    photo(home.root / "mine" / "trip" / "large.png", (1200, 900))
    (home.root / "mine" / "notes.txt").write_text("no photo, and not called like one")
    bad = home.root / "bad.jpg"
    bad.write_bytes((home.root / "mine" / "0.jpg").read_bytes()[:500])
    gone = home.root / "gone.jpg"
    arguments = ("bench", "--photos", home.root / "mine", bad, gone, "--photos-each", "1")
    found = told(home.bgzero(*arguments, "--json"), 4)
    assert [size["megapixels"] for size in found["sizes"]] == [0.12, 1.08]
    assert {failed["photo"] for failed in found["not_cut"]} == {str(bad), str(gone)}
    done = home.bgzero(*arguments)
    text = done.stdout.decode()
    assert done.returncode == 4
    assert all(words in text for words in ("0.12 MP", "1.1 MP", "photos a minute", "The bound: ", "tiny on "))
    assert f"{gone}: it cannot be read" in done.stderr.decode()
    assert not list(scratch.iterdir())
    assert sorted(path.name for path in (home.root / "mine").iterdir()) == [
        "0.jpg", "1.jpg", "2.jpg", "notes.txt", "trip"
    ]  # fmt: skip
    assert home.bgzero("bench", "--photos", bad).returncode == 1


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 128 + signal.SIGTERM)])
def test_interrupted_in_the_middle_it_leaves_nothing(home: Home, scratch: Path, number: int, status: int) -> None:
    """No file, no worker."""
    with home.started("bench", "--megapixels", "2", "--photos-each", "900") as running:
        until(lambda: list(scratch.rglob(".bgz-*")), lambda: f"a cut-out in work\n{running.log}")
        until(running.worker, "the worker")
        worker = running.worker()
        assert running.stop(number) == status
    assert not list(scratch.iterdir())
    until(lambda: not is_alive(worker), "the worker ends")
    assert "Traceback" not in running.log


@pytest.mark.parametrize(
    ("number", "status", "megabytes"),
    [(signal.SIGINT, 130, 0), (signal.SIGKILL, -signal.SIGKILL, 0), (signal.SIGKILL, -signal.SIGKILL, 150)],
)
def test_interrupted_while_a_picture_is_drawn_it_draws_no_more(
    home: Home, scratch: Path, number: int, status: int, megabytes: int
) -> None:
    """The process that draws ends, too, as it starts and when it has so much memory; only kill -9 leaves a file."""
    with home.started("bench", "--megapixels", "90") as running:
        drawing = Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children")
        until(lambda: list(scratch.rglob("*.jpg")) and drawing.read_text(), lambda: f"it draws\n{running.log}")
        child = int(drawing.read_text().split()[0])
        until(lambda: psutil.Process(child).memory_info().rss > megabytes * 1e6, "it is in the middle of it")
        assert running.stop(number) == status
        until(lambda: not is_alive(child), "its end")
    assert bool(list(scratch.iterdir())) == (number == signal.SIGKILL)
    assert not any(file.stat().st_size for file in scratch.rglob("*.jpg"))


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["--megapixels", "many"], 2, "many is no list of sizes: up to 16 numbers from 0.01 to 100"),
        (["--megapixels", "12,101"], 2, "limits.megapixels"),
        (["--megapixels", "nan"], 2, "is no list of sizes"),
        (["--photos-each", "0"], 2, "a number from 1 to 1000"),
        (["--photos", "in"], 2, "There is no photo in in."),
        (["--photos", "in", "--megapixels", "1"], 2, "not allowed with"),
        (["--svg", "nowhere/plot.svg"], 2, "No file can be written at nowhere/plot.svg."),
        (["--model", "nobody"], 1, "nobody"),
        (["--provider", "abacus"], 78, "abacus"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_done(
    home: Home, scratch: Path, arguments: list[str], status: int, sentence: str
) -> None:
    """With a sentence, and an exit status."""
    done = subprocess.run([*PROGRAM, "bench", *arguments], cwd=home.root, env=home.env, capture_output=True, timeout=60)
    assert (done.returncode, sentence in done.stderr.decode()) == (status, True), done.stderr
    assert not list(scratch.iterdir())


def test_too_little_space_is_said_at_once(home: Home, scratch: Path) -> None:
    """Before a picture is drawn."""
    need_namespace()
    script = f'mount -t tmpfs -o size=1m none {scratch} && "$@"; status=$?; ls -A {scratch}; exit $status'
    command = ["unshare", "-Urm", "sh", "-c", script, "sh", *PROGRAM, "bench", "--megapixels", "12"]
    done = subprocess.run(command, env=home.env, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"MB are needed in {scratch}, and 1 MB are free there." in done.stderr


def test_a_daemon_at_work_is_mentioned(home: Home, scratch: Path) -> None:
    """Figures are lower then; it goes on with its photo."""
    with home.daemon() as daemon:
        photo(home.inbox / "a.png", (1500, 1000))
        until(daemon.worker, "the worker")
        worker = daemon.worker()
        assert worker
        os.kill(worker, signal.SIGSTOP)
        done = home.bgzero("bench", "--megapixels", "0.02", "--photos-each", "1")
        os.kill(worker, signal.SIGCONT)
        daemon.wait_for("a.png")
    assert "A daemon was cutting photos meanwhile" in " ".join(done.stdout.decode().split())


def test_photos_of_about_one_size_are_taken_together(tmp_path: Path) -> None:
    """Half an octave apart at most, evenly chosen where there are many; unknown sizes come last."""
    wide = [str(photo(tmp_path / f"{number}.png", (64 + number, 40))) for number in range(9)]
    large = str(photo(tmp_path / "large.png", (120, 48)))
    odd = [tmp_path / f"odd-{number}.jpg" for number in range(5)]
    for file in odd:
        file.write_bytes(b"\xff\xd8\xff and nothing that would be a photo")
    small, big, unknown = specimens.given([str(tmp_path)], 3)
    assert small.photos == (wide[0], wide[3], wide[6])
    assert (big.photos, big.alone, big.together, big.steps) == ((large,), 3, 12, 16)
    assert (unknown.photos, unknown.pixels, unknown.together) == (tuple(map(str, odd)), 0, 3)


def test_the_bound_counts_costly_steps_alone() -> None:
    """Over all cores; a network on a device of its own takes its time beside them."""
    wall = {"decode": 0.5, "network": 0.25, "encode": 0.9}
    cpu = {"decode": 0.4, "tensor": 9.0, "network": 1.0, "encode": 0.8, "deflate": 0.6, "hash": 9.0}
    alone = Alone(2.0, wall, cpu)
    assert alone.bound_seconds(4, on_cpu=True) == pytest.approx(2.0 / 4)
    assert alone.bound_seconds(2, on_cpu=False) == pytest.approx(0.5)
    assert alone.bound_seconds(8, on_cpu=False) == pytest.approx(0.25)


def test_memory_and_cpu_time_are_those_of_workers_and_of_this_process() -> None:
    """A peak that is over before anybody looks is known from the kernel; what was used before does not count."""
    child = subprocess.Popen([sys.executable, "-c", USER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin
    assert child.stdout
    try:
        child.stdout.read(1)
        resting = Gauge(lambda: [child.pid])
        resting.start()
        rest = resting.stop()
        busy = Gauge(lambda: [child.pid])
        busy.start()
        child.stdin.write(b"x")
        child.stdin.flush()
        child.stdout.read(1)
        work = busy.stop()
    finally:
        child.kill()
        child.communicate()
    assert 5e6 < rest.worker_bytes < 100e6
    assert rest.memory_bytes > rest.worker_bytes + 20e6
    assert 100e6 < work.worker_bytes < 200e6
    assert work.memory_bytes > work.worker_bytes + 20e6
    assert rest.worker_cpu_seconds < 0.1 <= work.worker_cpu_seconds
    assert work.seconds > 0


@given(
    st.lists(st.floats(0.01, 1000), min_size=1, max_size=16, unique=True).map(sorted),
    st.lists(st.tuples(st.floats(1e-3, 1e6), st.floats(1e-3, 1e6)), min_size=16, max_size=16),
    st.text(),
)
def test_a_plot_is_xml_and_holds_every_size(sizes: list[float], rates: list[tuple[float, float]], title: str) -> None:
    """Whatever the figures are, and whatever a model is called: all of it lies on the card."""
    points = [Point(size, *rate) for size, rate in zip(sizes, rates, strict=False)]
    drawing = svg(points, title=title, about='"<&', measured="m", bound="b")
    assert [f"{size:g} MP" for size in sizes] == [text for text in labels(drawing) if text.endswith(" MP")][
        -len(sizes) :
    ]
    for dot in ET.fromstring(drawing).iter(f"{SVG}circle"):
        assert 0 < float(dot.get("cx", "")) < 640
        assert 50 < float(dot.get("cy", "")) < 240


def test_large_temporary_files_go_where_there_is_a_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """/tmp is memory on many machines; TMPDIR is somebody's word."""
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert paths.scratch_dir() == tmp_path
    monkeypatch.delenv("TMPDIR")
    assert paths.scratch_dir() == Path("/var/tmp")
