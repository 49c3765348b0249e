"""What is thought of a cut-out, from the network to history, status and log; and what becomes of doubtful ones."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from tests.fault.oracle import Oracle, tag_of
from tests.home import Daemon, Home, photo, until


def foggy(path: Path, seed: int = 0, *, inside: int = 140, left: int = 30) -> Path:
    """Write a bright shape, from a column on, with an `inside` that the tiny network takes for half there."""
    return _shape(path, seed, inside=inside, left=left)


def empty(path: Path, seed: int = 0) -> Path:
    """Write a photo in which the tiny network finds nothing."""
    return _shape(path, seed, inside=20, around=20)


def _shape(path: Path, seed: int, *, inside: int, around: int = 250, left: int = 30) -> Path:
    rgb = np.random.default_rng(seed).integers(0, 5, (80, 120, 3), dtype=np.uint8)
    rgb[20:60, left : left + 60] = around
    rgb[30:50, left + 10 : left + 50] = inside
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rgb).save(path)
    return path


def listed(home: Home) -> list[str]:
    """Return the cut-outs that want a look, below the outbox."""
    photos = Oracle(home).ask("review")["photos"]
    return sorted(str(Path(photo["cutout"]).relative_to(home.outbox)) for photo in photos)


def kept(home: Home, name: str) -> tuple[str, str, str]:
    """Return what the ledger says of a photo: state, confidence, and where its cut-out is."""
    told = Oracle(home).decided().get(name)
    if told is None:
        return "", "", ""
    return told["state"], told["confidence"], str(Path(told["cutout"] or home.outbox).relative_to(home.outbox))


def say(home: Home, *words: str | Path) -> str:
    """Type a command, which has to go well; return what it says."""
    done = home.bgzero(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def write_config(home: Home, *keys: str) -> Path:
    """Write a configuration with the one folder and these keys of it."""
    config = home.root / "config" / "bgzero" / "config.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text("\n".join([f'[[folder]]\ninbox = "{home.inbox}"\noutbox = "{home.outbox}"', *keys, ""]))
    return config


def test_doubts_are_told_everywhere_and_looked_at(home: Home) -> None:
    """One daemon: published doubts first, then, by a reload, those in the review folder, and empty pictures."""
    with home.daemon("--config", write_config(home)) as daemon:
        photo(home.inbox / "sure.png")
        foggy(home.inbox / "glass.png")
        empty(home.inbox / "dark.png")
        daemon.wait_for("sure.png", "glass.png")
        Oracle(home).wait_until_settled()
        what_is_told(home, daemon)
        nothing_found(home, daemon)
        write_config(home, 'check = "review"', 'no_subject = "publish"', 'originals = "move"')
        assert "folder.0.check" in Oracle(home).ask("reload")["changed"]
        review_folder(home, daemon)


def what_is_told(home: Home, daemon: Daemon) -> None:
    """In the tag, history and its filter, status and its JSON, and the log's line about the photo."""
    tags = [tag_of(home.outbox / name) for name in ("sure.png", "glass.png")]
    assert [(tag["confidence"], tag["doubt"]) for tag in tags] == [("fine", ""), ("check", "see-through")]
    decided = Oracle(home).decided()
    assert (decided["sure.png"]["confidence"], decided["sure.png"]["look"]) == ("fine", "looks fine")
    assert decided["glass.png"]["look"] == "wants a look: see-through inside"
    (one,) = json.loads(say(home, "history", "--json", "--confidence", "check"))["photos"]
    assert (one["photo"], one["doubt"]) == (str(home.inbox / "glass.png"), "see-through")
    history = say(home, "history").splitlines()
    (line,) = (line for line in history if "glass.png  " in line)
    assert line.endswith("(wants a look: see-through inside)")
    (line,) = (line for line in history if "dark.png  " in line)
    assert line.endswith("No subject was found in it, so there is no cut-out.")
    assert len(history) == 3
    status = Oracle(home).status()
    assert [status[key] for key in ("wanting_look", "no_subject", "done", "skipped")] == [1, 1, 2, 1]
    assert {one["confidence"] for one in status["latest"]} == {"fine", "check", "no-subject"}
    text = say(home, "status")
    assert "1 cut-out wants a look; `bgzero review` lists it" in text
    assert "glass.png (wants a look: see-through inside)" in text
    (line,) = (line for line in daemon.log.splitlines() if "glass.png: done" in line)
    assert line.endswith("(wants a look: see-through inside)")
    (line,) = (line for line in daemon.log.splitlines() if "sure.png: done" in line)
    assert line.endswith(" s")
    assert listed(home) == ["glass.png"]


