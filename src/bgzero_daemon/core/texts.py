"""The one place where sentences meet their translation."""

import gettext

# English only for now: without a catalogue gettext hands every sentence back as it is.
_catalogue = gettext.NullTranslations()


def _(sentence: str) -> str:
    """Return `sentence` in the user's language, or as it is where no translation exists."""
    return _catalogue.gettext(sentence)


def n_(one: str, many: str, count: int) -> str:
    """Return the form of a sentence that fits `count`, with `{count}` filled in."""
    return _catalogue.ngettext(one, many, count).format(count=count)
