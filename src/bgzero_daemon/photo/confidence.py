"""Is this mask worth a look? Judged by itself, and by another one where there is one.

A mask that is wrong and sure of it passes every test here, so what passes "looks fine" and is never called correct.
Figures and their small numbers: docs/confidence.md, made by `benchmarks/confidence.py`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bgzero_daemon.core.confidence import Confidence, Doubt
from bgzero_daemon.core.specs import Edge
from bgzero_daemon.photo.matte import F32

Bits = NDArray[np.bool_]

LEAST_PEAK = 0.9
"""A subject is sure somewhere. From 0.3 to 0.9 it makes no difference for IS-Net; u2netp needs 0.9."""
LEAST_AREA = 0.002
"""A subject has so much of the picture. Sunlight on a wall has less."""
MOST_PARTS = 50
LEAST_LARGEST = 0.5
"""One of many parts that is more than all others together is a subject: a bicycle leaves crumbs of spokes."""
FINE_PX = 1024
"""From this side on a mask tells letters apart, and a page of text falls into hundreds of parts. Seen with IS-Net
alone: in 320 pixels (u2netp) the same page is one slab, and what parts mean there was not measured."""
MOST_FOG = 0.02
FOG_REACH = 0.016
"""Of the mask's side: what is half transparent farther than this from the contour is no hair."""
LEAST_MIRRORED = 0.9
LEAST_OTHER = 0.93


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is thought of a mask, and what it was judged by.

    `peak` is its largest value, `area` the part of it above 0.5, `fog` what is half transparent far from the contour,
    in pixels for each pixel of the subject; `parts` counts the subject's separate parts.
    """

    confidence: Confidence
    doubt: Doubt = Doubt.NONE
    peak: float = 0.0
    area: float = 0.0
    fog: float = 0.0
    parts: int = 0


def judge(
    mask: F32, *, mirrored: float | None = None, other: float | None = None, edge: Edge = Edge.REFINE
) -> Judgement:
    """Judge a network's mask, (S, S), in [0, 1], as it came: before anything was refined or averaged.

    `mirrored` is its agreement (`agreement`) with the same network's mask of the mirrored photo, turned back; `other`
    that with another network's; None where there is none. `edge` is the card's: what a matting network makes half
    transparent (KEEP) it means, and a veil is no doubt.
    """
    subject: Bits = mask > 0.5
    peak, area = float(mask.max(initial=0.0)), float(np.count_nonzero(subject)) / max(1, mask.size)
    parts, largest = parts_of(subject)
    is_torn = parts > MOST_PARTS and largest < LEAST_LARGEST and min(mask.shape) >= FINE_PX
    if peak < LEAST_PEAK or area < LEAST_AREA or is_torn:
        return Judgement(Confidence.NO_SUBJECT, Doubt.NOTHING_FOUND, peak, area, parts=parts)
    fog = fog_of(mask, subject)
    doubt = Doubt.NONE
    if fog > MOST_FOG and edge is not Edge.KEEP:
        doubt = Doubt.SEE_THROUGH
    elif mirrored is not None and mirrored < LEAST_MIRRORED:
        doubt = Doubt.PASSES_DIFFER
    elif other is not None and other < LEAST_OTHER:
        doubt = Doubt.MODELS_DIFFER
    return Judgement(Confidence.CHECK if doubt else Confidence.FINE, doubt, peak, area, fog, parts)


def agreement(one: F32, other: F32) -> float:
    """Return how much of two masks' subjects (above 0.5) is common to both, from 0 to 1; 1 for two empty ones."""
    first, second = one > 0.5, other > 0.5
    union = int(np.count_nonzero(first | second))
    return int(np.count_nonzero(first & second)) / union if union else 1.0


def fog_of(mask: F32, subject: Bits) -> float:
    """Return the sum of min(m, 1 - m) farther than `FOG_REACH` from the contour, for each pixel of the subject."""
    count = int(np.count_nonzero(subject))
    if not count:
        return 0.0
    near = _grown(_contour(subject), max(1, round(FOG_REACH * min(mask.shape))))
    haze: F32 = np.minimum(mask, 1.0 - mask)
    haze[near] = 0.0
    return float(haze.sum(dtype=np.float64)) / count


def parts_of(subject: Bits) -> tuple[int, float]:
    """Return the number of separate parts, whose pixels touch at their sides, and how much of all the largest is.

    Holes count for nothing. Runs of pixels in a row are joined with those that they touch in the next one, all at once:
    each root is hung below the smallest that it touches, until none touches another.
    """
    height, width = subject.shape
    line = np.zeros(height * (width + 1) + 1, np.bool_)  # a gap behind each row, and one in front of all
    line[1:].reshape(height, width + 1)[:, :width] = subject
    turns = np.flatnonzero(line[1:] != line[:-1])
    starts, ends = turns[::2], turns[1::2]
    first = np.searchsorted(ends, starts + width + 1, side="right")
    counts = np.maximum(np.searchsorted(starts, ends + width + 1, side="left") - first, 0)
    upper = np.repeat(np.arange(len(starts)), counts)
    lower = np.repeat(first - np.cumsum(counts) + counts, counts) + np.arange(len(upper))
    root = np.arange(len(starts))
    while len(upper):
        one, other = root[upper], root[lower]
        apart = one != other
        upper, lower, one, other = upper[apart], lower[apart], one[apart], other[apart]
        np.minimum.at(root, np.maximum(one, other), np.minimum(one, other))
        while not np.array_equal(above := root[root], root):
            root = above
    pixels = np.bincount(root, weights=ends - starts)
    count = int(np.count_nonzero(pixels))
    return count, float(pixels.max() / pixels.sum()) if count else 0.0


def _contour(subject: Bits) -> Bits:
    """Return the pixels on either side of the contour."""
    found = np.zeros_like(subject)
    across, down = subject[:, 1:] != subject[:, :-1], subject[1:] != subject[:-1]
    found[:, 1:] |= across
    found[:, :-1] |= across
    found[1:] |= down
    found[:-1] |= down
    return found


def _grown(bits: Bits, reach: int) -> Bits:
    """Return them grown by `reach` pixels to all sides, as a square; in strides that grow: a large one is cheap."""
    for axis in (0, 1):
        line, grown = np.moveaxis(bits, axis, 0), 0
        line = line.copy()
        while grown < reach:
            step = min(2 * grown + 1, reach - grown)
            wider = line.copy()
            wider[step:] |= line[:-step]
            wider[:-step] |= line[step:]
            line, grown = wider, grown + step
        bits = np.moveaxis(line, 0, axis)
    return bits
