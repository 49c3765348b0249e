"""EXIF blocks made entry by entry, right or wrong: Pillow writes neither wrong types nor thumbnails."""

import struct
from collections.abc import Sequence

Entry = tuple[int, int, int, bytes]
"""Tag, type, count and value of an EXIF entry."""


def text(tag: int, value: str) -> Entry:
    """Return an ASCII entry."""
    raw = value.encode() + b"\0"
    return tag, 2, len(raw), raw


def blob(tag: int, value: bytes) -> Entry:
    """Return an entry of undefined bytes."""
    return tag, 7, len(value), value


def short(tag: int, value: int) -> Entry:
    """Return a 16-bit entry."""
    return tag, 3, 1, struct.pack("<H", value)


def rational(tag: int, *pairs: tuple[int, int]) -> Entry:
    """Return an entry of fractions."""
    return tag, 5, len(pairs), b"".join(struct.pack("<II", *pair) for pair in pairs)


def _directory(entries: Sequence[Entry], start: int, following: int = 0) -> bytes:
    body, tail = struct.pack("<H", len(entries)), b""
    data_at = start + 2 + 12 * len(entries) + 4
    for tag, kind, count, value in sorted(entries):
        body += struct.pack("<HHI", tag, kind, count)
        if len(value) <= 4:
            body += value.ljust(4, b"\0")
        else:
            body += struct.pack("<I", data_at + len(tail))
            tail += value + b"\0" * (len(value) % 2)
    return body + struct.pack("<I", following) + tail


def exif_block(
    base: Sequence[Entry], camera: Sequence[Entry] = (), place: Sequence[Entry] = (), thumbnail: bytes = b""
) -> bytes:
    """Return an EXIF block of any entries, right or wrong: base, camera and GPS directory, and a thumbnail."""
    pointers = [(0x8769, camera), (0x8825, place)]
    first = [*base, *((tag, 4, 1, b"\0\0\0\0") for tag, entries in pointers if entries)]
    at = 8 + len(_directory(first, 8))
    blocks: list[bytes] = []
    for tag, entries in pointers:
        if entries:
            first = [entry for entry in first if entry[0] != tag] + [(tag, 4, 1, struct.pack("<I", at))]
            blocks.append(_directory(entries, at))
            at += len(blocks[-1])
    if thumbnail:
        where = (0x0201, 4, 1, struct.pack("<I", at + 2 + 12 * 2 + 4))
        blocks.append(_directory([where, (0x0202, 4, 1, struct.pack("<I", len(thumbnail)))], at) + thumbnail)
    return b"Exif\0\0II*\0\x08\0\0\0" + _directory(first, 8, at if thumbnail else 0) + b"".join(blocks)
