"""Photos whose truth is known: shapes, sharp to a part of a pixel, over photos from scikit-image's wheel."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import skimage.data
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from bgzero_daemon.photo.edges.grid import grown
from bgzero_daemon.photo.matte import F32
from bgzero_daemon.photo.picture import U8, Photo

_FINER = 4
_BAND_PX = 12

Painter = Callable[[ImageDraw.ImageDraw, float, float, float], None]
"""Paints white on black around a middle (x, y), so large."""


@dataclass(frozen=True)
class Scene:
    """A photo (h, w, 3), its true opacity (h, w) in [0, 1], and true foreground (h, w, 3), 0 to 255."""

    rgb: U8
    alpha: F32
    foreground: F32

    @property
    def photo(self) -> Photo:
        """The photo alone."""
        return Photo.of(self.rgb)

    def mask(self, side: int, blur: float = 0.0) -> F32:
        """Return the truth as a network's mask, exact or drawn softly; `blur` is in its pixels."""
        small = Image.fromarray(self.alpha).resize((side, side), Image.Resampling.BOX)
        if not blur:
            return np.asarray(small, np.float32)
        soft = Image.fromarray(np.asarray(np.asarray(small) * 255, np.uint8)).filter(ImageFilter.GaussianBlur(blur))
        return np.asarray(soft, np.float32) / np.float32(255)

    def wrong_mask(self, side: int, off_px: float) -> F32:
        """Return a mask whose contour waves around the true one, so many of its pixels to and fro."""
        down, across = np.mgrid[0:side, 0:side].astype(np.float32)
        moved_down, moved_across = down + off_px * np.sin(across / 30), across + off_px * np.sin(down / 37)
        at = (moved.round().clip(0, side - 1).astype(np.intp) for moved in (moved_down, moved_across))
        return np.asarray(self.mask(side, 0.8)[tuple(at)], np.float32)

    def error(self, alpha: NDArray[np.generic]) -> float:
        """Return the mean error of an opacity, 0 to 255, near what is partly seen, in thousandths."""
        band = grown((self.alpha > 0.01) & (self.alpha < 0.99), _BAND_PX)
        return float(1000 * np.abs(np.asarray(alpha, np.float32) / 255 - self.alpha)[band].mean())


def _letters(draw: ImageDraw.ImageDraw, x: float, y: float, size: float) -> None:
    draw.text((x, y), "Rag%", 255, ImageFont.load_default(size * 0.8), anchor="mm")


def _bottle(draw: ImageDraw.ImageDraw, x: float, y: float, size: float) -> None:
    draw.rounded_rectangle((x - 0.2 * size, y - 0.15 * size, x + 0.2 * size, y + 0.5 * size), 0.06 * size, 255)
    shoulders = [(-0.2, -0.1), (-0.06, -0.3), (0.06, -0.3), (0.2, -0.1)]
    draw.polygon([(x + across * size, y + down * size) for across, down in shoulders], 255)
    draw.rectangle((x - 0.06 * size, y - 0.5 * size, x + 0.06 * size, y - 0.25 * size), 255)


def _wheel(draw: ImageDraw.ImageDraw, x: float, y: float, size: float) -> None:
    radius, spoke = size / 2, size / 90
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), 255)
    inner = radius * 0.9
    draw.ellipse((x - inner, y - inner, x + inner, y + inner), 0)
    for angle in np.arange(18) * np.pi / 9:
        end = x + inner * 1.02 * np.cos(angle), y + inner * 1.02 * np.sin(angle)
        draw.line([(x, y), end], 255, round(spoke))
    draw.ellipse((x - radius / 8, y - radius / 8, x + radius / 8, y + radius / 8), 255)


def _fur(draw: ImageDraw.ImageDraw, x: float, y: float, size: float) -> None:
    chance = np.random.default_rng(3)
    radius = 0.36 * size
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), 255)
    for angle in np.arange(0, 2 * np.pi, 0.02):
        bend, length = chance.normal(0, 0.12), chance.uniform(1.1, 1.35) * radius
        near = x + 0.95 * radius * np.cos(angle), y + 0.95 * radius * np.sin(angle)
        far = x + length * np.cos(angle + bend), y + length * np.sin(angle + bend)
        draw.line([near, far], 255, max(1, round(size / 300)))


PAINTERS: dict[str, Painter] = {"letters": _letters, "bottle": _bottle, "wheel": _wheel, "fur": _fur}
HARD = ("letters", "bottle", "wheel")


def _texture(name: str, size: tuple[int, int]) -> F32:
    picture = Image.fromarray(getattr(skimage.data, name)())
    return np.asarray(picture.convert("RGB").resize(size, Image.Resampling.BICUBIC), np.float32)


@cache
def scene(
    shape: str, ground: str = "astronaut", *, size: tuple[int, int] = (900, 700), share: float = 0.8,
    middle: tuple[float, float] = (0.5, 0.5),
) -> Scene:  # fmt: skip
    """Return a shape over a photo; `share` of the shorter side is how large it is, `middle` where, in parts."""
    width, height = size
    large = Image.new("L", (width * _FINER, height * _FINER))
    PAINTERS[shape](ImageDraw.Draw(large), middle[0] * large.width, middle[1] * large.height, share * min(large.size))
    alpha = np.asarray(large.resize(size, Image.Resampling.BOX), np.float32) / np.float32(255)
    # one colour that goes over into another, and a little grain of the thing itself
    down, across = np.mgrid[0:height, 0:width].astype(np.float32)
    slope = (down / height + across / width)[..., None] / 2
    grain = np.random.default_rng(1).normal(0, 3, (height, width, 1))
    foreground = np.array([185, 70, 40]) * (1 - slope) + np.array([60, 90, 170]) * slope + grain
    foreground = foreground.clip(0, 255).astype(np.float32)
    mixed = alpha[..., None] * foreground + (1 - alpha[..., None]) * _texture(ground, size)
    return Scene(mixed.round().astype(np.uint8), alpha, foreground)
