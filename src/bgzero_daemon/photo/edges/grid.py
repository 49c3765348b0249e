"""Small grids over the subject's part of a photo, and how positions in the photo lie between their nodes."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bgzero_daemon.photo.picture import Photo, as_stored, eight_bits, is_quarter_turn, turned

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Flags = NDArray[np.bool_]
Indices = NDArray[np.intp]

SEEN = np.float32(0.1)
"""What the network says of a pixel that may belong to the subject, at least."""

_MARGIN_SHARE, _MARGIN_PX = 0.06, 4


@dataclass(frozen=True, slots=True)
class Box:
    """A part of the upright photo, in pixels; `right` and `bottom` are outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width_px(self) -> int:
        """Columns."""
        return self.right - self.left

    @property
    def height_px(self) -> int:
        """Rows."""
        return self.bottom - self.top

    def fitted(self, side: int) -> tuple[int, int]:
        """Return columns and rows of a grid whose longer side has `side` nodes, or one for each pixel."""
        scale = min(1.0, side / max(self.width_px, self.height_px))
        return max(1, round(self.width_px * scale)), max(1, round(self.height_px * scale))


def subject_box(seen: Flags, width_px: int, height_px: int) -> Box | None:
    """Return where the photo shows what is set in `seen`, with a margin; None where nothing is.

    `seen` (rows, columns) covers the whole photo, whatever its sides.
    """
    (rows,), (columns,) = (np.nonzero(seen.any(axis)) for axis in (1, 0))
    if not len(rows):
        return None
    down, across = height_px / seen.shape[0], width_px / seen.shape[1]
    left, right = float(columns[0]) * across, float(columns[-1] + 1) * across
    top, bottom = float(rows[0]) * down, float(rows[-1] + 1) * down
    margin = _MARGIN_SHARE * max(right - left, bottom - top) + _MARGIN_PX
    return Box(
        max(0, math.floor(left - margin)), max(0, math.floor(top - margin)),
        min(width_px, math.ceil(right + margin)), min(height_px, math.ceil(bottom + margin)),
    )  # fmt: skip


def colours_of(photo: Photo, box: Box, sides: tuple[int, ...]) -> list[F32]:
    """Return the box of the photo on a grid for each of `sides`, the largest first: (rows, columns, 3), in [0, 1].

    Averages of the pixels that a node stands for, in the photo's own colour space. Pillow looks at the photo where it
    is; smaller grids are made from the largest. Its BOX filter takes pixels as a whole or not at all, and so differs
    in a mirror.
    """
    part: tuple[int, int, int, int] | None = as_stored(
        (box.left, box.top, box.right, box.bottom), photo.turn, photo.width_px, photo.height_px
    )
    stored = np.ascontiguousarray(eight_bits(photo.stored))  # of 16 bits a copy, for Pillow does not know such pixels
    height, width = stored.shape
    picture = Image.frombuffer("RGBX", (width, height), stored, "raw", "RGBX", stored.strides[0], 1)
    grids = []
    for side in sides:
        columns, rows = box.fitted(side)
        size = (rows, columns) if is_quarter_turn(photo.turn) else (columns, rows)
        picture, part = picture.resize(size, Image.Resampling.HAMMING, box=part, reducing_gap=2.0).convert("RGB"), None
        upright = turned(np.asarray(picture), photo.turn)
        grids.append(np.ascontiguousarray(upright, np.float32) / np.float32(255.0))
    return grids


def resized(
    plane: F32, size: tuple[int, int], how: Image.Resampling = Image.Resampling.BILINEAR,
    part: tuple[float, float, float, float] | None = None,
) -> F32:  # fmt: skip
    """Return a plane, or the part of it in (left, top, right, bottom), with `size` (columns, rows)."""
    picture = Image.fromarray(np.ascontiguousarray(plane, np.float32))
    return np.asarray(picture.resize(size, how, box=part), np.float32)


def grown(flags: Flags, radius: int) -> Flags:
    """Return what is set within `radius` nodes, in a square around each."""
    for axis in (0, 1):
        done = 0
        while done < radius:
            # what is grown by n becomes grown by 2 n + 1 at most in one step each way
            step = min(max(1, done), radius - done)
            flags = _joined(flags, step, axis)
            done += step
    return flags


def _joined(flags: Flags, step: int, axis: int) -> Flags:
    """Set what is set `step` nodes before or behind on an axis."""
    lines, wider = (np.moveaxis(one, axis, 0) for one in (flags, flags.copy()))
    wider[step:] |= lines[:-step]
    wider[:-step] |= lines[step:]
    return np.moveaxis(wider, 0, axis)


def near_contour(inside: Flags, radius: int) -> Flags:
    """Return what has both sides of the contour within `radius` nodes."""
    return grown(inside, radius) & grown(~inside, radius)


class Ruler:
    """Where pixels of one direction of the photo lie between the nodes of a grid. Outside it, the last node counts."""

    def __init__(self, first_px: int, length_px: int, nodes: int) -> None:
        """The grid's `nodes` share `length_px` pixels from `first_px` on."""
        self._first, self._per_pixel, self._last = first_px, nodes / length_px, nodes - 1

    def between(self, pixels: Indices) -> tuple[Indices, Indices, F32]:
        """Return the nodes before and behind each pixel, and the share of the one behind, in [0, 1]."""
        at = np.clip((pixels - self._first + 0.5) * self._per_pixel - 0.5, 0.0, self._last)
        before = np.minimum(at.astype(np.intp), max(0, self._last - 1))
        return before, np.minimum(before + 1, self._last), (at - before).astype(np.float32)
