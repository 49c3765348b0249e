"""A decoded photo: its pixels as they lie in the file, and how they are turned to stand upright.

A pixel is one word of four bytes, so that whole pixels are moved, masked and turned at once, and a photo is in memory
once: turned photos are looked at through strides, never copied at full size.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

U8 = NDArray[np.uint8]
U32 = NDArray[np.uint32]

WORD = np.dtype("<u4")
"""One pixel: red in the lowest byte, then green and blue, opacity in the highest; in memory R, G, B, A."""

UPRIGHT = 1
_QUARTER_TURNS = (5, 6, 7, 8)


def turned(pixels: NDArray[np.generic], turn: int) -> NDArray[np.generic]:
    """Return a view of (h, w, ...) pixels turned upright. `turn` is EXIF's orientation (EXIF 3.0, tag 274), 1 to 8."""
    if is_quarter_turn(turn):
        pixels = pixels.swapaxes(0, 1)
    down = -1 if turn in (3, 4, 7, 8) else 1
    across = -1 if turn in (2, 3, 6, 7) else 1
    return pixels[::down, ::across]


def is_quarter_turn(turn: int) -> bool:
    """Say whether an orientation makes columns of rows."""
    return turn in _QUARTER_TURNS


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo of 8 bits a channel, straight alpha.

    `stored` is (rows, columns) of WORD as in the file; `turn` says how that is turned upright. `has_alpha`: the file
    has transparency of its own, else all opacity is 255. `icc` is the profile of the colours, b"" for sRGB or unknown.
    `dpi` is (x, y) in pixels per inch, upright. `exif`, `xmp` (the main packet first) and `iptc` are what the file
    says of the photo, unfiltered. `note` tells what was left out.
    """

    stored: U32
    turn: int = UPRIGHT
    has_alpha: bool = False
    icc: bytes = b""
    dpi: tuple[float, float] | None = None
    exif: Image.Exif | None = None
    xmp: tuple[bytes, ...] = ()
    iptc: bytes = b""
    note: str = ""

    @classmethod
    def of(
        cls, rgb: U8, own_alpha: U8 | None = None, *, icc: bytes = b"", dpi: tuple[float, float] | None = None
    ) -> Self:
        """Make an upright photo of (h, w, 3) colours and (h, w) opacity."""
        rgba = np.empty((*rgb.shape[:2], 4), np.uint8)
        rgba[..., :3] = rgb
        rgba[..., 3] = 255 if own_alpha is None else own_alpha
        return cls(rgba.view(WORD)[..., 0], has_alpha=own_alpha is not None, icc=icc, dpi=dpi)

    @property
    def words(self) -> U32:
        """The upright pixels, (h, w): a view."""
        return turned(self.stored, self.turn).view(WORD)

    @property
    def rgb(self) -> U8:
        """The upright colours, (h, w, 3): a copy of full size, which cutting does without."""
        return _bytes(self.words)[..., :3]

    @property
    def own_alpha(self) -> U8 | None:
        """The file's own opacity, upright, (h, w), None without: a copy of full size, too."""
        return _bytes(self.words)[..., 3] if self.has_alpha else None

    @property
    def width_px(self) -> int:
        """Columns, upright."""
        return int(self.words.shape[1])

    @property
    def height_px(self) -> int:
        """Rows, upright."""
        return int(self.words.shape[0])


def _bytes(words: U32) -> U8:
    return np.ascontiguousarray(words).view(np.uint8).reshape(*words.shape, 4)


def as_stored(box: tuple[int, int, int, int], turn: int, width_px: int, height_px: int) -> tuple[int, int, int, int]:
    """Return where a box (left, top, right, bottom) of the upright photo lies in the stored one; see `turned`."""
    left, top, right, bottom = box
    if turn in (2, 3, 6, 7):
        left, right = width_px - right, width_px - left
    if turn in (3, 4, 7, 8):
        top, bottom = height_px - bottom, height_px - top
    return (top, left, bottom, right) if is_quarter_turn(turn) else (left, top, right, bottom)
