"""Photos deeper than 8 bits, read in 16 by libvips: Pillow keeps the higher byte of colours alone, without a word.

libvips comes with the extra `deep`. It may load PNG and TIFF from memory and nothing else, keeps no results, and works
in the thread that asks. What it does not read (odd compressions, samples of 12 bits) is Pillow's to judge.
"""

import importlib
import io
import logging
import struct
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import TiffImagePlugin

from bgzero_daemon.core.formats import HEAD_BYTES, sniff
from bgzero_daemon.core.recipe import Depth
from bgzero_daemon.core.texts import _
from bgzero_daemon.photo import colour
from bgzero_daemon.photo.picture import DEEP_WORD, SIXTEEN, U16, Photo, Words, eight_bits, sixteen_bits

log = logging.getLogger(__name__)

EXTRA = "bgzero-daemon[deep]"

_STRIP_PIXELS = 1 << 18
_first = iter([True])
"""Who takes what is in it may tell: lanes come at the same moment, and a list gives each thing to one."""
_COLOURS = {"grey16": 1, "b-w": 1, "cmyk": 4}
"""Channels of libvips' interpretations beside opacity; all others that are read have three."""
_KEPT = ("rgb16", "srgb", "scrgb")
"""Interpretations whose colours stay in their own profile."""
_READ = ("ushort", "uint", "float")
_BITS_PER_SAMPLE, _EXTRA_SAMPLES = 258, 338  # TIFF 6.0, section 8 and 18
_ALPHA = ((1,), (2,))  # the first extra sample is opacity; what is left unspecified may be anything


def is_installed() -> bool:
    """Say whether libvips can be loaded."""
    return _vips() is not None


def is_deep(content: bytes) -> bool:
    """Say whether a PNG or TIFF has more than 8 bits a channel, by its header alone."""
    match sniff(content[:HEAD_BYTES])[1]:
        case "PNG":
            return content[24:25] == b"\x10"  # in IHDR, which always comes first
        case "TIFF":
            return max(_numbers(content, _BITS_PER_SAMPLE), default=1) > 8
    return False


def size(content: bytes) -> tuple[int, int] | None:
    """Return a deep photo's width and height, None where libvips is not there or cannot read this."""
    vips = _vips() if is_deep(content) else None
    if vips is None:
        return None
    try:
        image = _opened(vips, content)
    except vips.Error:
        return None
    return (image.width, image.height) if image.format in _READ else None


def read(content: bytes, icc: bytes, max_pixels: int) -> tuple[Words, bool, bytes] | None:
    """Read a deep photo, whose profile is `icc`; None where libvips is not there or cannot, or finds more pixels.

    Returned are pixels as they lie in the file, whether they have opacity of their own, and their profile. RGB keeps
    its profile; grey, CMYK and Lab become RGB, by their profile where they have one. Floats are taken as [0, 1] where
    they fit, else scaled by the largest.
    """
    vips = _vips()
    if vips is None:
        return None
    try:
        return _read(vips, content, icc, max_pixels)
    except vips.Error:
        return None


def in_depth(photo: Photo, depth: Depth, *, is_deep: bool) -> Photo:
    """Return a photo in the depth that is asked for. What was deep and lost it on the way keeps 8 bits, and says so."""
    if depth is Depth.EIGHT:
        return replace(photo, stored=eight_bits(photo.stored)) if photo.depth > 8 else photo
    if is_deep and photo.depth == 8:
        return photo.with_note(_reduced(is_installed=is_installed()))
    return replace(photo, stored=sixteen_bits(photo.stored)) if depth is Depth.SIXTEEN else photo


def _reduced(*, is_installed: bool) -> str:
    """Return what is said of a photo that lost its 16 bits; in the log once."""
    if is_installed:
        return _("written with 8 bits")
    if next(_first, False):
        log.warning(_("Photos of 16 bits are written with 8: install %s to keep them."), EXTRA)
    return _("written with 8 bits; {extra} keeps 16").format(extra=EXTRA)


def forget() -> None:
    """Look for libvips anew, and say once more that it is not there."""
    global _first  # noqa: PLW0603 - as a process begins
    _vips.cache_clear()
    _first = iter([True])


@cache
def _vips() -> ModuleType | None:
    """Load libvips, once; None where it is not there or too old to be bound."""
    try:
        vips = importlib.import_module("pyvips")
    except (ImportError, OSError):  # the package, or the library that it binds
        return None
    if not (hasattr(vips, "concurrency_set") and vips.at_least_libvips(8, 13)):
        return None
    vips.cache_set_max(0)
    vips.concurrency_set(1)
    vips.block_untrusted_set(True)
    vips.operation_block_set("VipsForeignLoad", True)
    logging.getLogger("pyvips").setLevel(logging.CRITICAL)  # it tells of every odd tag
    for form in ("Png", "Tiff"):
        vips.operation_block_set(f"VipsForeignLoad{form}", False)
    return vips


