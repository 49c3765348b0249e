"""The matte on a small grid over the subject: what of a photo is hair, what is hard, and how opaque both are."""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from bgzero_daemon.core.specs import REACH_UNIT
from bgzero_daemon.photo.edges.colourline import along, colour_lines
from bgzero_daemon.photo.edges.grid import F32, SEEN, Box, Flags, colours_of, grown, near_contour, resized, subject_box
from bgzero_daemon.photo.edges.softness import WINDOWS_PX, softness
from bgzero_daemon.photo.edges.solver import solve
from bgzero_daemon.photo.picture import Photo

_COARSE, _FINE = 256, 512
"""Nodes of the longer side. The coarse grid lets colour mend a contour that the network drew pixels off."""

_SOFT_REACH, _HARD_REACH = 8, 2
"""In parts of a grid's longer side, of which there are REACH_UNIT."""

_COARSE_STEPS, _FINE_STEPS = 40, 20
_PULL = np.float32(0.01)
_LEAST_HAIR = 0.05


@dataclass(frozen=True, slots=True)
class Working:
    """A matte on a grid over the subject's box.

    `guide` (rows, columns, 3) holds the photo's colours and `alpha` (rows, columns) the opacity, both in [0, 1];
    `unknown` is what was solved, all else is 0 or 1.
    """

    box: Box
    guide: F32
    alpha: F32
    unknown: Flags

    @property
    def is_whole(self) -> bool:
        """Say whether there is a node for each pixel."""
        return self.alpha.shape == (self.box.height_px, self.box.width_px)


@dataclass(frozen=True, slots=True)
class _Sampled:
    """The mask's opinion on a grid: opacity, and how much of it is hair."""

    mask: F32
    hair: F32

    @property
    def inside(self) -> Flags:
        return self.mask > 0.5

    def px(self, distance: float) -> int:
        """Return nodes for a distance in parts of the grid."""
        longer: int = max(self.mask.shape)
        return max(1, round(distance * longer / REACH_UNIT))


def refined(photo: Photo, mask: F32, reach: float) -> Working | None:
    """Return the matte of what a mask sees, None where it sees nothing.

    `mask` (rows, columns), in [0, 1], covers the whole photo, whatever its sides. `reach`: so far from the contour, in
    parts of 1024, opacity may be neither 0 nor 1.
    """
    box = subject_box(_near_subject(mask, reach), photo.width_px, photo.height_px)
    if box is None:
        return None
    hair = softness(mask)
    fine_guide, coarse_guide = colours_of(photo, box, (_FINE, _COARSE))
    coarse = _sampled(photo, mask, hair, box, _COARSE)
    rough, zone = _coarsely(coarse_guide, coarse, reach)
    if coarse_guide.shape == fine_guide.shape:
        fine = _Sampled(_sampled(photo, mask, hair, box, _FINE, Image.Resampling.BICUBIC).mask, coarse.hair)
        carried = rough
    else:
        fine = _sampled(photo, mask, hair, box, _FINE, Image.Resampling.BICUBIC)
        carried, zone = _carried(rough, zone, coarse_guide, fine_guide)
    start = fine.hair * carried + (1 - fine.hair) * fine.mask
    alpha, unknown = _finely(fine_guide, fine, start, zone)
    return Working(box, fine_guide, alpha, unknown)


def as_masked(photo: Photo, mask: F32) -> Working | None:
    """Return the mask itself on the grid, for its colours: what it sees partly is unknown. None where nothing is."""
    box = subject_box(mask > SEEN, photo.width_px, photo.height_px)
    if box is None:
        return None
    (guide,) = colours_of(photo, box, (_FINE,))
    alpha = _part_of(photo, mask, box, _FINE, Image.Resampling.BILINEAR)
    return Working(box, guide, alpha, (alpha > 0) & (alpha < 1))


def _near_subject(mask: F32, reach: float) -> Flags:
    """Return what is seen and may stay so: haze farther off ends as nothing, and has no claim to the grid's nodes."""
    farthest = max(WINDOWS_PX, math.ceil(reach * max(mask.shape) / REACH_UNIT))
    return (mask > SEEN) & grown(mask > 0.5, farthest)


def _sampled(
    photo: Photo, mask: F32, hair: F32, box: Box, side: int, how: Image.Resampling = Image.Resampling.BILINEAR
) -> _Sampled:
    return _Sampled(_part_of(photo, mask, box, side, how), _part_of(photo, hair, box, side, Image.Resampling.BILINEAR))


def _part_of(photo: Photo, plane: F32, box: Box, side: int, how: Image.Resampling) -> F32:
    """Return the box of a plane that covers the whole photo, on a grid."""
    down, across = plane.shape[0] / photo.height_px, plane.shape[1] / photo.width_px
    bottom, right = (
        min(box.bottom * down, plane.shape[0]),
        min(box.right * across, plane.shape[1]),
    )  # or rounding is out
    part = box.left * across, box.top * down, right, bottom
    return resized(plane, box.fitted(side), how, part).clip(0.0, 1.0)


def _coarsely(guide: F32, seen: _Sampled, reach: float) -> tuple[F32, Flags]:
    """Solve hair on the coarse grid. Return opacity, and where it was asked for."""
    soft, cap = seen.px(_SOFT_REACH), seen.px(reach)
    band = grown(seen.mask > SEEN, soft) & grown(seen.mask < 1 - SEEN, soft)
    unknown = band & near_contour(seen.inside, cap) & (seen.hair > _LEAST_HAIR)
    start = np.where(unknown, seen.mask, seen.inside).astype(np.float32)
    return solve(guide, start, unknown, spacing=2, steps=_COARSE_STEPS), unknown


def _carried(rough: F32, zone: Flags, coarse_guide: F32, fine_guide: F32) -> tuple[F32, Flags]:
    """Carry a solution to the fine grid, as functions of colour. Return opacity, and where it is not only 0 or 1."""
    size = fine_guide.shape[1], fine_guide.shape[0]
    wide_zone = resized(zone.astype(np.float32), size) > 0
    certain = resized(rough, size) > 0.5
    if not zone.any():
        return certain.astype(np.float32), wide_zone
    lines = colour_lines(coarse_guide, rough, grown(zone, 1))
    carried = along(np.stack([resized(plane, size) for plane in lines]), fine_guide)
    return np.where(wide_zone, carried, certain).astype(np.float32), wide_zone


def _finely(guide: F32, seen: _Sampled, start: F32, zone: Flags) -> tuple[F32, Flags]:
    """Polish hair, and solve hard edges right at the contour. Return opacity, and where it was asked for."""
    is_hair = seen.hair > 0.5
    hair = grown((start > 0.02) & (start < 0.98), 2) & zone
    hard = near_contour(seen.inside, seen.px(_HARD_REACH)) | ((seen.mask > 0.05) & (seen.mask < 0.95))
    unknown = np.where(is_hair, hair, hard)
    start = np.where(unknown, start, start > 0.5).astype(np.float32)
    pull = np.where(is_hair, _PULL, np.float32(0.0))
    return solve(guide, start, unknown, spacing=1, steps=_FINE_STEPS, pull=pull), unknown
