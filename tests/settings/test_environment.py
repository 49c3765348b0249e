"""Flag, then environment, then file, then default."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from bgzero_daemon.core.errors import ConfigError
from bgzero_daemon.core.recipe import Depth, Edges, Metadata, NoSubject, OnCheck, Png

from .test_load import complaint, loaded

TWO_FOLDERS = '[[folder]]\ninbox = "/a"\noutbox = "/b"\n[[folder]]\ninbox = "/c"\noutbox = "/d"\n'


def places(folder: Path, text: str, environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return every inbox and outbox."""
    return [(str(entry.inbox), str(entry.outbox)) for entry in loaded(folder, text, environ).config.folder]


def test_nearer_source_wins_and_is_named_as_the_origin(tmp_path: Path) -> None:
    """One value from each place, and one in all of them."""
    text = '[model]\nname = "file"\nprovider = "cpu"\n[worker]\nlanes = 1\n'
    environ = {"BGZERO_MODEL__NAME": "environment", "BGZERO_WORKER__LANES": "2"}
    found = loaded(tmp_path, text, environ, {"model.name": "flag"})
    assert (found.config.model.name, found.config.model.provider) == ("flag", "cpu")
    assert (found.config.worker.lanes, found.config.worker.queue) == (2, 64)
    assert found.origins == {
        "model.name": "--model",
        "model.provider": "file:3",
        "worker.lanes": "BGZERO_WORKER__LANES",
    }
    assert loaded(tmp_path, text, environ).config.model.name == "environment"
    assert loaded(tmp_path, text).config.model.name == "file"
    assert loaded(tmp_path, "").config.model.name == "auto"


@pytest.mark.parametrize(
    ("variable", "value", "table", "key", "wanted"),
    [
        ("BGZERO_MODEL__PROVIDER", "cpu", "model", "provider", "cpu"),
        ("BGZERO_WATCH__SETTLE_SECONDS", "0.5", "watch", "settle_seconds", 0.5),
        ("BGZERO_WATCH__RESCAN_SECONDS", "60", "watch", "rescan_seconds", 60.0),
        ("BGZERO_WORKER__QUEUE", "7", "worker", "queue", 7),
        ("BGZERO_LIMITS__MEGAPIXELS", "12.5", "limits", "megapixels", 12.5),
        ("BGZERO_OUTPUT__METADATA", "none", "output", "metadata", Metadata.NONE),
        ("BGZERO_OUTPUT__PNG", "small", "output", "png", Png.SMALL),
        ("BGZERO_OUTPUT__EDGES", "best", "output", "edges", Edges.BEST),
        ("BGZERO_OUTPUT__DEPTH", "16", "output", "depth", Depth.SIXTEEN),
        ("BGZERO_OUTPUT__NO_SUBJECT", "publish", "output", "no_subject", NoSubject.PUBLISH),
        ("BGZERO_OUTPUT__CHECK", "review", "output", "check", OnCheck.REVIEW),
        ("BGZERO_LOG__LEVEL", "debug", "log", "level", "debug"),
    ],
)
def test_every_kind_of_value_can_come_from_the_environment(
    tmp_path: Path, variable: str, value: str, table: str, key: str, wanted: object
) -> None:
    """Text becomes number, word or policy as the schema asks."""
    found = loaded(tmp_path, "", {variable: value})
    assert getattr(getattr(found.config, table), key) == wanted
    assert found.origins == {f"{table}.{key}": variable}


def test_first_folder_can_be_named_without_a_number(tmp_path: Path) -> None:
    """BGZERO_FOLDER__INBOX is the first folder's, with and without a file."""
    named = {"BGZERO_FOLDER__INBOX": "/x", "BGZERO_FOLDER__OUTBOX": "/y", "BGZERO_FOLDER__RECURSIVE": "false"}
    assert places(tmp_path, "", named) == [("/x", "/y")]
    assert loaded(tmp_path, "", named).config.folder[0].recursive is False
    assert places(tmp_path, TWO_FOLDERS, {"BGZERO_FOLDER__INBOX": "/x"}) == [("/x", "/b"), ("/c", "/d")]


def test_folders_can_be_named_by_number(tmp_path: Path) -> None:
    """BGZERO_FOLDER__1__OUTBOX is the second folder's; the others stay as the file has them."""
    found = loaded(tmp_path, TWO_FOLDERS, {"BGZERO_FOLDER__1__OUTBOX": "/x"})
    assert [str(folder.outbox) for folder in found.config.folder] == ["/b", "/x"]
    assert found.origins["folder.1.outbox"] == "BGZERO_FOLDER__1__OUTBOX"
    assert found.origins["folder.0.outbox"] == "file:3"
    added = {"BGZERO_FOLDER__2__INBOX": "/x", "BGZERO_FOLDER__2__OUTBOX": "/y"}
    assert places(tmp_path, TWO_FOLDERS, added) == [("/a", "/b"), ("/c", "/d"), ("/x", "/y")]


