"""TIFFs that Pillow has no mode for, and so does not open: RGB of floats or 32 bits, grey with opacity, Lab."""

import io
import struct
from contextlib import suppress

from PIL import ExifTags, Image

from bgzero_daemon.photo import deep
from bgzero_daemon.photo.picture import UPRIGHT, Photo, is_quarter_turn

_BROKEN = (OSError, SyntaxError, ValueError, TypeError, KeyError, OverflowError, struct.error)
_PER_INCH = {2: 1.0, 3: 2.54}
"""What a ResolutionUnit makes of a number of pixels (TIFF 6.0, section 8)."""


def read(content: bytes, max_pixels: int) -> Photo:
    """Decode a TIFF of which `deep.size` tells a size. Raises ValueError where its pixels cannot be had."""
    tags = Image.Exif()
    with io.BytesIO(content) as file, suppress(*_BROKEN):
        tags.load_from_fp(file)  # a BigTIFF's are not looked for
        tags.get_ifd(ExifTags.IFD.Exif)
        tags.get_ifd(ExifTags.IFD.GPSInfo)
    icc = tags.get(ExifTags.Base.InterColorProfile)
    found = deep.read(content, icc if isinstance(icc, bytes) else b"", max_pixels)
    if found is None:
        raise ValueError("libvips")
    words, has_alpha, icc = found
    turn = tags.get(ExifTags.Base.Orientation)
    turn = turn if isinstance(turn, int) and 1 <= turn <= 8 else UPRIGHT
    dpi = _dpi(tags)
    return Photo(words, turn, has_alpha, icc, dpi[::-1] if dpi and is_quarter_turn(turn) else dpi, tags)


def _dpi(tags: Image.Exif) -> tuple[float, float] | None:
    unit = _PER_INCH.get(tags.get(ExifTags.Base.ResolutionUnit, 2))
    try:
        across, down = (float(tags[tag]) for tag in (ExifTags.Base.XResolution, ExifTags.Base.YResolution))
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    usable = unit and 1 <= across * unit <= 100_000 and 1 <= down * unit <= 100_000
    return (across * unit, down * unit) if unit and usable else None
