"""The chunks of a PNG beside its pixels (PNG specification, third edition, section 11)."""

import json
import struct
import zlib
from collections.abc import Iterator, Mapping

from bgzero_daemon import __version__
from bgzero_daemon.core.checksums import crc32
from bgzero_daemon.photo.picture import Photo
from bgzero_daemon.photo.png import TAG_KEYWORD

SOFTWARE = f"BGZero Daemon {__version__}"

_COLOUR_TYPES = {1: 0, 3: 2, 4: 6}  # grey, RGB, RGBA
_METRES_PER_INCH = 0.0254
_EXIF_HEAD = b"Exif\0\0"
_XMP_KEYWORD = b"XML:com.adobe.xmp"  # XMP part 3, section 1.1.5; never compressed, so that every reader finds it


def chunk(kind: bytes, *payload: bytes) -> bytes:
    """Return a chunk: length, kind, payload, CRC."""
    head, crc = struct.pack(">I4s", sum(map(len, payload)), kind), crc32(kind)
    for piece in payload:
        crc = crc32(piece, crc)
    return b"".join((head, *payload, struct.pack(">I", crc)))


def before_pixels(
    size: tuple[int, int],
    channels: int,
    depth: int,
    photo: Photo,
    *,
    exif: bytes,
    xmp: bytes = b"",
    tag: Mapping[str, object],
) -> Iterator[bytes]:
    """Yield everything that stands in front of the pixels. `depth` counts the bits of a channel."""
    yield chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, _COLOUR_TYPES[channels], 0, 0, 0))
    if photo.icc and channels > 1:  # a grey mask is not in the photo's colour space
        yield chunk(b"iCCP", b"ICC Profile\0\0", zlib.compress(photo.icc))
    if photo.dpi:
        across, down = (int(value / _METRES_PER_INCH + 0.5) for value in photo.dpi)
        yield chunk(b"pHYs", struct.pack(">IIB", across, down, 1))
    if exif:
        yield chunk(b"eXIf", exif.removeprefix(_EXIF_HEAD))
    if xmp:
        yield chunk(b"iTXt", _XMP_KEYWORD, b"\0\0\0\0\0", xmp)
    yield chunk(b"tEXt", b"Software\0", SOFTWARE.encode("latin-1"))
    text = json.dumps(tag, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    yield chunk(b"iTXt", TAG_KEYWORD.encode("ascii"), b"\0\0\0\0\0", text.encode())