def _opened(vips: ModuleType, content: bytes) -> Any:  # noqa: ANN401 - an untyped library's
    """Read the header of the first picture. Pixels come from top to bottom, as often as it is opened."""
    # a source, since pyvips copies what is given as a buffer
    source = vips.Source.new_from_memory(content)
    load = vips.Image.pngload_source if sniff(content[:HEAD_BYTES])[1] == "PNG" else vips.Image.tiffload_source
    return load(source, access="sequential", fail_on="error")


def _read(vips: ModuleType, content: bytes, icc: bytes, max_pixels: int) -> tuple[Words, bool, bytes] | None:
    image = _opened(vips, content)
    if image.width * image.height > max_pixels:  # of a tag that stands there twice Pillow may have taken the other one
        return None
    has_alpha = _has_alpha(content, image.bands - _COLOURS.get(image.interpretation, 3))
    made = _as_rgb(image, icc, has_alpha=has_alpha)
    if made.format not in _READ:
        return None
    scale = _full(vips, _as_rgb(_opened(vips, content), icc, has_alpha=has_alpha)) if made.format == "float" else 1.0
    words = np.empty((image.height, image.width), DEEP_WORD)
    rgba = words.view(SIXTEEN.sample).reshape(*words.shape, 4)
    for top, strip in _strips(vips, made):
        part = rgba[top : top + len(strip)]
        levels = _sixteen(strip, scale)
        part[..., :3] = levels[..., : levels.shape[2] - has_alpha]
        part[..., 3] = _sixteen(strip[..., -1], 1.0) if has_alpha else SIXTEEN.peak
    return words, has_alpha, colour.fitting(icc) if image.interpretation in _KEPT else b""


def _has_alpha(content: bytes, beside: int) -> bool:
    """Say whether the first of so many channels beside colours is opacity."""
    is_png = sniff(content[:HEAD_BYTES])[1] == "PNG"
    return beside > 0 and (is_png or _numbers(content, _EXTRA_SAMPLES)[:1] in _ALPHA)


def _numbers(content: bytes, tag: int) -> tuple[int, ...]:
    """Return what a tag of a TIFF's first directory holds, as far as it is whole numbers; () where it is not there."""
    is_big = content[2:4] in (b"+\0", b"\0+")
    file = io.BytesIO(content)
    try:
        directory = TiffImagePlugin.ImageFileDirectory_v2(content[: 16 if is_big else 8])
        file.seek(directory.next)
        directory.load(file)
        values = directory.get(tag, ())
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, OverflowError, struct.error):
        return ()
    return tuple(value for value in (values if isinstance(values, tuple) else (values,)) if isinstance(value, int))


def _as_rgb(image: Any, icc: bytes, *, has_alpha: bool) -> Any:  # noqa: ANN401 - an untyped library's
    """Return grey or RGB, with opacity behind it where there is one, and nothing else."""
    count = _COLOURS.get(image.interpretation, 3)
    colours, mode = image.extract_band(0, n=count), {1: "L", 4: "CMYK"}.get(count, "LAB")
    if image.format == "ushort" and mode != "LAB" and colour.is_for(icc, mode):
        colours = colours.icc_transform("srgb", embedded=True, depth=16, intent="perceptual")
    elif image.interpretation not in (*_KEPT, "grey16", "b-w"):
        colours = colours.colourspace("rgb16")
    return colours.bandjoin(image.extract_band(count)) if has_alpha else colours


def _strips(vips: ModuleType, image: Any) -> Iterator[tuple[int, NDArray[Any]]]:  # noqa: ANN401 - an untyped library's
    """Yield the first row of each strip, and (rows, columns, channels)."""
    region = vips.Region.new(image)
    kind = {"ushort": np.uint16, "uint": np.uint32, "float": np.float32}[image.format]
    together = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, together):
        rows = min(together, image.height - top)
        fetched = np.frombuffer(region.fetch(0, top, image.width, rows), kind)
        yield top, fetched.reshape(rows, image.width, image.bands)


def _full(vips: ModuleType, image: Any) -> float:  # noqa: ANN401 - an untyped library's
    """Return the value of floats that becomes the peak: 1, or the largest where there is a larger one."""
    return max(1.0, *(float(_finite(strip).max()) for _top, strip in _strips(vips, image)))


def _finite(strip: NDArray[Any]) -> NDArray[np.float32]:
    return np.asarray(np.nan_to_num(strip, nan=0.0, posinf=0.0, neginf=0.0), np.float32)


def _sixteen(strip: NDArray[Any], full: float) -> U16:
    """Return samples of any kind that is read as 16 bits."""
    if strip.dtype == np.uint16:
        return strip
    if strip.dtype == np.uint32:
        return ((strip.astype(np.uint64) + 32768) // 65537).astype(np.uint16)
    return np.rint(_finite(strip).clip(0.0, full) * (SIXTEEN.peak / full)).astype(np.uint16)
