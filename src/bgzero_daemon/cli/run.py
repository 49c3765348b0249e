"""`bgzero run`: watch the inboxes."""

import argparse
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from bgzero_daemon.catalog import choice, licences, shelf
from bgzero_daemon.cli import journal
from bgzero_daemon.core import paths
from bgzero_daemon.core.errors import UsageError
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _
from bgzero_daemon.settings import folders
from bgzero_daemon.settings.load import Loaded, config_path, load
from bgzero_daemon.settings.schema import Log

if TYPE_CHECKING:
    from bgzero_daemon.service.existing import Stock

log = logging.getLogger(__name__)

_ICON_SECONDS = 2.0  # for the icon to leave the panel


def run(arguments: argparse.Namespace) -> int:
    """Run the service until it is told to stop."""
    # before anything can go wrong, so that it is told where somebody looks
    journal.settle(Log(format="json" if arguments.json_logs else "text"), verbose=arguments.verbose)
    if bool(arguments.inbox) != bool(arguments.outbox):
        raise UsageError(_("--inbox and --outbox belong together: name both or none."))
    flags: dict[str, str] = {}
    if arguments.inbox:
        # what is typed is meant from here; what is written in a file has to be a full path
        flags |= {f"folder.0.{key}": os.path.abspath(getattr(arguments, key)) for key in ("inbox", "outbox")}
    if arguments.model:
        flags["model.name"] = arguments.model
        if arguments.accept_licence and arguments.model != choice.AUTO:
            licences.accept(shelf.find(arguments.model))
    if arguments.json_logs:
        flags["log.format"] = "json"

    def read() -> Loaded:
        return load(arguments.config, flags)

    loaded = read()
    journal.settle(loaded.config.log, verbose=arguments.verbose)
    if loaded.renamed:
        log.info(_("The configuration is of an older version; `bgzero config migrate` brings it forward."))
    for made in folders.prepare(loaded):
        log.info(_("Made %s."), display(made))

    from bgzero_daemon.service import app, chosen

    if loaded.config.model.name == choice.AUTO and _is_first() and (sentence := chosen.suggestion(loaded.config)):
        log.info("%s", sentence)

    can_ask = sys.stdin.isatty() and sys.stderr.isatty()
    file, _named = config_path(arguments.config, os.environ)
    source = app.Source(loaded, file, read, lambda wanted: journal.show_from(wanted, verbose=arguments.verbose))
    with _icon() if arguments.tray and not arguments.once else nullcontext():
        return app.run(source, once=arguments.once, ask=_ask if can_ask else None)


@contextmanager
def _icon() -> Iterator[None]:
    """Have the icon in the panel as long as the daemon runs: a process of its own, whose trouble is not ours.

    If this process is killed, the icon stays, as a client that says so and can start a daemon again.
    """
    command = [sys.executable, "-P", "-m", "bgzero_daemon", "tray", "--no-start"]
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    except OSError as error:
        log.warning(_("The icon cannot be started: %s."), error.strerror)
        yield
        return
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(_ICON_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _is_first() -> bool:
    """Say whether no daemon of this account has ever decided anything."""
    from bgzero_daemon.service.house import LEDGER

    folder = paths.state_dir()
    return folder is not None and not os.path.exists(folder / LEDGER)


def _ask(stock: "Stock") -> bool:
    """Ask on the terminal whether photos that are there already are to be cut; no answer means yes."""
    question = _(
        "Photos in {folder} already: {count}, about {minutes} min of work and {size} MB of cut-outs. Cut them?"
    )
    print(
        question.format(
            count=stock.photos,
            folder=display(stock.inbox),
            minutes=max(1, round(stock.seconds / 60)),
            size=max(1, round(stock.output_bytes / 1e6)),
        ),
        file=sys.stderr,
        end=" [Y/n] ",
        flush=True,
    )
    return not sys.stdin.readline().strip().lower().startswith("n")
