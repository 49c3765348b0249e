"""What clicks begin: programs that stay, programs that fail, and none that is left behind."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from bgzero_daemon import client
from bgzero_daemon.tray import deeds, opening
from bgzero_daemon.tray.deeds import Deeds
from tests.home import until
from tests.tray.test_feed import scripted


def script(place: Path, text: str) -> str:
    """A shell script at this place."""
    place.parent.mkdir(exist_ok=True)
    place.write_text(f"#!/bin/sh\n{text}\n")
    place.chmod(0o755)
    return str(place)


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An account of its own, whose programs are looked for in `bin` first."""
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"):
        (tmp_path / name).mkdir(mode=0o700)
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("PATH", f"{tmp_path}/bin{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def waits(account: Path) -> str:
    """What a script says to wait until there is a file `go`."""
    return f"while [ ! -e {account}/go ]; do sleep 0.02; done"


def of_us(account: Path) -> list[psutil.Process]:
    """Our children that run something of this account, and those that nobody has waited for."""
    return [
        one for one in psutil.Process().children()
        if one.status() == psutil.STATUS_ZOMBIE or str(account) in " ".join(one.cmdline())
    ]  # fmt: skip


def test_viewer_that_stays_is_left_alone(account: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither ended after a while nor by what it writes, nor by a Ctrl-C that is meant for us; no zombie is left."""
    monkeypatch.setattr(opening, "_SECONDS", 0.1)
    text = f"{waits(account)}; echo hello; echo hello >&2; ps -o sid= -p $$ >{account}/sid"
    script(account / "bin" / "xdg-open", f"{text}; mv {account}/sid {account}/opened")
    assert opening.open_path(str(account)) == ""
    assert of_us(account)
    (account / "go").touch()
    until((account / "opened").exists, "it goes on")
    until(lambda: not of_us(account), "nothing is left of it")
    assert int((account / "opened").read_text()) != os.getsid(0)


@pytest.mark.parametrize(
    ("status", "said"), [(0, ""), (3, "No program is there that could open it."), (4, "xdg-open failed.")]
)
def test_opener_that_fails_is_told(account: Path, status: int, said: str) -> None:
    """By its status."""
    script(account / "bin" / "xdg-open", f"exit {status}")
    assert opening.open_path(str(account)) == said
    assert opening.open_path(str(account / "gone\n")) == f"There is no {account}/gone\\x0a any more."


def test_file_is_shown_marked_or_its_folder_is(account: Path) -> None:
    """By the file manager, and where there is none, it has gone, or does not want."""
    file = account / "a ü'%.png"
    file.touch()
    script(account / "bin" / "xdg-open", f'printf "%s" "$1" >{account}/opened')
    script(account / "bin" / "gdbus", f'printf "%s\\n" "$@" >{account}/called')
    assert opening.show_in_folder(str(file)) == ""
    assert file.as_uri() in (account / "called").read_text()
    assert not (account / "opened").exists()
    script(account / "bin" / "gdbus", "exit 1")
    assert opening.show_in_folder(str(file)) == ""
    assert (account / "opened").read_text() == str(account)
    (account / "opened").unlink()
    assert opening.show_in_folder(str(account / "gone")) == ""
    assert (account / "opened").read_text() == str(account)


def test_download_outlives_the_icon(account: Path) -> None:
    """Whatever it has to say when nobody listens any more."""
    text = f"echo $$ >>{account}/begun; {waits(account)}; echo 25 >&2; echo 50 >&2; touch {account}/over"
    program = script(account / "bin" / "program", text)
    code = (
        "import time\nfrom bgzero_daemon.tray import deeds\n"
        f"deeds._program = lambda: [{program!r}]\n"
        "d = deeds.Deeds(lambda *_words: None, *[lambda: None] * 4)\n"
        "d.pull('m', accept=False)\nd.pull('m', accept=False)\ntime.sleep(20)\n"
    )
    icon = subprocess.Popen([sys.executable, "-c", code])
    until((account / "begun").exists, "it begins")
    icon.kill()
    icon.wait()
    (account / "go").touch()
    until((account / "over").exists, "it ends well")
    assert len((account / "begun").read_text().split()) == 1, "two clicks are one download"


def told_by(account: Path, text: str, monkeypatch: pytest.MonkeyPatch, deed: Callable[[Deeds], None]) -> list[str]:
    """Run a deed with a program of ours that does what `text` says; return what the user is told."""
    program = script(account / "bin" / "program", text)
    monkeypatch.setattr(deeds, "_program", lambda: [program])
    told: list[str] = []
    over = threading.Event()
    nothing: Callable[[], None] = lambda: None  # noqa: E731
    deed(Deeds(lambda title, said: told.append(f"{title}: {said}"), nothing, nothing, over.set, nothing))
    assert over.wait(20)
    return told


def test_start_says_why_it_fails_and_is_no_failure_where_somebody_was_quicker(
    account: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the exit status; what the configuration is blamed for is looked up."""
    for text, said in (
        ("exit 75", []),
        ("exit 1", ["It cannot be started: It ended at once; the log says why."]),
        ('[ "$1" = run ] && exit 78; echo "line 3:  wrong" >&2', ["It cannot be started: line 3: wrong"]),
    ):
        assert told_by(account, text, monkeypatch, Deeds.start) == said
    monkeypatch.setattr(deeds, "_START_SECONDS", 0.2)
    said = told_by(account, f"{waits(account)}; touch {account}/over", monkeypatch, Deeds.start)
    assert said == ["It cannot be started: It does not answer."]
    (account / "go").touch()
    until((account / "over").exists, "it is left alone")
    until(lambda: not of_us(account), "and waited for")


def test_daemon_that_was_started_leaves_nothing_when_it_ends(account: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever that is."""
    (account / "XDG_RUNTIME_DIR" / "bgzero").mkdir()
    with scripted(account / "XDG_RUNTIME_DIR" / "bgzero") as daemon:
        assert not told_by(account, waits(account), monkeypatch, Deeds.start)
        assert daemon.asked == ["hello"]
    assert of_us(account)
    (account / "go").touch()
    until(lambda: not of_us(account), "it is waited for")


def test_commands_that_hang_or_cannot_write_are_told(account: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log, the settings; without a home there is no place for them."""
    monkeypatch.setattr(deeds, "_COMMAND_SECONDS", 0.2)
    assert told_by(account, "exec sleep 20", monkeypatch, Deeds.show_log) == [
        "Something went wrong: `bgzero logs` does not come to an end."
    ]
    monkeypatch.setattr(deeds, "_COMMAND_SECONDS", 20.0)
    (account / "XDG_RUNTIME_DIR" / "bgzero").mkdir()
    (account / "XDG_RUNTIME_DIR" / "bgzero" / "log.txt").symlink_to("/dev/full")
    assert told_by(account, "echo words", monkeypatch, Deeds.show_log) == ["That did not work: No space left on device"]
    monkeypatch.setenv("HOME", "/nonexistent")
    monkeypatch.delenv("XDG_CONFIG_HOME")
    (said,) = told_by(account, "", monkeypatch, Deeds.edit_settings)
    assert said.endswith("This account has no home, and so no place for settings.")
    assert Deeds(lambda *_words: None, *[lambda: None] * 4).starts_at_login() is None


def test_model_that_was_downloaded_is_used(account: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the user is told."""
    folder = account / "XDG_RUNTIME_DIR" / "bgzero"
    folder.mkdir()
    with scripted(folder, set_model=lambda: b'{"ok": true}\n') as daemon:
        told = told_by(account, "exit 0", monkeypatch, lambda found: found.pull("m", accept=True))
        assert daemon.asked == ["set_model"]
    assert told == ["Fetching m: It goes on in the background.", "m is here: The next photo is cut with it."]


def test_quit_without_a_daemon_closes_the_icon_and_with_one_that_hangs_does_not(
    account: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be ended is said."""
    monkeypatch.setattr(client, "_SECONDS", 0.2)
    folder = account / "XDG_RUNTIME_DIR" / "bgzero"
    folder.mkdir()
    ended, over, told = threading.Event(), threading.Semaphore(0), list[str]()
    nothing: Callable[[], None] = lambda: None  # noqa: E731
    found = Deeds(lambda _title, said: told.append(said), nothing, nothing, over.release, ended.set)
    with scripted(folder, stop=lambda: None):
        found.quit()
        assert over.acquire(timeout=20)
        assert told
        assert not ended.is_set()
    found.quit()
    assert ended.wait(20)


def test_two_clicks_are_one_start(account: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the first one waits for the daemon to answer."""
    program = script(account / "bin" / "program", f"echo $$ >>{account}/begun; {waits(account)}; exit 1")
    monkeypatch.setattr(deeds, "_program", lambda: [program])
    told: list[str] = []
    over = threading.Semaphore(0)
    nothing: Callable[[], None] = lambda: None  # noqa: E731
    found = Deeds(lambda _title, said: told.append(said), nothing, nothing, over.release, nothing)
    found.start()
    until((account / "begun").exists, "it begins")
    found.start()
    assert over.acquire(timeout=20)
    assert not told, "the second one has ended at once"
    (account / "go").touch()
    assert over.acquire(timeout=20)
    assert told == ["It ended at once; the log says why."]
    assert len((account / "begun").read_text().split()) == 1
