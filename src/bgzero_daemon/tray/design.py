"""What the icon looks like: a figure that was cut out of a photo, and beside it what the daemon is at.

Each size is laid out for itself, on whole pixels: edges that fall between two pixels are grey at 16 px, and details
that are smaller than a pixel are mud. A state has a shape and a colour, so that either is enough.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, StrEnum

from bgzero_daemon.tray.outline import Shape, bar, box, disc, frame, ring, soft

DETAIL_PX = 32  # sizes below it have no checkerboard


class State(StrEnum):
    """What the daemon is at, as the icon says it."""

    WATCHING = "watching"
    WORKING = "working"
    PAUSED = "paused"
    ATTENTION = "attention"  # photos failed
    ERROR = "error"
    OFFLINE = "offline"  # no daemon answers


class Ink(Enum):
    """Colours, red, green and blue.

    Panels are light or dark, and an icon is not told which. But for the marks on badges, all have a relative luminance
    (WCAG 2) between 0.18 and 0.26, which is a contrast of 3:1 or more on #f2f2f2 and on #2b2b2b.
    """

    SLATE = (0x76, 0x83, 0x92)
    GREEN = (0x1F, 0x95, 0x6B)
    BLUE = (0x2F, 0x80, 0xD0)
    AMBER = (0xC4, 0x70, 0x0C)
    RED = (0xDC, 0x40, 0x40)
    MARK = (0xFF, 0xFF, 0xFF)  # on a badge; a hole where there are no colours
    BLACK = (0x00, 0x00, 0x00)  # where there are no colours


@dataclass(frozen=True, slots=True)
class Layer:
    """A shape in a colour, or without one a hole; it takes the place of what lies below it. `opacity` is 0 to 1."""

    shape: Shape
    ink: Ink | None
    opacity: float = 1.0


class _Grid:
    """Lengths for one size, in whole pixels."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.centre = size / 2
        self.margin = max(1, round(size * 0.045))
        self.stroke = max(1, round(size * 0.07))
        self.gap = max(1, round(size * 0.045))

    def px(self, share: float) -> int:
        """A share of the size, at least a pixel."""
        return max(1, round(self.size * share))

    def even(self, share: float) -> int:
        """The same, for what stands in the middle of an even size."""
        return max(2, 2 * round(self.size * share / 2))

    def soften(self, share: float) -> float:
        """The radius of a small corner, in parts of the size; none where it would only blur."""
        return self.size * share if self.size >= DETAIL_PX else 0.0


def layers(state: State, size: int, progress: float = 0.0) -> list[Layer]:
    """What is drawn, from the bottom to the top, on a square of `size` px. `progress` (0 to 1) is that of working."""
    grid = _Grid(size)
    if state is State.WORKING:
        return [*_round(grid, progress)]
    if state is State.OFFLINE:
        return [*_gone(grid)]
    figure = Ink.SLATE if state in {State.PAUSED, State.ERROR} else Ink.GREEN
    badge = {State.PAUSED: _bars, State.ATTENTION: _triangle, State.ERROR: _cross}.get(state)
    return [*_tile(grid, figure), *(badge(grid) if badge else ())]


def _tile(grid: _Grid, figure: Ink) -> Iterator[Layer]:
    """The photo: a frame, its right half transparent already, and the figure that stands out of it."""
    low, high = grid.margin, grid.size - grid.margin
    if grid.size >= DETAIL_PX:
        yield from _photo(low + grid.stroke, high - grid.stroke)
    width = grid.even(0.62)
    end = grid.centre - width / 2 - grid.gap - low
    yield Layer(frame(low, high, grid.px(0.2), grid.stroke, end), Ink.SLATE)
    yield from _figure(grid, figure, low + grid.stroke + grid.px(0.07), high, width)


