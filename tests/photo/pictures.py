"""Small real pictures, and what the tests of this room do with them."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import skimage.data
from PIL import Image

from bgzero_daemon.core.recipe import Edges, Metadata, Png, Product
from bgzero_daemon.core.specs import Fit, OutputSpec
from bgzero_daemon.photo import encode as room
from bgzero_daemon.photo.decode import decode
from bgzero_daemon.photo.foreground import CutOut, Mask, drawing
from bgzero_daemon.photo.matte import F32
from bgzero_daemon.photo.metadata import Kept, chosen
from bgzero_daemon.photo.picture import U8, U16, Photo
from bgzero_daemon.worker.threads import Threads

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


@dataclass(frozen=True)
class Drawn:
    """Finished pixels, (h, w) or (h, w, 4), of 8 or 16 bits, as something to encode.

    Without `columns` nothing is said of empty ones.
    """

    pixels: U8 | U16
    known: slice | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.pixels.shape[1], self.pixels.shape[0]

    @property
    def channels(self) -> int:
        """Grey, RGB or RGBA."""
        return self.pixels.shape[2] if self.pixels.ndim == 3 else 1

    @property
    def depth(self) -> int:
        """Bits of a channel."""
        return 8 * self.pixels.itemsize

    def columns(self, rows: slice) -> slice:
        """Say that there may be something everywhere."""
        return self.known or slice(0, self.pixels.shape[1])

    def draw(self, rows: slice, columns: slice) -> U8:
        """Return a part."""
        part = self.pixels[rows, columns]
        part = part if part.ndim == 3 else part[..., None]
        return np.ascontiguousarray(part.astype(part.dtype.newbyteorder(">"))).view(np.uint8)


def encoded(
    pixels: U8 | U16, photo: Photo, *, exif: bytes = b"", xmp: bytes = b"", tag: Mapping[str, object] | None = None,
    png: Png = Png.BALANCED, threads: int = 1,
) -> bytes:  # fmt: skip
    """Return finished pixels as the whole of a PNG."""
    made = room.encode(Drawn(pixels), photo, exif=exif, xmp=xmp, tag=tag or {}, png=png, hands=Threads(threads))
    return b"".join(made)


def kept(photo: Photo, policy: Metadata) -> Kept:
    """Return what the cut-out of a photo whose hash is all abab keeps of its metadata."""
    return chosen(photo, policy, source_sha256="ab" * 32)


def compose(
    photo: Photo, mask: F32, fit: Fit, *, rows_at_once: int = 1 << 30, edges: Edges = Edges.OFF,
    output: OutputSpec | None = None,
) -> U8:  # fmt: skip
    """Draw all of a cut-out, (h, w, 4), from top to bottom."""
    return all_of(drawing(photo, mask, fit, edges=edges, output=output), rows_at_once)


def matte(photo: Photo, mask: F32, fit: Fit, *, edges: Edges = Edges.OFF, output: OutputSpec | None = None) -> U8:
    """Draw all of a mask, (h, w)."""
    return all_of(drawing(photo, mask, fit, product=Product.MASK, edges=edges, output=output), 1 << 30)[..., 0]


def all_of(drawing: CutOut | Mask, rows_at_once: int) -> U8:
    """Draw from top to bottom, 8 bits a channel; what is said to be empty is 0."""
    return _drawn(drawing, rows_at_once)


def deep_of(drawing: CutOut | Mask, rows_at_once: int = 1 << 30) -> U16:
    """Draw from top to bottom, 16 bits a channel; what is said to be empty is 0."""
    assert drawing.depth == 16
    return _drawn(drawing, rows_at_once).view(">u2").astype(np.uint16)


def _drawn(drawing: CutOut | Mask, rows_at_once: int) -> U8:
    width, height = drawing.size
    whole = np.zeros((height, width, drawing.channels * drawing.depth // 8), np.uint8)
    for top in range(0, height, rows_at_once):
        rows = slice(top, min(top + rows_at_once, height))
        columns = drawing.columns(rows)
        if columns.start < columns.stop:
            whole[rows, columns] = drawing.draw(rows, columns)
    return whole
