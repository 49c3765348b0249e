"""The colours of what is partly seen, without those of the ground behind it.

Germer, Uelwer, Conrad, Harmeling: Fast Multi-Level Foreground Estimation (2020), for both foreground and background;
and the last step of Forte: Approximate Fast Foreground Colour Estimation (2021), at full size.
"""

import numpy as np
from numpy.typing import NDArray

from bgzero_daemon.photo.edges.grid import F32, Indices, Ruler
from bgzero_daemon.photo.edges.working import Working

_SMOOTHNESS = np.float32(1e-5)
_SMALL, _SMALL_SWEEPS, _SWEEPS = 32, 10, 2


class Colours:
    """The foreground at photo size, made where it is asked for. Many threads may ask at once."""

    def __init__(self, working: Working) -> None:
        """Estimate them on the grid."""
        box, (rows, columns) = working.box, working.alpha.shape
        self._down = Ruler(box.top, box.height_px, rows)
        self._across = Ruler(box.left, box.width_px, columns)
        foreground, background = estimate(working.guide, working.alpha)
        # a node's six numbers lie together, so that a pixel finds them at once
        nodes = np.concatenate([background, foreground - background]).reshape(6, -1).T
        self._nodes, self._columns = np.ascontiguousarray(nodes * np.float32(255.0)), columns

    def at(self, rows: Indices, columns: Indices, colours: F32, opacity: F32) -> F32:
        """Return foreground colours (n, 3) of n pixels of the photo, in 0 to 255.

        Given are the photo's `colours` (n, 3), 0 to 255, and `opacity` (n), in [0, 1]. The foreground of the grid is
        moved to where it mixes to the photo's colours with the grid's background.
        """
        above, below, down = self._down.between(rows)
        left, right, across = self._across.between(columns)
        upper = self._mixed(above, left, right, across)
        upper += (self._mixed(below, left, right, across) - upper) * down[:, None]
        background, difference, share = upper[:, :3], upper[:, 3:], opacity[:, None]
        made = background + difference + share * (colours - background - share * difference)
        return np.asarray(made.clip(0.0, 255.0), np.float32)

    def _mixed(self, row: Indices, left: Indices, right: Indices, across: F32) -> F32:
        """Return the six numbers on a row of nodes, between two of its columns."""
        row = row * self._columns
        found = np.take(self._nodes, row + left, axis=0)
        found += (np.take(self._nodes, row + right, axis=0) - found) * across[:, None]
        return found


def estimate(guide: F32, alpha: F32) -> tuple[F32, F32]:
    """Return foreground and background, (3, rows, columns) each, in [0, 1].

    `guide` (rows, columns, 3) and `alpha` (rows, columns) are in [0, 1]. From one node up to the whole grid, each level
    begins with the colours of the smaller one and is swept a few times, all nodes at once.
    """
    image = np.ascontiguousarray(np.moveaxis(guide, -1, 0))
    height, width = alpha.shape
    levels = max(1, int(np.ceil(np.log2(max(height, width)))))
    shares = np.stack([alpha, 1 - alpha])
    weighed = np.einsum("kyx,cyx->kc", shares, image) / np.maximum(shares.sum((1, 2)), 1e-6)[:, None]
    both = weighed.reshape(6, 1, 1).astype(np.float32)
    for level in range(1, levels + 1):
        rows, columns = (max(1, round(side ** (level / levels))) for side in (height, width))
        sweeps = _SMALL_SWEEPS if max(rows, columns) <= _SMALL else _SWEEPS
        both = _swept(
            _nearest(image, rows, columns), _nearest(alpha, rows, columns), _nearest(both, rows, columns), sweeps
        )
    return both[:3], both[3:]


def _nearest(planes: F32, rows: int, columns: int) -> F32:
    """Return planes (..., h, w) with other sides, each node a copy of the nearest."""
    height, width = planes.shape[-2:]
    down, across = (
        ((np.arange(count) + 0.5) * side / count).astype(np.intp) for count, side in ((rows, height), (columns, width))
    )
    return planes[..., down, :][..., across]


def _swept(image: F32, alpha: F32, both: F32, sweeps: int) -> F32:
    """Draw six planes, foreground and background, towards neighbours and towards mixing to the image (equation 3)."""
    across = _SMOOTHNESS + np.abs(np.diff(alpha, axis=1))
    down = _SMOOTHNESS + np.abs(np.diff(alpha, axis=0))
    total = np.full_like(alpha, _SMOOTHNESS)
    for weight, before, behind in ((across, np.s_[:, :-1], np.s_[:, 1:]), (down, np.s_[:-1], np.s_[1:])):
        total[before] += weight
        total[behind] += weight
    rest = 1 - alpha
    one, mixed, two = alpha * alpha + total, alpha * rest, rest * rest + total
    scale = 1 / (one * two - mixed * mixed)
    one, mixed, two = one * scale, mixed * scale, two * scale
    pulls: list[NDArray[np.float32]] = [alpha * plane for plane in image] + [rest * plane for plane in image]
    for _sweep in range(sweeps):
        sums = [_neighbours(plane, across, down) + pull for plane, pull in zip(both, pulls, strict=True)]
        made = [two * fore - mixed * back for fore, back in zip(sums[:3], sums[3:], strict=True)]
        made += [one * back - mixed * fore for fore, back in zip(sums[:3], sums[3:], strict=True)]
        both = np.clip(np.stack(made), 0.0, 1.0)
    return both


def _neighbours(plane: F32, across: F32, down: F32) -> F32:
    """Return the weighed sum of each node's four neighbours; at a border a node is its own, faintly."""
    found = plane * _SMOOTHNESS
    found[:, :-1] += across * plane[:, 1:]
    found[:, 1:] += across * plane[:, :-1]
    found[:-1] += down * plane[1:]
    found[1:] += down * plane[:-1]
    return found
