"""An EXIF block of a cut-out's own: what may pass, entry by entry, each in the type that EXIF 3.0 gives it.

Nothing is copied. A copied block would bring the embedded thumbnail (it shows the background), a stale orientation and
size, and maker notes with serial numbers, places and previews that nobody can look through. An entry of another type
than it should have is left out, so readers find no fault with the block.
"""

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from fractions import Fraction

from PIL import ExifTags, Image

from bgzero_daemon.photo import words
from bgzero_daemon.photo.blocks import READ_ERRORS
from bgzero_daemon.photo.chunks import SOFTWARE

_TEXT_MOST_CHARACTERS = 2000
_RAW_MOST_BYTES = 1000
_FINEST = 1_000_000  # of a fraction made of a float
_ENTRY_MOST_CHARACTERS = 1 << 16  # a longer one is no text
_QUADS = 1 << 32


class Form(IntEnum):
    """TIFF's numbers for types of values (TIFF 6.0, section 2)."""

    BYTE = 1
    TEXT = 2
    SHORT = 3
    LONG = 4
    FRACTION = 5
    RAW = 7
    SIGNED_FRACTION = 10


@dataclass(frozen=True, slots=True)
class _Rule:
    """How an entry has to be: its type, how many values (0: any), and for texts a form of their own."""

    form: Form
    count: int = 1
    shape: str = ""


_TEXT, _SHORT, _LONG = _Rule(Form.TEXT), _Rule(Form.SHORT), _Rule(Form.LONG)
_FRACTION, _SIGNED, _THREE = _Rule(Form.FRACTION), _Rule(Form.SIGNED_FRACTION), _Rule(Form.FRACTION, 3)
_DATE, _OFFSET = _Rule(Form.TEXT, shape="date"), _Rule(Form.TEXT, shape=r"[+-]\d\d:\d\d")
_DIGITS, _DAY = _Rule(Form.TEXT, shape=r"\d{1,9}"), _Rule(Form.TEXT, shape=r"\d{4}:\d\d:\d\d")
_LETTER, _BYTE, _RAW = _Rule(Form.TEXT, shape="[A-Z]"), _Rule(Form.BYTE), _Rule(Form.RAW, 0)

_Rules = Mapping[int, _Rule]
_Values = dict[int, tuple[Form, int, bytes]]
"""Entries that are ready: tag to type, count and bytes."""

_Base = ExifTags.Base
BASE: _Rules = {
    _Base.ImageDescription: _TEXT, _Base.Make: _TEXT, _Base.Model: _TEXT, _Base.DateTime: _DATE,
    _Base.Artist: _TEXT, _Base.Copyright: _TEXT,
}  # fmt: skip
CAMERA: _Rules = {
    _Base.ExposureTime: _FRACTION, _Base.FNumber: _FRACTION, _Base.ExposureProgram: _SHORT,
    _Base.ISOSpeedRatings: _Rule(Form.SHORT, 1), _Base.SensitivityType: _SHORT,
    _Base.StandardOutputSensitivity: _LONG, _Base.RecommendedExposureIndex: _LONG,
    _Base.DateTimeOriginal: _DATE, _Base.DateTimeDigitized: _DATE, _Base.OffsetTime: _OFFSET,
    _Base.OffsetTimeOriginal: _OFFSET, _Base.OffsetTimeDigitized: _OFFSET, _Base.SubsecTime: _DIGITS,
    _Base.SubsecTimeOriginal: _DIGITS, _Base.SubsecTimeDigitized: _DIGITS, _Base.ShutterSpeedValue: _SIGNED,
    _Base.ApertureValue: _FRACTION, _Base.BrightnessValue: _SIGNED, _Base.ExposureBiasValue: _SIGNED,
    _Base.MaxApertureValue: _FRACTION, _Base.MeteringMode: _SHORT, _Base.LightSource: _SHORT, _Base.Flash: _SHORT,
    _Base.FocalLength: _FRACTION, _Base.ExposureMode: _SHORT, _Base.WhiteBalance: _SHORT,
    _Base.DigitalZoomRatio: _FRACTION, _Base.FocalLengthIn35mmFilm: _SHORT, _Base.SceneCaptureType: _SHORT,
    _Base.LensSpecification: _Rule(Form.FRACTION, 4), _Base.LensMake: _TEXT, _Base.LensModel: _TEXT,
}  # fmt: skip
SERIALS: _Rules = {_Base.BodySerialNumber: _TEXT, _Base.LensSerialNumber: _TEXT}
PLACE: _Rules = {
    0: _Rule(Form.BYTE, 4), 1: _LETTER, 2: _THREE, 3: _LETTER, 4: _THREE, 5: _BYTE, 6: _FRACTION, 7: _THREE, 8: _TEXT,
    9: _LETTER, 10: _TEXT, 11: _FRACTION, 12: _LETTER, 13: _FRACTION, 14: _LETTER, 15: _FRACTION, 16: _LETTER,
    17: _FRACTION, 18: _TEXT, 19: _LETTER, 20: _THREE, 21: _LETTER, 22: _THREE, 23: _LETTER, 24: _FRACTION,
    25: _LETTER, 26: _FRACTION, 27: _RAW, 28: _RAW, 29: _DAY, 30: _SHORT, 31: _FRACTION,
}  # fmt: skip

