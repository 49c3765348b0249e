"""`bgzero service` under a real `systemd --user`: from the installation to the last trace."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.home import PROGRAM, Home, is_alive, photo, until
from tests.security.manager import Manager, running

pytestmark = pytest.mark.skipif(os.geteuid() == 0, reason="root has no user unit")
UNIT = "bgzero.service"


def configure(home: Home, folder: Path | None = None) -> Path:
    """Write a configuration file with this account's folders, at the usual place or in a folder."""
    file = (folder or home.root / "config" / "bgzero") / "config.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    text = f"[[folder]]\ninbox = {json.dumps(str(home.inbox))}\noutbox = {json.dumps(str(home.outbox))}\n"
    file.write_text(text)
    return file


def drop_in(manager: Manager) -> Path:
    """The user's own lines: here they send what the daemon says to a file."""
    file = manager.units / f"{UNIT}.d" / "mine.conf"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"[Service]\nStandardError=append:{manager.home.root}/service.log\n")
    return file


def said(home: Home, *arguments: str | Path, code: int = 0, **env: str) -> str:
    """Run `bgzero service ...` and return all that it printed."""
    done = home.bgzero("service", *arguments, stdin=b"", **env)
    text = (done.stdout + done.stderr).decode()
    assert done.returncode == code, text
    assert "Traceback" not in text
    return text


def state(home: Home, code: int = 0, **env: str) -> dict[str, object]:
    """`bgzero service status --json`."""
    done = home.bgzero("service", "status", "--json", stdin=b"", **env)
    assert done.returncode == code, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    assert found["schema"] == 1
    return found


def cut(home: Home, name: str) -> None:
    """Drop a photo and wait for its cut-out."""
    photo(home.inbox / f"{name}.jpg", seed=sum(name.encode()))
    until((home.outbox / f"{name}.png").is_file, f"{name} is cut")


def lingering(home: Home, answer: str) -> str:
    """A PATH on which loginctl gives this answer."""
    folder = home.root / f"linger-{answer}"
    folder.mkdir()
    (folder / "loginctl").write_text(f"#!/bin/sh\necho {answer}\n")
    (folder / "loginctl").chmod(0o755)
    return f"{folder}{os.pathsep}{home.env['PATH']}"


def test_service_lives_from_install_to_purge(home: Home) -> None:
    """Installed it cuts; a second time nothing changes; stopped, started, taken away, purged: photos stay."""
    config = configure(home)
    with running(home) as manager:
        mine = drop_in(manager)
        assert state(home, code=3)["installed"] is False

        text = said(home, "install")
        unit = manager.units / UNIT
        assert f"Drop photos into {home.inbox}" in text
        assert manager.show(UNIT, "ActiveState") == "active"
        assert f"ExecStart={PROGRAM[0]} run\n" in unit.read_text()
        assert f"ExecReload={PROGRAM[0]} reload\n" in unit.read_text()
        cut(home, "a")

        pid, written = manager.show(UNIT, "MainPID"), unit.stat().st_ino
        assert "loginctl enable-linger" in said(home, "install", PATH=lingering(home, "no"))
        text = said(home, "install", PATH=lingering(home, "yes"))
        assert "up to date" in text
        assert "linger" not in text
        assert (manager.show(UNIT, "MainPID"), unit.stat().st_ino) == (pid, written)
        found = state(home)
        assert (found["enabled"], found["current"], found["remedy"], found["pid"]) == (True, True, "", int(pid))
        assert found["drop_ins"] == [str(mine)]
        assert "started at every login" in said(home, "status")

        said(home, "stop")
        assert not is_alive(int(pid))
        assert state(home, code=3)["state"] == "inactive"
        said(home, "start")
        assert manager.show(UNIT, "ActiveState") == "active"
        cut(home, "b")

        # the daemon that is asked to go is the service's own; what it leaves is named before it goes
        (home.outbox / ".bgzero" / "failed").mkdir(parents=True, exist_ok=True)
        text = said(home, "uninstall", "--purge")
        assert manager.show(UNIT, "LoadState") == "not-found"
        assert not unit.exists()
        assert UNIT not in [path.name for path in manager.units.rglob("*")], "nor a link to it"
        assert mine.exists()
        for place in (config.parent, home.root / "state" / "bgzero", home.models.parent, home.outbox / ".bgzero"):
            assert not place.exists()
            assert f"Removing {place}\n" in text
        assert not (manager.runtime / "bgzero").exists()
        assert f"{home.outbox} stays: 2 cut-outs" in text
        assert "pip uninstall bgzero-daemon" in text
        assert sorted(path.name for path in home.inbox.iterdir()) == ["a.jpg", "b.jpg"]
        assert sorted(path.name for path in home.outbox.iterdir()) == ["a.png", "b.png"]
        assert "not installed" in said(home, "uninstall")


