"""`bgzero config get|set|unset` on files as people have them."""

import os
import signal
import subprocess
import tomllib
from pathlib import Path

import pytest

from bgzero_daemon.core import paths
from tests import tiny
from tests.home import PROGRAM, Home, until

SHIPPED = paths.shipped("config", "config.toml").read_text(encoding="utf-8")


@pytest.fixture
def file(home: Home) -> Path:
    """The configuration file of an account without settings of its own; it does not exist yet. Models x, y and 7 do."""
    for name in ("x", "y", "7"):
        tiny.install(home.models, name)
    home.env = {key: value for key, value in home.env.items() if not key.startswith("BGZERO_")}
    return home.root / "config" / "bgzero" / "config.toml"


def test_value_is_written_into_the_commented_file_and_is_in_force(home: Home, file: Path) -> None:
    """The file is made where there is none; the difference is one line on standard output."""
    done = home.bgzero("config", "set", "model.name", "u2net")
    assert (done.returncode, done.stdout) == (0, b'+ name = "u2net"\n')
    assert b"A running daemon takes it over by itself." in done.stderr
    assert file.read_text().replace('name = "u2net"\n', "", 1) == SHIPPED
    assert home.bgzero("config", "get", "model.name").stdout == b"u2net\n"
    assert home.bgzero("config", "set", "model.name", "silueta").stdout == b'- name = "u2net"\n+ name = "silueta"\n'
    assert b"so already" in home.bgzero("config", "set", "model.name", "silueta").stderr
    assert home.bgzero("config", "unset", "model.name").stdout == b'- name = "silueta"\n'
    assert file.read_text() == SHIPPED
    assert home.bgzero("config", "unset", "model.name").returncode == 1


def test_types_are_the_keys_own(home: Home, file: Path) -> None:
    """A number where the key is one, text without quotes where it is text, even if it looks like a number."""
    pairs = ["worker.lanes", "3", "watch.settle_seconds", "2.5", "model.allow_unverified", "true", "model.name", "7"]
    folder = ["folder.0.inbox", "~/in", "folder.0.outbox", "/out with 'quotes\"", "folder.0.recursive", "no"]
    assert home.bgzero("config", "set", *pairs, *folder).returncode == 0
    tree = {table: values for table, values in tomllib.loads(file.read_text()).items() if values}
    assert tree == {
        "version": 2,
        "folder": [{"inbox": "~/in", "outbox": "/out with 'quotes\"", "recursive": False}],
        "model": {"name": "7", "allow_unverified": True},
        "watch": {"settle_seconds": 2.5},
        "worker": {"lanes": 3},
    }
    for key, value in (("worker.lanes", b"3"), ("folder.0.recursive", b"false"), ("folder.0.model", b"")):
        assert home.bgzero("config", "get", key).stdout == value + b"\n"


@pytest.mark.parametrize(
    ("arguments", "status", "word"),
    [
        (["model.nam", "x"], 78, "Did you mean name?"),
        (["worker.lanes", "many"], 78, "valid integer"),
        (["worker.order", "random"], 78, "'oldest' or 'newest'"),
        (["folder.0.inbox", "/in"], 78, "folder.0.outbox: this key is needed"),
        (["folder.5.inbox", "/in"], 78, "no place"),
        (["model.name"], 2, "needs a value"),
        (["model.name", "\udcff"], 2, "not UTF-8"),
    ],
)
def test_mistake_is_told_and_changes_nothing(
    home: Home, file: Path, arguments: list[str], status: int, word: str
) -> None:
    """A key or value that the schema does not take never reaches the file, nor is one made."""
    done = home.bgzero("config", "set", *arguments)
    assert done.returncode == status
    assert word in done.stderr.decode(), done.stderr
    assert not file.parent.exists()


def test_mistake_in_the_file_can_be_mended_by_setting_or_unsetting_it(home: Home, file: Path) -> None:
    """The command looks at what the file will be."""
    file.parent.mkdir(parents=True)
    file.write_text("[worker]\nlanes = -1 # oh\n")
    assert home.bgzero("config", "set", "model.name", "x").returncode == 78
    assert home.bgzero("config", "set", "worker.lanes", "1").returncode == 0
    assert file.read_text() == "[worker]\nlanes = 1 # oh\n"
    file.write_text("[worker]\nlane = 1\n")
    assert home.bgzero("config", "unset", "worker.lane").returncode == 0
    assert file.read_text() == "[worker]\n"


def test_link_mode_and_owner_stay(home: Home, file: Path) -> None:
    """A configuration kept in a dotfiles folder is written there, and stays as private as it was."""
    target = home.root / "dotfiles" / "bgzero.toml"
    target.parent.mkdir()
    target.write_text('[model]\nname = "x"\n')
    target.chmod(0o640)
    file.parent.mkdir(parents=True)
    file.symlink_to(target)
    before = target.stat()
    assert home.bgzero("config", "set", "model.name", "y").returncode == 0
    assert file.is_symlink()
    assert target.read_text() == '[model]\nname = "y"\n'
    after = target.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert after.st_ino != before.st_ino, "it was replaced in one step"
    assert [entry.name for entry in target.parent.iterdir()] == ["bgzero.toml"]