_EXIF, _GPS = int(ExifTags.IFD.Exif), int(ExifTags.IFD.GPSInfo)
_MOST_ISO = 0xFFFF


@dataclass(frozen=True, slots=True)
class Block:
    """A finished block, b"" where nothing is kept, and which tags of the photo's are in it."""

    content: bytes = b""
    tags: frozenset[int] = frozenset()


def build(exif: Image.Exif | None, size: tuple[int, int], *, with_private: bool) -> Block:
    """Build the block of a cut-out of so many pixels across and down.

    `with_private` adds the place and the serial numbers. The owner's name, comments, maker notes, identifiers, the
    orientation and the thumbnail never pass.
    """
    if exif is None:
        return Block()
    base = _chosen(exif, BASE)
    camera = _chosen(directory_of(exif, _EXIF), {**CAMERA, **SERIALS} if with_private else CAMERA)
    place = _chosen(directory_of(exif, _GPS), PLACE) if with_private else {}
    if not base and not camera and not place:
        return Block()
    tags = frozenset([*base, *camera, *place])
    width, height = (struct.pack(">I", pixels) for pixels in size)
    base[_Base.Software] = _text(SOFTWARE)
    camera[_Base.ExifVersion] = (Form.RAW, 4, b"0232")
    camera[_Base.ExifImageWidth], camera[_Base.ExifImageHeight] = (Form.LONG, 1, width), (Form.LONG, 1, height)
    if place:
        place.setdefault(0, (Form.BYTE, 4, b"\2\3\0\0"))
    return Block(_joined(base, {_EXIF: camera, _GPS: place}), tags)


def rating(exif: Image.Exif | None) -> str:
    """Return the stars that cameras and Windows write into EXIF, "" without."""
    value = read(exif, _Base.Rating) if exif is not None else None
    return str(value) if isinstance(value, int) else ""


def directory_of(exif: Image.Exif, ifd: int) -> Mapping[int, object]:
    """Return one of its directories, {} for one that makes no sense."""
    try:
        return exif.get_ifd(ifd)
    except READ_ERRORS:
        return {}


def read(values: Mapping[int, object] | Image.Exif, tag: int) -> object:
    """Return what is said under a tag, None for what makes no sense."""
    try:
        return values.get(tag)
    except READ_ERRORS:
        return None


def _chosen(values: Mapping[int, object] | Image.Exif, rules: _Rules) -> _Values:
    """Return what there is of these tags, as far as it is what it should be."""
    found: _Values = {}
    for tag, rule in rules.items():
        value = read(values, tag)
        if tag == _Base.ISOSpeedRatings:
            value = _speed(value, found)
        try:
            raw = _bytes(value, rule, joins=tag == _Base.Copyright)
        except READ_ERRORS:
            continue
        if raw:
            found[tag] = raw
    return found


def _speed(value: object, found: _Values) -> object:
    """Return an ISO speed of 16 bits; a higher one stands elsewhere, too (EXIF 3.0, PhotographicSensitivity)."""
    value = value[0] if isinstance(value, tuple) and value else value
    if not isinstance(value, int) or not _MOST_ISO < value < _QUADS:
        return value
    found[_Base.SensitivityType] = (Form.SHORT, 1, struct.pack(">H", 2))  # it is the recommended exposure index
    found[_Base.RecommendedExposureIndex] = (Form.LONG, 1, struct.pack(">I", value))
    return _MOST_ISO


