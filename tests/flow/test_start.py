"""How the program starts: first run, configuration, and every reason not to start."""

import json
import os
import pty
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.home import PROGRAM, Home, photo, until


def bare(home: Home, **env: str) -> dict[str, str]:
    """The account without the settings that tests lay over it."""
    return {key: value for key, value in home.env.items() if not key.startswith("BGZERO_")} | env


def test_first_run_makes_folders_and_a_commented_file_and_says_where(home: Home) -> None:
    """No configuration, no folders: Inbox and Cutouts are made, and one line says where the inbox is."""
    home.env = bare(home, BGZERO_MODEL__NAME="tiny", BGZERO_WATCH__SETTLE_SECONDS="0.1")
    pictures = home.root / "home" / "Pictures"
    home.outbox = pictures / "Cutouts"
    with home.started("run") as daemon:
        until(lambda: "Drop photos" in daemon.log, "the first line")
        assert f"Drop photos into {pictures}/Inbox; the cut-outs appear in {pictures}/Cutouts." in daemon.log
        photo(pictures / "Inbox" / "a.jpg")
        daemon.wait_for("a.png")
        assert daemon.stop() == 0
    written = home.root / "config" / "bgzero" / "config.toml"
    tree = tomllib.loads(written.read_text())
    assert tree == {key: {} for key in tree} | {"version": 2}
    assert home.bgzero("config", "check").returncode == 0
    written.write_text("# mine\n")
    assert home.bgzero("run", "--once").returncode == 0
    assert written.read_text() == "# mine\n"


def test_named_folders_are_never_made(home: Home) -> None:
    """A missing folder that somebody named may be a lost mount: exit 78, one sentence, nothing made."""
    home.inbox.rmdir()
    done = home.once()
    assert done.returncode == 78
    assert done.stderr.decode().startswith(f"bgzero: The inbox {home.inbox} does not exist.\n")
    assert not home.inbox.exists()


@pytest.mark.parametrize(
    ("inbox", "outbox", "word"),
    [("in", "in", "at once"), ("in", "in/sub", "inside"), ("out/sub", "out", "inside"), ("in", "link", "at once")],
)
def test_folders_that_feed_each_other_are_refused(home: Home, inbox: str, outbox: str, word: str) -> None:
    """An output that becomes an input would be cut for ever; links do not hide it."""
    for name in ("in/sub", "out/sub"):
        (home.root / name).mkdir()
    (home.root / "link").symlink_to(home.inbox)
    done = home.bgzero("run", "--once", "--inbox", home.root / inbox, "--outbox", home.root / outbox)
    assert done.returncode == 78
    assert word in done.stderr.decode()


def test_account_without_a_home_has_to_name_folders(home: Home) -> None:
    """No home and no folders: exit 78 and the way out. With folders named it works, state beside the outputs."""
    photo(home.inbox / "a.jpg")
    env = {key: value for key, value in home.env.items() if not key.startswith("XDG_")}
    env |= {"HOME": "/nonexistent", "BGZERO_MODEL__NAME": str(home.models / "tiny.onnx")}
    home.env = env
    done = home.bgzero("run", "--once")
    assert done.returncode == 78
    assert b"no home folder" in done.stderr
    assert b"BGZERO_FOLDER__INBOX" in done.stderr
    done = home.bgzero("run", "--once", BGZERO_FOLDER__INBOX=str(home.inbox), BGZERO_FOLDER__OUTBOX=str(home.outbox))
    assert done.returncode == 0, done.stderr
    assert (home.outbox / "a.png").is_file()
    assert (home.outbox / ".bgzero" / "ledger.db").is_file()


def test_mistakes_in_the_file_are_named_with_line_and_nearest_key(home: Home) -> None:
    """All of them in one go; exit 78."""
    file = home.root / "c.toml"
    file.write_text("[watch]\nsetle_seconds = 2\n[limits]\nmegapixels = -1\n")
    done = home.bgzero("run", "--config", file)
    assert done.returncode == 78
    text = done.stderr.decode()
    assert f"{file}:2: watch.setle_seconds: unknown key. Did you mean settle_seconds?" in text
    assert f"{file}:4: limits.megapixels:" in text
    assert home.bgzero("config", "check", "--config", file).returncode == 78


