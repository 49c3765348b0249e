"""Reading the configuration: mistakes are told with file, line and the nearest key; every value knows its origin."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import ValidationError

from bgzero_daemon.core.errors import ConfigError, Exit
from bgzero_daemon.core.recipe import Edges, Metadata, Png
from bgzero_daemon.settings.load import Loaded, config_path, load
from bgzero_daemon.settings.schema import Config


def loaded(
    folder: Path, text: str, environ: Mapping[str, str] | None = None, flags: Mapping[str, str] | None = None
) -> Loaded:
    """Load a text as the configuration file, with no environment but the given one."""
    file = folder / "config.toml"
    file.write_text(text, encoding="utf-8")
    return load(file, flags, environ or {})


def complaint(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> str:
    """Return what is said about a configuration with a mistake, the file's name left out."""
    with pytest.raises(ConfigError) as mistake:
        loaded(folder, text, environ)
    assert mistake.value.exit_code is Exit.BAD_CONFIG
    return str(mistake.value).replace(f"{folder / 'config.toml'}", "FILE")


def test_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    """Nothing said, nothing changed; no value claims an origin."""
    found = loaded(tmp_path, "")
    assert found.config.model_copy(update={"folder": ()}) == Config()
    assert found.origins == {}
    assert found.file == tmp_path / "config.toml"


@pytest.mark.parametrize(
    ("text", "line", "key", "nearest"),
    [
        ('[model]\nnmae = "u2net"\n', 2, "model.nmae", "name"),
        ("[watch]\n# a comment\n\nsettle = 2\n", 4, "watch.settle", "settle_seconds"),
        ('[modle]\nname = "u2net"\n', 1, "modle", "model"),
        ('[[folder]]\ninbox = "/a"\noutbox = "/b"\nrecursiv = true\n', 4, "folder.0.recursiv", "recursive"),
        (
            '[[folder]]\ninbox="/a"\noutbox="/b"\n[[folder]]\ninbox="/c"\noutbox="/d"\nmodle="x"\n',
            7,
            "folder.1.modle",
            "model",
        ),
        ('model.nmae = "u2net"\n', 1, "model.nmae", "name"),
        ('[limits]\nmegapixel = 5\n"megabyte" = 5\n', 2, "limits.megapixel", "megapixels"),
    ],
)
def test_unknown_key_is_told_with_file_line_and_nearest_key(
    tmp_path: Path, text: str, line: int, key: str, nearest: str
) -> None:
    """A typing mistake is found at once, and the way out stands beside it."""
    assert f"FILE:{line}: {key}: unknown key. Did you mean {nearest}?" in complaint(tmp_path, text).splitlines()


def test_key_unlike_any_other_gets_no_suggestion(tmp_path: Path) -> None:
    """A far-fetched suggestion would be worse than none."""
    assert complaint(tmp_path, "[log]\nzzzzqqqq = 1\n") == "FILE:2: log.zzzzqqqq: unknown key."


@pytest.mark.parametrize(
    ("text", "begins", "says"),
    [
        ('[worker]\nlanes = "many"\n', "FILE:2: worker.lanes: ", "'many'"),
        ("[worker]\nlanes = -1\n", "FILE:2: worker.lanes: ", "greater than or equal to 0"),
        ("[worker]\nlanes = 1.5\n", "FILE:2: worker.lanes: ", "1.5"),
        ("[worker]\nlanes = true\n", "FILE:2: worker.lanes: ", "should be a number"),
        ("[watch]\nsettle_seconds = 0\n", "FILE:2: watch.settle_seconds: ", "0.1"),
        ("[watch]\nsettle_seconds = nan\n", "FILE:2: watch.settle_seconds: ", "nan"),
        ("[limits]\nmegapixels = inf\n", "FILE:2: limits.megapixels: ", "10000"),
        ("[model]\nname = 5\n", "FILE:2: model.name: ", "string"),
        ('[model]\nname = ""\n', "FILE:2: model.name: ", "1 character"),
        ('[model]\nprovider = "gpu"\n', "FILE:2: model.provider: ", "there is no provider 'gpu'"),
        ('[output]\nmetadata = "all"\n', "FILE:2: output.metadata: ", "'safe'"),
        ('[output]\npng = "tiny"\n', "FILE:2: output.png: ", "'balanced'"),
        ('[output]\nedges = "fine"\n', "FILE:2: output.edges: ", "'refine'"),
        ("[output]\ndepth = 12\n", "FILE:2: output.depth: ", "'16'"),
        ("[output]\ndepth = true\n", "FILE:2: output.depth: ", "'16'"),
        ('[[folder]]\ninbox = "/a"\noutbox = "/b"\npng = "best"\n', "FILE:4: folder.0.png: ", "'small'"),
        ('[log]\nlevel = "INFO"\n', "FILE:2: log.level: ", "'info'"),
        ('model = "u2net"\n', "FILE:1: model: ", "'u2net'"),
        ('[[folder]]\ninbox = 3\noutbox = "/b"\n', "FILE:2: folder.0.inbox: ", "3"),
        ('[[folder]]\ninbox="/a"\noutbox="/b"\noriginals = "delete"\n', "FILE:4: folder.0.originals: ", "'keep'"),
        ('\n[[folder]]\ninbox = "/a"\n', "FILE:2: folder.0.outbox: ", "needed"),
        ('[folder]\ninbox = "/a"\noutbox = "/b"\n', "FILE:1: folder: ", ""),
    ],
)
def test_wrong_value_is_told_with_file_line_and_what_was_given(
    tmp_path: Path, text: str, begins: str, says: str
) -> None:
    """One line a mistake: where it stands, what is expected, what is there."""
    said = complaint(tmp_path, text)
    assert said.startswith(begins)
    assert says in said
    assert said.endswith(".")
    assert "\n" not in said


