"""Closed-form matting of the pixels that nobody is sure of.

Levin, Lischinski, Weiss: A Closed-Form Solution to Natural Image Matting (2008). Opacity in each window of nine pixels
is taken for a linear function of colour; what all windows miss of that is a quadratic form, the matting Laplacian
(their equation 12), and the least of it is asked for while the sure pixels stay as they are.
"""

from dataclasses import dataclass

import numpy as np

from bgzero_daemon.photo.edges.grid import F32, F64, Flags, Indices, grown

_EPSILON = 1e-7
_GOOD_ENOUGH = 1e-6
"""Of the squared residual that was there at first."""

_LEAST_PIVOT = 1e-14
_WINDOWS_AT_ONCE = 1 << 14
_NINE = [(down, across) for down in (-1, 0, 1) for across in (-1, 0, 1)]


@dataclass(frozen=True, slots=True)
class _Stencil:
    """The Laplacian's rows of n unknown pixels.

    `weights` (25, n) are those of pixels around each, five by five; `steps` (25) says how far off these are in the
    padded grid, and `slots` (25, n) which unknown they are, n for a sure one.
    """

    unknown: Indices
    weights: F32
    steps: Indices
    slots: Indices


def solve(guide: F32, start: F32, unknown: Flags, *, spacing: int, steps: int, pull: F32 | None = None) -> F32:
    """Return `start` with its unknown pixels solved, (rows, columns), in [0, 1].

    `guide` (rows, columns, 3) in [0, 1]. Windows take every pixel (`spacing` 1), every second one (2) ... . Conjugate
    gradients with the diagonal as preconditioner, so many `steps` at most. `pull` (rows, columns) is how strongly a
    pixel is drawn back to `start`.
    """
    if min(unknown.shape) <= 2 * spacing or not unknown.any():
        return start
    margin = 2 * spacing  # so that no neighbour of a pixel is out of bounds
    stencil = _stencil(guide, unknown, spacing, margin)
    padded = np.pad(start.astype(np.float32), margin).ravel()
    count = len(stencil.unknown)
    back = np.zeros(count, np.float32) if pull is None else np.pad(pull, margin).ravel()[stencil.unknown]
    around = np.zeros((25, count), np.float32)

    def applied(values: F32) -> F32:
        np.take(values, stencil.slots, out=around, mode="clip")
        np.multiply(around, stencil.weights, out=around)
        return np.asarray(around.sum(0), np.float32)

    rest = np.zeros(count, np.float32)
    for weight, step in zip(stencil.weights, stencil.steps, strict=True):
        rest -= weight * padded[stencil.unknown + step]
    scale = np.float32(1.0) / (stencil.weights[12] + back + np.float32(1e-6))
    bent = scale * rest
    moved = np.zeros(count, np.float32)
    heading = np.zeros(count + 1, np.float32)  # the last one stands for all sure pixels, which do not move
    heading[:count] = bent
    size = first = _product(rest, bent)
    for _step in range(steps):
        if size <= _GOOD_ENOUGH * first:
            break
        change = applied(heading) + back * heading[:count]
        bend = _product(heading[:count], change)
        if bend <= 0.0:
            break  # nothing but rounding is left
        length = np.float32(size / bend)
        moved += length * heading[:count]
        rest -= length * change
        bent = scale * rest
        former, size = size, _product(rest, bent)
        heading[:count] *= np.float32(size / former)
        heading[:count] += bent
    padded[stencil.unknown] += moved
    height, width = start.shape
    whole = padded.reshape(height + 2 * margin, width + 2 * margin)[margin : margin + height, margin : margin + width]
    return whole.clip(0.0, 1.0)


def _product(one: F32, other: F32) -> float:
    """Return the inner product, summed by numpy itself.

    A library for matrices may share it among threads, and what it makes then differs with their number.
    """
    return float(np.einsum("n,n->", one, other, dtype=np.float64))


