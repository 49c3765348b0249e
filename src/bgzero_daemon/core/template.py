"""Where a cut-out goes below its outbox and what it is called: a template of the configuration, filled with one photo.

What comes from a photo may hold anything (a camera's name is whatever a file says): it never makes a folder of its
own, never leads out, and is never hidden.
"""

import difflib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from string import Formatter

from bgzero_daemon.core.confidence import REVIEW
from bgzero_daemon.core.texts import _

MIRRORED = "{folder}/{stem}"
"""As in the inbox: what holds where nothing is said."""

FIELDS = ("stem", "ext", "date", "folder", "model", "camera")
_DATE = "%Y-%m-%d"
_DIRECTIVES = frozenset("YmdHMSyjbBaAVGu%")
_MOST_BYTES = 120  # of what comes from a photo, and of a folder's name twice as many
_UNKNOWN = "unknown"
_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f/\\:*?"<>|\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]')


class BadTemplate(ValueError):
    """One sentence that says what is wrong."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a template is filled with: `folder` and `name` are those of the photo below its inbox."""

    name: str
    folder: str
    date: datetime
    model: str
    camera: str


def check(template: str) -> str:
    """Return a template that can be filled. Raises BadTemplate."""
    if not template.strip():
        raise BadTemplate(_("it is empty; a photo's own name is {field}").format(field="{stem}"))
    if template.startswith(("/", "~")):
        raise BadTemplate(_("it begins with {first}, but cut-outs stay below the outbox").format(first=template[0]))
    for _literal, field, spec, conversion in _parsed(template):
        if field is not None:
            _check_field(field, spec or "", conversion)
    if not template.isprintable():
        raise BadTemplate(_("it has a character that cannot be seen"))
    _check_parts(_outline(template))
    return template


def _check_parts(parts: list[str]) -> None:
    if not parts[-1].strip():
        raise BadTemplate(_("it ends with a folder, and the cut-out has no name"))
    for part in parts:
        if part.strip() in (os.curdir, os.pardir):
            raise BadTemplate(_("{part} leads to another folder").format(part=part.strip()))
        if part.startswith("."):
            raise BadTemplate(_("{part} begins with a dot, which hides it").format(part=part))
    if parts[0] == REVIEW and len(parts) > 1:
        raise BadTemplate(_("the folder {folder} is for cut-outs that want a look").format(folder=REVIEW))


def _parsed(template: str) -> list[tuple[str, str | None, str | None, str | None]]:
    try:
        return list(Formatter().parse(template))
    except ValueError:
        raise BadTemplate(_("a brace has no other half; two of them stand for one")) from None


def _check_field(field: str, spec: str, conversion: str | None) -> None:
    if field not in FIELDS:
        near = difflib.get_close_matches(field, FIELDS, 1)
        known = ", ".join(FIELDS)
        raise BadTemplate(
            _("there is no {field}; did you mean {near}?").format(field=field, near=near[0])
            if near
            else _("there is no {field}; there are {known}").format(field=field or "{}", known=known)
        )
    if conversion or (spec and field != "date"):
        raise BadTemplate(_("{field} stands alone in its braces; a form is for date only").format(field=field))
    if field == "date" and (wrong := _wrong_directive(spec)):
        raise BadTemplate(_("a date has no {directive}").format(directive=wrong))


def _wrong_directive(spec: str) -> str:
    for found in re.finditer(r"%(.?)", spec):
        if found[1] not in _DIRECTIVES or not found[1]:
            return found[0]
    return next((brace for brace in "{}" if brace in spec), "")


def _outline(template: str) -> list[str]:
    """Return its parts, with a letter for each field; a date's own slashes make parts, too."""
    text = "".join(
        literal + ("" if field is None else re.sub(r"%.", "x", spec or "x") if field == "date" else "x")
        for literal, field, spec, _conversion in _parsed(template)
    )
    return text.split("/")


def fill(template: str, facts: Facts) -> tuple[str, str]:
    """Return the folder below the outbox ("" for itself) and the name without its suffix, for a template that is good.

    Each part of the folder is a name that a file system takes; the name may be too long (`core.names`). It never is
    the folder of cut-outs that want a look.
    """
    parts = [part for text in "".join(_filled(template, facts)).split("/") if (part := _shown(text))]
    if not parts:  # a template of a folder alone, of a photo that lies in none
        parts = [_shown(_stem(facts.name)) or _UNKNOWN]
    *folders, name = parts
    if folders and folders[0] == REVIEW:
        folders[0] = f"_{REVIEW}"
    return "/".join(_cut(folder, 2 * _MOST_BYTES) for folder in folders), name


def _filled(template: str, facts: Facts) -> Iterator[str]:
    for literal, field, spec, _conversion in _parsed(template):
        yield literal
        match field:
            case "stem":
                yield _stem(facts.name)
            case "ext":
                yield os.path.splitext(facts.name)[1][1:]
            case "date":
                yield facts.date.strftime(spec or _DATE)
            case "folder":
                yield facts.folder
            case "model":
                yield _clean(os.path.splitext(os.path.basename(facts.model))[0])
            case "camera":
                yield _clean(facts.camera)


def _stem(name: str) -> str:
    return os.path.splitext(name)[0]


def _clean(text: str) -> str:
    """Make one plain part of a name out of what a file says."""
    plain = " ".join(_UNSAFE.sub(" ", text).split()).strip(". ")
    return _cut(plain, _MOST_BYTES).strip(". ") or _UNKNOWN


def _shown(part: str) -> str:
    """Return a part that is not hidden, nor another folder: a dot at its beginning becomes a line."""
    return f"_{part[1:]}" if part.startswith(".") else part


def _cut(text: str, most_bytes: int) -> str:
    raw = os.fsencode(text)
    if len(raw) <= most_bytes:
        return text
    raw = raw[:most_bytes]
    while raw and (raw[-1] & 0xC0) == 0x80:  # never in the middle of a character
        raw = raw[:-1]
    return os.fsdecode(raw[:-1] if raw and raw[-1] >= 0xC0 else raw)
