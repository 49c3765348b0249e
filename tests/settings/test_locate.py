"""The line of a key in a TOML text."""

import pytest

from bgzero_daemon.settings.locate import Loc, line_of

TEXT = """\
# model.name = "commented"
title = "x"

[model]
name = "a"
"quoted key" = 1
  indented = 2

[ spaced . table ]
key=3
a.b = 4
'literal'.c = 5

[[folder]]
inbox = "/a = b"
outbox = "[x]"

[[folder]]  # the second
inbox = "/c"

[folder.deep]
key = 1

[[other.list]]
key = 1
"""


@pytest.mark.parametrize(
    ("loc", "line"),
    [
        (("title",), 2),
        (("model",), 4),
        (("model", "name"), 5),
        (("model", "quoted key"), 6),
        (("model", "indented"), 7),
        (("model", "missing"), 4),
        (("spaced", "table", "key"), 10),
        (("spaced", "table", "a", "b"), 11),
        (("spaced", "table", "literal", "c"), 12),
        (("folder", 0), 14),
        (("folder", 0, "inbox"), 15),
        (("folder", 0, "outbox"), 16),
        (("folder", 0, "missing"), 14),
        (("folder", 1), 18),
        (("folder", 1, "inbox"), 19),
        (("folder", 1, "outbox"), 18),
        (("other", "list", 0, "key"), 25),
        (("nothing",), None),
        (("nothing", "at", "all"), None),
        ((), None),
    ],
)
def test_line_of_every_kind_of_key(loc: Loc, line: int | None) -> None:
    """The deepest part that stands in the text; None where no part does."""
    assert line_of(TEXT, loc) == line


def test_first_of_two_equal_keys_is_named() -> None:
    """A key that stands twice is no TOML, but the line has to be a line of it."""
    assert line_of("a = 1\na = 2\n", ("a",)) == 1


def test_key_of_an_inline_table_is_found_at_its_table() -> None:
    """The line is right where the key itself cannot be seen."""
    assert line_of('[x]\ny = 1\n\n[z]\nmodel = { nmae = "x" }\n', ("z", "model", "nmae")) == 5


@pytest.mark.parametrize("text", ["", "\n\n", "no toml at all", "[[[", "= = =", "[]\n[[]]\n", "\x00"])
def test_any_text_is_read_without_an_error(text: str) -> None:
    """Only a line is asked for: what is no TOML has none."""
    assert line_of(text, ("model", "name")) is None


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_lines_are_counted_as_editors_count_them(newline: str) -> None:
    """Files from Windows have the same lines."""
    assert line_of(newline.join(("# one", "[model]", "name = 1")), ("model", "name")) == 3
