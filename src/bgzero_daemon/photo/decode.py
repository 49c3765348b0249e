"""From a file's bytes to an upright photo in memory, with its colour profile and metadata kept aside."""

import importlib
import io
import struct
import warnings
from types import ModuleType

import numpy as np
from PIL import ExifTags, Image, PngImagePlugin, TiffImagePlugin, UnidentifiedImageError

from bgzero_daemon.core.errors import Code, PhotoRefused
from bgzero_daemon.core.formats import HEAD_BYTES, HEIC, RAW, Kind, has_raw_suffix, is_raw_tiff, sniff
from bgzero_daemon.core.recipe import Depth
from bgzero_daemon.core.texts import _
from bgzero_daemon.photo import blocks, colour, deep, heif, oddtiff, raw
from bgzero_daemon.photo.picture import U32, UPRIGHT, WORD, Photo, is_quarter_turn, usable_dpi
from bgzero_daemon.photo.png import as_one_pixel, pixels_only
from bgzero_daemon.photo.refusals import check_size, damaged

simplejpeg: ModuleType | None
try:  # Pillow's libjpeg-turbo without Pillow's detours: the same pixels in two thirds of the time
    simplejpeg = importlib.import_module("simplejpeg")
except ImportError:
    simplejpeg = None

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF")
"""What may be decoded, in Pillow's names. Never EPS (runs a program) or PSD."""

# The limit is ours, in pixels, checked before anything is decoded; Pillow's own would only warn.
Image.MAX_IMAGE_PIXELS = None
# Pillow's 1 MB for one text counts for profiles too, and those of printers and scanners have several.
PngImagePlugin.MAX_TEXT_CHUNK = 16 << 20

_STRIP_PIXELS = 1 << 18

# What Pillow's decoders raise for bytes they cannot make sense of.
_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    EOFError,
    IndexError,
    KeyError,
    OverflowError,
    struct.error,
    Image.DecompressionBombError,
    ZeroDivisionError,
    AttributeError,
    RuntimeError,
    AssertionError,
)