def test_file_that_changed_meanwhile_is_left_as_it_is(home: Home, file: Path) -> None:
    """Somebody saves in an editor between our look and our writing: theirs stays."""
    file.parent.mkdir(parents=True)
    file.write_text('[model]\nname = "x"\n')
    process = subprocess.Popen(
        [*PROGRAM, "config", "set", "model.name", "y"],
        env=home.env | {"BGZERO_CRASH_AT": "config-written:1:STOP"},
        stderr=subprocess.PIPE,
    )
    state = Path(f"/proc/{process.pid}/stat")
    until(lambda: state.read_text().rpartition(")")[2].split()[0] == "T", "it stops before the last step")
    file.write_text("# theirs\n")
    process.send_signal(signal.SIGCONT)
    _out, said = process.communicate(timeout=30)
    assert process.returncode == 1
    assert b"changed by somebody else meanwhile" in said
    assert file.read_text() == "# theirs\n"
    assert [entry.name for entry in file.parent.iterdir()] == ["config.toml"]


def test_death_while_writing_leaves_the_former_file(home: Home, file: Path) -> None:
    """kill -9 at the last moment: the old text, whole."""
    file.parent.mkdir(parents=True)
    file.write_text('[model]\nname = "x"\n')
    done = home.bgzero("config", "set", "model.name", "y", BGZERO_CRASH_AT="config-written")
    assert done.returncode == -signal.SIGKILL
    assert file.read_text() == '[model]\nname = "x"\n'


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_folder_that_cannot_be_written_is_told(home: Home, file: Path) -> None:
    """One sentence, exit 1."""
    file.parent.mkdir(parents=True)
    file.write_text("")
    file.parent.chmod(0o500)
    done = home.bgzero("config", "set", "model.name", "y")
    assert done.returncode == 1
    assert b"cannot be written" in done.stderr


def test_variable_that_wins_over_the_file_is_named(home: Home, file: Path) -> None:
    """It is written all the same, and nobody wonders why nothing changes."""
    done = home.bgzero("config", "set", "model.name", "u2net", BGZERO_MODEL__NAME="silueta")
    assert done.returncode == 0
    assert b"BGZERO_MODEL__NAME is set here and wins over the file for model.name." in done.stderr
    assert 'name = "u2net"' in file.read_text()
    assert b"wins over" not in home.bgzero("config", "set", "model.name", "x", BGZERO_LOG__LEVEL="debug").stderr


def test_getting_what_does_not_exist_names_the_nearest(home: Home) -> None:
    """A table is no key either."""
    assert b"Did you mean name?" in home.bgzero("config", "get", "model.nam").stderr
    assert home.bgzero("config", "get", "model").returncode == 2
    assert home.bgzero("config", "get", "folder.0").returncode == 2
    assert home.bgzero("config", "get", "folder.7.inbox").returncode == 78


def test_model_that_nobody_knows_and_what_would_not_start_are_refused(home: Home, file: Path) -> None:
    """No card of that name; a former key beside its new one in a file of an older version: the file is as it was."""
    done = home.bgzero("config", "set", "model.name", "no-such")
    assert done.returncode == 1
    assert b"There is no model no-such" in done.stderr
    assert not file.exists()
    file.parent.mkdir(parents=True)
    file.write_text("[worker]\nmegapixels = 30\n")
    done = home.bgzero("config", "set", "worker.megapixels_in_work", "7")
    assert done.returncode == 78
    assert file.read_text() == "[worker]\nmegapixels = 30\n"
    assert home.bgzero("config", "set", "worker.lanes", "2").returncode == 0
    assert home.bgzero("config", "check").returncode == 0


def test_file_that_is_no_configuration_is_not_cut_short(home: Home, file: Path) -> None:
    """Beyond a megabyte it is refused, whole."""
    file.parent.mkdir(parents=True)
    file.write_text("# much\n" * 200_000 + "[log]\nlevel = 'debug'\n")
    before = file.read_bytes()
    for command in (["set", "worker.lanes", "2"], ["migrate"]):
        done = home.bgzero("config", *command)
        assert done.returncode == 78
        assert b"File too large" in done.stderr
    assert file.read_bytes() == before


@pytest.mark.parametrize("text", ["a = " + "[" * 3000, "a = " + "9" * 5000, ".".join("a" * 5000) + " = 1"])
def test_toml_beyond_reason_is_told_like_any_other(home: Home, file: Path, text: str) -> None:
    """A sentence, no mistake of ours."""
    file.parent.mkdir(parents=True)
    file.write_text(text)
    done = home.bgzero("config", "check")
    assert done.returncode == 78, done.stderr
    assert len(done.stderr) < 2000
