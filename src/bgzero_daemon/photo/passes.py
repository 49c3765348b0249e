"""A second look at the photo's mirror image: two masks become one where they agree on the subject."""

from dataclasses import dataclass

import numpy as np

from bgzero_daemon.core.specs import Fit
from bgzero_daemon.photo.confidence import agreement
from bgzero_daemon.photo.matte import F32
from bgzero_daemon.photo.tensor import photo_box

_LEAST_AGREEMENT = 0.9


@dataclass(frozen=True, slots=True)
class Passes:
    """What two looks of a network had in common.

    `agreement` is the area that both take for the subject, divided by what either does (intersection over union, masks
    cut at 0.5), in [0, 1]; 1 where neither finds anything; None: there was one look.
    """

    agreement: float | None = None

    @property
    def is_unsure(self) -> bool:
        """Say whether the second look saw something else, so that only the first one counts."""
        return self.agreement is not None and self.agreement <= _LEAST_AGREEMENT


def mirrored(square: F32, width_px: int, height_px: int, fit: Fit) -> F32:
    """Return a tensor or mask (..., S, S) whose photo is mirrored left to right; padding stays where it is."""
    left, _top, width, _height = photo_box(width_px, height_px, square.shape[-1], fit)
    turned = square.copy()
    shown = slice(left, left + width)
    turned[..., shown] = square[..., shown][..., ::-1]
    return turned


def joined(first: F32, second: F32) -> tuple[F32, Passes]:
    """Return the mean of two masks (S, S) of one photo where they agree, else the first; and how far they agree.

    The mean of masks that see different things would be neither: mirrored letters are no letters to a network.
    """
    passes = Passes(agreement(first, second))
    return (first if passes.is_unsure else (first + second) * np.float32(0.5)), passes
