"""docs/edges.md as text, from what was measured alone."""

import statistics
import textwrap
from collections.abc import Iterable, Iterator, Mapping

from pydantic import BaseModel, ConfigDict

from edges_peer import MATTING, OFF, PLAIN, REFINE
from edges_sheets import SIDE_PX, ZOOM
from edges_sights import SIGHTS, Sight
from models_sheets import ENDING
from quality import MEASURES

_WIDE = 118
CONTESTANTS = (PLAIN, MATTING, OFF, REFINE)
NETWORKS = {"u2netp": "u2netp", "isnet": "IS-Net"}
SHOWN = "isnet"
"""Whose cut-outs the pictures show: both networks find the photos' subjects, this one those that are drawn, too."""


class Cost(BaseModel):
    """One measure of ours and of `rembg -a`, a figure a round; see `harness.Comparison`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    title: str
    digits: int
    ours: tuple[float, ...]
    theirs: tuple[float, ...]
    ratios: tuple[float | None, ...]


Scores = Mapping[str, Mapping[str, tuple[float, ...]]]
"""Errors in the order of `quality.MEASURES`, by photo and contestant."""


class Figures(BaseModel):
    """All that the page says and that was measured: scores by network, costs with one, and who ran on what."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    scores: dict[str, dict[str, dict[str, tuple[float, ...]]]]
    costs: tuple[Cost, ...]
    cost_photos: str
    programs: tuple[str, ...]
    machine: str


_TOP = """\
# Edges, beside rembg's

<!-- `benchmarks/edges_look.py` measures docs/edges/figures.json and makes this page of it. Changes here are lost. -->

The same weights (u2netp, and isnet-imgly-medium, here IS-Net) cut the same photos four times:

- **rembg**: `rembg p`, the network's mask stretched to fill 0 to 1 and resized, and the photo's own colours;
- **rembg -a**: `rembg p -a`, closed-form matting at full size, and estimated colours;
- **off**: bgzero with `edges = "off"`, the mask as the network gives it, and the photo's own colours;
- **refine**: bgzero as it comes.

Errors are in thousandths, lower is better; **mae** is that of alpha over the whole photo, **edge** of alpha near the
contour, **grad** of the contour's sharpness, **color** of the cut-out over white, black and green near the contour.

## In the mean

The least of four is bold.

{means}

Six composites (three animals, each over two grounds) are few: differences of two points of edge mean nothing. Most of
their truths were drawn with closed-form matting, which favours rembg -a and ours alike. The drawn shapes are
exact. They were chosen before anything was cut, but for drawn-hairs, which was added because the network takes the
ground of drawn-fur for the subject. Several of their masks are wrong outright, which no refining mends, so their means
say little about edges.

## Where ours is worse

{worse}
"""
_COST = """
## What it costs

u2netp, {photos}, {rounds} rounds in turns; medians, and the ratio of neighbours, with least and greatest. Above 1 is
in bgzero's favour.

{costs}

- *Start-up apart* is the time for all photos and a tiny one, less the time for the tiny one alone, divided by the
  number of photos. It holds decoding, the network, and writing the PNG, which each program does in its own way.
- *Edges alone* is that of refine less off, and that of rembg -a less rembg. Either difference holds what other edges
  change in the PNG's size. - stands where one did not rise above the noise.
- What edges take by the photo's size, up to 100 megapixels, stands in [the benchmarks](../benchmarks/README.md).
"""
_EYES = """
## With your own eyes

Crops of {side} x {side} pixels, each pixel shown as {zoom} x {zoom}, over a loud colour. Places are found by a rule,
the same for all columns. **Upper row: where most is partly seen**: by the truth where one is known, else in the mean of
the four. **Lower row: where ours looks worst** over that colour: where its distance from the truth is largest beside
that of the nearest of the other three; without a truth, where it is farthest from rembg -a, whoever is right. The
network is {network}. What is said of them was seen in these pictures, by eye.
"""
_BAD = """
## What goes wrong

- **A wrong mask stays wrong.** Refining moves a contour by some pixels of the mask. It does not take away a plant
  that the network joined to the hair, and does not bring back a leg that it lost.
- **Insides that let light through** (glass, veils, smoke, haze inside a subject) are cut hard at one half once they
  are farther from the contour than the method reaches. `edges = "off"` leaves them as the network has them.
- **Hair over a ground of its own colour** follows the texture of the ground: colour is all there is to tell them
  apart.
- **What is narrower than a pixel of the mask** (wires, far spokes) is lost before refining starts, most of all with
  masks of 320 pixels.
- **Blocks of strong JPEG compression** on plain grounds can print faint marks into soft edges.
- **A mask that is right already**, down to the hair, gets worse. Cards of networks that make such ones say
  `edge = "keep"`.
- `edges = "best"` asks the network about the mirrored photo, too. It takes a second run of it, and is not better on
  every photo.
"""
_HOW = """
## How it was made

    .venv/bin/python benchmarks/edges_look.py --composites COMPOSITES

{programs}

{machine}

The composites are not shown: what their photos' licences allow is not known here. Shown photos travel in
scikit-image's wheel, and the drawn shapes are `tests/photo/scenes.py`'s, over photos and textures from there:

{sources}
"""
_MADE = (
    "All of them at the niceness of bgzero's worker; weights are the same files on both sides. Errors are those of the"
    " `score.py` that lies with the composites, for the drawn shapes, too. No parameter of the program comes from these"
    " scores."
)