def test_what_is_wrong_with_a_unit_is_noticed_and_mended(home: Home) -> None:
    """A program that moved, an edited unit, a foreign one: told with the remedy, which helps and loses nothing."""
    configure(home)
    other = home.root / "home" / "bin" / "bgzero"
    other.parent.mkdir()
    with running(home) as manager:
        drop_in(manager)
        said(home, "install")
        unit = manager.units / UNIT
        first = manager.show(UNIT, "MainPID")

        # by another name of the same program, which then goes: as after a removal and a new installation
        other.symlink_to(PROGRAM[0])
        body = unit.read_text().partition("\n")[2]
        subprocess.run([other, "service", "install"], env=home.env, capture_output=True, timeout=60, check=True)
        assert unit.read_text().partition("\n")[2] == body.replace(PROGRAM[0], str(other))
        other.unlink()
        found = state(home)
        assert (found["program"], found["program_exists"], found["current"]) == (str(other), False, False)
        assert f"starts {other}, and there is no such program. Mended by: bgzero service install\n" in said(
            home, "status"
        )
        said(home, "install")
        assert state(home)["remedy"] == ""
        assert manager.show(UNIT, "MainPID") != first, "it runs as its unit says"

        unit.write_text(unit.read_text().replace("Nice=10", "Nice=5"))
        assert state(home)["remedy"] == "bgzero service install --force"
        edited = unit.read_text()
        assert "was edited" in said(home, "install", code=1)
        assert "edited by somebody else" in said(home, "uninstall", code=1)
        assert unit.read_text() == edited
        assert "is now" in said(home, "install", "--force")
        assert (manager.units / "bgzero.service.old").read_text() == edited
        assert "Nice=10" in unit.read_text()
        assert state(home)["remedy"] == ""

        unit.unlink()
        shutil.copy(Path(__file__).parents[2] / "systemd" / UNIT, unit)
        assert "written by somebody else" in said(home, "install", code=1)
        said(home, "install", "--force")
        assert (manager.units / "bgzero.service.old.2").exists()
        said(home, "uninstall")


def test_daemon_and_commands_look_at_the_same_places(home: Home) -> None:
    """XDG variables of the shell that the manager has not go into the unit; BGZERO_ ones are named as left out."""
    with running(home) as manager:
        drop_in(manager)
        odd = home.root / "o d%d${HOME} \"'\\é"
        shell = {"XDG_STATE_HOME": str(odd / "state"), "BGZERO_LOG__LEVEL": "debug"}
        config = configure(home, odd)
        text = said(home, "install", "--config", config, code=0, **shell)
        assert "BGZERO_LOG__LEVEL" in text
        assert "BGZERO_MODEL__NAME" not in text, "the manager has that one"
        assert (odd / "state" / "bgzero" / "locks").is_dir()
        cut(home, "a")
        assert home.bgzero("status", stdin=b"", **shell).returncode == 0
        assert state(home, code=0, **shell)["current"] is True
        found = state(home)
        assert (found["environment"], found["current"]) == (["XDG_STATE_HOME"], False)
        assert str(found["remedy"]).startswith("bgzero service install --config")
        assert "up to date" in said(home, "install", "--config", config, code=0, **shell)
        said(home, "uninstall", code=0, **shell)


def test_start_that_fails_is_told_with_the_daemons_own_code(home: Home) -> None:
    """Another daemon has the inbox (75); a mistake in the configuration (78) is told before anything is written."""
    config = configure(home)
    with running(home) as manager:
        drop_in(manager)
        with home.daemon():
            assert "outside the service" in said(home, "install", code=75)
            assert not (manager.units / UNIT).exists()
        with home.daemon(XDG_RUNTIME_DIR=str(home.root / "run"), XDG_STATE_HOME=str(home.root / "other")):
            assert "another daemon watches its inbox" in said(home, "install", code=75)
            said(home, "uninstall")
        config.write_text("[worker]\nlanes = 'many'\n")
        assert f"{config}:2: worker.lanes" in said(home, "install", code=78)
        assert "which folders are yours" in said(home, "uninstall", "--purge", code=78)
        config.write_text("[[folder]]\ninbox = '/nowhere'\noutbox = '/nowhere/out'\n")
        assert "does not exist" in said(home, "install", code=78)
        configure(home)
        config.write_text(config.read_text() + "model = 'nothing'\n")
        assert "There is no model nothing" in said(home, "install", code=78)
        assert not (manager.units / UNIT).exists()


def test_logs_come_from_the_file_where_there_is_no_journal(home: Home) -> None:
    """The last lines of the daemon's own file, and what follows; a sentence where nobody has said anything."""
    assert "No daemon of this account has kept a log." in said(home, "logs", code=1)
    file = home.root / "state" / "bgzero" / "bgzero.log"
    file.parent.mkdir(parents=True)
    file.write_text("one\ntwo\nthree\n")
    assert home.bgzero("service", "logs", "-n", "2").stdout == b"two\nthree\n"
    command = [*PROGRAM, "service", "logs", "-f", "-n", "1"]
    with subprocess.Popen(command, env=home.env, stdout=subprocess.PIPE) as following:
        assert following.stdout is not None
        assert following.stdout.readline() == b"three\n"
        with file.open("a") as log:
            log.write("four\n")
        assert following.stdout.readline() == b"four\n"
        following.terminate()
