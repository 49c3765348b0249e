"""Outlines made of lines and arcs, told in one way to Pillow and to SVG, so that both draw the same.

Points are in pixels of the icon, x to the right and y down, and whole numbers are edges of pixels: a box from 2 to 4
fills two columns and leaves nothing half-covered. Angles are in degrees, clockwise from three o'clock.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

Point = tuple[float, float]
_STEP_DEGREES = 4.0  # between two points of a flattened arc: off by 0.02 px at a radius of 32 px


@dataclass(frozen=True, slots=True)
class Arc:
    """A part of a circle; `sweep` is at most 360, and negative against the clock. A sweep of 0 is a corner."""

    centre: Point
    radius: float
    start: float
    sweep: float

    def at(self, part: float) -> Point:
        """The point at `part` (0 to 1) of the way."""
        angle = math.radians(self.start + part * self.sweep)
        return self.centre[0] + self.radius * math.cos(angle), self.centre[1] + self.radius * math.sin(angle)


@dataclass(frozen=True, slots=True)
class Outline:
    """One closed line, clockwise: arcs, and straight lines from the end of each to the beginning of the next."""

    arcs: tuple[Arc, ...]

    def points(self) -> list[Point]:
        """The corners of a polygon that comes close to it."""
        found: list[Point] = []
        for arc in self.arcs:
            steps = max(1, math.ceil(abs(arc.sweep) / _STEP_DEGREES)) if arc.radius else 0
            found += [arc.at(n / steps if steps else 0.0) for n in range(steps + 1)]
        return found

    def d(self) -> str:
        """It as a part of an SVG path's `d`."""
        words: list[str] = []
        for arc in self.arcs:
            words.append(f"{'L' if words else 'M'}{_pair(arc.at(0.0))}")
            halves = 2 if abs(arc.sweep) > 180 else 1  # SVG cannot draw a whole circle as one arc
            for n in range(halves if arc.sweep and arc.radius else 0):
                radius = number(arc.radius)
                words.append(f"A{radius} {radius} 0 0 {int(arc.sweep > 0)} {_pair(arc.at((n + 1) / halves))}")
        return "".join(words) + "Z"


# The first outline is filled, the others are holes in it.
Shape = tuple[Outline, ...]


def number(value: float) -> str:
    """A number as SVG writes it, to a hundredth of a pixel."""
    return f"{round(value, 2) + 0.0:g}"


def _pair(point: Point) -> str:
    return f"{number(point[0])} {number(point[1])}"


def disc(centre: Point, radius: float) -> Shape:
    """A filled circle."""
    return (Outline((Arc(centre, radius, -90.0, 360.0),)),)


def box(left: float, top: float, right: float, bottom: float, radii: Sequence[float] = (0.0, 0.0)) -> Shape:
    """A filled rectangle; `radii` are those of the two upper and of the two lower corners."""
    upper, lower = radii
    return (
        Outline(
            (
                Arc((left + upper, top + upper), upper, 180.0, 90.0),
                Arc((right - upper, top + upper), upper, 270.0, 90.0),
                Arc((right - lower, bottom - lower), lower, 0.0, 90.0),
                Arc((left + lower, bottom - lower), lower, 90.0, 90.0),
            )
        ),
    )


def frame(low: float, high: float, radius: float, width: float, end: float) -> Shape:
    """A square's edge without its lower side: both lower corners end at a distance of `end` from the outer edge.

    `radius` is that of the outer corners, and at least `end`; `width` goes inwards.
    """
    near, far, inner = low + radius, high - radius, radius - width
    sweep = math.degrees(math.acos(max(0.0, min(1.0, (radius - end) / (radius - width / 2)))))
    return (
        Outline(
            (
                Arc((near, far), radius, 180.0 - sweep, sweep),
                Arc((near, near), radius, 180.0, 90.0),
                Arc((far, near), radius, 270.0, 90.0),
                Arc((far, far), radius, 0.0, sweep),
                Arc((far, far), inner, sweep, -sweep),
                Arc((far, near), inner, 0.0, -90.0),
                Arc((near, near), inner, 270.0, -90.0),
                Arc((near, far), inner, 180.0, -sweep),
            )
        ),
    )


def ring(centre: Point, outer: float, inner: float, part: float = 1.0) -> Shape:
    """A ring between two radii, or the first `part` (0 to 1) of it, clockwise from the top."""
    if part >= 1.0:
        return disc(centre, outer) + disc(centre, inner)
    sweep = 360.0 * part
    return (Outline((Arc(centre, outer, -90.0, sweep), Arc(centre, inner, -90.0 + sweep, -sweep))),)


def bar(first: Point, second: Point, width: float) -> Shape:
    """A straight line with round ends at `first` and `second`."""
    along = math.degrees(math.atan2(second[1] - first[1], second[0] - first[0]))
    return (Outline((Arc(second, width / 2, along - 90.0, 180.0), Arc(first, width / 2, along + 90.0, 180.0))),)


def soft(corners: Sequence[Point], radius: float) -> Shape:
    """A convex polygon, its corners given clockwise, blown up by `radius` on all sides, which rounds it."""
    edges = [(b[0] - a[0], b[1] - a[1]) for a, b in zip(corners, [*corners[1:], corners[0]], strict=True)]
    normals = [math.degrees(math.atan2(y, x)) - 90.0 for x, y in edges]
    return (
        Outline(
            tuple(
                Arc(corner, radius, normals[n - 1], (normals[n] - normals[n - 1]) % 360.0)
                for n, corner in enumerate(corners)
            )
        ),
    )
