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
    an empty photo, so a card has to ask for it.
    """

    output: str = ""
    activation: Activation = Activation.PROBABILITIES
    stretch: bool = False
