"""PNG's row filters on whole strips at once, and which of them a row is given.

Filters: PNG specification (third edition), section 9. A row is given the one whose residuals have the least sum of
magnitudes (section 12.7). How widely it is looked is what the levels differ in: Sub and Up alone, for a strip or for a
few rows, are a tenth of the work of all five, and their files hardly larger, since Huffman coding does most of it.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bgzero_daemon.core.checksums import quick_compressor
from bgzero_daemon.core.recipe import Png
from bgzero_daemon.photo.picture import U8

I16 = NDArray[np.int16]

NONE, SUB, UP, AVERAGE, PAETH = range(5)

_ROWS_TOGETHER = 8
_BLOCK_BYTES = 256
_ONE_OF = 8


def filtered(pixels: U8, step: int, png: Png, *, before: int = 0, width: int | None = None) -> U8:
    """Return rows as a PNG has them before they are compressed: a byte that names the filter, then residuals.

    `pixels` is (n, bytes of a row), `step` the bytes of a pixel. The rows above are not looked at, so strips can be
    made in any order. Where `pixels` are only a part of rows of `width` bytes, the `before` bytes on their left and
    all on their right are zero, which costs nothing.
    """
    rows, seen = pixels.shape
    width = seen if width is None else width
    behind = before + seen
    out = np.zeros((rows, width + 1), np.uint8)
    made = out[:, before + 1 : behind + 1]
    kinds = _best_of_all(pixels, step, made) if png is Png.SMALL else _sub_or_up(pixels, step, made, png)
    out[:, 0] = kinds
    if behind < width:  # the first pixel behind has residuals, too, where the one on its left has a part in its guess
        out[:, behind + 1 : behind + 1 + step] = _behind(pixels[:, -step:], kinds)
    return out


def _behind(last: U8, kinds: U8) -> U8:
    """Return the residuals of a pixel of zeros behind `last`, row by row."""
    left, corner = last.astype(np.int16), np.zeros(last.shape, np.int16)
    corner[1:] = left[:-1]
    nothing = np.zeros_like(left)
    guesses = np.stack([nothing, left, nothing, left >> 1, _paeth(left, nothing, corner)])
    guess: U8 = guesses[kinds, np.arange(len(kinds))].astype(np.uint8)
    return 0 - guess


def _sub_or_up(seen: U8, step: int, made: U8, png: Png) -> U8:
    """Write residuals of Sub or Up into `made`. Returns each row's filter.

    A row in the middle of a few stands for them, and of a strip where it has to be fast.
    """
    rows = len(seen)
    together = rows if png is Png.FAST else _ROWS_TOGETHER
    middles = np.minimum(np.arange(0, rows, together) + together // 2, rows - 1)
    looked_at = seen[middles]
    ups = _cost(looked_at - seen[np.maximum(middles - 1, 0)])
    is_up = np.repeat(ups < _cost(_sub(looked_at, step)), together)[:rows]
    is_up[0] = False  # the row above is not there to be looked at
    edges = np.flatnonzero(np.diff(is_up)) + 1
    for first, last in pairwise((0, *edges, rows)):
        if is_up[first]:
            np.subtract(seen[first:last], seen[first - 1 : last - 1], out=made[first:last])
        else:
            _sub(seen[first:last], step, made[first:last])
    return np.where(is_up, np.uint8(UP), np.uint8(SUB))


def _best_of_all(seen: U8, step: int, made: U8) -> U8:
    """Write the best residuals of all filters into `made`. Returns each row's filter.

    Six ways are tried for a few rows at a time: each filter for all of them, and for each row the one that is usually
    advised. The one that a quick compressor makes least of is taken: 2 % less than by advice alone.
    """
    left, above, corner = np.zeros((3, *seen.shape), np.int16)
    left[:, step:], above[1:], corner[1:, step:] = seen[:, :-step], seen[:-1], seen[:-1, :-step]
    guesses = (left, above, (left + above) >> 1, _paeth(left, above, corner))
    residuals = np.stack([seen, *(seen - guess.astype(np.uint8) for guess in guesses)])
    rows = np.arange(len(seen))
    advised = np.stack([_cost(residual, 1) for residual in residuals]).argmin(0)
    ways = np.vstack([np.tile(np.arange(PAETH + 1), (len(seen), 1)).T, advised])
    ways[:, 0] = np.where(ways[:, 0] > SUB, SUB, ways[:, 0])  # the row above is not there to be looked at
    chosen = np.empty(len(seen), np.uint8)
    for top in range(0, len(seen), _ROWS_TOGETHER):
        few = rows[top : top + _ROWS_TOGETHER]
        _length, way = min((_squeezed(residuals[kinds[few], few]), number) for number, kinds in enumerate(ways))
        chosen[few] = ways[way][few]
        made[few] = residuals[chosen[few], few]
    return chosen


def _squeezed(residuals: U8) -> int:
    """Return how many bytes a quick compressor makes of a few rows."""
    compressor = quick_compressor(1)
    return len(compressor.compress(residuals.data)) + len(compressor.flush())


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
    """Return each row's sum of magnitudes; of wide rows every eighth block of 256 bytes is looked at."""
    rows, width = residual.shape
    blocks = width // _BLOCK_BYTES
    if one_of > 1 and blocks > one_of:
        residual = residual[:, : blocks * _BLOCK_BYTES].reshape(rows, blocks, _BLOCK_BYTES)[:, ::one_of]
    magnitude = np.abs(residual.view(np.int8).astype(np.int16))
    cost: NDArray[np.int32] = magnitude.reshape(rows, -1).sum(1, dtype=np.int32)
    return cost
