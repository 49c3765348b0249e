"""The refined matte at photo size, drawn where it is asked for."""

from collections.abc import Iterator

import numpy as np

from bgzero_daemon.photo.edges.colourline import colour_lines
from bgzero_daemon.photo.edges.grid import F32, Flags, Indices, Ruler, grown
from bgzero_daemon.photo.edges.working import Working
from bgzero_daemon.photo.picture import Layout, Photo, Words

_PEAK = np.float32(255.0)
_COLUMNS_AT_ONCE = 512
"""So that the planes of a strip stay near the core."""


class Refined:
    """Opacity by linear functions of the photo's colours, between the nodes of a grid.

    Each pixel is reckoned for itself, so pieces of any size, in any thread, are the same bytes.
    """

    def __init__(self, photo: Photo, working: Working | None) -> None:
        """`working` is the matte on the grid, None where nothing is seen."""
        self._words, self._layout, self._working = photo.words, photo.layout, working
        if working is None:
            return
        box, (rows, columns) = working.box, working.alpha.shape
        self._down = Ruler(box.top, box.height_px, rows)
        self._across = Ruler(box.left, box.width_px, columns)
        self._solid = working.alpha > 0.5
        self._soft = grown(working.unknown | _changes(self._solid), 1)
        self._lines = _lines(working, self._soft)

    def columns(self, rows: slice) -> slice:
        """Return between which columns anything of these rows may be seen."""
        working = self._working
        if working is None:
            return slice(0, 0)
        box = working.box
        first, last = max(rows.start, box.top), min(rows.stop, box.bottom)
        if first >= last:
            return slice(0, 0)
        above, below, _share = self._down.between(np.array([first, last - 1]))
        nodes = slice(int(above[0]), int(below[1]) + 1)
        seen = _anywhere(self._soft[nodes] | self._solid[nodes])
        before, behind, _share = self._across.between(np.arange(box.left, box.right))
        (columns,) = np.nonzero(seen[before] | seen[behind])
        if not len(columns):
            return slice(0, 0)
        return slice(box.left + int(columns[0]), box.left + int(columns[-1]) + 1)

    def opacity(self, rows: slice, columns: slice) -> F32:
        """Return (rows, columns), float32, from 0 to 255."""
        made = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.float32)
        if self._working is None:
            return made
        box = self._working.box
        top, bottom = max(rows.start, box.top), min(rows.stop, box.bottom)
        left, right = max(columns.start, box.left), min(columns.stop, box.right)
        if top >= bottom or left >= right:
            return made
        part = made[top - rows.start : bottom - rows.start, left - columns.start : right - columns.start]
        pixel_rows = np.arange(top, bottom)
        above, below, _share = self._down.between(pixel_rows[[0, -1]])
        nodes = slice(int(above[0]), int(below[1]) + 1)
        before, behind, _share = self._across.between(np.arange(left, right))
        # where nothing is soft, rows do not differ: any change makes a soft node
        part[:] = np.where(self._solid[nodes.start, before], _PEAK, np.float32(0.0))
        soft = _anywhere(self._soft[nodes])
        for some in _runs(soft[before] | soft[behind]):
            part[:, some] = self._drawn(pixel_rows, np.arange(left + some.start, left + some.stop))
        return made

    def _drawn(self, rows: Indices, columns: Indices) -> F32:
        """Return the opacity of a part of the box, from 0 to 255."""
        above, _below, down = self._down.between(rows)
        before, behind, across = self._across.between(columns)
        first, last = int(above[0]), int(self._down.between(rows[-1:])[1][0])
        near, far = int(before[0]), int(behind[-1]) + 1
        lines = self._lines[:, first : last + 1, near:far]
        wide = lines[:, :, before - near]
        wide += (lines[:, :, behind - near] - wide) * across
        steps = np.diff(wide, axis=1, append=wide[:, -1:])
        above, down = above - first, down[:, None]
        words = self._words[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        made: F32 = wide[3, above] + steps[3, above] * down
        for channel in range(3):
            slope = steps[channel, above]
            slope *= down
            slope += wide[channel, above]
            slope *= _channel(words, channel, self._layout)
            made += slope
        np.clip(made, 0.0, _PEAK, out=made)
        return made


def _anywhere(flags: Flags) -> Flags:
    """Return what is set in any row."""
    return np.asarray(flags.any(0), np.bool_)


def _channel(words: Words, number: int, layout: Layout) -> F32:
    """Return a channel of the photo, from 0 to 255, whatever its depth."""
    of_word = layout.word.type
    levels: F32 = ((words >> of_word(layout.depth * number)) & of_word(layout.peak)).astype(np.float32)
    if layout.unit > 1:
        levels /= np.float32(layout.unit)
    return levels


def _lines(working: Working, soft: Flags) -> F32:
    """Return four planes whose sum with a photo's colours, all in 0 to 255, is opacity; certain nodes are constant."""
    lines = np.zeros((4, *working.alpha.shape), np.float32)
    if working.is_whole:
        lines[3] = working.alpha * _PEAK
        return lines
    lines[3] = np.where(working.alpha > 0.5, _PEAK, np.float32(0.0))
    if soft.any():
        made = colour_lines(working.guide, working.alpha, soft)
        made[3] *= _PEAK
        np.copyto(lines, made, where=soft)
    return lines


def _changes(solid: Flags) -> Flags:
    """Return the nodes of which a neighbour is otherwise, diagonals included."""
    return grown(solid, 1) & grown(~solid, 1)


def _runs(flags: Flags) -> Iterator[slice]:
    """Yield where flags are set, in pieces."""
    edges = np.flatnonzero(np.diff(flags, prepend=False, append=False))
    for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        for first in range(start, stop, _COLUMNS_AT_ONCE):
            yield slice(first, min(first + _COLUMNS_AT_ONCE, stop))
