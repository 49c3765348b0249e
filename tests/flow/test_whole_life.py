"""A whole life under a real `systemd --user`, through the commands alone."""

import json
import os
import signal

import pytest

from tests import tiny
from tests.fault.oracle import tag_of
from tests.home import Home, is_alive, photo, until
from tests.security.manager import running

pytestmark = pytest.mark.skipif(os.geteuid() == 0, reason="root has no user unit")

BAD = b"\x89PNG\r\n\x1a\n" + bytes(99)


def told(home: Home, line: str, *, code: int = 0) -> str:
    """Type a command; return what it says on both streams."""
    done = home.bgzero(*line.split())
    text = (done.stdout + done.stderr).decode()
    assert done.returncode == code, text
    assert "Traceback" not in text
    return text


def status(home: Home) -> dict[str, object]:
    """`bgzero status --json`."""
    found: dict[str, object] = json.loads(told(home, "status --json"))
    return found


@pytest.mark.fault("F49")
def test_whole_life_through_the_commands_alone(home: Home) -> None:
    """Installed, at work, paused, steered, misconfigured, killed, back with nothing lost, stopped, taken away."""
    tiny.install(home.models, "other")
    home.env = {key: value for key, value in home.env.items() if not key.startswith("BGZERO_")}
    with running(home):
        told(home, "config init")
        pairs = {
            "folder.0.inbox": home.inbox, "folder.0.outbox": home.outbox, "model.name": "tiny",
            "watch.settle_seconds": 0.1, "watch.max_wait_seconds": 0, "output.keep_free": 0,
        }  # fmt: skip
        told(home, "config set " + " ".join(f"{key} {value}" for key, value in pairs.items()))
        assert "is fine" in told(home, "config check")

        assert f"Drop photos into {home.inbox}" in told(home, "service install")
        photo(home.inbox / "a.jpg")
        until((home.outbox / "a.png").is_file, "it is cut")
        assert "active" in told(home, "service status")
        doctor = json.loads(told(home, "doctor --json"))
        assert doctor["wrong"] == 0

        told(home, "pause")
        photo(home.inbox / "b.jpg", seed=1)
        until(lambda: status(home)["waiting"] == 1, "it waits")
        assert "The next photo is cut with other." in told(home, "model use other")

        file = home.root / "config" / "bgzero" / "config.toml"
        good = file.read_text()
        file.write_text(good.replace("settle_seconds = 0.1", "setle_seconds = 0.1"))
        said = told(home, "reload", code=1)
        assert "watch.setle_seconds: unknown key. Did you mean settle_seconds?" in said
        assert f"{file}:" in said
        assert "not taken over" in told(home, "status")
        file.write_text(good)
        told(home, "config set watch.settle_seconds 0.2 log.level debug")
        until(lambda: not status(home)["config_error"], "it is taken over by itself")
        assert "Nothing has changed." in told(home, "reload")

        told(home, "resume")
        until((home.outbox / "b.png").is_file, "it is cut")
        assert (tag_of(home.outbox / "a.png")["model"], tag_of(home.outbox / "b.png")["model"]) == ("tiny", "other")

        (home.inbox / "bad.png").write_bytes(BAD)
        until(lambda: "bad.png" in told(home, "failed"), "it fails")
        told(home, "pause")
        told(home, "failed retry --all")
        assert "bad.png" not in told(home, "failed")
        told(home, "resume")
        until(lambda: "bad.png" in told(home, "failed"), "it fails once more")

        told(home, "pause")
        for number in range(5):
            photo(home.inbox / f"{number}.jpg", seed=number + 5)
        until(lambda: status(home)["waiting"] == 5, "they wait")
        first = int(str(status(home)["pid"]))
        os.kill(first, signal.SIGKILL)
        until(lambda: home.bgzero("status").returncode == 0, "it is back")
        assert int(str(status(home)["pid"])) != first
        found = status(home)
        assert (found["waiting"], found["state"], found["done"], found["failed"]) == (5, "paused", 2, 1)
        assert found["model"] == {"value": "other", "origin": "state"}
        told(home, "resume")
        until(lambda: len(home.visible()) == 7, "nothing is lost")
        assert json.loads(told(home, "history --json"))["schema"] == 1

        pid = int(str(status(home)["pid"]))
        told(home, "service stop")
        assert not is_alive(pid)
        assert "No bgzero daemon is running." in told(home, "status", code=3)
        told(home, "service uninstall")
        assert "not installed" in told(home, "service status", code=3)
    assert len(home.visible()) == 7
    assert len(list(home.inbox.iterdir())) == 8
