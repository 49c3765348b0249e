"""Looking into a PNG without decoding it: is it whole, and did this program make it?

No numpy and no Pillow, so that the service can check what the worker wrote. Chunks: PNG specification
(third edition), sections 5.3 and 11.3.3.
"""

import hashlib
import json
import os
import struct
import zlib
from dataclasses import dataclass

from bgzero_daemon.core.checksums import crc32
from bgzero_daemon.core.texts import _

SIGNATURE = b"\x89PNG\r\n\x1a\n"
TAG_KEYWORD = "bgzero"
_PIECE_BYTES = 1 << 20
_TAG_MAX_BYTES = 1 << 16
_BESIDE_PIXELS = (b"eXIf", b"pHYs", b"tEXt", b"zTXt", b"iTXt", b"iCCP")


def _made(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I4s", len(payload), kind) + payload + struct.pack(">I", crc32(payload, crc32(kind)))


_ONE_PIXEL = _made(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
_BLACK, _END = _made(b"IDAT", zlib.compress(b"\0\0")), _made(b"IEND", b"")


class DamagedPng(Exception):
    """Not a whole PNG; the message says where it stops making sense."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a whole PNG file is: its length, SHA-256, size in pixels, and this program's tag ({} without)."""

    size_bytes: int
    sha256: str
    width_px: int
    height_px: int
    tag: dict[str, object]


class _Stream:
    """Reads a descriptor from its start without moving its offset, and hashes what it reads."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.at = 0
        self.hash = hashlib.sha256()

    def take(self, count: int) -> bytes:
        parts = []
        while count:
            part = os.pread(self._descriptor, min(count, _PIECE_BYTES), self.at)
            if not part:
                raise DamagedPng(_("it ends after {count} bytes, in the middle of a chunk").format(count=self.at))
            self.hash.update(part)
            self.at += len(part)
            count -= len(part)
            parts.append(part)
        return b"".join(parts)


def inspect(descriptor: int) -> Inspection:
    """Read a PNG from start to end: signature, every chunk's CRC, IEND, and nothing behind it.

    Raises DamagedPng for anything less, OSError where the file cannot be read.
    """
    stream = _Stream(descriptor)
    if stream.take(len(SIGNATURE)) != SIGNATURE:
        raise DamagedPng(_("it does not begin like a PNG"))
    size: tuple[int, int] | None = None
    tag: dict[str, object] = {}
    seen_data = False
    while True:
        length, kind = struct.unpack(">I4s", stream.take(8))
        payload = _chunk(stream, kind, length, keep=kind == b"IHDR" or (kind == b"iTXt" and length <= _TAG_MAX_BYTES))
        if size is None:
            if kind != b"IHDR" or length != 13:
                raise DamagedPng(_("its first chunk is not IHDR"))
            size = struct.unpack_from(">II", payload)
        elif kind == b"iTXt":
            tag = tag or _tag(payload)
        elif kind == b"IDAT":
            seen_data = True
        elif kind == b"IEND":
            break
    if not seen_data:
        raise DamagedPng(_("it holds no pixels"))
    if os.pread(descriptor, 1, stream.at):
        raise DamagedPng(_("something stands behind its end"))
    return Inspection(stream.at, stream.hash.hexdigest(), *size, tag)


def peek_tag(descriptor: int) -> dict[str, object]:
    """Return this program's tag from in front of a PNG's pixels, {} without one. The rest is not read.

    Raises OSError where the file cannot be read.
    """
    stream = _Stream(descriptor)
    try:
        if stream.take(len(SIGNATURE)) != SIGNATURE:
            return {}
        while True:
            length, kind = struct.unpack(">I4s", stream.take(8))
            if kind in (b"IDAT", b"IEND"):
                return {}
            if kind == b"iTXt" and length <= _TAG_MAX_BYTES:
                if tag := _tag(stream.take(length)):
                    return tag
            else:
                stream.at += length
            stream.at += 4
    except DamagedPng:
        return {}


def pixels_only(content: bytes) -> bytes:
    """Return a PNG without its texts and its colour profile. What comes behind a broken chunk stays as it is."""
    kept, at = [content[: len(SIGNATURE)]], len(SIGNATURE)
    while at + 12 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        if kind not in (b"tEXt", b"zTXt", b"iTXt", b"iCCP"):
            kept.append(content[at : at + 12 + length])
        at += 12 + length
    return b"".join([*kept, content[at:]])


def as_one_pixel(content: bytes) -> bytes:
    """Return a PNG of one black pixel with all that stands beside the pixels of this one, in front of it or behind.

    Behind a broken chunk nothing is looked for.
    """
    kept, at = [SIGNATURE, _ONE_PIXEL], len(SIGNATURE)
    while at + 12 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        if kind in _BESIDE_PIXELS and at + 12 + length <= len(content):
            kept.append(content[at : at + 12 + length])
        at += 12 + length
    return b"".join([*kept, _BLACK, _END])


def _chunk(stream: _Stream, kind: bytes, length: int, *, keep: bool) -> bytes:
    crc, left, kept = crc32(kind), length, []
    while left:
        piece = stream.take(min(left, _PIECE_BYTES))
        crc = crc32(piece, crc)
        left -= len(piece)
        if keep:
            kept.append(piece)
    if stream.take(4) != struct.pack(">I", crc):
        raise DamagedPng(_("the checksum of a {kind} chunk is wrong").format(kind=repr(kind)))
    return b"".join(kept)


def _tag(payload: bytes) -> dict[str, object]:
    keyword, _, rest = payload.partition(b"\0")
    if keyword != TAG_KEYWORD.encode() or rest[:2] != b"\0\0":  # uncompressed only: that is how it is written
        return {}
    text = rest[2:].split(b"\0", 2)[-1]
    try:
        tag = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return tag if isinstance(tag, dict) else {}
