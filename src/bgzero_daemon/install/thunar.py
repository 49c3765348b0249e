"""Thunar's custom actions, `uca.xml`: one file for everybody's, of which only our action is ever touched.

Edited by byte offsets, so that all else stays byte for byte; what cannot be parsed is left alone. Ours is known by
its unique-id, which Thunar keeps when it writes the file anew.
"""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat
from xml.sax.saxutils import escape

from bgzero_daemon.install.desktop import APP_ID, CUT, label

EMPTY = b'<?xml version="1.0" encoding="UTF-8"?>\n<actions>\n</actions>\n'
_FIRST = re.compile(r"""\s*(?:'[^']*'|"[^"]*"|[^\s'"])+""")


@dataclass(slots=True)
class Action:
    """An action, from its first byte to the one after its last; `spans` are those of its children's contents."""

    start: int
    end: int = 0
    texts: dict[str, str] = field(default_factory=dict)
    spans: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def is_ours(self) -> bool:
        """Whether this program wrote it."""
        return self.texts.get("unique-id", "").strip() == APP_ID

    @property
    def program(self) -> Path | None:
        """The program that it starts; Thunar gives the command to a shell."""
        try:
            words = shlex.split(self.texts.get("command", ""))
        except ValueError:
            return None
        return Path(words[0]) if words else None


class _Reader:
    """Finds the actions of a file."""

    def __init__(self, raw: bytes) -> None:
        self.actions: list[Action] = []
        self.root = (0, 0)
        self._raw, self._path, self._starts = raw, [""], [0]
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.Parse(raw, True)

    def _start(self, name: str, _attributes: Mapping[str, str]) -> None:
        at = self._parser.CurrentByteIndex
        if not self._path[1:] and name != "actions":
            raise ValueError(name)
        self._path.append(name)
        self._starts.append(at)
        if self._path[2:] == ["action"]:
            self.actions.append(Action(at))
        elif self._path[2:3] == ["action"] and len(self._path) == 4:
            self.actions[-1].spans[name] = (self._raw.index(b">", at) + 1, 0)

    def _text(self, text: str) -> None:
        if self._path[2:3] == ["action"] and len(self._path) == 4:
            texts = self.actions[-1].texts
            texts[self._path[3]] = texts.get(self._path[3], "") + text

    def _end(self, name: str) -> None:
        at, end = self._tag(self._starts.pop())
        if self._path[2:] == ["action"]:
            self.actions[-1].end = end
        elif self._path[2:3] == ["action"] and len(self._path) == 4:
            self.actions[-1].spans[name] = (self.actions[-1].spans[name][0], at)
        elif len(self._path) == 2:
            self.root = (at, end)
        self._path.pop()

    def _tag(self, start: int) -> tuple[int, int]:
        """Return where the tag that has just ended an element begins and ends; an empty element has one tag only."""
        at = self._parser.CurrentByteIndex
        after_first = self._raw.index(b">", start) + 1
        if at == after_first and self._raw[at - 2 : at] == b"/>":
            return start, at
        return at, self._raw.index(b">", at) + 1


def names_us(raw: bytes) -> bool:
    """Say whether our action may be there: a file that cannot be parsed is nobody's business where it is not."""
    return APP_ID.encode() in raw


def find(raw: bytes) -> Action | None:
    """Return our action. Raises ValueError where the file is none of Thunar's."""
    return next((action for action in _read(raw).actions if action.is_ours), None)


def _read(raw: bytes) -> _Reader:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ValueError("UTF-16")
    try:
        return _Reader(raw)
    except expat.ExpatError as error:
        raise ValueError(str(error)) from error


def merge(raw: bytes, program: Path) -> bytes:
    """Return the file with our action in it, which starts this program. Raises ValueError.

    An action that is there keeps what somebody made of it, such as its name or an option, but for the program.
    """
    action = find(raw)
    if action is None:
        return _checked(raw, _insert(raw, _render(program)))
    if action.program == program:
        return raw
    start, end = action.spans.get("command", (0, 0))
    if end <= start:
        return merge(drop(raw), program)
    words = _FIRST.sub(lambda _found: shlex.quote(str(program)), action.texts["command"], count=1)
    return _checked(raw, raw[:start] + _encode(escape(words)) + raw[end:])


def drop(raw: bytes) -> bytes:
    """Return the file without our action. Raises ValueError."""
    action = find(raw)
    if action is None:
        return raw
    end = action.end + (raw[action.end : action.end + 1] == b"\n")
    return _checked(raw, raw[: action.start] + raw[end:])


def _insert(raw: bytes, block: bytes) -> bytes:
    at, end = _read(raw).root
    if raw[at : at + 2] == b"</":
        return raw[:at] + block + raw[at:]
    return raw[:at] + b"<actions>\n" + block + b"</actions>" + raw[end:]


def _render(program: Path) -> bytes:
    command = " ".join([shlex.quote(str(program)), *CUT, "%F"])
    fields = {"icon": APP_ID, "name": label(), "unique-id": APP_ID, "command": command, "patterns": "*"}
    lines = [f"\t<{name}>{escape(text)}</{name}>\n" for name, text in fields.items()]
    return _encode("".join(["<action>\n", *lines, "\t<image-files/>\n", "</action>\n"]))


def _encode(text: str) -> bytes:
    """Write a text so that it is the same in every encoding that the file may have."""
    return text.encode("ascii", "xmlcharrefreplace")


def _checked(before: bytes, after: bytes) -> bytes:
    """Return `after`, if it has every action of other people's that `before` has, byte for byte. Raises ValueError."""
    if _others(before) != _others(after):
        raise ValueError("other actions would change")
    return after


def _others(raw: bytes) -> list[bytes]:
    return [raw[action.start : action.end] for action in _read(raw).actions if not action.is_ours]
