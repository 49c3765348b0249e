"""A decoded photo: its pixels as they lie in the file, and how they are turned to stand upright.

A pixel is one word, of four bytes where a channel has 8 bits and of eight where it has 16, so that whole pixels are
moved, masked and turned at once, and a photo is in memory once: turned photos are looked at through strides, never
copied at full size.
"""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

U8 = NDArray[np.uint8]
U16 = NDArray[np.uint16]
U32 = NDArray[np.uint32]
Words = NDArray[np.unsignedinteger[Any]]
"""Pixels of either depth."""

WORD = np.dtype("<u4")
"""One pixel: red in the lowest byte, then green and blue, opacity in the highest; in memory R, G, B, A."""
DEEP_WORD = np.dtype("<u8")
"""One pixel of 16 bits a channel, in the same order."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How the pixels of a depth lie in their words.

    `depth` counts the bits of a channel; `peak` is its largest value; `sample` and `word` are the types of a channel
    and of a pixel; `unit` is what one step of 8 bits is in it.
    """

    depth: int
    sample: np.dtype[Any]
    word: np.dtype[Any]

    @property
    def peak(self) -> int:
        """Full red, full opacity."""
        return (1 << self.depth) - 1

    @property
    def unit(self) -> int:
        """One step of 8 bits."""
        return self.peak // 255


EIGHT = Layout(8, np.dtype("<u1"), WORD)
SIXTEEN = Layout(16, np.dtype("<u2"), DEEP_WORD)

UPRIGHT = 1
_QUARTER_TURNS = (5, 6, 7, 8)
_PIXELS_AT_ONCE = 1 << 16
_DPI_LEAST, _DPI_MOST = 30, 2400


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
    """A photo of 8 or 16 bits a channel, straight alpha.

    `stored` is (rows, columns) of WORD or DEEP_WORD as in the file, and its type is the photo's depth; `turn` says how
    that is turned upright. `has_alpha`: the file has transparency of its own, else all opacity is full. `icc` is the
    profile of the colours, b"" for sRGB or unknown. `dpi` is (x, y) in pixels per inch, upright. `exif`, `xmp` (the
    main packet first) and `iptc` are what the file says of the photo, unfiltered. `note` tells what was left out.
    """

    stored: Words
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
        cls, rgb: U8 | U16, own_alpha: U8 | U16 | None = None, *, icc: bytes = b"",
        dpi: tuple[float, float] | None = None,
    ) -> Self:  # fmt: skip
        """Make an upright photo of (h, w, 3) colours and (h, w) opacity, of uint8 or of uint16."""
        layout = EIGHT if rgb.dtype.itemsize == 1 else SIXTEEN
        rgba = np.empty((*rgb.shape[:2], 4), layout.sample)
        rgba[..., :3] = rgb
        rgba[..., 3] = layout.peak if own_alpha is None else own_alpha
        return cls(rgba.view(layout.word)[..., 0], has_alpha=own_alpha is not None, icc=icc, dpi=dpi)

    @property
    def layout(self) -> Layout:
        """How its pixels lie in their words."""
        return EIGHT if self.stored.dtype.itemsize == WORD.itemsize else SIXTEEN

    @property
    def depth(self) -> int:
        """Bits of a channel: 8 or 16."""
        return self.layout.depth

    @property
    def words(self) -> Words:
        """The upright pixels, (h, w): a view."""
        return turned(self.stored, self.turn).view(self.layout.word)

    @property
    def samples(self) -> Words:
        """The upright channels, (h, w, 4), in the photo's depth: a copy of full size, which cutting does without."""
        return _samples(self.words, self.layout)

    @property
    def rgb(self) -> U8:
        """The upright colours, (h, w, 3), in 8 bits: a copy of full size, too."""
        return _bytes(eight_bits(self.words))[..., :3]

    @property
    def own_alpha(self) -> U8 | None:
        """The file's own opacity, upright, (h, w), in 8 bits, None without: a copy of full size, too."""
        return _bytes(eight_bits(self.words))[..., 3] if self.has_alpha else None

    def with_note(self, note: str) -> Self:
        """Return it with something more to tell."""
        return replace(self, note=", ".join(filter(None, (self.note, note))))

    @property
    def width_px(self) -> int:
        """Columns, upright."""
        return int(self.words.shape[1])

    @property
    def height_px(self) -> int:
        """Rows, upright."""
        return int(self.words.shape[0])


def usable_dpi(across: float, down: float) -> tuple[float, float] | None:
    """Return a resolution in pixels per inch, None for one that no photo has: 1 is what says nothing."""
    return (across, down) if all(_DPI_LEAST <= value <= _DPI_MOST for value in (across, down)) else None


def packed(samples: U8 | U16) -> Words:
    """Return words of (rows, columns, channels) samples of either depth: grey, grey with opacity, RGB or RGBA.

    Strip by strip: at full size there is nothing but what came and what is returned.
    """
    layout = EIGHT if samples.dtype.itemsize == 1 else SIXTEEN
    rows, columns, channels = samples.shape
    words = np.empty((rows, columns), layout.word)
    rgba = words.view(layout.sample).reshape(rows, columns, 4)
    together = max(1, _PIXELS_AT_ONCE // max(1, columns))
    for top in range(0, rows, together):
        part, strip = rgba[top : top + together], samples[top : top + together]
        part[..., :3] = strip[..., :3] if channels > 2 else strip[..., :1]
        part[..., 3] = layout.peak if channels in (1, 3) else strip[..., -1]
    return words


def _samples(words: Words, layout: Layout) -> Words:
    return np.ascontiguousarray(words).view(layout.sample).reshape(*words.shape, 4)


def _bytes(words: U32) -> U8:
    return np.ascontiguousarray(words).view(np.uint8).reshape(*words.shape, 4)


def eight_bits(words: Words) -> U32:
    """Return pixels (rows, columns) with 8 bits a channel, rounded; those that have 8 are returned as they are."""
    if words.dtype.itemsize == WORD.itemsize:
        return words.view(WORD)
    rows, columns = words.shape
    made = np.empty((rows, columns), WORD)
    together = max(1, _PIXELS_AT_ONCE // max(1, columns))
    for top in range(0, rows, together):
        # the same as dividing by 257 and rounding
        levels = _samples(words[top : top + together], SIXTEEN) * np.uint32(255)
        levels += np.uint32(32895)
        levels >>= np.uint32(16)
        made[top : top + together] = levels.astype(np.uint8).view(WORD)[..., 0]
    return made


def sixteen_bits(words: Words) -> NDArray[np.uint64]:
    """Return pixels (rows, columns) with 16 bits a channel; those that have 16 are returned as they are."""
    if words.dtype.itemsize == DEEP_WORD.itemsize:
        return words.view(DEEP_WORD)
    levels = _samples(words, EIGHT).astype(SIXTEEN.sample)
    levels *= np.uint16(SIXTEEN.unit)
    return levels.view(DEEP_WORD)[..., 0]


def as_stored(box: tuple[int, int, int, int], turn: int, width_px: int, height_px: int) -> tuple[int, int, int, int]:
    """Return where a box (left, top, right, bottom) of the upright photo lies in the stored one; see `turned`."""
    left, top, right, bottom = box
    if turn in (2, 3, 6, 7):
        left, right = width_px - right, width_px - left
    if turn in (3, 4, 7, 8):
        top, bottom = height_px - bottom, height_px - top
    return (top, left, bottom, right) if is_quarter_turn(turn) else (left, top, right, bottom)
