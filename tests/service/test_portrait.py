"""What the Snapshot calls the state of the service, and where it is shown."""

import json
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from bgzero_daemon.service.board import Board
from bgzero_daemon.service.portrait import Portrait, Steering, _state
from bgzero_daemon.service.supervise import Supervisor
from bgzero_daemon.service.window import Window
from bgzero_daemon.wire.snapshot import STATES, AtWork, Choice, Snapshot
from tests.wire.test_control import picture

CALM = Steering(
    paused=False, paused_until=0.0, notifications=True, quiet_until=0.0, model=Choice("m", "default"),
    provider=Choice("auto", "default"), switching_to="", config_file="", config_error="", needs_restart=(),
    is_stopping=False, trouble="",
)  # fmt: skip
PHOTO = AtWork("1", "a", "a", "m", "cutting", 0.1)


def test_most_urgent_state_is_shown_with_its_reason() -> None:
    """In the order in which they are listed, whatever else is so."""
    everything = replace(CALM, is_stopping=True, paused=True, switching_to="x", config_error="bad")
    less = [
        (everything, ["gone"]),
        (replace(everything, is_stopping=False), ["gone"]),
        (replace(everything, is_stopping=False), []),
        (replace(everything, is_stopping=False, paused=False), []),
        (CALM, []),
    ]
    found = [_state(steering, troubles, [PHOTO]) for steering, troubles in less]
    assert [state for state, _why in found] == list(STATES[:-1])
    assert found[1][1] == "paused; gone"
    assert "paused" in found[2][1]
    assert found[3][1] == "loading x"
    assert _state(CALM, [""], []) == ("watching", "")
    assert "last good one holds" in _state(replace(CALM, config_error="bad"), [], [])[1]


class Painter(Portrait):
    """Makes the pictures that it is given."""

    pictures: list[Snapshot]

    def take(self, *_of_what: object) -> Snapshot:
        """Return the next picture."""
        return self.pictures.pop(0)


def test_picture_is_taken_when_something_changed_and_told_when_it_is_news(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the service manager in a line, to `status.json` in one step; a picture of the same is not told again."""
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(tmp_path / "notify"))
    manager.setblocking(False)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    painter = Painter(None)  # type: ignore[arg-type]  # it asks nobody
    painter.pictures = [picture(), picture(taken_at=9.0), picture(waiting=0, state="paused", why="paused")]
    file = tmp_path / "status.json"
    window = Window(Board(), painter, Supervisor(), file)
    window.is_public = True
    with manager:
        window.show(100.0, None, CALM, False)  # type: ignore[arg-type]
        assert manager.recv(200) == b"STATUS=3 waiting, 4 done, 1 failed"
        first = file.read_bytes()
        window.show(1e9, None, CALM, False)  # type: ignore[arg-type]  # nothing has changed
        assert len(painter.pictures) == 2
        window.note_change()
        assert window.next_due() < float("inf")
        window.show(1e9, None, CALM, False)  # type: ignore[arg-type]
        assert file.read_bytes() == first
        window.note_change()
        window.show(2e9, None, CALM, False)  # type: ignore[arg-type]
        assert manager.recv(200) == b"STATUS=0 waiting, 4 done, 1 failed; paused"
        assert json.loads(file.read_text())["state"] == "paused"
        assert {entry.name for entry in tmp_path.iterdir()} == {"status.json", "notify"}
        window.close()
        assert not file.exists()
