"""Steering a running daemon: failures and what to do about them, redo with another model, time left."""

import json
import os

import pytest

from tests import tiny
from tests.fault.oracle import Oracle, tag_of
from tests.home import Home, photo, until

QUICK = {"BGZERO_WATCH__SETTLE_SECONDS": "0.1", "BGZERO_WATCH__MAX_WAIT_SECONDS": "0"}
BAD = b"\x89PNG\r\n\x1a\n" + bytes(300)


def told(home: Home) -> list[dict[str, str]]:
    """Return what is told of failures beside the cut-outs."""
    return [json.loads(file.read_text()) for file in sorted((home.outbox / ".bgzero" / "failed").glob("*.json"))]


def test_failure_is_told_beside_the_cutouts_and_taken_back_when_the_photo_is_good(home: Home) -> None:
    """One small JSON with sentence, hint, hash and time; the original untouched; new bytes open it again."""
    bad = home.inbox / "trip" / "a.png"
    bad.parent.mkdir()
    bad.write_bytes(BAD)
    with home.daemon(**QUICK) as daemon:
        until(lambda: told(home), lambda: daemon.log)
        (story,) = told(home)
        assert story["photo"] == str(bad)
        assert story["code"] == "damaged"
        assert "not a picture that can be read (PNG)" in story["sentence"]
        assert story["hint"] == "Copy it again from where it came from."
        assert len(story["sha256"]) == 64
        assert story["time"].startswith("20")
        assert bad.read_bytes() == BAD
        listed = home.bgzero("failed").stdout.decode()
        assert listed == f"{bad}: {story['sentence']} {story['hint']}\n"
        photo(bad)
        daemon.wait_for("trip/a.png")
        until(lambda: not told(home), "it is taken back")
        assert home.bgzero("failed").stdout == b""


def test_failures_are_tried_again_or_dismissed_by_command(home: Home) -> None:
    """`retry` really tries, also after a restart; `dismiss` takes it off the list for good; both need a choice."""
    for name in ("a", "b", "c"):
        (home.inbox / f"{name}.png").write_bytes(BAD)
    with home.daemon(**QUICK) as daemon:
        until(lambda: len(told(home)) == 3, lambda: daemon.log)
        assert home.bgzero("failed", "retry").returncode == 2
        assert home.bgzero("failed", "retry", home.inbox / "a.png").stdout == b"1 photos are tried again.\n"
        until(lambda: daemon.log.count("a.png: failed") == 2, "it is tried")
        assert home.bgzero("failed", "dismiss", home.inbox / "b.png").returncode == 0
        until(lambda: len(told(home)) == 2, "it is off the list")
        assert b"b.png" not in home.bgzero("failed").stdout
    with home.daemon(**QUICK) as daemon:
        assert b"a.png" in home.bgzero("failed").stdout
        assert home.bgzero("failed", "retry", "--all").stdout == b"2 photos are tried again.\n"
        until(lambda: daemon.log.count(": failed") == 2, "both are tried")
        refused = home.bgzero("failed", "dismiss", home.inbox / "b.png")
        assert (refused.returncode, refused.stdout) == (1, b"")
        assert b"Nothing is known of" in refused.stderr
        history = json.loads(home.bgzero("history", "--json").stdout)["photos"]
        assert {photo["photo"]: photo["state"] for photo in history}[str(home.inbox / "b.png")] == "skipped"


def test_done_is_done_for_any_model_until_redo(home: Home) -> None:
    """Another model touches nothing that was cut; `redo` cuts with it, and the cut-out is replaced."""
    tiny.install(home.models, "other")
    photo(home.inbox / "a.jpg")
    photo(home.inbox / "sub" / "b.jpg")
    with home.daemon(**QUICK) as daemon:
        daemon.wait_for("a.png", "sub/b.png")
    with home.daemon(**QUICK, BGZERO_MODEL__NAME="other") as daemon:
        Oracle(home).wait_until_settled()
        assert ": done" not in daemon.log
        assert home.bgzero("redo", home.inbox / "sub").stdout == b"1 photos are cut again.\n"
        until(lambda: tag_of(home.outbox / "sub" / "b.png")["model"] == "other", "it is cut again")
        assert tag_of(home.outbox / "a.png")["model"] == "tiny"
    assert home.visible() == ["a.png", "sub/b.png"]


def test_path_outside_every_inbox_is_refused_with_a_pointer(home: Home) -> None:
    """`add` is for what lies in an inbox; `cut` for everything else. A link in the way leads to the same photo."""
    elsewhere = photo(home.root / "elsewhere.jpg")
    (home.root / "link").symlink_to(home.inbox)
    with home.daemon(**QUICK) as daemon:
        refused = home.bgzero("add", elsewhere)
        assert refused.returncode == 1
        assert b"in none of the watched inboxes" in refused.stderr
        assert b"`bgzero cut`" in refused.stderr
        assert home.bgzero("add", home.inbox / "missing.jpg").returncode == 1
        assert b"is a folder" in home.bgzero("add", home.inbox).stderr
        photo(home.inbox / "a.jpg")
        daemon.wait_for("a.png")
        again = home.bgzero("add", home.root / "link" / "a.jpg")
        assert (again.returncode, again.stderr) == (0, b"")
        assert b"done already" in again.stdout


def test_name_that_is_no_text_is_steered_too(home: Home) -> None:
    """Paths travel as bytes; what is shown is escaped."""
    name = os.fsdecode(b"bad\xff\n.png")
    (home.inbox / name).write_bytes(BAD)
    with home.daemon(**QUICK):
        until(lambda: len(told(home)) == 1, "it fails")
        assert b"bad\\xff\\x0a.png" in home.bgzero("failed").stdout
        photo(home.root / "good.png").replace(home.inbox / name)
        until((home.outbox / name).exists, "it is cut")
        assert home.bgzero("redo", home.inbox / name).returncode == 0


def test_status_says_how_long_the_rest_takes(home: Home) -> None:
    """From the pace so far; and nothing where nothing waits."""
    for number in range(30):
        photo(home.inbox / f"{number}.png", (900, 700), number)
    with home.daemon(**QUICK) as daemon:
        until(lambda: daemon.log.count(": done") > 4, "some are done")
        status = json.loads(home.bgzero("status", "--json").stdout)
        assert status["waiting"] > 0
        assert 0 < status["seconds_left"] < 600
        assert status["waiting"] + status["running"] + status["done"] + status["arriving"] == 30


@pytest.mark.parametrize(
    "arguments", [["status"], ["failed"], ["history"], ["pause"], ["add", __file__], ["redo", "."]]
)
def test_command_without_a_daemon_says_so(home: Home, arguments: list[str]) -> None:
    """Exit 3, one sentence and what to do."""
    done = home.bgzero(*arguments)
    assert done.returncode == 3
    assert done.stderr == b"bgzero: No bgzero daemon is running.\nStart one: bgzero run\n"