def _bytes(value: object, rule: _Rule, *, joins: bool) -> tuple[Form, int, bytes] | None:
    """Return a value's bytes; None where it is not what the rule says. Raises one of READ_ERRORS for some odd ones."""
    match rule.form:
        case Form.TEXT:
            return _checked_text(value, rule.shape, joins=joins)
        case Form.RAW:
            is_fit = isinstance(value, bytes) and 0 < len(value) <= _RAW_MOST_BYTES
            return (Form.RAW, len(value), value) if is_fit and isinstance(value, bytes) else None
        case Form.BYTE:
            raw = bytes([value]) if isinstance(value, int) else value
            return (Form.BYTE, rule.count, raw) if isinstance(raw, bytes) and len(raw) == rule.count else None
    many = tuple(value) if isinstance(value, tuple | list) else (value,)
    if len(many) != rule.count:
        return None
    match rule.form:
        case Form.SHORT | Form.LONG:
            packed = [struct.pack(">H" if rule.form is Form.SHORT else ">I", one) for one in many]
        case _:
            packed = [_fraction(one, rule) for one in many]
    return rule.form, rule.count, b"".join(packed)


def _fraction(value: object, rule: _Rule) -> bytes:
    """Return numerator and denominator. 0/0, "unknown", stands for some of a lens's four numbers only."""
    form = ">ii" if rule.form is Form.SIGNED_FRACTION else ">II"
    parts = getattr(value, "numerator", None), getattr(value, "denominator", None)
    if parts == (0, 0) and rule.count == 4:
        return bytes(8)
    if not all(isinstance(part, int) for part in parts):
        parts = Fraction(float(value)).limit_denominator(_FINEST).as_integer_ratio()  # type: ignore[arg-type]
    if not parts[1]:
        raise ZeroDivisionError
    return struct.pack(form, *parts)


def _checked_text(value: object, shape: str, *, joins: bool) -> tuple[Form, int, bytes] | None:
    if not isinstance(value, str) or len(value) > _ENTRY_MOST_CHARACTERS:
        return None
    # Behind the first NUL there is a remainder of the camera's memory; in Copyright, the editor beside the photographer
    parts = [part.strip() for part in value.split("\0", 2)]
    text = _meant("; ".join(filter(None, parts[:2])) if joins else parts[0])
    if shape == "date":
        return _date(text)
    return _text(text) if text and re.fullmatch(shape or ".*", text, re.DOTALL) else None


def _meant(read: str) -> str:
    """Return what was meant by a text that Pillow has read byte by byte: UTF-8, or else Latin-1."""
    try:
        meant = read.encode("latin-1").decode()
    except UnicodeError:
        meant = read
    return words.prose(meant, _TEXT_MOST_CHARACTERS)


def _date(text: str) -> tuple[Form, int, bytes] | None:
    digits = re.fullmatch(r"(\d{4})[:/.-](\d\d)[:/.-](\d\d)[ T](\d\d):(\d\d):(\d\d)", text, re.ASCII)
    if not digits:
        return None
    year, month, day, hour, minute, second = map(int, digits.groups())
    moment = datetime(year, month, day, hour, minute, min(second, 59))  # noqa: DTZ001 - the camera's own clock; 60 leaps
    return _text(f"{year:04}:{month:02}:{day:02} {moment:%H:%M:%S}")


def _text(text: str) -> tuple[Form, int, bytes]:
    """Return a text as it is written by all: UTF-8 under the type for ASCII, with a NUL at its end."""
    raw = text.encode() + b"\0"
    return Form.TEXT, len(raw), raw


def _joined(base: _Values, below: Mapping[int, _Values]) -> bytes:
    """Return a TIFF file of one directory and those that it points to, big-endian."""
    first: _Values = {**base, **{ifd: (Form.LONG, 1, bytes(4)) for ifd, values in below.items() if values}}
    at, blocks = 8 + len(_directory(first, 8)), []
    for ifd, values in below.items():
        if values:
            first[ifd] = (Form.LONG, 1, struct.pack(">I", at))
            blocks.append(_directory(values, at))
            at += len(blocks[-1])
    return b"".join((b"MM\0*\0\0\0\x08", _directory(first, 8), *blocks))


def _directory(values: _Values, start: int) -> bytes:
    """Return a directory that begins at this byte, its entries in order, with what has no room in them behind it."""
    head, tail = struct.pack(">H", len(values)), b""
    behind = start + 2 + 12 * len(values) + 4
    for tag, (form, count, raw) in sorted(values.items()):
        head += struct.pack(">HHI", tag, form, count)
        if len(raw) <= 4:
            head += raw.ljust(4, b"\0")
        else:
            head += struct.pack(">I", behind + len(tail))
            tail += raw + bytes(len(raw) % 2)
    return head + bytes(4) + tail