def test_every_mistake_is_found_in_one_go(tmp_path: Path) -> None:
    """Three mistakes, three lines."""
    said = complaint(tmp_path, '[model]\nnmae = "x"\n[worker]\nlanes = "x"\n[log]\nlevel = "loud"\n')
    assert [line.split(" ")[0] for line in said.splitlines()] == ["FILE:2:", "FILE:4:", "FILE:6:"]


def test_hostile_value_is_shown_harmless(tmp_path: Path) -> None:
    """A value with an escape sequence does nothing to the terminal that shows the complaint."""
    assert "\x1b" not in complaint(tmp_path, '[log]\nlevel = "\\u001b[31mred"\n')


def test_file_that_is_no_toml_is_told_with_its_line(tmp_path: Path) -> None:
    """The parser's own line and column are passed on, with the commonest cause as a hint."""
    with pytest.raises(ConfigError, match=r"is not valid TOML: .*line 2") as mistake:
        loaded(tmp_path, "[worker]\nlanes = many\n")
    assert "quotation marks" in mistake.value.hint


def test_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    """A picture or a UTF-16 file is no configuration."""
    (tmp_path / "config.toml").write_bytes(b"\xff\xfe[\0m\0")
    with pytest.raises(ConfigError, match="not UTF-8 text"):
        load(tmp_path / "config.toml", None, {})


def test_file_that_somebody_named_has_to_exist(tmp_path: Path) -> None:
    """By flag or by variable; a folder is no file."""
    missing = tmp_path / "none.toml"
    with pytest.raises(ConfigError, match=r"There is no configuration file .*none\.toml"):
        load(missing, None, {})
    with pytest.raises(ConfigError, match=r"none\.toml"):
        load(None, None, {"BGZERO_CONFIG": str(missing)})
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path, None, {})


def test_default_file_may_be_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has to write a file; one in the default place is read."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert load(None, None, {}).file is None
    (tmp_path / "bgzero").mkdir()
    (tmp_path / "bgzero" / "config.toml").write_text('[model]\nname = "u2net"\n')
    found = load(None, None, {})
    assert found.config.model.name == "u2net"
    assert found.file == tmp_path / "bgzero" / "config.toml"


def test_flag_names_the_file_before_the_variable(tmp_path: Path) -> None:
    """--config wins over BGZERO_CONFIG."""
    flag, variable = tmp_path / "flag.toml", str(tmp_path / "variable.toml")
    assert config_path(flag, {"BGZERO_CONFIG": variable}) == (flag, True)
    assert config_path(None, {"BGZERO_CONFIG": variable}) == (Path(variable), True)
    assert config_path(None, {})[1] is False


def test_home_is_filled_in_and_an_unknown_users_home_is_a_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """~ is the home folder; ~somebody who does not exist is told like any other wrong value."""
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = loaded(tmp_path, '[[folder]]\ninbox = "~/In"\noutbox = "~/Out"\n').config.folder[0]
    assert (folder.inbox, folder.outbox) == (tmp_path / "In", tmp_path / "Out")
    said = complaint(tmp_path, '[[folder]]\ninbox = "~no-such-user-7f3a/In"\noutbox = "/b"\n')
    assert said.startswith("FILE:2: folder.0.inbox: ")


def test_configuration_is_frozen(tmp_path: Path) -> None:
    """A change is a new Config: nothing can be assigned, in no table."""
    config = loaded(tmp_path, '[[folder]]\ninbox = "/a"\noutbox = "/b"\n').config
    with pytest.raises(ValidationError, match="frozen"):
        config.model.name = "other"
    with pytest.raises(ValidationError, match="frozen"):
        config.folder[0].recursive = False
    with pytest.raises(ValidationError, match="frozen"):
        config.folder = ()


def test_metadata_is_known_by_its_former_name(tmp_path: Path) -> None:
    """What was called "no-location" is "safe" now; files, variables and flags that say so go on."""
    found = loaded(tmp_path, '[output]\nmetadata = "no-location"\n')
    assert found.config.output.metadata is Metadata.SAFE
    assert load(None, None, {"BGZERO_OUTPUT__METADATA": "no-location"}).config.output.metadata is Metadata.SAFE


def test_values_of_the_file_arrive(tmp_path: Path) -> None:
    """Tables, several folders, and the line of each value as its origin."""
    found = loaded(
        tmp_path,
        '[output]\nmetadata = "none"\npng = "fast"\n[[folder]]\ninbox = "/a"\noutbox = "/b"\nmetadata = "keep"\n'
        '[[folder]]\ninbox = "/c"\noutbox = "/d"\nrecursive = false\npng = "small"\nedges = "off"\n',
    )
    assert found.config.output.metadata is Metadata.NONE
    assert [folder.metadata for folder in found.config.folder] == [Metadata.KEEP, None]
    assert found.config.output.png is Png.FAST
    assert [folder.png for folder in found.config.folder] == [None, Png.SMALL]
    assert found.config.output.edges is Edges.REFINE
    assert [folder.edges for folder in found.config.folder] == [None, Edges.OFF]
    assert [folder.recursive for folder in found.config.folder] == [True, False]
    assert found.origins == {
        "output.metadata": "file:2",
        "output.png": "file:3",
        "folder.0.inbox": "file:5",
        "folder.0.outbox": "file:6",
        "folder.0.metadata": "file:7",
        "folder.1.inbox": "file:9",
        "folder.1.outbox": "file:10",
        "folder.1.recursive": "file:11",
        "folder.1.png": "file:12",
        "folder.1.edges": "file:13",
    }
