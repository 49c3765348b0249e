"""Where a file keeps what is said about the photo, in each format: EXIF, XMP and IPTC, as they lie there, unread."""

import hashlib
import io
import re
import struct
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from PIL import ExifTags, Image, JpegImagePlugin, TiffImagePlugin

from bgzero_daemon.photo import iptc, xmp

_XMP_HEAD = b"http://ns.adobe.com/xap/1.0/\0"
_MORE_XMP_HEAD = b"http://ns.adobe.com/xmp/extension/\0"
_MORE_XMP_NAME = re.compile(rb"HasExtendedXMP[^0-9A-Fa-f]{1,8}([0-9A-Fa-f]{32})")
_EXIF_HEAD = b"Exif\0\0"
_TIFF_XMP, _TIFF_IPTC, _TIFF_RESOURCES = 700, 33723, 34377
# A JUMBF description box (ISO 19566-5) of the type that C2PA 2.2 gives a manifest store, section 11.1
_MANIFEST = b"jumdc2pa\0\x11\0\x10\x80\0\0\xaa\08\x9bq"

READ_ERRORS = (
    OSError, SyntaxError, ValueError, TypeError, EOFError, IndexError, KeyError, ArithmeticError, struct.error,
    AttributeError, RuntimeError, AssertionError,
)  # fmt: skip
"""What Pillow raises for bytes it cannot make sense of."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """EXIF, XMP packets (the main one first) and the IPTC block, b"" without."""

    exif: Image.Exif | None = None
    xmp: tuple[bytes, ...] = ()
    iptc: bytes = b""


def has_credentials(content: bytes) -> bool:
    """Say whether a file of any format carries Content Credentials (a C2PA manifest)."""
    return _MANIFEST in content


def find(opened: Image.Image) -> Blocks:
    """Read the blocks of an opened picture whose pixels have been read: those of a PNG may stand behind them."""
    raw = dict(_raw_profiles(opened))
    return Blocks(_exif(opened, raw.get("exif", b"")), _xmp(opened, raw.get("xmp", b"")), _iptc(opened, raw))


def of_tiff(content: bytes) -> Blocks:
    """Read the blocks of a TIFF's first directory: of one that Pillow does not open, or of an EXIF block itself.

    Of none of its pixels; what is returned holds none of `content`.
    """
    exif = Image.Exif()
    try:
        with io.BytesIO(content) as file:
            exif.load_from_fp(file)  # a BigTIFF's are not looked for
            raw = dict(exif._info._tagdata) if exif._info else {}  # noqa: SLF001 - as below
            _read_below(exif)
    except READ_ERRORS:
        return Blocks()
    packet = raw.get(_TIFF_XMP, b"")
    return Blocks(exif, (packet,) if packet else (), _iptc_of(raw))


def _exif(opened: Image.Image, raw: bytes) -> Image.Exif | None:
    try:
        exif = opened.getexif()
        if raw and not len(exif):
            exif.load(raw)
        _read_below(exif)
        return exif
    except READ_ERRORS:
        return None


def _read_below(exif: Image.Exif) -> None:
    """Read the directories of camera and place now: later the file is closed. A broken one costs no other."""
    for ifd in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        with suppress(*READ_ERRORS):
            exif.get_ifd(ifd)


def _xmp(opened: Image.Image, raw: bytes) -> tuple[bytes, ...]:
    main = opened.info.get("xmp") or raw
    main = main.encode(errors="replace") if isinstance(main, str) else main
    if not isinstance(main, bytes):
        return ()
    more = _more_xmp(opened, main) if isinstance(opened, JpegImagePlugin.JpegImageFile) else b""
    return tuple(filter(None, (main, more)))


def _more_xmp(opened: JpegImagePlugin.JpegImageFile, main: bytes) -> bytes:
    """Put together what had no room in a JPEG's first segment (XMP part 3, section 1.1.3.1); b"" for less than all."""
    named = _MORE_XMP_NAME.search(main)
    if not named:
        return b""
    parts: dict[int, bytes] = {}
    head, whole, room = _MORE_XMP_HEAD + named[1], 0, xmp.MOST_BYTES
    for name, segment in opened.applist:
        if name == "APP1" and segment.startswith(head) and len(segment) >= len(head) + 8 and room > 0:
            whole, at = struct.unpack_from(">II", segment, len(head))
            parts[at] = segment[len(head) + 8 :]
            room -= len(segment)
    joined = b"".join(part for _at, part in sorted(parts.items()))
    digest = hashlib.md5(joined, usedforsecurity=False).hexdigest().upper()
    return joined if len(joined) == whole and digest.encode() == named[1].upper() else b""


def _iptc(opened: Image.Image, raw: dict[str, bytes]) -> bytes:
    found: object = raw.get("iptc", b"")
    if isinstance(opened, JpegImagePlugin.JpegImageFile):
        resources = opened.info.get("photoshop")
        found = resources.get(iptc.RESOURCE) if isinstance(resources, dict) else b""
    elif isinstance(opened, TiffImagePlugin.TiffImageFile):
        found = _tiff_iptc(opened)
    return found if isinstance(found, bytes) else b""


def _tiff_iptc(opened: TiffImagePlugin.TiffImageFile) -> bytes:
    try:
        # Photoshop calls these bytes numbers of 32 bits, of which get() returns the first: PIL.IptcImagePlugin knows
        return _iptc_of(opened.tag_v2._tagdata)  # noqa: SLF001
    except READ_ERRORS:
        return b""


def _iptc_of(raw: Mapping[int, bytes]) -> bytes:
    return raw.get(_TIFF_IPTC) or iptc.in_resources(raw.get(_TIFF_RESOURCES, b""))


def _raw_profiles(opened: Image.Image) -> Iterator[tuple[str, bytes]]:
    """Yield kind and bytes of what ImageMagick puts into a PNG's texts: name, length and hexadecimal digits."""
    for key, text in opened.info.items():
        kind = key.lower().removeprefix("raw profile type ") if isinstance(key, str) else ""
        if not isinstance(text, str) or kind not in ("app1", "xmp", "iptc", "8bim") or len(text) > 2 * xmp.MOST_BYTES:
            continue
        try:
            _name, _length, digits = text.strip().split("\n", 2)
            profile = bytes.fromhex(digits)
        except ValueError:
            continue
        if kind == "app1" and profile.startswith(_EXIF_HEAD):
            yield "exif", profile
        elif kind == "app1":
            yield "xmp", profile.removeprefix(_XMP_HEAD)
        elif kind == "xmp":
            yield "xmp", profile
        else:
            yield "iptc", iptc.in_resources(profile) or profile