def test_missing_named_file_and_unknown_model_are_bad_configuration(home: Home) -> None:
    """Starting again would not help, so a service manager must not: exit 78."""
    assert home.bgzero("run", "--config", home.root / "none.toml").returncode == 78
    assert home.once(BGZERO_MODEL__NAME="nosuch").returncode == 78
    assert home.once(BGZERO_MODEL__NAME="u2net").returncode == 78


def test_second_daemon_on_the_same_inbox_says_so(home: Home) -> None:
    """Exit 75, also through another path to the same folder; the first goes on."""
    (home.root / "link").symlink_to(home.inbox)
    with home.daemon() as daemon:
        done = home.bgzero("run", "--once", "--inbox", home.root / "link", "--outbox", home.outbox)
        assert done.returncode == 75
        assert b"already watches" in done.stderr
        photo(home.inbox / "a.jpg")
        daemon.wait_for("a.png")


def test_inbox_without_outbox_is_wrong_usage(home: Home) -> None:
    """Exit 2, as for every mistake on the command line."""
    assert home.bgzero("run", "--inbox", home.inbox).returncode == 2
    assert home.bgzero("nosuch").returncode == 2


def test_origin_of_each_value_is_shown(home: Home) -> None:
    """Flag, environment, file with line, default."""
    file = home.root / "c.toml"
    file.write_text("[watch]\nrescan_seconds = 60\n")
    done = home.bgzero("config", "show", "--origin", "--config", file)
    lines = done.stdout.decode().splitlines()
    assert 'model.name = "tiny"  # BGZERO_MODEL__NAME' in lines
    assert "watch.rescan_seconds = 60.0  # file:2" in lines
    assert "worker.queue = 64  # default" in lines
    shown = home.bgzero("config", "show", "--config", file).stdout.decode()
    assert tomllib.loads(shown)["watch"]["rescan_seconds"] == 60.0
    assert json.loads(home.bgzero("config", "show", "--json").stdout)["model"]["name"] == "tiny"


def test_config_init_writes_once(home: Home) -> None:
    """The commented file; a second time it is left alone, exit 1. `config path` prints its place."""
    place = home.bgzero("config", "path").stdout.decode().strip()
    assert home.bgzero("config", "init").stdout.decode().strip() == place
    Path(place).write_text("# mine\n")
    assert home.bgzero("config", "init").returncode == 1
    assert Path(place).read_text() == "# mine\n"


def test_model_list_and_info(home: Home) -> None:
    """The user's own model stands in the list; info tells licence and origin; --card prints a card that loads."""
    listed = {model["name"]: model for model in json.loads(home.bgzero("model", "list", "--json").stdout)["models"]}
    assert listed["tiny"]["installed"] is True
    assert listed["u2netp"]["installed"] is True
    assert listed["u2net"]["installed"] is False
    assert listed["rmbg-1.4"]["licence"]["commercial"] == "no"
    assert "tiny" in home.bgzero("model", "list").stdout.decode()
    told = home.bgzero("model", "info", "isnet-general-use").stdout.decode()
    assert "unclear" in told
    card = home.bgzero("model", "info", "tiny", "--card").stdout.decode()
    (home.models / "copy.toml").write_text(card)
    assert home.bgzero("model", "info", "copy").returncode == 0


def test_help_imports_nothing_heavy(home: Home) -> None:
    """`bgzero --help` costs a start of Python: no pydantic, no watchdog, no numpy."""
    command = [sys.executable, "-X", "importtime", "-m", "bgzero_daemon", "--help"]
    env = {key: value for key, value in home.env.items() if not key.startswith("COVERAGE_")}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    for module in ("pydantic", "numpy", "PIL", "onnxruntime", "watchdog", "sqlite3", "platformdirs", "rich"):
        assert f" {module}\n" not in done.stderr, module