def _photo(low: int, high: int) -> Iterator[Layer]:
    yield Layer(box(low, low, (low + high) / 2, high), Ink.SLATE, 0.2)
    rows = 6
    side = (high - low) / rows
    for row in range(rows):
        for column in range(rows // 2, rows):
            if (row + column) % 2 == 0:
                x, y = low + column * side, low + row * side
                yield Layer(box(x, y, x + side, y + side), Ink.SLATE, 0.4)


def _figure(grid: _Grid, ink: Ink, top: float, bottom: float, width: float) -> Iterator[Layer]:
    """Head and shoulders between two heights, in the middle; `width` is that of the shoulders."""
    height = bottom - top
    head = 2 * round(height * 0.54 / 2)
    shoulders = top + head + max(1, round(height * 0.06))
    yield Layer(disc((grid.centre, top + head / 2), head / 2), ink)
    lower = grid.soften(0.04)
    upper = min(width / 2, bottom - shoulders - lower)
    left = grid.centre - width / 2
    yield Layer(box(left, shoulders, left + width, bottom, (upper, lower)), ink)


def _round(grid: _Grid, progress: float) -> Iterator[Layer]:
    """At work the frame is a ring that fills."""
    outer = grid.centre
    inner = outer - grid.px(0.1)
    yield Layer(ring((grid.centre, grid.centre), outer, inner), Ink.SLATE, 0.4)
    if progress > 0:
        yield Layer(ring((grid.centre, grid.centre), outer, inner, progress), Ink.BLUE)
    yield from _figure(grid, Ink.BLUE, grid.px(0.2), grid.size - grid.px(0.24), grid.even(0.54))


def _gone(grid: _Grid) -> Iterator[Layer]:
    """No daemon, no photo: the figure alone, struck out."""
    yield from _figure(grid, Ink.SLATE, grid.margin, grid.size - grid.margin, grid.even(0.82))
    width = grid.px(0.1)
    end = width / 2
    first, second = (end, grid.size - end), (grid.size - end, end)
    yield Layer(bar(first, second, width + 3 * grid.gap), None)
    yield Layer(bar(first, second, width), Ink.SLATE)


def _bars(grid: _Grid) -> Iterator[Layer]:
    width, space, height = grid.px(0.16), grid.px(0.09), grid.px(0.5)
    left, top = grid.size - 2 * width - space, grid.size - height
    radius = grid.soften(0.04)
    yield Layer(box(left - grid.gap, top - grid.gap, grid.size, grid.size, (radius + grid.gap, 0.0)), None)
    for x in (left, left + width + space):
        yield Layer(box(x, top, x + width, grid.size, (radius, radius)), Ink.AMBER)


def _triangle(grid: _Grid) -> Iterator[Layer]:
    side, radius = grid.even(0.64), grid.size * 0.05
    right, left, top = grid.size, grid.size - side, grid.size - grid.px(0.57)
    corners = (
        (left + side / 2, top + radius),
        (right - radius, grid.size - radius),
        (left + radius, grid.size - radius),
    )
    yield Layer(soft(corners, radius + grid.gap), None)
    yield Layer(soft(corners, radius), Ink.AMBER)
    width, dot = grid.even(0.08), grid.px(0.08)
    radius = grid.soften(0.05)
    x, low = left + side / 2 - width / 2, grid.size - grid.px(0.07)
    high = low - dot - grid.px(0.045)
    yield Layer(box(x, high - grid.px(0.2), x + width, high, (radius / 2, radius / 2)), Ink.MARK)
    yield Layer(box(x, low - dot, x + width, low, (radius / 2, radius / 2)), Ink.MARK)


def _cross(grid: _Grid) -> Iterator[Layer]:
    side = grid.even(0.58)
    middle = grid.size - side / 2
    yield Layer(disc((middle, middle), side / 2 + grid.gap), None)
    yield Layer(disc((middle, middle), side / 2), Ink.RED)
    arm = side * 0.19
    for turn in (1, -1):
        yield Layer(
            bar((middle - arm, middle - arm * turn), (middle + arm, middle + arm * turn), side * 0.15), Ink.MARK
        )
