"""TIFFs that Pillow has no mode for, and so does not open: RGB of floats or 32 bits, grey with opacity, Lab."""

from PIL import ExifTags, Image

from bgzero_daemon.photo import blocks, deep
from bgzero_daemon.photo.picture import UPRIGHT, Photo, is_quarter_turn, usable_dpi

_PER_INCH = {2: 1.0, 3: 2.54}
"""What a ResolutionUnit makes of a number of pixels (TIFF 6.0, section 8)."""


def read(content: bytes, max_pixels: int) -> Photo:
    """Decode a TIFF of which `deep.size` tells a size. Raises ValueError where its pixels cannot be had."""
    said = blocks.of_tiff(content)
    tags = said.exif if said.exif is not None else Image.Exif()
    icc = tags.get(ExifTags.Base.InterColorProfile)
    found = deep.read(content, icc if isinstance(icc, bytes) else b"", max_pixels)
    if found is None:
        raise ValueError("libvips")
    words, has_alpha, icc = found
    turn = tags.get(ExifTags.Base.Orientation)
    turn = turn if isinstance(turn, int) and 1 <= turn <= 8 else UPRIGHT
    dpi = _dpi(tags)
    dpi = dpi[::-1] if dpi and is_quarter_turn(turn) else dpi
    return Photo(words, turn, has_alpha, icc, dpi, said.exif, said.xmp, said.iptc)


def _dpi(tags: Image.Exif) -> tuple[float, float] | None:
    unit = _PER_INCH.get(tags.get(ExifTags.Base.ResolutionUnit, 2))
    try:
        across, down = (float(tags[tag]) for tag in (ExifTags.Base.XResolution, ExifTags.Base.YResolution))
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return usable_dpi(across * unit, down * unit) if unit else None
