"""PNG's row filters on whole strips at once, and which of them a row is given.

Filters: PNG specification (third edition), section 9. A row is given the one whose residuals have the least sum of
magnitudes (section 12.7). How widely it is looked is what the levels differ in: Sub and Up alone, in strips or row by
row, are a tenth of the work of all five, and their files hardly larger, since Huffman coding does most of it.
"""

import numpy as np
from numpy.typing import NDArray

from bgzero_daemon.core.recipe import Png
from bgzero_daemon.photo.picture import U8

I16 = NDArray[np.int16]

NONE, SUB, UP, AVERAGE, PAETH = range(5)

_BLOCK_BYTES = 256
_ONE_OF = 4


def filtered(pixels: U8, step: int, png: Png, first: int = 0, last: int | None = None) -> U8:
    """Return rows as a PNG has them before they are compressed: a byte that names the filter, then residuals.

    `pixels` is (n, bytes of a row), `step` the bytes of a pixel. The rows above are not looked at, so strips can be
    made in any order. Outside of bytes `first` to `last` all of `pixels` are zero, which costs nothing.
    """
    rows, width = pixels.shape
    first -= first % step
    last = width if last is None else min(width, last + step)  # the first pixel behind has residuals, too
    out = np.zeros((rows, width + 1), np.uint8)
    if first < last:
        seen, made = pixels[:, first:last], out[:, first + 1 : last + 1]
        out[:, 0] = _best_of_all(seen, step, made) if png is Png.SMALL else _sub_or_up(seen, step, made, png)
    return out


def _sub_or_up(seen: U8, step: int, made: U8, png: Png) -> U8:
    """Write residuals of Sub and Up into `made`. Returns each row's filter."""
    rows = len(seen)
    above = np.full(rows, SUB, np.uint8)
    if png is Png.FAST:
        middle = slice(rows // 2, rows // 2 + 2)  # two rows stand for a strip
        few = seen[middle]
        if len(few) == 2 and _cost(few[1:] - few[:-1])[0] < _cost(_sub(few[1:], step))[0]:
            above[1:] = UP
            _sub(seen[:1], step, made[:1])
            np.subtract(seen[1:], seen[:-1], out=made[1:])
        else:
            _sub(seen, step, made)
        return above
    _sub(seen, step, made)
    if rows > 1:
        ups = seen[1:] - seen[:-1]
        better = np.flatnonzero(_cost(ups) < _cost(made[1:]))
        made[better + 1] = ups[better]
        above[better + 1] = UP
    return above


def _best_of_all(seen: U8, step: int, made: U8) -> U8:
    """Write the best residuals of all five filters into `made`. Returns each row's filter."""
    left, above, corner = np.zeros((3, *seen.shape), np.int16)
    left[:, step:], above[1:], corner[1:, step:] = seen[:, :-step], seen[:-1], seen[:-1, :-step]
    made[:] = seen
    chosen, least = np.full(len(seen), NONE, np.uint8), _cost(made, 1)
    for kind, guess in (
        (SUB, left), (UP, above), (AVERAGE, (left + above) >> 1), (PAETH, _paeth(left, above, corner)),
    ):  # fmt: skip
        residual = seen - guess.astype(np.uint8)
        cost = _cost(residual, 1)
        better = cost < least
        better[0] &= kind not in (UP, AVERAGE, PAETH)  # the row above is not there to be looked at
        made[better], chosen[better], least[better] = residual[better], kind, cost[better]
    return chosen


def _sub(seen: U8, step: int, out: U8 | None = None) -> U8:
    out = np.empty_like(seen) if out is None else out
    out[:, :step] = seen[:, :step]
    np.subtract(seen[:, step:], seen[:, :-step], out=out[:, step:])
    return out


def _paeth(left: I16, above: I16, corner: I16) -> I16:
    by_left, by_above = np.abs(above - corner), np.abs(left - corner)
    by_corner = np.abs(left + above - 2 * corner)
    guess = np.where(by_above <= by_corner, above, corner)
    return np.where((by_left <= by_above) & (by_left <= by_corner), left, guess)


def _cost(residual: U8, one_of: int = _ONE_OF) -> NDArray[np.int32]:
    """Return each row's sum of magnitudes; of wide rows every fourth block of 256 bytes is looked at."""
    rows, width = residual.shape
    blocks = width // _BLOCK_BYTES
    if one_of > 1 and blocks > one_of:
        residual = residual[:, : blocks * _BLOCK_BYTES].reshape(rows, blocks, _BLOCK_BYTES)[:, ::one_of]
    magnitude = np.abs(residual.view(np.int8).astype(np.int16))
    cost: NDArray[np.int32] = magnitude.reshape(rows, -1).sum(1, dtype=np.int32)
    return cost
