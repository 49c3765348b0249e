"""From what a network says to opacity at photo size."""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bgzero_daemon.core.errors import ModelError
from bgzero_daemon.core.specs import Activation, Fit, OutputSpec
from bgzero_daemon.core.texts import _
from bgzero_daemon.photo.tensor import photo_box

F32 = NDArray[np.float32]

_HALF_STEP = 0.5
"""What is less than this is rounded to an alpha of 0."""


def to_mask(raw: NDArray[np.generic], spec: OutputSpec) -> F32:
    """Turn a network's output into a mask.

    raw is (1, 1, S, S), (1, S, S) or (S, S) in the unit given by spec; the result is (S, S), float32, in [0, 1].
    With `stretch` a flat output gives all zeros: stretching it would invent a subject. Raises
    ModelError for another shape or for values that are no numbers.
    """
    is_square = raw.ndim >= 2 and raw.shape[-1] == raw.shape[-2] > 0
    if not is_square or any(side != 1 for side in raw.shape[:-2]):
        raise ModelError(_("The network's output has the shape {shape}, which is no mask.").format(shape=raw.shape))
    mask: F32 = raw.reshape(raw.shape[-2:]).astype(np.float32)
    if not np.isfinite(mask).all():
        raise ModelError(_("The network's output holds values that are no numbers."))
    if spec.activation is Activation.LOGITS:
        mask = (1.0 / (1.0 + np.exp(-np.clip(mask, -60.0, 60.0)))).astype(np.float32)
    if spec.stretch:
        low, high = float(mask.min()), float(mask.max())
        mask = np.zeros_like(mask) if high - low < 1e-6 else (mask - low) / (high - low)
    return np.clip(mask, 0.0, 1.0).astype(np.float32)


class Matte:
    """A mask at photo size, made where it is asked for, in whatever thread.

    Resized in float, bilinear, as Pillow does it: antialiased where it gets smaller. In other pieces the values are the
    same, but for rounding where it gets smaller, which may move an alpha by one.
    """

    def __init__(self, mask: F32, width_px: int, height_px: int, fit: Fit) -> None:
        """`mask` is the network's square, (S, S), in [0, 1]; width and height are those of the upright photo."""
        left, top, width, height = photo_box(width_px, height_px, mask.shape[0], fit)
        # cropping first keeps the filter from looking into the padding
        self._mask = mask[top : top + height, left : left + width] * np.float32(255.0)
        self._picture = Image.fromarray(self._mask)
        self._width = width_px
        self._across, self._down = width / width_px, height / height_px
        self._is_grown = width <= width_px and height <= height_px

    def columns(self, rows: slice) -> slice:
        """Return between which columns anything of these rows may be seen."""
        if not self._is_grown:
            return slice(0, self._width)
        first, last = max(0, int(rows.start * self._down - 1)), int(rows.stop * self._down + 2)
        (seen,) = np.nonzero((self._mask[first:last] >= _HALF_STEP).any(0))
        if not len(seen):
            return slice(0, 0)
        start, stop = max(0, int(seen[0]) - 1), int(seen[-1]) + 2
        return slice(int(start / self._across), min(self._width, math.ceil(stop / self._across)))

    def opacity(self, rows: slice, columns: slice) -> F32:
        """Return (rows, columns), float32, from 0 to 255. There has to be one of each at least."""
        if not self._is_grown:
            return self._resized(rows.start * self._down, rows.stop * self._down, rows.stop - rows.start, columns)
        # each row lies between two rows of the mask, which are widened first: several times as fast as Pillow does it
        last = self._mask.shape[0] - 1
        at = np.clip((np.arange(rows.start, rows.stop) + 0.5) * self._down - 0.5, 0.0, last)
        upper = at.astype(np.intp)
        top, bottom = int(upper[0]), int(upper[-1]) + 1
        wide = self._resized(top, min(bottom, last) + 1, min(bottom, last) + 1 - top, columns)
        steps = np.diff(wide, axis=0, append=wide[-1:])
        made: F32 = steps[upper - top]
        made *= (at - upper).astype(np.float32)[:, None]
        made += wide[upper - top]
        return made

    def _resized(self, top: float, bottom: float, rows: int, columns: slice) -> F32:
        """Return these rows of the mask as so many rows, at these columns of the photo."""
        high, wide = self._mask.shape
        left, right = columns.start * self._across, min(columns.stop * self._across, float(wide))
        box = (left, top, right, min(bottom, float(high)))
        size = columns.stop - columns.start, rows
        made = self._picture.resize(size, Image.Resampling.BILINEAR, box=box)
        return np.clip(np.asarray(made, np.float32), 0.0, 255.0)
