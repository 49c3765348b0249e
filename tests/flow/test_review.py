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


def skipped(home: Home) -> str:
    """Return the code of the photo in which nothing is found."""
    return str(Oracle(home).decided().get("dark.png", {}).get("code", ""))


def test_photo_without_a_subject_makes_no_picture_but_a_line(home: Home) -> None:
    """Skipped with a sentence, nothing staged is left; a restart does not look again, new bytes do."""
    dark = empty(home.inbox / "dark.png")
    with home.daemon() as daemon:
        until(lambda: skipped(home) == "no-subject", lambda: daemon.log)
        told = Oracle(home).decided()["dark.png"]
        assert (told["state"], told["confidence"], told["doubt"]) == ("skipped", "no-subject", "nothing-found")
        assert home.visible() == []
        assert Oracle(home).leftovers() == []
        lines = home.bgzero("history").stdout.decode().splitlines()
        assert [line for line in lines if "No subject was found" in line] == lines
        assert len(lines) == 1
    with home.daemon() as daemon:
        Oracle(home).wait_until_settled()
        assert "dark.png" not in daemon.log
        photo(dark, seed=1)
        daemon.wait_for("dark.png")
        assert Oracle(home).decided()["dark.png"]["confidence"] == "fine"


def test_redo_and_the_setting_open_a_photo_without_a_subject_again(home: Home) -> None:
    """`redo` tries it, which changes nothing here; "publish" writes an empty picture, and writes it once."""
    empty(home.inbox / "dark.png")
    with home.daemon() as daemon:
        until(lambda: skipped(home) == "no-subject", lambda: daemon.log)
        assert home.bgzero("redo", home.inbox / "dark.png").returncode == 0
        until(lambda: daemon.log.count("dark.png: skipped") == 2, lambda: daemon.log)
    with home.daemon(BGZERO_OUTPUT__NO_SUBJECT="publish") as daemon:
        daemon.wait_for("dark.png")
        Oracle(home).wait_until_settled()
        told = Oracle(home).decided()["dark.png"]
        assert (told["state"], told["code"], told["look"]) == ("done", "", "no subject: nothing found")
        with Image.open(home.outbox / "dark.png") as picture:
            assert picture.getchannel("A").getextrema() == (0, 0)
    with home.daemon(BGZERO_OUTPUT__NO_SUBJECT="publish") as daemon:
        Oracle(home).wait_until_settled()
        assert "dark.png" not in daemon.log


def test_folder_may_publish_empty_pictures_alone(home: Home) -> None:
    """A folder's own key comes before that of [output]; `bgzero reload` takes it over and opens what was skipped."""
    second = home.root / "second"
    second.mkdir()
    folders = [(home.inbox, home.outbox), (second, home.root / "out2")]
    (home.root / "out2").mkdir()
    config = home.root / "config" / "bgzero" / "config.toml"
    config.parent.mkdir(parents=True)

    def write(extra: str) -> None:
        tables = [f'[[folder]]\ninbox = "{inbox}"\noutbox = "{outbox}"\n' for inbox, outbox in folders]
        config.write_text(tables[0] + tables[1] + extra)

    write("")
    empty(home.inbox / "dark.png")
    empty(second / "dark.png", seed=1)
    with home.daemon("--config", config) as daemon:
        until(lambda: daemon.log.count("dark.png: skipped") == 2, lambda: daemon.log)
        write('no_subject = "publish"\n')
        assert home.bgzero("reload").returncode == 0
        until((home.root / "out2" / "dark.png").exists, lambda: daemon.log)
        Oracle(home).wait_until_settled()
        assert home.visible() == []


def test_cut_writes_what_it_was_asked_for(home: Home) -> None:
    """Whoever names a photo and an output gets one, and hears that nothing was found."""
    done = home.bgzero("cut", empty(home.inbox / "dark.png"), "-o", home.root / "x.png")
    assert done.returncode == 0, done.stderr
    assert (home.root / "x.png").exists()
    assert b"dark.png: no subject: nothing found" in done.stderr
    done = home.bgzero("cut", foggy(home.inbox / "glass.png"), "-o", home.root / "y.png")
    assert b"glass.png: wants a look: see-through inside" in done.stderr
