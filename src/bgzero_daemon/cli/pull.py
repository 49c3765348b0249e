"""`bgzero model pull`: the one command that may use a network."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bgzero_daemon import client
from bgzero_daemon.catalog import licences, offers, shelf
from bgzero_daemon.catalog.arrival import Part, arriving, is_right
from bgzero_daemon.catalog.card import Model
from bgzero_daemon.catalog.fetch import Fetcher, Report
from bgzero_daemon.catalog.supply import Broken, Supply
from bgzero_daemon.cli.interrupts import end_on_sigterm
from bgzero_daemon.cli.progress import progress
from bgzero_daemon.core import paths
from bgzero_daemon.core.errors import BgzeroError, Exit, ModelError, NoDaemon
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _


def pull(arguments: argparse.Namespace) -> int:
    """Fetch a model's weights, unless they are here, and note that their licence was accepted."""
    end_on_sigterm()  # what has arrived stays, and the next pull goes on with it
    model = shelf.find(arguments.name)
    if arguments.accept_licence:
        licences.accept(model)
    licences.check(model, arguments.name)
    if model.weights and is_right(model.weights, model.card):
        print(_("{name} is here: {file}.").format(name=display(model.name), file=display(model.weights)))
    else:
        _fetch(model, arguments.from_, arguments.timeout)
    return _tell_the_daemon(model)


def _fetch(model: Model, place: str, patience_seconds: float) -> None:
    def web() -> Supply:
        from bgzero_daemon.catalog.pull import Web

        return Web(patience_seconds=patience_seconds)

    card, data = model.card, paths.data_dir()
    if data is None:
        raise ModelError(_("This account has no home, so there is no place for weights."))
    with arriving(data / "models", card, _say_waiting) as part:
        if part is None:
            print(_("{name} has been fetched meanwhile.").format(name=display(model.name)))
            return
        try:
            asked = offers.of_place(card, place, web) if place else offers.of_card(card, web)
            with _progress(model, part) as report:
                came_from = Fetcher(card, part, report, patience_seconds=patience_seconds).fetch(asked)
            file = part.publish()
        except Broken as error:  # of the proxy or the certificates that the environment names
            raise ModelError(
                _("The weights could not be fetched: {why}.").format(why=error), hint=error.hint
            ) from error
        except KeyboardInterrupt:
            part.discard()
            print(_("Stopped; nothing is left of it."), file=sys.stderr)
            raise
        finally:
            if not part.size:
                part.discard()
    print(_("{name} is installed: {file}, from {place}.").format(
        name=display(model.name), file=display(file), place=came_from
    ))  # fmt: skip


def _say_waiting() -> None:
    print(_("Another process is fetching it; waiting for that."), file=sys.stderr)


@contextmanager
def _progress(model: Model, part: Part) -> Iterator[Report]:
    with progress(display(model.name), model.card.size_bytes, part.size) as shown:
        yield Report(shown.on_bytes, shown.on_note)


def _tell_the_daemon(model: Model) -> int:
    """Let a running daemon look at what is here now: "auto" may mean another model."""
    try:
        reply = client.ask("reload")
    except NoDaemon:
        return Exit.OK
    except BgzeroError as error:
        print(_("The running daemon does not take it over: {why}").format(why=error), file=sys.stderr)
        return Exit.OK
    if reply.get("model") == model.name and reply["changed"]:
        print(_("The next photo is cut with {model}.").format(model=display(model.name)))
    return Exit.OK