def page(figures: Figures) -> str:
    """Return the whole page."""
    rounds = len(figures.costs[0].ours)
    parts = [
        _TOP.format(means=_means(figures), worse=_worse(figures)),
        _COST.format(photos=figures.cost_photos, rounds=rounds, costs=_costs(figures)),
        _EYES.format(side=SIDE_PX, zoom=ZOOM, network=NETWORKS[SHOWN]) + "".join(map(_picture, SIGHTS)),
        "\n## Photo by photo\n\nThe least of four is bold.\n" + "".join(_details(figures)),
        _BAD,
        _HOW.format(
            programs="\n".join(_filled(f"- {program}", "  ") for program in figures.programs),
            machine=_filled(f"{figures.machine}. {_MADE}"),
            sources="\n".join(f"- {name}: {_origin(sight)}." for name, sight in SIGHTS.items()),
        ),
    ]
    return "".join(parts)


def worse(scores: Scores) -> Iterator[tuple[str, str, dict[str, tuple[float, float]]]]:
    """Yield (photo, other contestant, measures with ours and theirs) wherever ours is worse."""
    for photo, found in scores.items():
        for other in CONTESTANTS:
            pairs = dict(zip(MEASURES, zip(found[REFINE], found[other], strict=True), strict=True))
            if lost := {name: pair for name, pair in pairs.items() if pair[0] > pair[1]}:
                yield photo, other, lost


def _is_drawn(photo: str) -> bool:
    return photo in SIGHTS


def _means(figures: Figures) -> str:
    lines = []
    for network, scores in figures.scores.items():
        for group, drawn in (("composites", False), ("drawn shapes", True)):
            photos = [found for photo, found in scores.items() if _is_drawn(photo) == drawn]
            means = {
                one: [statistics.mean(found[one][at] for found in photos) for at in range(len(MEASURES))]
                for one in CONTESTANTS
            }
            least = [min(errors) for errors in zip(*means.values(), strict=True)]
            for one, errors in means.items():
                head = [NETWORKS[network], f"{len(photos)} {group}"] if one == CONTESTANTS[0] else ["", ""]
                lines.append([*head, one, *map(_error, errors, least)])
    return _table(["network", "photos", "by", *MEASURES], lines)


def _worse(figures: Figures) -> str:
    lines = [
        [
            photo,
            NETWORKS[network],
            other,
            ", ".join(f"{name} {ours:.2f} : {theirs:.2f}" for name, (ours, theirs) in lost.items()),
        ]
        for network, scores in figures.scores.items()
        for photo, other, lost in worse(scores)
    ]
    if not lines:
        return "On none of these photos, by none of these measures."
    return "Every photo and measure in which refine has the larger error:\n\n" + _table(
        ["photo", "network", "beside", "refine : other"], lines
    )


def _costs(figures: Figures) -> str:
    lines = []
    for cost in figures.costs:
        known = [ratio for ratio in cost.ratios if ratio is not None]
        spread = f"{statistics.median(known):.2f} ({min(known):.2f} to {max(known):.2f})" if known else "-"
        medians = [f"{statistics.median(values):,.{cost.digits}f}" for values in (cost.ours, cost.theirs)]
        lines.append([cost.title, *medians, spread])
    return _table(["", REFINE, MATTING, "ratio"], lines)


def _details(figures: Figures) -> Iterator[str]:
    for network, scores in figures.scores.items():
        lines = []
        for photo, found in scores.items():
            for at, measure in enumerate(MEASURES):
                errors = [found[one][at] for one in CONTESTANTS]
                cells = [_error(error, min(errors)) for error in errors]
                lines.append([photo if at == 0 else "", measure, *cells])
        yield f"\n{NETWORKS[network]}:\n\n{_table(['photo', 'error', *CONTESTANTS], lines)}\n"


def _error(error: float, least: float) -> str:
    return f"**{error:.1f}**" if error == least else f"{error:.1f}"


def _picture(name: str) -> str:
    sight = SIGHTS[name]
    columns = ", ".join(CONTESTANTS)
    return f"\n{_filled(f'{sight.what}. {sight.seen}')}\n\n![{name}: the photo, {columns}](edges/{name}{ENDING})\n"


def _origin(sight: Sight) -> str:
    return f"over {sight.ground} ({sight.source})" if sight.ground else sight.source


def _filled(text: str, indent: str = "") -> str:
    return textwrap.fill(text, _WIDE, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _table(head: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    columns = list(head)
    rows = [columns, ["---"] * len(columns), *(list(line) for line in lines)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
