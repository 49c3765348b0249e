"""A small plot as SVG: photos a minute against megapixels, both in logarithms. Strings alone."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from bgzero_daemon.core.columns import columns, wrapped
from bgzero_daemon.core.names import display_line

_WIDTH, _HEIGHT = 640, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 24, 64, 50  # what lies around the plot, in pixels
_FIGURE_PX = 12  # below a dot its figure has to have room
_MOST_COLUMNS = 92  # of a line of text
_APART_PX = 34  # of two sizes' labels; nearer ones have a second line
# A card of its own colour, so that it can be read wherever it is put; browsers say which colours somebody prefers.
_STYLE = """
 text { font: 12px system-ui, sans-serif; fill: #57606a }
 .title { font-size: 15px; font-weight: 600; fill: #1f2328 } .figure { font-weight: 600; fill: #1f2328 }
 .card { fill: #ffffff; stroke: #d0d7de } .grid { stroke: #d8dee4 }
 .line { fill: none; stroke: #0969da; stroke-width: 2.5 } .dot { fill: #0969da }
 .bound { fill: none; stroke: #8c959f; stroke-width: 1.5; stroke-dasharray: 5 4 }
 @media (prefers-color-scheme: dark) {
  text { fill: #9198a1 } .title, .figure { fill: #f0f6fc }
  .card { fill: #151b23; stroke: #3d444d } .grid { stroke: #2f353d }
  .line { stroke: #4493f8 } .dot { fill: #4493f8 } .bound { stroke: #656c76 }
 }
"""


@dataclass(frozen=True, slots=True)
class Point:
    """A size, how many such photos are cut in a minute, and how many could be at most. All above zero."""

    megapixels: float
    per_minute: float
    bound: float


@dataclass(frozen=True, slots=True)
class _Scale:
    """From a number's logarithm to pixels."""

    least: float
    most: float
    start: float
    end: float

    @classmethod
    def over(cls, values: Sequence[float], start: float, end: float, room: float) -> "_Scale":
        return cls(math.log(min(values) / room), math.log(max(values) * room), start, end)

    def __call__(self, value: float) -> float:
        share = (math.log(value) - self.least) / (self.most - self.least)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self) -> Iterator[float]:
        """Yield 1, 2, 5, 10, 20 ... as far as they are on the scale."""
        for power in range(math.floor(self.least / math.log(10)), math.ceil(self.most / math.log(10)) + 1):
            for digit in (1, 2, 5):
                if self.least <= math.log(digit) + power * math.log(10) <= self.most:
                    yield digit * 10.0**power


def svg(points: Sequence[Point], *, title: str, about: str, measured: str, bound: str) -> str:
    """Return the plot of one point or more, smallest size first; `measured` and `bound` are the lines' names."""
    across = _Scale.over([point.megapixels for point in points], _LEFT, _WIDTH - _RIGHT, 1.25)
    heights = [height for point in points for height in (point.per_minute, point.bound)]
    up = _Scale.over(heights, _HEIGHT - _BOTTOM - _FIGURE_PX, _TOP, 1.25)
    size = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}"'
    name = quoteattr(_plain(f"{title}: {about}"))
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label={name}>',
        f"<style>{_STYLE}</style>",
        f'<rect class="card" x="0.5" y="0.5" width="{_WIDTH - 1}" height="{_HEIGHT - 1}" rx="8"/>',
        _text(20, 27, _fitting(title, _MOST_COLUMNS * 3 // 4), "title"),
        _text(20, 46, _fitting(about, _MOST_COLUMNS)),
    ]
    for value in up.ticks():
        y = up(value)
        lines += [f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>']
        lines += [_text(_LEFT - 8, y + 4, f"{value:g}", anchor="end")]
    lines += [_path("bound", [(across(point.megapixels), up(point.bound)) for point in points])]
    lines += [_path("line", [(across(point.megapixels), up(point.per_minute)) for point in points])]
    before, level = -math.inf, 0
    for point in points:
        x, y = across(point.megapixels), up(point.per_minute)
        lines += [f'<circle class="dot" cx="{x}" cy="{y}" r="4"/>']
        lines += [_text(x, y + 20, f"{point.per_minute:.{_decimals(point.per_minute)}f}", "figure", "middle")]
        level = 1 - level if x - before < _APART_PX else 0
        before = x
        lines += [_text(x, _HEIGHT - _BOTTOM + 17 + 13 * level, f"{point.megapixels:g} MP", anchor="middle")]
    lines += _legend(measured, bound)
    return "\n".join([*lines, "</svg>", ""])


def _plain(words: str) -> str:
    """Return a text of characters that XML may hold."""
    return display_line(words).translate({0xFFFE: "?", 0xFFFF: "?"})


def _fitting(words: str, most: int) -> str:
    """Return as much of a text as fits."""
    if columns(words) <= most:
        return words
    return wrapped(words, most - 1)[0] + "…"


def _legend(measured: str, bound: str) -> list[str]:
    y = _HEIGHT - 8
    return [
        _path("line", [(_LEFT, y - 4), (_LEFT + 22, y - 4)]),
        _text(_LEFT + 28, y, measured),
        _path("bound", [(_LEFT + 160, y - 4), (_LEFT + 182, y - 4)]),
        _text(_LEFT + 188, y, bound),
    ]


def _decimals(number: float) -> int:
    return 0 if number >= 20 else 1


def _path(kind: str, places: Sequence[tuple[float, float]]) -> str:
    return f'<polyline class="{kind}" points="{" ".join(f"{x:g},{y:g}" for x, y in places)}"/>'


def _text(x: float, y: float, words: str, kind: str = "", anchor: str = "") -> str:
    attributes = (f' class="{kind}"' if kind else "") + (f' text-anchor="{anchor}"' if anchor else "")
    return f'<text x="{x:g}" y="{y:g}"{attributes}>{escape(_plain(words))}</text>'
