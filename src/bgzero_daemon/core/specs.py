"""What a network wants and what it gives, as plain values that every process can carry."""

from dataclasses import dataclass
from enum import StrEnum

PHOTO_MAXIMUM = "photo-maximum"


class Fit(StrEnum):
    """How a photo becomes a square: stretched, or shrunk whole onto a zero ground, centred."""

    STRETCH = "stretch"
    LETTERBOX = "letterbox"


class Activation(StrEnum):
    """What the output holds: probabilities in [0, 1], or logits that want a sigmoid."""

    PROBABILITIES = "probabilities"
    LOGITS = "logits"


class Edge(StrEnum):
    """What becomes of the mask's edges: found anew in the photo's colours, or kept as a matting network drew them."""

    REFINE = "refine"
    KEEP = "keep"


REACH_UNIT = 1024
_REACH, _SMALL_MASKS_REACH, _SMALL_MASK_PX = 16.0, 32.0, 512


@dataclass(frozen=True, slots=True)
class InputSpec:
    """The tensor: (1, 3, size, size), (value / scale - mean) / std per channel, RGB.

    `scale` divides 8-bit values; "photo-maximum" divides by the largest value of the photo after it
    was resized, as U²-Net's authors do (data_loader.py, ToTensorLab).
    """

    size_px: int
    scale: float | str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    fit: Fit = Fit.STRETCH


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """Which output is the mask, what its numbers mean, and whether they are stretched to [0, 1].

    `output` is a tensor's name, or "" for the first. `stretch` (min-max per photo) invents a ghost on
    an empty photo, so a card has to ask for it. `reach`: how far from the mask's contour refined opacity may be
    neither 0 nor 1, in parts of the subject's longer side, of which there are REACH_UNIT; None: by the mask's size.
    """

    output: str = ""
    activation: Activation = Activation.PROBABILITIES
    stretch: bool = False
    edge: Edge = Edge.REFINE
    reach: float | None = None

    def reach_of(self, mask_px: int) -> float:
        """Return the reach for masks of this side: one of a small mask is farther off the true contour."""
        return self.reach or (_REACH if mask_px > _SMALL_MASK_PX else _SMALL_MASKS_REACH)
