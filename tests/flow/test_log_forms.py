"""The forms of a log line."""

import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgzero_daemon.cli.forms import JournalForm, JsonForm, TextForm

HOSTILE = "name\n2026-01-01 ERROR forged\r\x1b[31m\u202e\udcff"


def record(text: str, *, is_error: bool = False) -> logging.LogRecord:
    """A record, with the traceback of an error whose text is hostile too."""
    error = ValueError(text)
    told = (ValueError, error, error.__traceback__) if is_error else None
    return logging.LogRecord("bgzero", logging.ERROR, "", 0, "%s", (text,), told)


@given(st.text())
@pytest.mark.parametrize("form", [TextForm("%(message)s"), JsonForm(), JournalForm(TextForm("%(message)s"))])
def test_whatever_was_logged_is_one_printable_line(form: logging.Formatter, text: str) -> None:
    """No name of a file can forge a line, or steer a terminal."""
    for said in (text, HOSTILE):
        shown = form.format(record(said))
        assert len(shown.splitlines()) <= 1
        assert not set(shown) & set("\n\r\x1b\u202e\udcff")


def test_lines_of_a_traceback_are_printable_each() -> None:
    """Below the line as text, one field as JSON."""
    lines = TextForm("%(message)s").format(record(HOSTILE, is_error=True)).split("\n")
    assert lines[1].startswith("ValueError: name")
    assert all(line.isprintable() for line in lines)
    told = json.loads(JsonForm().format(record(HOSTILE, is_error=True)))
    assert told["exception"].startswith("ValueError: name")
    assert all(line.isprintable() for line in [told["message"], *told["exception"].split("\n")])
