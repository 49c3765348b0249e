"""One key of a configuration's text is changed, and nothing else."""

import difflib
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgzero_daemon.core import paths
from bgzero_daemon.core.errors import ConfigError
from bgzero_daemon.settings.edit import Value, put_in, take_out
from bgzero_daemon.settings.load import put
from bgzero_daemon.settings.schema import Config

SHIPPED = paths.shipped("config", "config.toml").read_text(encoding="utf-8")
KEYS = [
    (table, key) for table, values in Config().model_dump(exclude={"folder", "version"}).items() for key in values
]  # fmt: skip
FOLDERS = '[[folder]] # one\ninbox = "/a" # kept\noutbox = "/b"\n\n[[folder]]\ninbox = \'/c\'\noutbox = "/d"\n'
TEXTS = [
    SHIPPED,
    "",
    "# mine\n",
    "[model]\nname = 'x' # why\n\n[watch]\n  poll_seconds = 2 # indented\n",
    'model.name = "x" # dotted\nwatch.poll_seconds = 2\n',
    'model = {name = "x"} # inline\n',
    "[log]",
    '[model]\r\n# windows\r\nname = "x"\r\n',
    'model.name = """\n[watch]\n#poll_seconds = 3\n""" # over lines\n[log]\nlevel = "info"\n',
]
VALUES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.booleans(),
    st.integers(-(10**12), 10**12),
    st.floats(allow_nan=False, allow_infinity=False),
)


def changed(before: str, after: str) -> list[str]:
    """The lines that differ."""
    # by \n alone: a value may hold other line ends, escaped or not
    lines = difflib.ndiff(before.split("\n"), after.split("\n"))
    return [line for line in lines if line.startswith(("+", "-")) and line[2:].strip()]


@given(st.sampled_from(TEXTS), st.sampled_from(KEYS), VALUES)
def test_any_value_of_any_key_is_read_back_and_all_other_lines_stay(
    text: str, loc: tuple[str, str], value: Value
) -> None:
    """Whatever form the file has: what is read is what was there, but for this one key."""
    wanted = tomllib.loads(text)
    assert put(wanted, loc, value)
    after = put_in(text, loc, value)
    read = tomllib.loads(after)
    assert read == wanted
    assert type(read[loc[0]][loc[1]]) is type(value)
    if '"""' not in text:
        assert len([line for line in changed(text, after) if line.startswith("-")]) <= 1
    for comment in ("# mine", "# why", "# indented", "# dotted", "# inline", "# windows", "# over lines"):
        assert (comment in after) == (comment in text)
    assert tomllib.loads(put_in(after, loc, "again")) == {**wanted, loc[0]: {**wanted[loc[0]], loc[1]: "again"}}


@given(st.sampled_from(KEYS), VALUES)
def test_key_of_the_commented_file_is_put_below_its_default_and_taken_out_without_a_trace(
    loc: tuple[str, str], value: Value
) -> None:
    """One line more, where a reader looks for it; and back again."""
    after = put_in(SHIPPED, loc, value)
    lines = after.split("\n")
    (added,) = [number for number, line in enumerate(lines) if line.startswith(f"{loc[1]} = ")]
    assert lines[added - 1].startswith(f"#{loc[1]} = ")
    assert lines[:added] + lines[added + 1 :] == SHIPPED.split("\n")
    assert take_out(after, loc) == SHIPPED


@given(st.integers(0, 2), st.sampled_from(["inbox", "model"]), VALUES)
def test_folders_are_told_apart_by_their_number(number: int, key: str, value: Value) -> None:
    """`folder.1.model` is the second's, a third one is begun at the end, and the comments stay."""
    after = tomllib.loads(put_in(FOLDERS, ("folder", number, key), value))
    wanted = tomllib.loads(FOLDERS)
    assert put(wanted, ("folder", number, key), value)
    assert after == wanted
    assert "# kept" in put_in(FOLDERS, ("folder", number, key), value)


def test_first_folder_takes_the_commented_example_into_use() -> None:
    """Three lines, each below its own comment."""
    text = put_in(put_in(SHIPPED, ("folder", 0, "inbox"), "/in"), ("folder", 0, "outbox"), "/out")
    lines = text.splitlines()
    for line in ("[[folder]]", 'inbox = "/in"', 'outbox = "/out"'):
        assert lines[lines.index(line) - 1].startswith("#" + line.split('"', maxsplit=1)[0])
    assert tomllib.loads(text)["folder"] == [{"inbox": "/in", "outbox": "/out"}]


@pytest.mark.parametrize("loc", [("folder", 3, "inbox"), ("model", "name", "x"), ("folder", "inbox")])
def test_key_that_has_no_place_is_refused(loc: tuple[str | int, ...]) -> None:
    """A folder beyond the next one, a key inside a text."""
    with pytest.raises(ConfigError):
        put_in('[model]\nname = "x"\n' + FOLDERS, loc, "x")


@pytest.mark.parametrize("text", ["", "[model]\n", 'name = "x"\n', SHIPPED])
def test_key_that_is_not_there_cannot_be_taken_out(text: str) -> None:
    """None, and no line of another table is taken for it."""
    assert take_out(text, ("model", "name")) is None
