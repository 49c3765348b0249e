"""`bgzero model`: which models there are, and what is known of each."""

import argparse
import subprocess
import sys

import tomli_w

from bgzero_daemon.catalog import prepared, shelf
from bgzero_daemon.catalog.card import Model
from bgzero_daemon.cli.steer import print_json
from bgzero_daemon.core.errors import Exit
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _
from bgzero_daemon.settings.load import load
from bgzero_daemon.settings.state import in_force


def list_models(arguments: argparse.Namespace) -> int:
    """Print every model with size, licence, and whether its weights are here."""
    models = list(shelf.models())
    if arguments.json:
        print_json({"models": [_as_json(model) for model in models]})
        return Exit.OK
    rows = [(_("name"), _("size"), _("commercial use"), _("installed"), _("good for"))]
    rows += [
        (
            model.name,
            _size(model),
            model.card.licence.commercial.value,
            _("yes") if model.weights else _("no"),
            model.card.good_for,
        )
        for model in models
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)) + "  " + row[4])
    return Exit.OK


def info(arguments: argparse.Namespace) -> int:
    """Print all that one card says."""
    model = shelf.find(arguments.name)
    if arguments.json:
        print_json(_as_json(model))
    elif arguments.card:
        sys.stdout.write(tomli_w.dumps(model.card.model_dump(mode="json", exclude_none=True)))
    else:
        card = model.card
        peak = _("{mb} MB").format(mb=card.peak_mb) if card.peak_mb else _("never measured here")
        for label, value in (
            (_("name"), model.name),
            (_("title"), card.title),
            (_("good for"), card.good_for),
            (_("size"), _size(model)),
            (_("peak memory"), peak),
            (_("input"), f"{card.input.size_px} x {card.input.size_px}, {card.input.fit.value}"),
            (_("licence"), f"{card.licence.name}. {card.licence.note}".strip()),
            (_("commercial use"), card.licence.commercial.value),
            (_("homepage"), card.origin.homepage),
            (_("published"), card.origin.published),
            (_("download"), card.origin.url or "-"),
            ("sha256", card.sha256),
            (
                _("weights"),
                str(
                    model.weights
                    or _("not installed; put {file} into {folder}").format(file=card.file, folder=shelf.folders()[0])
                ),
            ),
            (_("prepared"), _("for the CPU") if prepared.is_there(card) else _("no")),
        ):
            print(f"{label + ':':16} {value}")
    return Exit.OK


def prepare(arguments: argparse.Namespace) -> int:
    """Prepare a model's graph, or that of every model which the configuration in force names.

    One that cannot be prepared does not keep the others from it; the exit status is the worst.
    """
    names = [arguments.name] if arguments.name else sorted(in_force(load(arguments.config)).config.models)
    return max(map(_prepare, names))


def _prepare(name: str) -> int:
    """Prepare one, in a process that ends with that: this one loads no network. Returns its exit status."""
    command = [sys.executable, "-P", "-m", "bgzero_daemon.engine.prepare", name]
    status = subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode
    if status < 0:
        why = _("signal {number}").format(number=-status)
        print(_("bgzero: {name} is not prepared: the process ended by {why}.").format(name=display(name), why=why),
              file=sys.stderr)  # fmt: skip
        return Exit.FAILURE
    return status


def _size(model: Model) -> str:
    return f"{model.card.size_bytes / 1e6:.1f} MB" if model.card.size_bytes else "?"


def _as_json(model: Model) -> dict[str, object]:
    return {
        "name": model.name,
        "installed": model.weights is not None,
        "weights": str(model.weights) if model.weights else None,
        **model.card.model_dump(mode="json"),
    }
