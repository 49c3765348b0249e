"""What a check found: a verdict, one sentence, and where something is amiss a command that repairs it."""

from dataclasses import dataclass
from enum import StrEnum

NAMES = (
    "configuration", "folders", "space", "watches", "filesystems", "models", "memory", "runtime", "packages",
    "extras", "provider", "sandbox", "network", "unit", "socket", "daemon", "ledger", "tray", "notifications",
    "integration", "clock",
)  # fmt: skip


class Verdict(StrEnum):
    """NOTE: it works, and could be better. WRONG: something does not work. SKIPPED: it could not be looked at."""

    OK = "ok"
    NOTE = "note"
    WRONG = "wrong"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check has to say.

    `remedy` is a line for a shell, complete as it stands; "" where there is nothing to repair. `explanation` is
    what a person may want to know before typing it.
    """

    verdict: Verdict
    sentence: str
    remedy: str = ""
    explanation: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A finding under the stable name of the check that made it."""

    name: str
    finding: Finding


def ok(sentence: str) -> Finding:
    """Say that all is well."""
    return Finding(Verdict.OK, sentence)


def skipped(sentence: str) -> Finding:
    """Say why something was not looked at."""
    return Finding(Verdict.SKIPPED, sentence)


def note(sentence: str, remedy: str = "", explanation: str = "") -> Finding:
    """Say what could be better."""
    return Finding(Verdict.NOTE, sentence, remedy, explanation)


def wrong(sentence: str, remedy: str = "", explanation: str = "") -> Finding:
    """Say what does not work."""
    return Finding(Verdict.WRONG, sentence, remedy, explanation)


class CannotLook(Exception):
    """A check cannot look at what it is about, because something else is amiss; the message says what."""
