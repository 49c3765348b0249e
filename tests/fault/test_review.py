"""The review folder: what goes there, how it leaves, and that nothing is lost or replaced on the way."""

import json
import signal
from pathlib import Path

import pytest

from tests.fault.oracle import Oracle, tag_of
from tests.flow.test_review import foggy
from tests.home import Home, photo, until

REVIEW = {"BGZERO_OUTPUT__CHECK": "review"}


def listed(home: Home) -> list[str]:
    """Return the cut-outs that want a look, below the outbox."""
    photos = json.loads(home.bgzero("review", "--json").stdout)["photos"]
    return sorted(str(Path(photo["cutout"]).relative_to(home.outbox)) for photo in photos)


def kept(home: Home, name: str) -> tuple[str, str, str]:
    """Return what the ledger says of a photo: state, confidence, and where its cut-out is."""
    told = Oracle(home).decided()[name]
    return told["state"], told["confidence"], str(Path(told["cutout"]).relative_to(home.outbox))


def test_doubtful_cut_outs_wait_in_their_own_folder_until_they_are_accepted(home: Home) -> None:
    """Mirrored below Review; accepted, they go to their places, replace nothing, and are off the list."""
    with home.daemon(**REVIEW) as daemon:
        photo(home.inbox / "sure.png")
        foggy(home.inbox / "glass.png", seed=1)
        foggy(home.inbox / "sub" / "veil.png", seed=2)
        daemon.wait_for("sure.png", "Review/glass.png", "Review/sub/veil.png")
        oracle = Oracle(home)
        oracle.wait_until_settled()
        assert home.visible() == ["Review/glass.png", "Review/sub/veil.png", "sure.png"]
        assert listed(home) == ["Review/glass.png", "Review/sub/veil.png"]
        said = home.bgzero("review").stdout.decode()
        assert "glass.png  " in said
        assert said.count("wants a look: see-through inside") == 2
        (home.outbox / "glass.png").write_bytes(b"somebody's")
        done = home.bgzero("review", "accept", home.inbox / "glass.png")
        assert (done.returncode, done.stdout) == (0, b"1 cut-outs are accepted.\n")
        assert (home.outbox / "glass.png").read_bytes() == b"somebody's"
        assert kept(home, "glass.png") == ("done", "seen", "glass.png.png")
        assert listed(home) == ["Review/sub/veil.png"]
        assert home.bgzero("review", "accept", home.outbox / "Review" / "none.png").returncode == 1
        named = home.outbox / "Review" / "sub" / "veil.png"  # a cut-out stands for its photo
        assert home.bgzero("review", "accept", named).returncode == 0
        assert home.visible() == ["glass.png", "glass.png.png", "sub/veil.png", "sure.png"]
        assert listed(home) == []
        assert oracle.status()["wanting_look"] == 0
        assert home.bgzero("review", "accept", "--all").stdout == b"0 cut-outs are accepted.\n"


def test_original_waits_for_the_look(home: Home) -> None:
    """It is needed for another try; once its cut-out is accepted it moves as any other."""
    config = home.root / "config" / "bgzero" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f'[[folder]]\ninbox = "{home.inbox}"\noutbox = "{home.outbox}"\noriginals = "move"\n')
    with home.daemon("--config", config, **REVIEW) as daemon:
        foggy(home.inbox / "glass.png")
        daemon.wait_for("Review/glass.png")
        Oracle(home).wait_until_settled()
        assert (home.inbox / "glass.png").exists()
        assert home.bgzero("review", "accept", "--all").returncode == 0
        until(lambda: not (home.inbox / "glass.png").exists(), lambda: daemon.log)
        assert (home.root / "Done" / "glass.png").exists()


def test_better_try_leaves_the_review_folder(home: Home) -> None:
    """Cut again it replaces itself there, or goes to the others and leaves nothing behind; an edited one stays."""
    with home.daemon(**REVIEW) as daemon:
        glass, veil = foggy(home.inbox / "glass.png"), foggy(home.inbox / "veil.png", seed=1)
        daemon.wait_for("Review/glass.png", "Review/veil.png")
        Oracle(home).wait_until_settled()
        done = home.bgzero("review", "redo", glass)
        assert done.stdout == b"1 photos are cut again.\n", done.stderr
        until(lambda: daemon.log.count("glass.png: done") == 2, lambda: daemon.log)
        Oracle(home).wait_until_settled()
        assert home.visible() == ["Review/glass.png", "Review/veil.png"]
        (home.outbox / "Review" / "veil.png").write_bytes(b"edited")
        photo(glass, seed=5)
        photo(veil, seed=6)
        daemon.wait_for("glass.png", "veil.png")
        Oracle(home).wait_until_settled()
        assert home.visible() == ["Review/veil.png", "glass.png", "veil.png"]
        assert listed(home) == []


