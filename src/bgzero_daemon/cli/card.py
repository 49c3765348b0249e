"""`bgzero import`: the new photos of a card or folder into an inbox, with and without a running daemon."""

import argparse
import os
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from bgzero_daemon.cards.importing import Importer, Outcome, Plan, memory, plan
from bgzero_daemon.cards.memory import Memory
from bgzero_daemon.cards.source import Card
from bgzero_daemon.cli.interrupts import end_on_sigterm
from bgzero_daemon.cli.progress import progress
from bgzero_daemon.cli.steer import print_json, seconds_of
from bgzero_daemon.core.errors import Exit, InboxError, UsageError
from bgzero_daemon.core.extras import to_bring
from bgzero_daemon.core.names import display, to_wire
from bgzero_daemon.core.shots import Pair
from bgzero_daemon.core.texts import _


def bring(arguments: argparse.Namespace) -> int:
    """Import what is new. Exit 4: some photos could not be copied; 1: the card or the inbox went away meanwhile."""
    end_on_sigterm()  # what is half done is undone
    umask = os.umask(0o077)
    os.umask(umask)
    inbox, pair = _inbox(arguments)
    card = Card(arguments.source)
    _check_apart(card, inbox)
    with memory(_say_waiting) as remembered:
        for note in remembered.notes:
            print(note, file=sys.stderr)
        importer = None if arguments.dry_run else Importer(inbox, remembered, umask=umask, is_again=arguments.again)
        since = _since(arguments.since, remembered, card)
        planned = plan(card, remembered, pair=pair, since=since, is_again=arguments.again)
        outcome = Outcome(failed=dict.fromkeys(planned.unreadable, _("this folder cannot be read")))
        if not arguments.json:
            print(_counted(planned))
        if importer and planned.new:
            _carry_out(planned, outcome, importer)
    return _tell(arguments, planned, outcome, inbox)


def _carry_out(planned: Plan, outcome: Outcome, importer: Importer) -> None:
    importer.check_room(planned)
    try:
        with progress(display(planned.card.name), planned.size_bytes) as shown:
            importer.carry_out(planned, outcome, _summed(shown.on_bytes, planned.size_bytes))
    except BaseException:  # the disk is full, the inbox is gone, Ctrl-C
        _say_rest(planned, outcome)
        raise


def _summed(on_bytes: Callable[[int, int | None], None], size_bytes: int) -> Callable[[int], None]:
    copied = 0

    def add(more: int) -> None:
        nonlocal copied
        copied += more
        on_bytes(min(copied, size_bytes), size_bytes)

    return add


def _inbox(arguments: argparse.Namespace) -> tuple[Path, Pair]:
    """Return the folder to import into, which is there, and which files of a shot. Raises BgzeroError."""
    pair = Pair(arguments.pair) if arguments.pair else Pair.JPEG
    if arguments.to:
        inbox = arguments.to
    else:
        from bgzero_daemon.settings.load import load

        loaded = load(arguments.config)
        inboxes = [folder.inbox for folder in loaded.config.folder]
        if len(inboxes) > 1:
            raise UsageError(
                _("There are several inboxes: {folders}.").format(folders=", ".join(map(display, inboxes))),
                hint=_("Name one with --to."),
            )
        if not inboxes:
            raise UsageError(_("There is no inbox."), hint=_("Name one with --to."))
        (inbox,) = inboxes
        if not arguments.pair:
            pair = to_bring(loaded.config.folder[0].pair or loaded.config.watch.pair)
        if loaded.has_default_folders:
            try:
                inbox.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InboxError(
                    _("{folder} cannot be made: {why}.").format(folder=display(inbox), why=error.strerror)
                ) from error
    if not os.path.isdir(inbox):
        raise InboxError(_("The inbox {folder} is not there.").format(folder=display(inbox)))
    return Path(os.path.realpath(inbox)), pair


def _check_apart(card: Card, inbox: Path) -> None:
    top = Path(card.named)
    if inbox.is_relative_to(top) or Path(card.top).is_relative_to(inbox):
        raise UsageError(
            _("{source} and the inbox {folder} lie in each other.").format(source=display(top), folder=display(inbox)),
            hint=_("Name a card or a folder outside the inbox."),
        )


def _since(text: str | None, remembered: Memory, card: Card) -> float | None:
    """Read a moment: a date, with a time too, a span that ends now, or the last import. Raises UsageError."""
    if text is None:
        return None
    if text == "last":
        newest = remembered.newest(card.identity)
        return None if newest is None else newest + 2.0  # moments are told by two seconds
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):  # or a year that clocks do not have
        pass
    try:
        return time.time() - seconds_of(text)
    except UsageError:
        raise UsageError(
            _("{text} is no moment; 2026-11-24, 2026-11-24T18:30, 1d, 12h and last are.").format(text=text)
        ) from None


def _say_waiting() -> None:
    print(_("Another import is running; waiting for that."), file=sys.stderr)


def _counted(planned: Plan) -> str:
    """Say how much is new and how much is not, in one line."""
    parts = [_("{count} new").format(count=len(planned.new)), _("{count} seen").format(count=planned.seen)]
    if planned.older:
        parts.append(_("{count} older").format(count=planned.older))
    size = _("{mb} MB").format(mb=round(planned.size_bytes / 1e6, 1))
    return f"{display(planned.card.name)}: {', '.join(parts)} ({size})"


def _say_rest(planned: Plan, outcome: Outcome) -> None:
    text = _("{count} of {all} photos were imported; the next import brings the rest.")
    print(text.format(count=outcome.imported, all=len(planned.new)), file=sys.stderr)


def _tell(arguments: argparse.Namespace, planned: Plan, outcome: Outcome, inbox: Path) -> int:
    if arguments.json:
        print_json(
            {
                "source": to_wire(planned.card.top),
                "card": planned.card.identity,
                "inbox": to_wire(inbox),
                "new": len(planned.new),
                "seen": planned.seen,
                "older": planned.older,
                "bytes": planned.size_bytes,
                "imported": outcome.imported,
                "known": outcome.known,
                "failed": {to_wire(path): why for path, why in outcome.failed.items()},
                "is_gone": outcome.is_gone,
            }
        )
    for path, why in outcome.failed.items():
        print(f"{display(path)}: {why}", file=sys.stderr)
    if outcome.is_gone:
        print(_("{card} was pulled out.").format(card=display(planned.card.name)), file=sys.stderr)
        _say_rest(planned, outcome)
        return Exit.FAILURE
    if not (arguments.json or arguments.dry_run) and planned.new:
        print(_("{count} photos are in {folder} now.").format(count=outcome.imported, folder=display(inbox)))
        if outcome.known:
            print(_("{count} were here already.").format(count=outcome.known))
    return Exit.SOME_FAILED if outcome.failed else Exit.OK
