"""`bgzero doctor`: what is wrong here, and what to type about it."""

import argparse
import difflib
import logging
import os
import sys
from collections.abc import Sequence

from bgzero_daemon import __version__
from bgzero_daemon.cli.steer import print_json
from bgzero_daemon.core.columns import padded
from bgzero_daemon.core.errors import Exit, UsageError
from bgzero_daemon.core.names import display_line
from bgzero_daemon.core.texts import _, n_
from bgzero_daemon.doctor.examination import examine
from bgzero_daemon.doctor.findings import NAMES, Entry, Verdict
from bgzero_daemon.doctor.ground import Ground

_COLOURS = {Verdict.OK: "32", Verdict.NOTE: "33", Verdict.WRONG: "1;31", Verdict.SKIPPED: "2"}
_MARKS = {
    Verdict.OK: _("ok"), Verdict.NOTE: _("note"), Verdict.WRONG: _("WRONG"), Verdict.SKIPPED: _("skipped"),
}  # fmt: skip


def doctor(arguments: argparse.Namespace) -> int:
    """Look at everything, say what was found, and exit 1 where something is wrong."""
    if not arguments.verbose:
        logging.getLogger().setLevel(logging.ERROR)  # what the worker has to say is found out anyway
    entries = examine(Ground(arguments.config, os.environ), _names(arguments.only))
    count = sum(entry.finding.verdict is Verdict.WRONG for entry in entries)
    if arguments.json:
        checks = [_as_json(entry) for entry in entries]
        print_json({"version": __version__, "wrong": count, "checks": checks})
    else:
        is_colourful = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        for entry in entries:
            _show(entry, is_colourful=is_colourful)
        print(n_("{count} thing is wrong.", "{count} things are wrong.", count) if count else _("Nothing is wrong."))
    return Exit.FAILURE if count else Exit.OK


def _names(asked: Sequence[str]) -> Sequence[str]:
    """Return the checks that are asked for, all of them where none is. Raises UsageError for one that is none."""
    for name in asked:
        if name not in NAMES:
            nearest = difflib.get_close_matches(name, NAMES, n=1)
            hint = _("Did you mean {name}?").format(name=nearest[0]) if nearest else ", ".join(NAMES)
            raise UsageError(_("There is no check {name}.").format(name=display_line(name)), hint=hint)
    return [name for name in NAMES if name in asked] if asked else NAMES


def _show(entry: Entry, *, is_colourful: bool) -> None:
    """Print a finding; what a person types stands in a line of its own."""
    verdict = entry.finding.verdict
    mark = padded(_MARKS[verdict], 7)
    if is_colourful:
        mark = f"\033[{_COLOURS[verdict]}m{mark}\033[0m"
    print(f"{mark} {entry.name}: {display_line(entry.finding.sentence)}")
    for label, text in ((_("remedy"), entry.finding.remedy), (_("about it"), entry.finding.explanation)):
        if text:
            print(f"  {_('{label}:').format(label=label)} {display_line(text)}")


def _as_json(entry: Entry) -> dict[str, str]:
    finding = entry.finding
    return {
        "name": entry.name, "verdict": finding.verdict.value, "sentence": display_line(finding.sentence),
        "remedy": finding.remedy, "explanation": finding.explanation,
    }  # fmt: skip
