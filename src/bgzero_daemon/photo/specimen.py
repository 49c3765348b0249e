"""A picture to measure with, where nobody has given photos: drawn, and as hard to compress as a camera's.

A warm figure stands before a ground that is out of focus, in about a third of the frame, with a soft and uneven
outline. Over both lies a texture whose octaves have the same contrast, as in photos (D. J. Field, "Relations between
the statistics of natural images", 1987), and over all of it grain, which differs in each pixel. The same scene in any
size: more pixels show finer detail.
"""

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bgzero_daemon.photo.picture import U8

F32: TypeAlias = NDArray[np.float32]

_SKETCH_PX = (768, 512)  # in which the scene is laid out; also the frame's proportions
_STRIP_PX = 1 << 21
_CONTRAST = 8.0  # of an octave of the texture, in 255ths
_GRAIN, _COLOURED_GRAIN = 6.5, 3.0
_FIGURE_PARTS = ((0.50, 0.33, 0.125, 0.20), (0.50, 0.86, 0.27, 0.43))  # ellipses: middle and half axes, of the frame


def size_of(pixels: int) -> tuple[int, int]:
    """Return width and height of a frame with about so many pixels; neither is below 8."""
    wide, high = _SKETCH_PX
    height = max(8, round((pixels * high / wide) ** 0.5))
    return max(8, round(height * wide / high)), height


def draw(pixels: int, seed: int) -> U8:
    """Return a picture of about so many pixels, (height, width, 3). The same numbers give the same picture.

    Beside the picture itself this takes less than three bytes a pixel.
    """
    width, height = size_of(pixels)
    random = np.random.default_rng(seed)
    texture, scene = _texture(width, height, random), _scene(random)
    picture = np.empty((height, width, 3), np.uint8)
    rows = max(1, _STRIP_PX // width)
    for top in range(0, height, rows):
        strip = slice(top, min(top + rows, height))
        shape = (strip.stop - strip.start, width)
        red, green, blue, depth, fine = (_enlarged(one, strip, width, height) for one in (*scene, texture))
        shade = depth * fine + np.float32(_GRAIN) * random.standard_normal(shape, np.float32)
        tint = np.float32(_COLOURED_GRAIN) * random.standard_normal(shape, np.float32)
        for channel, colour in enumerate((red + tint, green, blue - tint)):
            picture[strip, :, channel] = np.clip(colour + shade, 0, 255)
    return picture


def figure() -> F32:
    """Return where the figure is, in [0, 1], as the scene is laid out; every seed and size has it there."""
    return _figure(np.zeros((1, 1), np.float32))


def _figure(unevenness: F32) -> F32:
    width, height = _SKETCH_PX
    across = (np.arange(width, dtype=np.float32)[None, :] + 0.5) / width
    down = (np.arange(height, dtype=np.float32)[:, None] + 0.5) / height
    far = np.full((height, width), np.inf, np.float32)
    for middle, level, half_width, half_height in _FIGURE_PARTS:
        far = np.minimum(far, np.hypot((across - middle) / half_width, (down - level) / half_height))
    return np.asarray(np.clip((1.0 - far + unevenness) / 0.03 + 0.5, 0, 1), np.float32)


def _scene(random: np.random.Generator) -> tuple[F32, F32, F32, F32]:
    """Return red, green, blue, and how deep the texture is."""
    width, height = _SKETCH_PX
    across, down = np.linspace(-1, 1, width, dtype=np.float32)[None, :], np.linspace(-1, 1, height, dtype=np.float32)
    light = 1.0 + 0.35 * across - 0.25 * down[:, None]  # from the right, and from above
    cloudy = np.float32(9.0) * _noise(random, (3, 5, 9))
    figure = _figure(np.float32(0.012) * _noise(random, (12, 25, 60)))
    planes = []
    for warm, cool in ((196, 74), (132, 92), (104, 88)):
        ground = cool * (1.0 - 0.15 * down[:, None]) + cloudy
        planes.append((figure * warm * light + (1.0 - figure) * ground).astype(np.float32))
    return planes[0], planes[1], planes[2], (0.45 + 0.75 * figure).astype(np.float32)


def _noise(random: np.random.Generator, bumps: tuple[int, ...]) -> F32:
    """Return smooth noise over the whole scene: a sum of some, each with so many bumps across."""
    width, height = _SKETCH_PX
    noise = np.zeros((height, width), np.float32)
    for count in bumps:
        coarse = random.standard_normal((max(2, count * height // width), count), np.float32)
        noise += np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
    return noise


def _texture(width: int, height: int, random: np.random.Generator) -> F32:
    """Return the texture at half the size, its octaves added up from the coarsest."""
    texture = np.zeros((1, 1), np.float32)
    for wide, high in reversed(list(_halves(width, height))):
        larger = np.asarray(Image.fromarray(texture).resize((wide, high), Image.Resampling.BILINEAR))
        texture = larger + np.float32(_CONTRAST) * random.standard_normal((high, wide), np.float32)
    return texture


def _halves(width: int, height: int) -> Iterator[tuple[int, int]]:
    while min(width, height) > 8:
        width, height = width // 2, height // 2
        yield width, height


def _enlarged(plane: F32, rows: slice, width: int, height: int) -> F32:
    """Return some rows of a plane, as it is at the picture's size."""
    scale = plane.shape[0] / height
    box = (0, rows.start * scale, plane.shape[1], rows.stop * scale)
    return np.asarray(
        Image.fromarray(plane).resize((width, rows.stop - rows.start), Image.Resampling.BILINEAR, box=box)
    )
