"""argparse in the user's language: its own words, and help whose lines end where the terminal does."""

import argparse
from typing import Any

from bgzero_daemon.core.texts import _

# It looks these up by gettext, in a catalogue of its own that nobody ships; one that is not here stays English.
WORDS = (
    _("usage: "), _("positional arguments"), _("options"), _("show this help message and exit"),
    _("%(prog)s: error: %(message)s\n"), _("argument %(argument_name)s: %(message)s"),
    _("the following arguments are required: %s"), _("unrecognized arguments: %s"), _("expected one argument"),
    _("expected at least one argument"), _("expected at most one argument"), _("not allowed with argument %s"),
    _("one of the arguments %s is required"), _("invalid %(type)s value: %(value)r"),
    _("invalid choice: %(value)r (choose from %(choices)s)"), _("ignored explicit argument %r"),
    _("ambiguous option: %(option)s could match %(matches)s"),
)  # fmt: skip


class Parser(argparse.ArgumentParser):
    """A parser whose help counts columns; its verbs are of this class, too."""

    def __init__(self, *positional: Any, **named: Any) -> None:  # noqa: ANN401 - argparse's, handed on
        super().__init__(*positional, **named)
        self.formatter_class = Help


class Help(argparse.HelpFormatter):
    """Breaks lines by columns where they are not all narrow."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        if text.isascii():
            return super()._split_lines(text, width)
        from bgzero_daemon.core.columns import wrapped  # late: for such help alone

        return wrapped(text, width)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.isascii():
            return super()._fill_text(text, width, indent)
        return "\n".join(indent + line for line in self._split_lines(text, width - len(indent)))


def teach() -> None:
    """Have argparse look its words up in our catalogue; gettext would look for each in folders, 2 ms in all."""
    argparse._ = _  # type: ignore[attr-defined]
