"""The review folder and second tries, with deaths between all steps: one cut-out for a photo, and none that is lost."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bgzero_daemon.core.confidence import Confidence
from bgzero_daemon.core.job import JobState
from bgzero_daemon.core.recipe import OnCheck, Recipe
from bgzero_daemon.service.last_steps import LastSteps
from bgzero_daemon.service.published import is_whole
from bgzero_daemon.service.review import Review
from tests.fault import deaths
from tests.fault.oracle import Oracle, tag_of
from tests.flow.test_review import foggy, kept, listed
from tests.home import Home, until
from tests.service.test_scheduler import Bench

REVIEW = {"BGZERO_OUTPUT__CHECK": "review"}


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with what all those left who died."""
    root = tmp_path_factory.mktemp("deaths")
    command = [sys.executable, "-m", "tests.fault.deaths", str(root)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return root


def visible(bench: Bench) -> list[str]:
    """Return the cut-outs, below the outbox."""
    found = [path.relative_to(bench.outbox) for path in bench.outbox.rglob("*.png")]
    return sorted(str(path) for path in found if not path.name.startswith("."))


def goes_on(bench: Bench, word: Confidence) -> str:
    """Go on after a death: cut what waits, do what a round does, and return what is thought of the cut-out."""
    try:
        bench.turn(deaths.judged(word))
        Review(bench.place).look_after("a.jpg")
        known = bench.ledger.get(str(bench.inbox), "a.jpg")
        assert known
        if known.state is JobState.PUBLISHED:
            LastSteps(bench.place).see_to_original("a.jpg", known)
            known = bench.ledger.get(str(bench.inbox), "a.jpg")
            assert known
        assert known.state is JobState.DONE
        assert [os.path.relpath(known.output, bench.outbox)] == visible(bench)
        assert is_whole(Path(known.output), known.output_sha256)
        assert (bench.inbox / "a.jpg").exists() != (bench.inbox.parent / "done" / "a.jpg").exists()
        return known.confidence
    finally:
        bench.scheduler.close()
        bench.ledger.close()


@pytest.mark.parametrize(("life", "point"), [case for case in deaths.CASES if case[0] not in ("let-be", *deaths.MOVES)])
def test_whatever_a_death_comes_after_there_is_one_cut_out_in_the_end(left: Path, life: str, point: str) -> None:
    """Cut again out of the review folder, or into it, by a second model, or accepted: whole, in its place, once."""
    bench = deaths.bench_of(left / f"{life}-{point}", life)
    word = Confidence.CHECK if life == "enters" else Confidence.FINE
    assert goes_on(bench, word) == (Confidence.SEEN if life == "accepted" else word)
    assert visible(bench) == (["Review/a.png"] if life == "enters" else ["a.png"])
    is_kept = life == "enters"
    assert (bench.inbox / "a.jpg").exists() == is_kept


@pytest.mark.parametrize(("life", "point"), [case for case in deaths.CASES if case[0] in deaths.MOVES])
def test_cut_out_that_a_template_moves_is_in_one_place_after_a_death(left: Path, life: str, point: str) -> None:
    """The former one goes, also where both are the same, or the template is another one by now."""
    folder = "third" if life == "moves-on" and point != "done-written" else "new"
    template = "third/{stem}" if life == "moves-on" else "new/{stem}"
    bench = deaths.bench_of(left / f"{life}-{point}", life, template)
    assert goes_on(bench, Confidence.FINE) == Confidence.FINE
    assert visible(bench) == [f"{folder}/a.png"]


@pytest.mark.parametrize("point", deaths.LIVES["let-be"])
def test_second_try_that_nobody_wants_after_a_death_leaves_one_cut_out(left: Path, point: str) -> None:
    """The setting is gone at the next start: the first one stays while it is there, else the second one does."""
    root = left / f"let-be-{point}"
    bench = Bench(root, recipe=Recipe("m", check=OnCheck.REVIEW), policy="move")
    bench.ledger.forget_second_tries()
    word = goes_on(bench, Confidence.FINE)
    is_second = point in ("taken-back", "done-written")
    assert (word, visible(bench)) == (
        (Confidence.FINE, ["a.png"]) if is_second else (Confidence.CHECK, ["Review/a.png"])
    )
    assert tag_of_bench(root)["confidence"] == word


def tag_of_bench(root: Path) -> dict[str, object]:
    """Return the tag of the one cut-out there."""
    (output,) = (path for path in (root / "out").rglob("*.png") if not path.name.startswith("."))
    return tag_of(output)


def test_daemon_goes_on_where_it_was_killed_and_sees_what_was_done_by_hand(home: Home) -> None:
    """An acceptance that was written down is carried out by the next start. Moved out by hand is accepted, removed is
    looked at; a lost ledger knows from tags and places what still waits.
    """
    with home.daemon(**REVIEW, BGZERO_CRASH_AT="accept-written") as daemon:
        for seed, name in enumerate(["accepted", "out", "gone", "stays"]):
            foggy(home.inbox / "sub" / f"{name}.png", seed=seed)
        daemon.wait_for(*(f"Review/sub/{name}.png" for name in ("accepted", "out", "gone", "stays")))
        oracle = Oracle(home)
        oracle.wait_until_settled()
        assert oracle.ask("accept", paths=[str(home.inbox / "sub" / "accepted.png")]) == {}
        assert daemon.process.wait(20) == -signal.SIGKILL
    review = home.outbox / "Review" / "sub"
    content = (review / "accepted.png").read_bytes()
    (home.outbox / "sub").mkdir(exist_ok=True)
    (review / "out.png").rename(home.outbox / "sub" / "out.png")
    (review / "gone.png").unlink()
    outputs = ["Review/sub/stays.png", "sub/accepted.png", "sub/out.png"]
    with home.daemon(**REVIEW) as daemon:
        until(lambda: listed(home) == ["Review/sub/stays.png"], lambda: str(listed(home)))
        until(lambda: home.visible() == outputs, lambda: daemon.log)
        assert (home.outbox / "sub" / "accepted.png").read_bytes() == content
        until(lambda: kept(home, "sub/accepted.png") == ("done", "seen", "sub/accepted.png"), lambda: daemon.log)
        assert kept(home, "sub/out.png") == ("done", "seen", "sub/out.png")
        assert kept(home, "sub/gone.png") == ("done", "seen", "Review/sub/gone.png")
        assert oracle.status()["wanting_look"] == 1
        assert ": done" not in daemon.log
    for file in (home.root / "state" / "bgzero").glob("ledger.db*"):
        file.unlink()
    with home.daemon(**REVIEW) as daemon:
        until(lambda: kept(home, "sub/gone.png")[1] == "check", "what is nowhere is cut again")
        Oracle(home).wait_until_settled()
        assert "3 cut-outs in" in daemon.log
        assert home.visible() == sorted([*outputs, "Review/sub/gone.png"])
        assert listed(home) == ["Review/sub/gone.png", "Review/sub/stays.png"]
        assert daemon.log.count(": done") == 1
        oracle.check_no_doubles()