def decode(content: bytes, *, max_pixels: int, name: str = "", depth: Depth = Depth.EIGHT) -> Photo:
    """Decode a photo: first frame, EXIF orientation applied once.

    It has 8 bits a channel, or 16: where `depth` says so, and with "auto" where the file has more than 8 and libvips is
    there (`photo.deep`). Deep grey and floating point is scaled, never clipped. `name` is what the file is called: it
    says RAW where the content cannot. Raises PhotoSkipped for kinds whose extra is not installed, and PhotoRefused for
    everything that is not a whole photo of an allowed format within `max_pixels` (width times height).
    """
    word = _kind(content, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd EXIF and TIFF tags; the pixels decide
        if word == RAW:
            photo = raw.develop(content, max_pixels=max_pixels, is_deep=depth is not Depth.EIGHT)
        elif word == HEIC:
            photo = heif.read(content, max_pixels=max_pixels, is_deep=depth is not Depth.EIGHT)
            photo = deep.in_depth(photo, depth, is_deep=False)
        else:
            photo = _decode_common(content, max_pixels, depth)
    if blocks.has_credentials(content):
        return photo.with_note(_("without its Content Credentials, which hold for the untouched file only"))
    return photo


def _decode_common(content: bytes, max_pixels: int, depth: Depth) -> Photo:
    """Decode what needs no extra."""
    is_deep = deep.is_deep(content)
    try:
        return deep.in_depth(_decode_without_bombs(content, max_pixels, depth), depth, is_deep=is_deep)
    except UnidentifiedImageError:
        word, hint = sniff(content[:HEAD_BYTES])[1], _("Copy it again from where it came from.")
        if is_deep and not deep.is_installed():
            hint = _("It has more than 8 bits: install {extra}, which may read it.").format(extra=deep.EXTRA)
        sentence = _("This is not a picture that can be read ({word}).").format(word=word)
        raise PhotoRefused(sentence, hint=hint) from None
    except _DECODER_ERRORS as error:
        raise damaged(error) from None


def _kind(content: bytes, name: str) -> str:
    """Return the word for what this is. Raises PhotoRefused where it certainly is no photo.

    A RAW is one by its name alone, too: there is no telling many of them from a TIFF.
    """
    if not content:
        raise PhotoRefused(_("The file is empty."), hint=_("Copy it again from where it came from."))
    kind, word = sniff(content[:HEAD_BYTES])
    if kind is Kind.OTHER:
        raise PhotoRefused(
            _("This is {what}, not a photo.").format(what=word),
            hint=_("Get the photo again from where it came from, or give this file another name."),
            code=Code.WRONG_CONTENT,
        )
    if has_raw_suffix(name) and kind in (Kind.PHOTO, Kind.EXTRA) and word not in ("TIFF", RAW):
        raise PhotoRefused(
            _("This is a {word} picture that is called like a RAW photo.").format(word=word),
            hint=_("Give it the ending of what it is."),
            code=Code.WRONG_CONTENT,
        )
    return RAW if word == RAW or has_raw_suffix(name) or is_raw_tiff(content) else word


def _decode_without_bombs(content: bytes, max_pixels: int, depth: Depth) -> Photo:
    """Decode; a PNG whose comments or profile unpack beyond all reason is decoded without them."""
    try:
        return _decode(content, max_pixels, depth)
    except ValueError as error:
        if "MAX_TEXT" not in str(error):
            raise
    note = _("without its comments and profile, which are too large")
    return _decode(pixels_only(content), max_pixels, depth).with_note(note)


def _decode(content: bytes, max_pixels: int, depth: Depth) -> Photo:
    is_deep = depth is not Depth.EIGHT and deep.is_deep(content)
    file = io.BytesIO(content)
    try:
        opened = Image.open(file, formats=FORMATS)
    except UnidentifiedImageError:
        size = deep.size(content)
        if size is None:
            raise
        check_size(*size, max_pixels)
        return oddtiff.read(content, max_pixels)
    with opened, file:  # a TIFF's EXIF would hold it, and with it all of the content
        check_size(*opened.size, max_pixels)
        frames = 1 if opened.format == "MPO" else getattr(opened, "n_frames", 1)
        read = deep.read(content, opened.info.get("icc_profile") or b"", max_pixels) if is_deep else None
        told = _whole_header(opened, content) if read and opened.format == "PNG" else opened
        turn = _orientation(told)
        words, has_alpha, icc = read or _pixels(opened, content)
        dpi, said = _dpi(told), blocks.find(told)
        left_to_do = _orientation(told)  # a TIFF is turned by now, and says so no more; a PNG's may stand at its end
    return Photo(
        words,
        turn=left_to_do if left_to_do in range(1, 9) else UPRIGHT,
        has_alpha=has_alpha,
        icc=icc,
        dpi=dpi[::-1] if dpi and is_quarter_turn(turn or left_to_do) else dpi,
        exif=said.exif,
        xmp=said.xmp,
        iptc=said.iptc,
        note=_("first of {count} pictures").format(count=frames) if frames > 1 else "",
    )


def _whole_header(opened: Image.Image, content: bytes) -> Image.Image:
    """Open a PNG for all that it says, in front of its pixels and behind them; if that is broken, for what it said.

    Pillow would decode it to find out what stands behind.
    """
    try:
        told = Image.open(io.BytesIO(as_one_pixel(content)), formats=("PNG",))
        told.load()
    except _DECODER_ERRORS:
        return opened
    return told


def _pixels(opened: Image.Image, content: bytes) -> tuple[U32, bool, bytes]:
    """Return the pixels as they lie in the file, whether they have opacity of their own, and their profile."""
    words = _plain_jpeg(opened, content)
    if words is None:
        grey = _deep_grey(opened)
        opened.load()
        _scale_key(opened, content)
    icc = opened.info.get("icc_profile") or b""
    if opened.format == "AVIF" and not icc:
        icc = heif.avif_profile(content)
    if words is not None:
        return words, False, colour.fitting(icc)
    if opened.mode == "RGBA":
        return _words(opened, None), True, colour.fitting(icc)
    rgb, alpha, icc = colour.split(opened, icc, grey)
    return _words(rgb, alpha), alpha is not None, icc


def _plain_jpeg(opened: Image.Image, content: bytes) -> U32 | None:
    """Decode an RGB JPEG of which nothing is amiss; None for all else, which is Pillow's to decide."""
    if simplejpeg is None or opened.format not in ("JPEG", "MPO") or opened.mode != "RGB":
        return None
    try:
        rgba = simplejpeg.decode_jpeg(content, colorspace="RGBA", strict=True)
    except ValueError:
        return None
    is_whole = rgba.shape == (opened.height, opened.width, 4)
    return rgba.view(WORD)[..., 0] if is_whole else None


def _words(picture: Image.Image, alpha: Image.Image | None) -> U32:
    """Bring Pillow's pixels, RGB or RGBA, into words, strip by strip."""
    words = np.empty((picture.height, picture.width), WORD)
    rows = max(1, _STRIP_PIXELS // picture.width)
    for top in range(0, picture.height, rows):
        box = (0, top, picture.width, min(top + rows, picture.height))
        strip = picture.crop(box).convert("RGBA")
        if alpha:
            strip.putalpha(alpha.crop(box))
        words[top : top + rows] = np.asarray(strip).view(WORD)[..., 0]
    return words


def _orientation(opened: Image.Image) -> int:
    try:
        return int(opened.getexif().get(ExifTags.Base.Orientation) or 0)
    except _DECODER_ERRORS:
        return 0


def _deep_grey(opened: Image.Image) -> colour.Grey:
    """Read from a TIFF's tags what Pillow leaves out (TIFF 6.0: SampleFormat 339, PhotometricInterpretation 262)."""
    if not isinstance(opened, TiffImagePlugin.TiffImageFile):
        return colour.PLAIN_GREY
    tags = opened.tag_v2
    return colour.Grey(is_unsigned=tags.get(339, (1,))[0] == 1, is_white_zero=tags.get(262) == 0)


def _scale_key(opened: Image.Image, content: bytes) -> None:
    """Bring a PNG's transparent colour to the depth of its decoded pixels: Pillow leaves it in that of the file."""
    key = opened.info.get("transparency")
    if opened.format != "PNG" or key is None:
        return
    depth = content[24]  # in IHDR, which always comes first
    if opened.mode == "L" and isinstance(key, int):
        opened.info["transparency"] = key * 255 // (2**depth - 1)
    elif opened.mode == "RGB" and depth == 16:
        opened.info["transparency"] = tuple(value >> 8 for value in key)


def _dpi(opened: Image.Image) -> tuple[float, float] | None:
    try:
        across, down = (float(value) for value in opened.info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return usable_dpi(across, down)  # 1 is what Pillow says of a file that has numbers without a unit
