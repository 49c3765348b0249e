"""Changing one key of a configuration's text and nothing else: comments, order and spelling stay.

Each way of writing the key is tried on the text and believed only when the result parses to exactly what was
meant: first the least change (one line, below the commented default where there is one), then tomlkit's.
"""

import re
import tomllib
from collections.abc import Callable, Iterator

import tomlkit
from tomlkit.exceptions import TOMLKitError

from bgzero_daemon.core.errors import ConfigError
from bgzero_daemon.core.texts import _
from bgzero_daemon.settings.load import put
from bgzero_daemon.settings.locate import Loc, line_of, table_at

Value = str | bool | int | float

_HEADER = re.compile(r"\s*\[")
_COMMENTED_HEADER = re.compile(r"#\s?\[\[?\s*([A-Za-z0-9_-]+)\s*\]\]?\s*$")


def put_in(text: str, loc: Loc, value: Value) -> str:
    """Return the text with this key set. Raises ConfigError where the text has no place for it."""
    wanted = tomllib.loads(text)
    if not put(wanted, loc, value):
        raise ConfigError(
            _("There is no place for {key} in this file.").format(key=".".join(map(str, loc))),
            hint=_("Tables of a kind are numbered from 0 without gaps: folder.0, folder.1."),
        )
    return _first_right(_ways_to_put(text, loc, value), wanted, loc)


def rename(text: str, loc: Loc, key: str) -> str:
    """Return the text with this key under another name in its place. Raises ConfigError where that cannot be done."""
    tree = tomllib.loads(text)
    table = table_at(tree, loc[:-1])
    table[key] = table.pop(str(loc[-1]))
    number = line_of(text, loc) or 1
    lines = text.splitlines(keepends=True)
    lines[number - 1] = re.sub(rf"(?<![\w-]){re.escape(str(loc[-1]))}(?![\w-])", key, lines[number - 1], count=1)
    return _first_right(iter([lambda: "".join(lines)]), tree, loc)


def take_out(text: str, loc: Loc) -> str | None:
    """Return the text without this key, None where it is not in it."""
    wanted = tomllib.loads(text)
    if not _is_in(wanted, loc):
        return None
    del table_at(wanted, loc[:-1])[str(loc[-1])]
    return _first_right(_ways_to_take(text, loc), wanted, loc)


def _first_right(ways: Iterator[Callable[[], str]], wanted: dict[str, object], loc: Loc) -> str:
    for way in ways:
        try:
            result = way()
            if tomllib.loads(result) == wanted:
                return result
        except (TOMLKitError, tomllib.TOMLDecodeError, LookupError, TypeError, ValueError):
            continue  # this way of writing does not fit this file
    raise ConfigError(
        _("{key} cannot be changed in this file by a command.").format(key=".".join(map(str, loc))),
        hint=_("Change it with an editor; `bgzero config check` looks it over."),
    )


def _is_in(tree: object, loc: Loc) -> bool:
    try:
        return loc[-1] in table_at(tree, loc[:-1])
    except LookupError:
        return False


def _ways_to_put(text: str, loc: Loc, value: Value) -> Iterator[Callable[[], str]]:
    if _is_in(tomllib.loads(text), loc):
        yield lambda: _with_replaced(text, loc, value)
        return
    line = f"{tomlkit.key(str(loc[-1])).as_string()} = {tomlkit.item(value).as_string()}"
    yield lambda: _with_line(text, loc, line)
    yield lambda: _with_table(text, loc, line)
    yield lambda: _with_appended(text, loc, line)
    yield lambda: _with_replaced(text, loc, value)


def _with_replaced(text: str, loc: Loc, value: Value) -> str:
    document = tomlkit.parse(text)
    table_at(document, loc[:-1])[str(loc[-1])] = value
    return tomlkit.dumps(document)


def _with_line(text: str, loc: Loc, line: str) -> str:
    """Put the line into its table: below its commented default, else below the table's head."""
    lines = text.splitlines(keepends=True)
    head = _head(text, loc[:-1]) if len(loc) > 1 else 0
    return _inserted(lines, _below_default(lines, head, str(loc[-1])), line)


def _with_table(text: str, loc: Loc, line: str) -> str:
    """Take the commented head of the table into use, and put the line below its commented default."""
    lines = text.splitlines(keepends=True)
    for number, given in enumerate(lines, 1):
        match = _COMMENTED_HEADER.match(given)
        if match and match[1] == loc[0]:
            lines = _inserted(lines, number, _head_line(loc)).splitlines(keepends=True)
            return _inserted(lines, _below_default(lines, number + 1, str(loc[-1])), line)
    raise LookupError(loc)


def _with_appended(text: str, loc: Loc, line: str) -> str:
    lines = text.splitlines(keepends=True)
    gap = [""] if lines and lines[-1].strip() else []
    for added in (*gap, _head_line(loc), line):
        lines = _inserted(lines, len(lines), added).splitlines(keepends=True)
    return "".join(lines)


def _head_line(loc: Loc) -> str:
    if len(loc) == 1:
        raise LookupError(loc)
    name = ".".join(tomlkit.key(part).as_string() for part in loc[:-1] if isinstance(part, str))
    return f"[[{name}]]" if isinstance(loc[-2], int) else f"[{name}]"


def _head(text: str, table: Loc) -> int:
    """Return the 1-based line of a table's head."""
    number = line_of(text, table)
    if number is None or not _HEADER.match(text.splitlines()[number - 1]):
        raise LookupError(table)
    return number


def _below_default(lines: list[str], head: int, key: str) -> int:
    """Return after which 1-based line a key belongs that stands nowhere below this head yet."""
    commented = re.compile(rf"#\s?{re.escape(key)}\s*=")
    for number in range(head, len(lines)):
        if _HEADER.match(lines[number]):
            break
        if commented.match(lines[number]):
            return number + 1
    return head


def _inserted(lines: list[str], after: int, line: str) -> str:
    ending = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
    before = lines[:after]
    if before and not before[-1].endswith("\n"):
        before[-1] += ending
    return "".join([*before, line + ending, *lines[after:]])


def _ways_to_take(text: str, loc: Loc) -> Iterator[Callable[[], str]]:
    number = line_of(text, loc)
    if number is not None:
        lines = text.splitlines(keepends=True)
        yield lambda: "".join(lines[: number - 1] + lines[number:])
    yield lambda: _with_deleted(text, loc)


def _with_deleted(text: str, loc: Loc) -> str:
    document = tomlkit.parse(text)
    del table_at(document, loc[:-1])[str(loc[-1])]
    return tomlkit.dumps(document)
