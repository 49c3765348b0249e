"""From a file's bytes to an upright photo in memory, with its colour profile and metadata kept aside."""

import io
import struct
import warnings
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, PngImagePlugin, TiffImagePlugin, UnidentifiedImageError

from bgzero_daemon.core.errors import Code, PhotoRefused, PhotoSkipped
from bgzero_daemon.core.formats import HEAD_BYTES, Kind, is_raw_tiff, sniff
from bgzero_daemon.core.texts import _
from bgzero_daemon.photo import colour
from bgzero_daemon.photo.png import pixels_only

U8 = NDArray[np.uint8]

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF")
"""What may be decoded, in Pillow's names. Never EPS (runs a program) or PSD."""

# The limit is ours, in pixels, checked before anything is decoded; Pillow's own would only warn.
Image.MAX_IMAGE_PIXELS = None
# Pillow's 1 MB for one text counts for profiles too, and those of printers and scanners have several.
PngImagePlugin.MAX_TEXT_CHUNK = 16 << 20

_QUARTER_TURNS = (5, 6, 7, 8)

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
)


@dataclass(frozen=True, slots=True)
class Photo:
    """An upright photo.

    `rgb` is (h, w, 3) and `own_alpha` (h, w), uint8, straight; `own_alpha` is None where the file has
    no transparency. `icc` is the profile of `rgb`, b"" for sRGB or unknown. `dpi` is (x, y) in pixels
    per inch. `exif` is what the file's EXIF holds, unfiltered. `note` tells what was left out.
    """

    rgb: U8
    own_alpha: U8 | None = None
    icc: bytes = b""
    dpi: tuple[float, float] | None = None
    exif: Image.Exif | None = None
    note: str = ""

    @property
    def width_px(self) -> int:
        """Columns."""
        return int(self.rgb.shape[1])

    @property
    def height_px(self) -> int:
        """Rows."""
        return int(self.rgb.shape[0])


def decode(content: bytes, *, max_pixels: int) -> Photo:
    """Decode a photo: first frame, EXIF orientation applied once, 8 bits a channel.

    16-bit and floating-point grey is scaled, never clipped. Raises PhotoSkipped for kinds that are
    left to a later version, and PhotoRefused for everything that is not a whole photo of an allowed
    format within `max_pixels` (width times height).
    """
    _check_kind(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of odd EXIF and TIFF tags; the pixels decide
            return _decode_without_bombs(content, max_pixels)
    except UnidentifiedImageError:
        word = sniff(content[:HEAD_BYTES])[1]
        raise PhotoRefused(
            _("This is not a picture that can be read ({word}).").format(word=word),
            hint=_("Copy it again from where it came from."),
        ) from None
    except _DECODER_ERRORS as error:
        raise PhotoRefused(
            _("The photo is damaged or incomplete ({why}).").format(why=_short(error)),
            hint=_("Copy it again from where it came from."),
        ) from None


def _short(error: BaseException) -> str:
    return " ".join((str(error) or type(error).__name__).split())[:120]


def _check_kind(content: bytes) -> None:
    if not content:
        raise PhotoRefused(_("The file is empty."), hint=_("Copy it again from where it came from."))
    kind, word = sniff(content[:HEAD_BYTES])
    if kind is Kind.OTHER:
        raise PhotoRefused(
            _("This is {what}, not a photo.").format(what=word),
            hint=_("Get the photo again from where it came from, or give this file another name."),
            code=Code.WRONG_CONTENT,
        )
    if kind is Kind.LATER or is_raw_tiff(content):
        raise PhotoSkipped(
            _("{word} photos are not cut by this version.").format(word=word if kind is Kind.LATER else "RAW"),
            hint=_("Export the photo as JPEG, TIFF or PNG."),
            code=Code.LATER_KIND,
        )


def _decode_without_bombs(content: bytes, max_pixels: int) -> Photo:
    """Decode; a PNG whose comments or profile unpack beyond all reason is decoded without them."""
    try:
        return _decode(content, max_pixels)
    except ValueError as error:
        if "MAX_TEXT" not in str(error):
            raise
    note = _("without its comments and profile, which are too large")
    photo = _decode(pixels_only(content), max_pixels)
    return replace(photo, note=", ".join(filter(None, (photo.note, note))))


def _decode(content: bytes, max_pixels: int) -> Photo:
    with Image.open(io.BytesIO(content), formats=FORMATS) as opened:
        width, height = opened.size
        if width * height > max_pixels:
            raise PhotoRefused(
                _("The photo has {have} megapixels; the limit is {limit}.").format(
                    have=_mega(width * height), limit=_mega(max_pixels)
                ),
                hint=_("Raise limits.megapixels in the configuration."),
                code=Code.TOO_LARGE,
            )
        frames = 1 if opened.format == "MPO" else getattr(opened, "n_frames", 1)
        grey, turn = _deep_grey(opened), _orientation(opened)
        opened.load()  # a PNG may carry its EXIF behind its pixels; a TIFF's orientation is gone after this
        _scale_key(opened, content)
        icc, dpi, exif = opened.info.get("icc_profile") or b"", _dpi(opened), _exif(opened)
        turn = turn or _orientation(opened)
        upright = _upright(opened)
    if dpi and turn in _QUARTER_TURNS:
        dpi = dpi[::-1]
    rgb, alpha, icc = colour.split(upright, icc, grey)
    note = _("first of {count} pictures").format(count=frames) if frames > 1 else ""
    return Photo(
        rgb=np.asarray(rgb, np.uint8),
        own_alpha=None if alpha is None else np.asarray(alpha, np.uint8),
        icc=icc,
        dpi=dpi,
        exif=exif,
        note=note,
    )


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


def _mega(pixels: int) -> str:
    return f"{pixels / 1e6:.1f}".removesuffix(".0")


def _upright(opened: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(opened)
    except _DECODER_ERRORS:  # EXIF beyond reading: the photo stays as it lies in the file
        return opened


def _exif(opened: Image.Image) -> Image.Exif | None:
    try:
        exif = opened.getexif()
        for ifd in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
            exif.get_ifd(ifd)  # read now: later the file is closed
        return exif
    except _DECODER_ERRORS:
        return None


def _dpi(opened: Image.Image) -> tuple[float, float] | None:
    try:
        across, down = (float(value) for value in opened.info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    usable = 1 <= across <= 100_000 and 1 <= down <= 100_000
    return (across, down) if usable else None
