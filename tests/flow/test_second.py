"""A second try by another model, where the first one's cut-out wants a look."""

import json
import signal

import pytest

from bgzero_daemon.service.ledger import Ledger
from tests import tiny
from tests.fault.oracle import Oracle, sha256, tag_of
from tests.flow.test_review import foggy
from tests.home import Home, photo, until

SECOND = {"BGZERO_MODEL__SECOND_MODEL": "other"}
SURE, ALIKE, BLIND = 400.0, 20.0, 1.0  # gains with which the same fog is solid, fog again, or nothing


def decided(home: Home, name: str) -> tuple[str, str, str]:
    """Return what is thought of a photo, by which model, and its state."""
    told = Oracle(home).decided().get(name, {})
    return told.get("state", ""), told.get("model", ""), told.get("confidence", "")


def ledger_of(home: Home) -> Ledger:
    """Open the ledger of a daemon that has ended."""
    return Ledger(home.root / "state" / "bgzero" / "ledger.db", [str(home.inbox)])


@pytest.mark.parametrize(
    ("gain", "model", "confidence"),
    [(SURE, "other", "fine"), (ALIKE, "other", "check"), (BLIND, "tiny", "check")],
    ids=["sure", "doubtful as well", "sees less"],
)
def test_better_of_two_cut_outs_is_kept(home: Home, gain: float, model: str, confidence: str) -> None:
    """Once, after all others. Of two that are doubtful it is the second; where that finds nothing, the first."""
    tiny.install(home.models, "other", gain=gain)
    foggy(home.inbox / "a.png")
    for seed in range(2):
        photo(home.inbox / f"b{seed}.png", seed=seed)
    done = home.once(**SECOND)
    assert done.returncode == 0, done.stderr
    log = done.stderr.decode()
    assert home.visible() == ["a.png", "b0.png", "b1.png"]
    assert tag_of(home.outbox / "a.png")["model"] == model
    assert tag_of(home.outbox / "b0.png")["model"] == "tiny"
    assert "3 cut, 0 failed, 0 skipped" in log
    assert log.count("(cut once more with other)") == 1
    lines = log.splitlines()
    last = next(at for at, line in enumerate(lines) if "model other on" in line)
    assert all(at < last for at, line in enumerate(lines) if "b0.png: done" in line or "b1.png: done" in line)
    ledger = ledger_of(home)
    known = ledger.get(str(home.inbox), "a.png")
    ledger.close()
    assert known
    assert (known.state, known.model, known.confidence, known.wanted) == ("done", model, confidence, "")


def test_second_try_leaves_the_review_folder_and_then_the_original_moves(home: Home) -> None:
    """The first cut-out waits for a look, the second looks fine: it goes to its place, the first one goes."""
    tiny.install(home.models, "other", gain=SURE)
    config = home.root / "config" / "bgzero" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(
        f'[[folder]]\ninbox = "{home.inbox}"\noutbox = "{home.outbox}"\noriginals = "move"\ncheck = "review"\n'
        '[model]\nsecond_model = "other"\n'
    )
    content = sha256(foggy(home.inbox / "a.png"))
    done = home.bgzero("run", "--once", "--config", config)
    assert done.returncode == 0, done.stderr
    assert home.visible() == ["a.png"]
    assert sha256(home.root / "Done" / "a.png") == content
    assert not (home.inbox / "a.png").exists()


@pytest.mark.parametrize("place", ["published", "staged-done:2"])
def test_death_between_the_two_leaves_one_cut_out(home: Home, place: str) -> None:
    """Killed after the first was published, or before the second is: one whole file, and no third try."""
    tiny.install(home.models, "other", gain=SURE)
    foggy(home.inbox / "a.png")
    with home.daemon(**SECOND, BGZERO_CRASH_AT=place) as daemon:
        assert daemon.process.wait(60) == -signal.SIGKILL
    assert home.visible() == ["a.png"]
    with home.daemon(**SECOND) as daemon:
        until(lambda: decided(home, "a.png")[0] == "done", lambda: daemon.log)
        Oracle(home).wait_until_settled()
        assert home.visible() == ["a.png"]
        assert decided(home, "a.png")[1] == tag_of(home.outbox / "a.png")["model"]
        assert daemon.log.count("a.png: done") <= 1


def test_somebodys_choice_of_a_model_is_the_last_word(home: Home) -> None:
    """Cut again with a model that he names, a photo gets no second try; and the setting may change at any time."""
    tiny.install(home.models, "other", gain=SURE)
    tiny.install(home.models, "third")
    foggy(home.inbox / "a.png")
    with home.daemon(**SECOND) as daemon:
        until(lambda: decided(home, "a.png") == ("done", "other", "fine"), lambda: daemon.log)
        assert home.bgzero("redo", home.inbox / "a.png", "--model", "third").returncode == 0
        until(lambda: decided(home, "a.png") == ("done", "third", "check"), lambda: daemon.log)
        Oracle(home).wait_until_settled()
        assert decided(home, "a.png") == ("done", "third", "check")
        assert json.loads(home.bgzero("review", "--json").stdout)["count"] == 1


def test_second_model_that_is_not_there_is_said_and_missed_by_nobody(home: Home) -> None:
    """One sentence at the start; photos are cut as without it."""
    foggy(home.inbox / "a.png")
    done = home.once(BGZERO_MODEL__SECOND_MODEL="nobody")
    assert done.returncode == 0, done.stderr
    assert b"Doubtful photos are not cut again with nobody" in done.stderr
    assert tag_of(home.outbox / "a.png")["model"] == "tiny"
