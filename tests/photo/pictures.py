"""Small real pictures, and what the tests of this room do with them."""

import io
from collections.abc import Sequence
from functools import cache

import numpy as np
import skimage.data
from PIL import Image

from bgzero_daemon.photo.decode import U8, Photo, decode

MAX_PIXELS = 1_000_000
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF")
# As near to the pixels as each format can come.
BEST: dict[str, dict[str, object]] = {
    "JPEG": {"quality": 98, "subsampling": 0},
    "WEBP": {"lossless": True, "exact": True},
    "AVIF": {"quality": 95, "subsampling": "4:4:4"},
}
LOSSY_ERROR = 14


def saved(picture: Image.Image, form: str, **options: object) -> bytes:
    """Return the picture as a file of that format, as near to its pixels as the format allows."""
    out = io.BytesIO()
    picture.save(out, form, **(BEST.get(form, {}) | options))
    return out.getvalue()


def opened(content: bytes) -> Photo:
    """Decode with a limit that no picture of these tests meets by accident."""
    return decode(content, max_pixels=MAX_PIXELS)


def grid(*rows: Sequence[Sequence[int]]) -> Image.Image:
    """Return an RGB picture from rows of (r, g, b)."""
    return Image.fromarray(np.array(rows, np.uint8))


@cache
def corners() -> U8:
    """Four different corners, 12 rows by 20 columns: no two of the eight orientations look alike."""
    rgb = np.zeros((12, 20, 3), np.uint8)
    rgb[:6, :10], rgb[:6, 10:], rgb[6:, :10], rgb[6:, 10:] = (220, 30, 30), (30, 200, 40), (40, 50, 210), (230, 220, 60)
    rgb.flags.writeable = False
    return rgb


@cache
def astronaut(side_px: int = 96) -> U8:
    """A real photo from scikit-image's wheel, small."""
    whole = Image.fromarray(skimage.data.astronaut())  # type: ignore[no-untyped-call]
    rgb = np.asarray(whole.resize((side_px, side_px), Image.Resampling.BOX))
    rgb.flags.writeable = False
    return rgb


def error(one: U8, other: U8) -> int:
    """Return the largest difference between two pictures of one shape."""
    assert one.shape == other.shape
    return int(np.abs(one.astype(np.int16) - other.astype(np.int16)).max(initial=0))


def mean_error(one: U8, other: U8) -> float:
    """Return the mean difference between two pictures of one shape."""
    assert one.shape == other.shape
    return float(np.abs(one.astype(np.int16) - other.astype(np.int16)).mean())