def nothing_found(home: Home, daemon: Daemon) -> None:
    """No picture and nothing half-made; told to whoever asks for it again, and `redo` looks once more."""
    told = Oracle(home).decided()["dark.png"]
    assert [told[key] for key in ("state", "code", "confidence", "doubt")] == [
        "skipped", "no-subject", "no-subject", "nothing-found",
    ]  # fmt: skip
    assert home.visible() == ["glass.png", "sure.png"]
    assert Oracle(home).leftovers() == []
    assert "`bgzero history` says why" in say(home, "add", home.inbox / "dark.png")
    assert Oracle(home).ask("redo", paths=[str(home.inbox / "dark.png")])["count"] == 1
    until(lambda: daemon.log.count("dark.png: skipped") == 2, lambda: daemon.log)


def review_folder(home: Home, daemon: Daemon) -> None:
    """Mirrored below Review, with their originals kept; accepted, they go to their places and replace nothing."""
    daemon.wait_for("dark.png")
    until(lambda: kept(home, "dark.png") == ("done", "no-subject", "dark.png"), "what was skipped is written, empty")
    with Image.open(home.outbox / "dark.png") as picture:
        assert picture.getchannel("A").getextrema() == (0, 0)
    done = home.root / "Done"
    foggy(home.inbox / "veil.png", seed=1)
    foggy(home.inbox / "sub" / "haze.png", seed=2)
    daemon.wait_for("Review/veil.png", "Review/sub/haze.png")
    Oracle(home).wait_until_settled()
    assert listed(home) == ["Review/sub/haze.png", "Review/veil.png", "glass.png"]
    text = say(home, "review")
    assert text.count("wants a look: see-through inside") == 3
    assert f"{home.inbox / 'veil.png'}  {home.outbox / 'Review' / 'veil.png'}  " in text
    assert (home.inbox / "veil.png").exists()
    (home.outbox / "veil.png").write_bytes(b"somebody's")
    assert say(home, "review", "accept", home.inbox / "veil.png") == "1 cut-outs are accepted.\n"
    assert (home.outbox / "veil.png").read_bytes() == b"somebody's"
    assert kept(home, "veil.png") == ("done", "seen", "veil.png.png")
    assert (done / "veil.png").exists()
    assert home.bgzero("review", "accept", home.outbox / "Review" / "none.png").returncode == 1
    (home.inbox / "sub").rename(home.inbox / "other")  # a rename is no look
    until(lambda: "Review/other/haze.png" in listed(home), lambda: daemon.log)
    named = home.outbox / "Review" / "other" / "haze.png"  # a cut-out stands for its photo
    assert say(home, "review", "redo", named) == "1 photos are cut again.\n"
    until(lambda: daemon.log.count("haze.png: done") == 2, lambda: daemon.log)
    Oracle(home).wait_until_settled()
    assert listed(home) == ["Review/other/haze.png", "glass.png"]
    assert len(json.loads(say(home, "review", "--json", "list"))["photos"]) == 2
    assert say(home, "review", "accept", "--all") == "2 cut-outs are accepted.\n"
    assert listed(home) == []
    assert Oracle(home).status()["wanting_look"] == 0
    assert home.visible() == ["dark.png", "glass.png", "other/haze.png", "sure.png", "veil.png", "veil.png.png"]
    assert (done / "other" / "haze.png").exists()
    assert (home.inbox / "glass.png").exists(), "it was cut when originals stayed"


def test_cut_writes_what_it_was_asked_for(home: Home) -> None:
    """Whoever names a photo and an output gets one, and hears that nothing was found."""
    done = home.bgzero(
        "cut", empty(home.inbox / "dark.png"), foggy(home.inbox / "glass.png"), "-o", f"{home.root / 'made'}/"
    )
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (home.root / "made").iterdir()) == ["dark.png", "glass.png"]
    assert b"dark.png: no subject: nothing found" in done.stderr
    assert b"glass.png: wants a look: see-through inside" in done.stderr
