"""Opacity as a linear function of colour around each node: the way from a grid to full size.

He, Sun, Tang: Guided Image Filtering (2010), section 3.5 (colour guides); the coefficients are averaged once more
(their equation 8), and may be carried to another resolution (He, Sun: Fast Guided Filter, 2015).
"""

import numpy as np

from bgzero_daemon.photo.edges.grid import F32, F64, Flags, grown

_RADIUS = 2
_SIDE = 2 * _RADIUS + 1
_EPSILON = 1e-5
_MIDDLE = 0.5
"""Colours are counted from here, which keeps sums of squares small."""


def colour_lines(guide: F32, alpha: F32, wanted: Flags) -> F32:
    """Return (4, rows, columns): red, green, blue and constant, so that alpha is their sum with the photo's colours.

    `guide` (rows, columns, 3) and `alpha` (rows, columns) are in [0, 1], and so are the colours the result is meant
    for. Where nothing is `wanted` the planes mean nothing. Covariances and their inverses are float64: in float32 the
    determinant of a photo of one grey rounds to zero.
    """
    solved = np.flatnonzero(grown(wanted, _RADIUS))
    colours = [guide[..., channel].astype(np.float64) - _MIDDLE for channel in range(3)]
    opacity = alpha.astype(np.float64)

    def mean_of(plane: F64) -> F64:
        return np.take(_averaged(plane), solved)

    red, green, blue = (mean_of(colour) for colour in colours)
    level = mean_of(opacity)
    pairs = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
    means = (red, green, blue)
    covariance = [mean_of(colours[one] * colours[two]) - means[one] * means[two] for one, two in pairs]
    shared = [mean_of(colour * opacity) - mean * level for colour, mean in zip(colours, means, strict=True)]
    slopes = _solved(covariance, shared)
    slopes.append(level - sum(slope * (mean + _MIDDLE) for slope, mean in zip(slopes, means, strict=True)))
    planes = np.zeros((4, *alpha.shape), np.float64)
    planes.reshape(4, -1)[:, solved] = slopes
    return np.stack([_averaged(plane) for plane in planes]).astype(np.float32)


def along(lines: F32, guide: F32) -> F32:
    """Return the opacity of colours (rows, columns, 3) in [0, 1] by planes of the same size, in [0, 1]."""
    sums = np.einsum("kyx,yxk->yx", lines[:3], guide) + lines[3]
    return np.asarray(np.clip(sums, 0.0, 1.0), np.float32)


def _solved(covariance: list[F64], wanted: list[F64]) -> list[F64]:
    """Solve (covariance + epsilon) slopes = wanted for each node. The six values are xx, xy, xz, yy, yz, zz."""
    xx, xy, xz, yy, yz, zz = covariance
    xx, yy, zz = xx + _EPSILON, yy + _EPSILON, zz + _EPSILON
    minors = (
        yy * zz - yz * yz,
        xz * yz - xy * zz,
        xy * yz - xz * yy,
        xx * zz - xz * xz,
        xy * xz - xx * yz,
        xx * yy - xy * xy,
    )
    determinant = xx * minors[0] + xy * minors[1] + xz * minors[2]
    rows = ((0, 1, 2), (1, 3, 4), (2, 4, 5))
    return [
        sum((minors[at] * one for at, one in zip(row, wanted, strict=True)), np.zeros_like(xx)) / determinant
        for row in rows
    ]


def _averaged(plane: F64) -> F64:
    """Return the mean of 5 by 5 nodes around each; beyond the border its own nodes go on."""
    padded = np.pad(plane, _RADIUS, mode="edge")
    for _axis in range(2):
        pairs = padded[:-1] + padded[1:]
        padded = (pairs[:-3] + pairs[2:-1] + padded[4:]).T
    return padded / _SIDE**2