def test_reader_that_goes_away_is_no_error(home: Home) -> None:
    """`bgzero model list | head -1` says nothing on stderr."""
    program = Path(sys.executable).with_name("bgzero")
    done = subprocess.run(
        ["/bin/sh", "-c", f"'{program}' model list | head -1; '{program}' config schema | head -1"],
        env=home.env,
        capture_output=True,
        check=True,
    )
    assert done.stderr == b""


def test_traceback_only_with_verbose(home: Home) -> None:
    """An error is one sentence and a hint; -v shows where it came from."""
    missing = home.root / "none.toml"
    assert b"Traceback" not in home.bgzero("run", "--config", missing).stderr
    assert b"Traceback" in home.bgzero("run", "-v", "--config", missing).stderr


def test_state_is_private(home: Home) -> None:
    """Ledger and locks are nobody else's business: 0600 in 0700."""
    photo(home.inbox / "a.jpg")
    former = os.umask(0o022)
    try:
        home.once()
    finally:
        os.umask(former)
    state = home.root / "state" / "bgzero"
    assert state.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in state.glob("ledger.db*")} == {0o600}


def test_photos_of_before_are_left_alone_or_cut_as_configured(home: Home) -> None:
    """`existing` counts at the very first start only; what is left alone is cut when its bytes change."""
    for number in range(3):
        photo(home.inbox / f"{number}.jpg", seed=number)
    done = home.once(BGZERO_WATCH__EXISTING="skip")
    assert b"there already: 3 in" in done.stderr
    assert b"0 cut" in done.stderr
    photo(home.inbox / "new.jpg")
    photo(home.inbox / "1.jpg", seed=9)
    assert b"2 cut" in home.once(BGZERO_WATCH__EXISTING="skip").stderr
    assert sorted(path.name for path in home.outbox.iterdir()) == ["1.png", "new.png"]


def test_first_start_that_is_killed_is_still_the_first(home: Home) -> None:
    """All that was there is left alone, or nothing is decided: half of it would be cut by the next start."""
    for number in range(300):
        (home.inbox / f"{number}.jpg").write_bytes(b"\xff\xd8\xff" + bytes(100))
    with home.started("run", "--inbox", home.inbox, "--outbox", home.outbox, BGZERO_WATCH__EXISTING="skip") as daemon:
        until((home.root / "state" / "bgzero" / "ledger.db-wal").exists, "the ledger")
        daemon.stop(signal.SIGKILL)
    done = home.once(BGZERO_WATCH__EXISTING="skip")
    assert b"0 cut, 0 failed" in done.stderr, done.stderr[-300:]


def test_what_comes_to_an_empty_inbox_was_not_there_before(home: Home) -> None:
    """The first start is over once it was, photos or none."""
    assert b"0 cut" in home.once(BGZERO_WATCH__EXISTING="skip").stderr
    photo(home.inbox / "a.jpg")
    assert b"1 cut" in home.once(BGZERO_WATCH__EXISTING="skip").stderr


def test_without_a_terminal_to_ask_all_are_cut(home: Home) -> None:
    """`existing = "ask"` in a service: nobody can answer, so nothing is withheld, and the log says so."""
    photo(home.inbox / "a.jpg")
    done = home.once(BGZERO_WATCH__EXISTING="ask")
    assert b"no terminal to ask" in done.stderr
    assert b"1 cut" in done.stderr


@pytest.mark.parametrize(("answer", "cut"), [(b"n\n", 0), (b"y\n", 1), (b"\n", 1)])
def test_terminal_is_asked_with_count_time_and_space(home: Home, answer: bytes, cut: int) -> None:
    """A person is asked once, before anything is cut."""
    photo(home.inbox / "a.jpg")
    ours, theirs = pty.openpty()
    os.write(ours, answer)
    command = [*PROGRAM, "run", "--once", "--inbox", str(home.inbox), "--outbox", str(home.outbox)]
    env = home.env | {"BGZERO_WATCH__EXISTING": "ask"}
    done = subprocess.run(command, env=env, stdin=theirs, stdout=theirs, stderr=theirs, timeout=60)
    said = os.read(ours, 65536)
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 0, said
    assert b"already: 1, about" in said
    assert b"MB of cut-outs" in said
    assert f"{cut} cut".encode() in said
