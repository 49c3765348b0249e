"""What the icon shows of what is known, and who is greeted."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bgzero_daemon.core.errors import BgzeroError, NoDaemon
from bgzero_daemon.tray import backends
from bgzero_daemon.tray.app import Tray
from bgzero_daemon.tray.feed import Picture
from bgzero_daemon.tray.icons import State
from bgzero_daemon.wire.snapshot import Folder
from tests.tray.test_notices import snapshot


def tray(*, starts: bool = False) -> Tray:
    """One that is not shown."""
    return Tray(backends.Way("sni", ""), starts=starts)


def shown(found: Tray, picture: Picture) -> tuple[State, float]:
    """What the icon shows after this has come in."""
    found._feed.picture = picture
    found._on_picture(picture)
    return found._look()


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, State.WATCHING), ({"failed": 1}, State.ATTENTION), ({"paused": True, "failed": 1}, State.PAUSED),
        ({"state": "trouble", "failed": 1}, State.ERROR), ({"state": "working", "failed": 1}, State.WORKING),
        ({"state": "switching"}, State.WORKING), ({"state": "stopping"}, State.WATCHING),
    ],
)  # fmt: skip
def test_icon_shows_what_matters_most(changes: dict[str, Any], state: State) -> None:
    """Trouble before a pause, a pause before work, work before what has failed."""
    assert shown(tray(), Picture(snapshot(**changes)))[0] is state


def test_icon_tells_no_daemon_from_one_that_is_not_well() -> None:
    """One that hangs, or is of another version, is an error."""
    assert shown(tray(), Picture())[0] is State.OFFLINE
    assert shown(tray(), Picture(why="The daemon does not answer."))[0] is State.ERROR


def test_progress_is_that_of_the_present_burst() -> None:
    """What was done before it does not count; nor does what was done before the icon came."""
    found = tray()
    working = snapshot(state="working", running=1, waiting=3, done=100)
    assert shown(found, Picture(working))[1] == 0.0
    shown(found, Picture(snapshot(done=100)))
    assert shown(found, Picture(working))[1] == 0.0
    assert shown(found, Picture(replace(working, waiting=0, done=103)))[1] == 0.75
    shown(found, Picture(snapshot(done=104)))
    assert shown(found, Picture(replace(working, done=104)))[1] == 0.0


def test_greeting_is_for_new_accounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has cut photos knows; where nothing can be noted down there is none, again and again."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    folder = Folder("in", "out", "/in", "/out", "m", False, 0, None, ())
    new = Picture(snapshot(folders=(folder,)))
    assert not tray()._greeting(Picture())
    (greeting,) = tray()._greeting(new)
    assert greeting.opens == "/in"
    assert not tray()._greeting(new)
    note = tmp_path / "bgzero" / "greeted"
    note.unlink()
    assert not tray()._greeting(Picture(snapshot(folders=(folder,), done=1)))
    assert note.exists()
    note.unlink()
    note.parent.rmdir()
    note.parent.symlink_to("/nonexistent/folder")
    assert not tray()._greeting(new)


def test_daemon_is_started_where_none_answers_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that hangs is not helped by another."""
    from bgzero_daemon import client

    started: list[int] = []
    found = tray(starts=True)
    monkeypatch.setattr(found._deeds, "start", lambda: started.append(1))

    def fail(error: BaseException) -> None:
        raise error

    for error, count in ((BgzeroError("It hangs."), 0), (NoDaemon("None."), 1)):
        monkeypatch.setattr(client, "ask", lambda _verb, error=error: fail(error))
        found._start()
        assert len(started) == count
