"""The daemon's log as a bug report carries it: what happened, without the names that it happened to."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from bgzero_daemon.cli.veil import LEFT_OUT, Veil
from bgzero_daemon.core.texts import everywhere, pattern

_TEXT = re.compile(r"((?:\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d) (DEBUG|INFO|WARNING|ERROR|CRITICAL)\s+(.*)")
_JOB = re.compile(r"(\d{5}) (.*)")
# What was decided about a job, whose lines are the same in every language.
_DECIDED = re.compile(r"(?:\d{5} )?(.+): (?:done, |failed\. |skipped\. |given up for now\. |the same content again)")
# Sentences that name photos, and how many of what they name those are.
_NAMED = {
    "%s: waits, %s.": 1,
    "%s: is still being written; left for the next time.": 1,
    "%s: its cut-out was finished before and is kept.": 1,
    "%s stays where it is: %s.": 1,
    "%s stays where it is: its cut-out is not as it was published.": 1,
    "%s was renamed to %s; nothing is cut again.": 2,
    "The card %s: %s": 1,
}
_ROOTS = "Drop photos into %s; the cut-outs appear in %s."
_FRAME = re.compile(r'\s*File "([^"]*)", line (\d+), in (\S+)')
_RAISED = re.compile(r"([A-Za-z_][\w.]*(?:Error|Exception|Interrupt))(?::.*)?$")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log. `head` is what cannot hold a name: time and level."""

    head: str
    message: str
    is_detail: bool = False


def read(lines: Sequence[str]) -> list[Entry]:
    """Take lines apart, of either form; tracebacks by their frames."""
    return [entry for line in lines for entry in _read(line)]


def _read(line: str) -> list[Entry]:
    if line.startswith("{"):
        try:
            return _from_json(json.loads(line))
        except (ValueError, AttributeError):
            return []
    if match := _TEXT.fullmatch(line):
        return [Entry(f"{match[1]} {match[2]:7} ", match[3], match[2] == "DEBUG")]
    return [Entry(told, "") for told in _traceback(line)]


def _from_json(told: dict[str, object]) -> list[Entry]:
    level = str(told.get("level", "")).upper()[:8]
    time = re.sub(r"[^\w:.+-]", "", str(told.get("time", "")))[:40]
    frames = [Entry(frame, "") for line in str(told.get("exception", "")).split("\n") for frame in _traceback(line)]
    return [Entry(f"{time} {level:7} ", str(told.get("message", "")), level == "DEBUG"), *frames]


def of_journal(text: str) -> list[Entry]:
    """Take apart what `journalctl -o json` printed."""
    entries: list[Entry] = []
    for line in text.splitlines():
        try:
            told = json.loads(line)
        except ValueError:
            continue
        message = told.get("MESSAGE")
        if not isinstance(message, str):  # bytes that were no text, or too long for it
            continue
        if message.startswith("{") or _traceback(message):
            entries += _read(message)
        elif not message.startswith(" "):
            priority = str(told.get("PRIORITY", "6"))[:1]
            entries.append(Entry(f"<{priority}> ", message, priority == "7"))
    return entries


def _traceback(line: str) -> list[str]:
    """Return what of a traceback's line holds no name: where in the program, and the kind of error."""
    if match := _FRAME.match(line):
        return [f'  File "{"/".join(match[1].split("/")[-2:])}", line {match[2]}, in {match[3]}']
    if match := _RAISED.match(line):
        return [match[1]]
    return ["Traceback"] if line.startswith("Traceback (most recent call last)") else []


def learn(entries: Sequence[Entry], veil: Veil) -> None:
    """Take note of the folders and photos that the log itself names, whatever language the daemon spoke."""
    roots = [pattern(form) for form in everywhere(_ROOTS)]
    named = [(pattern(form), count) for sentence, count in _NAMED.items() for form in everywhere(sentence)]
    for entry in entries:
        for shape in roots:
            if match := shape.fullmatch(entry.message):
                veil.know_root(match[1])
                veil.know_root(match[2])
    for entry in entries:
        for shape, count in ((_DECIDED, 1), *named):
            if match := shape.match(entry.message):
                for name in match.groups()[:count]:
                    veil.know(name)


def cover(entries: Sequence[Entry], veil: Veil) -> list[str]:
    """Return the lines without names. Details (-v) may hold a name in any form, and are left out."""
    messages = veil.cover([entry.message for entry in entries])
    lines = []
    for entry, message in zip(entries, messages, strict=True):
        job = _JOB.match(message)
        is_unknown = job is not None and not re.match(r"(?:folder-\d+/)*photo-\d+", job[2])
        shown = f"{job[1]} {LEFT_OUT}" if job and is_unknown else message
        lines.append(entry.head + (LEFT_OUT if entry.is_detail else shown))
    return lines