def _stencil(guide: F32, unknown: Flags, spacing: int, margin: int) -> _Stencil:
    """Sum up what the windows say of the unknown pixels."""
    centres = grown(unknown, spacing)
    centres[:spacing] = centres[-spacing:] = False  # no window reaches out of the grid
    centres[:, :spacing] = centres[:, -spacing:] = False
    centre_at = np.flatnonzero(np.pad(centres, margin))
    at = np.flatnonzero(np.pad(unknown, margin))
    width = unknown.shape[1] + 2 * margin
    colours = np.pad(guide, ((margin, margin), (margin, margin), (0, 0)), mode="edge").reshape(-1, 3)
    nine = np.array([spacing * (down * width + across) for down, across in _NINE], np.intp)
    whitened = _whitened(colours, centre_at, nine)
    window = np.full(len(colours), len(centre_at), np.intp)
    window[centre_at] = np.arange(len(centre_at))
    weights = np.zeros((25, len(at)), np.float32)
    share = np.zeros(len(centre_at) + 1, np.float32)  # the last one is for windows that do not exist
    mine = [np.take(window, at - step) for step in nine]
    for one, (down, across) in enumerate(_NINE):
        for two in range(one, 9):
            share[:-1] = (one == two) - 1 / 9 - np.einsum("kn,kn->n", whitened[:, one], whitened[:, two])
            ahead = 5 * (_NINE[two][0] - down) + _NINE[two][1] - across
            weights[12 + ahead] += np.take(share, mine[one])
            if one != two:
                weights[12 - ahead] += np.take(share, mine[two])
    steps = np.array([spacing * (down * width + across) for down in range(-2, 3) for across in range(-2, 3)], np.intp)
    slot = np.full(len(colours), len(at), np.intp)
    slot[at] = np.arange(len(at))
    slots = np.empty(weights.shape, np.intp)
    for around, step in zip(slots, steps, strict=True):
        np.take(slot, at + step, out=around, mode="clip")
    return _Stencil(at, weights, steps, slots)


def _whitened(colours: F32, centre_at: Indices, nine: Indices) -> F32:
    """Return (3, 9, windows): each window's colours around their mean, by the covariance's inverse root, over 3.

    What two pixels of a window share is the sum of products of these. By Cholesky's factor, in float64: in float32 flat
    colours lose their positive definiteness.
    """
    whitened = np.empty((3, 9, len(centre_at)), np.float32)
    for first in range(0, len(centre_at), _WINDOWS_AT_ONCE):
        some = slice(first, first + _WINDOWS_AT_ONCE)
        seen = colours[centre_at[some] + nine[:, None]].astype(np.float64)
        red, green, blue = np.moveaxis(seen - seen.mean(0), -1, 0)
        for plane, one in zip(whitened, _by_cholesky(red, green, blue), strict=True):
            plane[:, some] = one
    return whitened


def _by_cholesky(red: F64, green: F64, blue: F64) -> tuple[F64, F64, F64]:
    """Solve L y = colour for the Cholesky factor L of each window's covariance; all are (9, windows)."""

    def covariance(one: F64, two: F64) -> F64:
        return np.asarray(np.einsum("kn,kn->n", one, two) / 9 + (_EPSILON / 9 if one is two else 0.0))

    pivot = np.sqrt(covariance(red, red))
    green_red, blue_red = covariance(green, red) / pivot, covariance(blue, red) / pivot
    second = np.sqrt(np.maximum(covariance(green, green) - green_red**2, _LEAST_PIVOT))
    blue_green = (covariance(blue, green) - blue_red * green_red) / second
    third = np.sqrt(np.maximum(covariance(blue, blue) - blue_red**2 - blue_green**2, _LEAST_PIVOT))
    one = red / pivot
    two = (green - green_red * one) / second
    three = (blue - blue_red * one - blue_green * two) / third
    return one / 3, two / 3, three / 3
