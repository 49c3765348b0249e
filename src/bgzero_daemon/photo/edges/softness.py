"""How wide the network drew an edge: what tells hair from hard things."""

import numpy as np
from numpy.typing import NDArray

from bgzero_daemon.photo.edges.grid import F32, SEEN

_REACH = 16
"""A window reaches so many mask pixels to each side of the one that is looked at."""

_MEAN_REACH = 12
WINDOWS_PX = _REACH + _MEAN_REACH
"""From here on a contour has no say: what is half seen so far from any is taken for hair."""

_HARD, _HAIR = 1.5, 3.0
"""Widths in mask pixels. Seen medians: hard things 0.8 to 1.0, fur 2.3 to 11."""

_FINE_MASK_PX = 512


def softness(mask: F32) -> F32:
    """Return 0 where edges of a mask are hard, 1 where they are hair, and steps between; 0 far from any edge.

    `mask` (rows, columns) in [0, 1], never cut at a threshold before: then all would be hard. The result covers the
    same area, with a node for each pixel, or for each four by four of a large mask. An edge's width is the area of
    what is neither in nor out, divided by the contour's length, both within a window.
    """
    step = 4 if min(mask.shape) > _FINE_MASK_PX else 1
    inside = mask > 0.5
    contour = np.zeros(mask.shape, np.bool_)
    contour[:, 1:] |= inside[:, 1:] != inside[:, :-1]
    contour[1:] |= inside[1:] != inside[:-1]
    area = _window_sums((mask > SEEN) & (mask < 1.0 - SEEN), _REACH, step)
    length = _window_sums(contour, _REACH, step)
    width = area / np.maximum(length, 0.1)
    steep = np.clip((width - _HARD) / (_HAIR - _HARD), 0.0, 1.0)
    reach = max(1, round(_MEAN_REACH / step))
    cells = _window_sums(np.ones_like(steep), reach, 1)
    return np.asarray(_window_sums(steep, reach, 1) / cells, np.float32)


def _window_sums(plane: NDArray[np.generic], reach: int, step: int) -> NDArray[np.float64]:
    """Return sums over windows around every `step`-th pixel, or rather the middle of so many; cut off at borders."""
    sums = np.pad(plane, ((1, 0), (1, 0))).cumsum(0, np.int32 if plane.dtype == np.bool_ else np.float64).cumsum(1)
    rows, columns = (_bounds(length, reach, step) for length in plane.shape)
    across = sums[:, columns[1]] - sums[:, columns[0]]
    return np.asarray(across[rows[1]] - across[rows[0]], np.float64)


def _bounds(length: int, reach: int, step: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return where windows begin and end."""
    middle = np.arange(-(-length // step)) * step + step / 2
    half = reach + 0.5 if step == 1 else reach
    begin, end = (np.clip(middle + side, 0, length).astype(np.intp) for side in (-half, half))
    return begin, end
