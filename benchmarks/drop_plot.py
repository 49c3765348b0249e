"""The delays of drop.py as a picture: age against seconds, both on logarithmic scales."""

import math
import statistics
from collections.abc import Iterable, Sequence

_COLOURS = {"bgzero": "#1a7f5a", "rembg": "#b3402a"}
_WIDTH, _HEIGHT = 560, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 96, 28, 48
_STYLE = "font-family:sans-serif;font-size:12px;fill:#222"


class _Scale:
    """Maps a range of values to pixels, by their logarithms."""

    def __init__(self, values: Iterable[float], start_px: float, end_px: float) -> None:
        found = list(values)
        self._low, self._high = min(found) / 1.3, max(found) * 1.3
        self._start, self._end = start_px, end_px

    def __call__(self, value: float) -> float:
        part = math.log(value / self._low) / math.log(self._high / self._low)
        return round(self._start + part * (self._end - self._start), 1)

    def ticks(self) -> list[float]:
        """Return round values within the range."""
        powers = range(math.floor(math.log10(self._low)), math.ceil(math.log10(self._high)))
        found = [digit * 10.0**power for power in powers for digit in (1, 2, 5)]
        return [value for value in found if self._low <= value <= self._high]


def draw(points: Sequence[tuple[str, float, float | None]]) -> str:
    """Return an SVG of (contestant, age, seconds), a dot for each and a line through the medians.

    What did not come has no seconds: it stands as a cross on the upper edge. Raises ValueError without any point.
    """
    known = [seconds for _who, _age, seconds in points if seconds is not None]
    x = _Scale((max(age, 0.5) for _who, age, _seconds in points), _LEFT, _WIDTH - _RIGHT)
    y = _Scale(known or [1.0], _HEIGHT - _BOTTOM, _TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" style="{_STYLE}">',
        "<title>Seconds from a photo's arrival to its cut-out, by the age of the process</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
    ]
    for tick in y.ticks():
        parts.append(f'<path d="M{_LEFT} {y(tick)}H{_WIDTH - _RIGHT}" stroke="#ddd"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y(tick) + 4}" text-anchor="end">{tick:g}</text>')
    below = _HEIGHT - _BOTTOM + 18
    ages = sorted({age for _who, age, _seconds in points})
    parts += [f'<text x="{x(max(age, 0.5))}" y="{below}" text-anchor="middle">{age:g}</text>' for age in ages]
    middle = (_WIDTH - _RIGHT + _LEFT) / 2
    parts.append(f'<text x="{middle}" y="{_HEIGHT - 8}" text-anchor="middle">seconds since its first cut-out</text>')
    parts.append(f'<text x="{_LEFT}" y="16">seconds from the close of a photo to its cut-out</text>')
    for who, colour in _COLOURS.items():
        parts += _line([(age, seconds) for name, age, seconds in points if name == who], who, colour, x, y)
    return "\n".join([*parts, "</svg>", ""])


def _line(found: list[tuple[float, float | None]], who: str, colour: str, x: _Scale, y: _Scale) -> Iterable[str]:
    """Yield the marks of one contestant."""
    medians = []
    for age in sorted({age for age, _seconds in found}):
        here = [seconds for at, seconds in found if at == age and seconds is not None]
        across = x(max(age, 0.5))
        if here:
            medians.append((across, y(statistics.median(here))))
        for seconds in here:
            yield f'<circle cx="{across}" cy="{y(seconds)}" r="3" fill="{colour}"/>'
        if len(here) < sum(at == age for at, _seconds in found):
            yield f'<path d="M{across - 4} {_TOP - 4}l8 8m0 -8l-8 8" stroke="{colour}" stroke-width="2"/>'
    if medians:
        path = " ".join(f"{across},{down}" for across, down in medians)
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
        yield f'<text x="{medians[-1][0] + 10}" y="{medians[-1][1] + 4}" style="fill:{colour}">{who}</text>'