def test_what_is_done_by_hand_counts(home: Home) -> None:
    """Moved out it is accepted, removed it was looked at, and neither is asked about again; a start notices at once."""
    with home.daemon(**REVIEW) as daemon:
        for seed, name in enumerate(["out", "gone", "stays"]):
            foggy(home.inbox / f"{name}.png", seed=seed)
        daemon.wait_for("Review/out.png", "Review/gone.png", "Review/stays.png")
        Oracle(home).wait_until_settled()
    (home.outbox / "Review" / "out.png").rename(home.outbox / "out.png")
    (home.outbox / "Review" / "gone.png").unlink()
    with home.daemon(**REVIEW):
        until(lambda: listed(home) == ["Review/stays.png"], lambda: str(listed(home)))
        assert kept(home, "out.png") == ("done", "seen", "out.png")
        assert kept(home, "gone.png") == ("done", "seen", "Review/gone.png")
        assert home.bgzero("redo", home.inbox / "out.png").returncode == 0
        until((home.outbox / "Review" / "out.png").exists, "it is cut again, and doubtful again")
        Oracle(home).wait_until_settled()
        assert not (home.outbox / "out.png").exists()


def test_renamed_photo_takes_its_cut_out_along_inside_the_review_folder(home: Home) -> None:
    """A rename is no look."""
    with home.daemon(**REVIEW) as daemon:
        foggy(home.inbox / "a.png")
        daemon.wait_for("Review/a.png")
        Oracle(home).wait_until_settled()
        (home.inbox / "a.png").rename(home.inbox / "b.png")
        until(lambda: home.visible() == ["Review/b.png"], lambda: daemon.log)
        until(lambda: listed(home) == ["Review/b.png"], lambda: daemon.log)


@pytest.mark.parametrize("place", ["accept-written", "accept-moved", "accept-done"])
def test_death_while_a_cut_out_is_accepted(home: Home, place: str) -> None:
    """Between ledger and move, and between move and ledger: it ends in its place, once, and is off the list."""
    with home.daemon(**REVIEW, BGZERO_CRASH_AT=place) as daemon:
        foggy(home.inbox / "glass.png")
        daemon.wait_for("Review/glass.png")
        Oracle(home).wait_until_settled()
        content = (home.outbox / "Review" / "glass.png").read_bytes()
        assert Oracle(home).ask("accept") == {}
        assert daemon.process.wait(20) == -signal.SIGKILL
    assert home.visible() == ["Review/glass.png" if place == "accept-written" else "glass.png"]
    with home.daemon(**REVIEW) as daemon:
        until(lambda: kept(home, "glass.png") == ("done", "seen", "glass.png"), lambda: daemon.log)
        assert home.visible() == ["glass.png"]
        assert (home.outbox / "glass.png").read_bytes() == content
        assert "glass.png: done" not in daemon.log


def test_death_once_the_former_cut_out_is_gone(home: Home) -> None:
    """New bytes look fine and are in their place; what was killed before it wrote that down is not cut again."""
    with home.daemon(**REVIEW, BGZERO_CRASH_AT="taken-back") as daemon:
        glass = foggy(home.inbox / "glass.png")
        daemon.wait_for("Review/glass.png")
        Oracle(home).wait_until_settled()
        photo(glass, seed=5)
        assert daemon.process.wait(60) == -signal.SIGKILL
    assert home.visible() == ["glass.png"]
    with home.daemon(**REVIEW) as daemon:
        until(lambda: kept(home, "glass.png") == ("done", "fine", "glass.png"), lambda: daemon.log)
        assert home.visible() == ["glass.png"]


def test_lost_ledger_knows_from_the_tags_what_waits_for_a_look(home: Home) -> None:
    """What lies in the review folder is of the mirrored photo and wants a look; what was accepted does not."""
    with home.daemon(**REVIEW) as daemon:
        foggy(home.inbox / "waits.png")
        foggy(home.inbox / "sub" / "accepted.png", seed=1)
        daemon.wait_for("Review/waits.png", "Review/sub/accepted.png")
        Oracle(home).wait_until_settled()
        home.bgzero("review", "accept", home.inbox / "sub")
    before = home.visible()
    for file in (home.root / "state" / "bgzero").glob("ledger.db*"):
        file.unlink()
    with home.daemon(**REVIEW) as daemon:
        Oracle(home).wait_until_settled()
        assert home.visible() == before == ["Review/waits.png", "sub/accepted.png"]
        assert listed(home) == ["Review/waits.png"]
        assert "2 cut-outs in" in daemon.log
        assert ": done" not in daemon.log
        assert tag_of(home.outbox / "sub" / "accepted.png")["confidence"] == "check"
