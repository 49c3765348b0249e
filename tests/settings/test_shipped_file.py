"""The commented configuration file and its JSON Schema say what the code says."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from bgzero_daemon.core import paths
from bgzero_daemon.settings.folders import write_commented_file
from bgzero_daemon.settings.load import load
from bgzero_daemon.settings.schema import Config, Folder, json_schema

FILE = paths.shipped("config", "config.toml")
TEXT = FILE.read_text(encoding="utf-8")
# "#key = value" and "#[[folder]]" are what a user uncomments; prose has a space behind the #.
UNCOMMENTED = re.sub(r"^#(?=[a-z_]+ = |\[\[)", "", TEXT, flags=re.MULTILINE)
KEYS = ("model", "metadata", "png", "edges", "depth", "no_subject", "check", "template", "pair")
EXAMPLES = {"inbox", "outbox", "done", *KEYS}
TABLES = {name: field.default for name, field in Config.model_fields.items() if name not in ("folder", "version")}


def test_file_as_it_ships_changes_nothing() -> None:
    """Every key is commented out, so the file alone gives the defaults."""
    assert load(FILE, None, {}).origins == {}
    assert Config.model_validate(tomllib.loads(TEXT)) == Config()


def test_uncommented_file_is_valid_and_names_every_key() -> None:
    """No key of the schema is missing, and none is there that the schema does not know."""
    tree = tomllib.loads(UNCOMMENTED)
    Config.model_validate(tree)
    assert tree.keys() == Config.model_fields.keys()
    for name, table in TABLES.items():
        assert tree[name].keys() == type(table).model_fields.keys(), name
    (folder,) = tree["folder"]
    assert folder.keys() == Folder.model_fields.keys()


@pytest.mark.parametrize("name", TABLES)
def test_every_value_in_the_file_is_the_default(name: str) -> None:
    """What the file shows is what holds when nothing is said."""
    table = TABLES[name]
    assert isinstance(table, BaseModel)
    assert tomllib.loads(UNCOMMENTED)[name] == table.model_dump(mode="json")


def test_folder_example_shows_defaults_and_existing_names() -> None:
    """Only the paths and what falls back on another table are examples, and those are that table's defaults."""
    (folder,) = tomllib.loads(UNCOMMENTED)["folder"]
    for key in folder.keys() - EXAMPLES:
        assert folder[key] == Folder.model_fields[key].default, key
    assert folder["model"] == Config().model.name
    assert folder["metadata"] == Config().output.metadata
    assert folder["png"] == Config().output.png
    assert folder["edges"] == Config().output.edges
    assert folder["depth"] == Config().output.depth
    assert folder["no_subject"] == Config().output.no_subject
    assert folder["check"] == Config().output.check
    assert folder["template"] == Config().output.template
    assert folder["pair"] == Config().watch.pair
    assert all(folder[key].startswith("~/") for key in ("inbox", "outbox", "done"))


def test_every_key_is_explained_above_it() -> None:
    """A key without a comment is a key nobody can set."""
    lines = TEXT.splitlines()
    keys = [number for number, line in enumerate(lines) if re.match(r"#[a-z_]+ = ", line)]
    assert len(keys) == len(Folder.model_fields) + sum(len(type(table).model_fields) for table in TABLES.values())
    for number in keys:
        assert lines[number - 1].startswith("# "), lines[number]
    assert not [line for line in lines if len(line) > 120]


@pytest.mark.parametrize("name", TABLES)
def test_ranges_that_the_comments_name_are_those_of_the_code(name: str) -> None:
    """Where the code has a lower and an upper bound, the comment above the key has both."""
    lines = TEXT.splitlines()
    for key, field in type(TABLES[name]).model_fields.items():
        bounds = {kind: getattr(rule, kind) for rule in field.metadata for kind in ("ge", "le") if hasattr(rule, kind)}
        if bounds.keys() == {"ge", "le"}:
            at = next(number for number, line in enumerate(lines) if line.startswith(f"#{key} = "))
            comment = re.search(r"(?:^# .*\n)+\Z", "\n".join(lines[:at]) + "\n", re.MULTILINE)
            assert comment
            assert f"({bounds['ge']:g} to {bounds['le']:g})" in comment[0], key


def test_json_schema_file_is_the_codes() -> None:
    """`make schema` was run."""
    shipped = json.loads(paths.shipped("config", "config.schema.json").read_text(encoding="utf-8"))
    assert shipped == json_schema()


def test_json_schema_refuses_unknown_keys_and_explains_every_one() -> None:
    """An editor can tell a typing mistake and show what a key is for."""
    schema = json_schema()
    definitions = schema["$defs"]
    assert isinstance(definitions, dict)
    assert schema["additionalProperties"] is False
    for name, definition in definitions.items():
        if definition["type"] == "object":
            assert definition["additionalProperties"] is False, name
            assert all("description" in key for key in definition["properties"].values()), name


def test_first_run_writes_the_file_once_and_never_over_another(tmp_path: Path) -> None:
    """The commented file arrives whole, in folders that are made; what is there already is left alone."""
    target = tmp_path / "deep" / "bgzero" / "config.toml"
    assert write_commented_file(target) == target
    assert target.read_text(encoding="utf-8") == TEXT
    target.write_text("# mine\n")
    assert write_commented_file(target) is None
    assert target.read_text() == "# mine\n"
    assert write_commented_file(None) is None


def test_place_that_cannot_be_written_is_no_reason_not_to_run(tmp_path: Path) -> None:
    """A file where a folder should be: the defaults hold without the file."""
    (tmp_path / "taken").write_text("")
    assert write_commented_file(tmp_path / "taken" / "config.toml") is None
