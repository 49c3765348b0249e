"""How sure a cut-out looks, and why not: words that go from the worker to people, the same everywhere."""

from enum import StrEnum

from bgzero_daemon.core.texts import _

REVIEW = "Review"
"""The folder below an outbox for what wants a look, where it has one of its own."""


class Confidence(StrEnum):
    """What is thought of a cut-out. Nobody but a person says that it is correct.

    UNKNOWN: it was cut before anybody asked. ACCEPTED: somebody said that it is well, and it is on its way out of the
    review folder. SEEN: somebody has looked at it since, and kept it or taken it away.
    """

    UNKNOWN = ""
    FINE = "fine"
    CHECK = "check"
    NO_SUBJECT = "no-subject"
    ACCEPTED = "accepted"
    SEEN = "seen"


class Doubt(StrEnum):
    """Why it is not FINE, in one word for programs."""

    NONE = ""
    NOTHING_FOUND = "nothing-found"
    SEE_THROUGH = "see-through"
    PASSES_DIFFER = "passes-differ"
    MODELS_DIFFER = "models-differ"


_WORDS: dict[str, str] = {
    Confidence.FINE: _("looks fine"), Confidence.CHECK: _("wants a look"), Confidence.NO_SUBJECT: _("no subject"),
    Confidence.ACCEPTED: _("looked at"), Confidence.SEEN: _("looked at"),
}  # fmt: skip
_REASONS: dict[str, str] = {
    Doubt.NOTHING_FOUND: _("nothing found"), Doubt.SEE_THROUGH: _("see-through inside"),
    Doubt.PASSES_DIFFER: _("the two passes disagree"), Doubt.MODELS_DIFFER: _("the two models disagree"),
}  # fmt: skip


def words_of(confidence: str, doubt: str = "") -> str:
    """Return it in words, with the reason where there is one; "" for what is not known, or a newer version's word."""
    return ": ".join(filter(None, [_WORDS.get(confidence, ""), reason_of(doubt)]))


def reason_of(doubt: str) -> str:
    """Return a doubt in words, "" for none."""
    return _REASONS.get(doubt, "")
