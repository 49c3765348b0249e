"""From what a network says to opacity at photo size."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bgzero_daemon.core.errors import ModelError
from bgzero_daemon.core.specs import Activation, Fit, OutputSpec
from bgzero_daemon.core.texts import _
from bgzero_daemon.photo.tensor import photo_box

F32 = NDArray[np.float32]

STRIP_PIXELS = 1 << 20
"""Pixels handled at once, so that memory beside the output stays small at any photo size."""


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


def matte_strips(mask: F32, width_px: int, height_px: int, fit: Fit) -> Iterator[tuple[slice, F32]]:
    """Yield the matte from top to bottom as (rows, strip): strip is (rows, width), float32, in [0, 1].

    The mask is resized in float (bilinear). Strips join without seams: each is cut from one global
    grid, and the filter looks past the strip's edge.
    """
    side = mask.shape[0]
    left, top, width, height = photo_box(width_px, height_px, side, fit)
    # cropping first keeps the filter from looking into the padding
    picture = Image.fromarray(np.ascontiguousarray(mask[top : top + height, left : left + width]))
    rows = max(1, STRIP_PIXELS // width_px)
    for start in range(0, height_px, rows):
        stop = min(start + rows, height_px)
        box = (0.0, start * height / height_px, float(width), stop * height / height_px)
        strip = picture.resize((width_px, stop - start), Image.Resampling.BILINEAR, box=box)
        yield slice(start, stop), np.clip(np.asarray(strip, np.float32), 0.0, 1.0)