@pytest.mark.parametrize("first", ["BGZERO_FOLDER__", "BGZERO_FOLDER__0__"])
def test_several_folders_can_be_named_without_a_file(tmp_path: Path, first: str) -> None:
    """In whatever order the variables come, each folder gets its own."""
    environ = {
        f"{first}INBOX": "/a",
        f"{first}OUTBOX": "/b",
        "BGZERO_FOLDER__1__INBOX": "/c",
        "BGZERO_FOLDER__1__OUTBOX": "/d",
    }
    assert places(tmp_path, "", environ) == [("/a", "/b"), ("/c", "/d")]
    assert places(tmp_path, "", dict(reversed(environ.items()))) == [("/a", "/b"), ("/c", "/d")]


def test_more_than_ten_folders_keep_their_numbers(tmp_path: Path) -> None:
    """The tenth is not the second: numbers are compared as numbers."""
    environ = {f"BGZERO_FOLDER__{n}__{key}": f"/{key.lower()}{n}" for n in range(12) for key in ("INBOX", "OUTBOX")}
    assert places(tmp_path, "", environ) == [(f"/inbox{n}", f"/outbox{n}") for n in range(12)]


@pytest.mark.parametrize(
    ("variable", "key", "nearest"),
    [
        ("BGZERO_MODEL__NMAE", "model.nmae", " Did you mean name?"),
        ("BGZERO_MODLE__NAME", "modle", " Did you mean model?"),
        ("BGZERO_FOLDER__INBX", "folder.0.inbx", " Did you mean inbox?"),
        ("BGZERO_ZZZZ__QQQQ", "zzzz", ""),
    ],
)
def test_unknown_variable_is_told_with_the_nearest_key(tmp_path: Path, variable: str, key: str, nearest: str) -> None:
    """A variable that nothing reads would be a setting that silently does nothing."""
    said = complaint(tmp_path, TWO_FOLDERS, {variable: "x"}).splitlines()
    assert f"{variable}: {key}: unknown key.{nearest}" in said


@pytest.mark.parametrize(
    "variable", ["BGZERO_MODEL__NAME__MORE", "BGZERO_FOLDER__FIRST__INBOX", "BGZERO_FOLDER__0", "BGZERO_MODEL__0__NAME"]
)
def test_variable_that_fits_nowhere_is_a_mistake(tmp_path: Path, variable: str) -> None:
    """Too deep, or no number where one belongs: it is told, never passed over."""
    text = f'{TWO_FOLDERS}[model]\nname = "u2net"\n'
    assert variable in complaint(tmp_path, text, {variable: "x"})


def test_wrong_value_in_the_environment_is_told_by_its_variable(tmp_path: Path) -> None:
    """The file is not blamed for it, and its line is not named."""
    said = complaint(tmp_path, "[worker]\nlanes = 2\n", {"BGZERO_WORKER__LANES": "many"})
    assert said.startswith("BGZERO_WORKER__LANES: worker.lanes: ")
    assert "FILE" not in said


def test_mistake_of_the_file_is_not_blamed_on_the_environment(tmp_path: Path) -> None:
    """Where a file writes a word in place of a table, its line is named though a variable sets a key of it."""
    said = complaint(tmp_path, 'model = "x"\n', {"BGZERO_MODEL__NAME": "u2net"})
    assert said.startswith("FILE:1: model: ")


def test_other_variables_are_none_of_its_business(tmp_path: Path) -> None:
    """Names of other programs, and BGZERO_ without a table, are passed over."""
    environ = {"HOME": "/x", "BGZEROX_MODEL__NAME": "a", "BGZERO_CONFIG": "/nowhere", "MODEL__NAME": "b"}
    assert loaded(tmp_path, "", environ).origins == {}


def test_flags_name_the_first_folder(tmp_path: Path) -> None:
    """--inbox and --outbox beat file and environment, and leave a second folder alone."""
    environ = {"BGZERO_FOLDER__INBOX": "/e"}
    found = loaded(tmp_path, TWO_FOLDERS, environ, {"folder.0.inbox": "/f", "folder.0.outbox": "/g"})
    assert [(str(folder.inbox), str(folder.outbox)) for folder in found.config.folder] == [("/f", "/g"), ("/c", "/d")]
    assert (found.origins["folder.0.inbox"], found.origins["folder.0.outbox"]) == ("--inbox", "--outbox")


def test_wrong_flag_is_told_by_its_name(tmp_path: Path) -> None:
    """What was typed is what is complained about."""
    with pytest.raises(ConfigError, match=r"--model: model\.name: "):
        loaded(tmp_path, "", {}, {"model.name": ""})
