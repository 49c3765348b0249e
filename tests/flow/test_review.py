"""What is thought of a cut-out, from the network to history, status and log; and what becomes of doubtful ones."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from tests.fault.oracle import Oracle, tag_of
from tests.home import Home, photo, until


def foggy(path: Path, seed: int = 0) -> Path:
    """Write a bright shape with an inside that the tiny network takes for half there."""
    return _shape(path, seed, inside=140)


def empty(path: Path, seed: int = 0) -> Path:
    """Write a photo in which the tiny network finds nothing."""
    return _shape(path, seed, inside=20, around=20)


def _shape(path: Path, seed: int, *, inside: int, around: int = 250) -> Path:
    rgb = np.random.default_rng(seed).integers(0, 5, (80, 120, 3), dtype=np.uint8)
    rgb[20:60, 30:90] = around
    rgb[30:50, 40:80] = inside
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rgb).save(path)
    return path


def test_doubts_are_told_everywhere(home: Home) -> None:
    """In the tag, history and its filter, status and its JSON, and the log's line about the photo."""
    with home.daemon() as daemon:
        photo(home.inbox / "sure.png")
        foggy(home.inbox / "glass.png")
        daemon.wait_for("sure.png", "glass.png")
        oracle = Oracle(home)
        oracle.wait_until_settled()
        assert [(tag_of(home.outbox / name)["confidence"], tag_of(home.outbox / name)["doubt"])
                for name in ("sure.png", "glass.png")] == [("fine", ""), ("check", "see-through")]  # fmt: skip
        decided = oracle.decided()
        assert (decided["sure.png"]["confidence"], decided["sure.png"]["look"]) == ("fine", "looks fine")
        assert decided["glass.png"]["look"] == "wants a look: see-through inside"
        (one,) = json.loads(home.bgzero("history", "--json", "--confidence", "check").stdout)["photos"]
        assert (one["photo"], one["doubt"]) == (str(home.inbox / "glass.png"), "see-through")
        assert b"glass.png  " in home.bgzero("history").stdout
        assert b"(wants a look: see-through inside)" in home.bgzero("history").stdout
        status = json.loads(home.bgzero("status", "--json").stdout)
        assert status["wanting_look"] == 1
        assert {one["confidence"] for one in status["latest"]} == {"fine", "check"}
        text = home.bgzero("status").stdout.decode()
        assert "1 cut-out wants a look; `bgzero review` lists it" in text
        assert "glass.png (wants a look: see-through inside)" in text
        said = next(line for line in daemon.log.splitlines() if "glass.png: done" in line)
        assert said.endswith("(wants a look: see-through inside)")
        assert next(line for line in daemon.log.splitlines() if "sure.png: done" in line).endswith(" s")


def test_doubts_survive_the_loss_of_the_ledger(home: Home) -> None:
    """The tag says them, too; and what was cut before anybody asked is no doubt."""
    foggy(home.inbox / "glass.png")
    assert home.once().returncode == 0
    for file in (home.root / "state" / "bgzero").glob("ledger.db*"):
        file.unlink()
    with home.daemon():
        until(lambda: Oracle(home).status().get("wanting_look") == 1, "it is known by its tag")
        assert Oracle(home).decided()["glass.png"]["look"] == "wants a look: see-through inside"
