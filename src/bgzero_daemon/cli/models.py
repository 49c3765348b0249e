"""`bgzero model`: which models there are, and what is known of each."""

import argparse
import shutil
import subprocess
import sys

import tomli_w

from bgzero_daemon.catalog import choice, licences, prepared, shelf
from bgzero_daemon.catalog.card import Commercial, Model
from bgzero_daemon.cli.steer import print_json
from bgzero_daemon.core.columns import columns, padded, wrapped
from bgzero_daemon.core.errors import Exit
from bgzero_daemon.core.names import display, display_line, quoted
from bgzero_daemon.core.texts import _, translated
from bgzero_daemon.settings.load import load

_COMMERCIAL = {Commercial.YES: _("yes"), Commercial.NO: _("no"), Commercial.UNCLEAR: _("unclear")}


def list_models(arguments: argparse.Namespace) -> int:
    """Print every model: what it is good for, takes and gives, whether it may be used, and whether it is here."""
    models = choice.best_first(shelf.sound_models())
    if arguments.json:
        print_json({"models": [_as_json(model) for model in models]})
        return Exit.OK
    head = (_("name"), _("size"), _("memory"), _("speed"), _("error"), _("commercial"), _("installed"))
    rows = [_row(model) for model in models]
    widths = [max(columns(row[column]) for row in [head, *rows]) for column in range(len(head))]
    width = min(100, max(60, shutil.get_terminal_size().columns))
    print(_line(head, widths))
    for model, row in zip(models, rows, strict=True):
        print(_line(row, widths))
        about = display_line(f"{translated(model.card.good_for)} ({model.card.licence.name})")
        print("\n".join(f"    {line}" for line in wrapped(about, width - 4)))
    told = _(
        "Speed: a run of the network on two cores. Error: of alpha near the contour, in thousandths, as measured"
        " with this project's pictures; lower is better. -: never measured here; ~: as others tell. Commercial: whether"
        " the licence allows such use. The best ones come first."
    )
    print("", *wrapped(told, width), sep="\n")
    return Exit.OK


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    return "  ".join(padded(cell, width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _row(model: Model) -> tuple[str, ...]:
    card = model.card
    return (
        display(model.name),
        _size(model),
        f"{card.peak_mb} MB" if card.peak_mb else f"~{card.told_peak_mb} MB" if card.told_peak_mb else "-",
        f"{card.seconds:.2f} s" if card.seconds else "-",
        f"{card.quality.edge:.1f}" if card.quality else "-",
        _use(model),
        _("yes") if model.weights else _("no"),
    )


def _use(model: Model) -> str:
    """Return whether the licence allows commercial use, and whether it was accepted where it does not."""
    word = _COMMERCIAL[model.card.licence.commercial]
    return (
        _("{word}, accepted").format(word=word)
        if licences.needs_word(model.card) and licences.is_accepted(model.card)
        else word
    )


def _find(wanted: str) -> Model:
    if wanted != shelf.AUTO:
        return shelf.find(wanted)
    from bgzero_daemon.service import chosen  # what auto means hangs on this machine's memory

    return chosen.find(wanted)


def info(arguments: argparse.Namespace) -> int:
    """Print all that one card says."""
    model = _find(arguments.name)
    if arguments.json:
        print_json(_as_json(model))
    elif arguments.card:
        sys.stdout.write(tomli_w.dumps(model.card.model_dump(mode="json", exclude_none=True)))
    else:
        card = model.card
        unknown = _("weights never run here")
        peak = f"{card.peak_mb} MB" if card.peak_mb else unknown
        if card.told_peak_mb:
            peak = _("{peak} (others tell of {mb} MB)").format(peak=peak, mb=card.told_peak_mb)
        for label, value in (
            (_("name"), model.name),
            (_("title"), card.title),
            (_("good for"), translated(card.good_for)),
            (_("size"), _size(model)),
            (_("peak memory"), peak),
            (_("speed"), _two_cores(card.seconds) if card.seconds else unknown),
            (_("errors"), _errors(model) or unknown),
            (_("input"), f"{card.input.size_px} x {card.input.size_px}, {card.input.fit.value}"),
            (_("licence"), f"{card.licence.name}. {translated(card.licence.note)}".strip()),
            (_("commercial use"), _use(model)),
            (_("homepage"), card.origin.homepage),
            (_("published"), card.origin.published),
            *((_("fetched from"), " ".join(filter(None, (one.url, one.key)))) for one in card.source),
            ("sha256", card.sha256),
            (
                _("weights"),
                str(
                    model.weights
                    or _("not installed; `bgzero model pull {name}` fetches {file}").format(
                        name=quoted(model.name), file=card.file
                    )
                ),
            ),
            (_("prepared"), _("for the CPU") if prepared.is_there(card) else _("no")),
        ):
            print(padded(_("{label}:").format(label=label), 16), display_line(value))
    return Exit.OK


def prepare(arguments: argparse.Namespace) -> int:
    """Prepare a model's graph, or that of every model which the configuration in force names.

    One that cannot be prepared does not keep the others from it; the exit status is the worst.
    """
    from bgzero_daemon.service import chosen

    in_force = chosen.in_force(load(arguments.config)).config
    names = [chosen.name_of(arguments.name, in_force)] if arguments.name else sorted(in_force.models)
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


def _two_cores(seconds: float) -> str:
    return _("{seconds} s a run on two cores").format(seconds=seconds)


def _size(model: Model) -> str:
    return f"{model.card.size_bytes / 1e6:.1f} MB" if model.card.size_bytes else "?"


def _errors(model: Model) -> str:
    told = model.card.quality
    return ", ".join(f"{name} {value:.1f}" for name, value in told.model_dump().items()) if told else ""


def _as_json(model: Model) -> dict[str, object]:
    return {
        "name": model.name,
        "installed": model.weights is not None,
        "weights": str(model.weights) if model.weights else None,
        "accepted": licences.is_accepted(model.card),
        "prepared": prepared.is_there(model.card),
        **model.card.model_dump(mode="json"),
    }
