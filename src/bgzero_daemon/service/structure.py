"""Is a picture file all there? Judged by its container, without decoding; and how large it is, in pixels.

This is a reason to wait, never to fail: an odd but good file only waits until `max_wait_seconds`, and
then the decoder decides. Own code, because what is needed is small (where does the first picture end?)
and no kept library tells it without reading pixels or without Pillow, which the service may not load.

Sources: ITU T.81 B.1 (JPEG), PNG third edition 5, GIF89a, RIFF container of WebP, TIFF 6.0 section 2 and
BigTIFF, BITMAPFILEHEADER, ISO/IEC 14496-12 and 23008-12 (AVIF).
"""

import os
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass

from bgzero_daemon.core.formats import HEAD_BYTES, sniff
from bgzero_daemon.core.texts import _

_WINDOW_BYTES = 1 << 20
_LEAST_BYTES = 32  # fewer bytes than this are no picture of any kind
_MOST_STEPS = 1_000_000  # more blocks than this in one file are no picture's


@dataclass(frozen=True, slots=True)
class Structure:
    """What a container says. `missing` is "" where nothing is missed, else what is, in words.

    `width_px` and `height_px` are 0 where the header does not tell.
    """

    missing: str = ""
    width_px: int = 0
    height_px: int = 0


class _Short(Exception):
    """The file ends before something that was promised."""


class _File:
    """Random access to a descriptor, through one window that is read again where it is left."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.size = os.fstat(descriptor).st_size
        self._at, self._window = 0, b""

    def take(self, at: int, count: int) -> bytes:
        """Return exactly `count` bytes from `at`. Raises _Short where the file ends before."""
        if at < 0 or at + count > self.size:
            raise _Short
        if not self._at <= at <= at + count <= self._at + len(self._window):
            self._at, self._window = at, os.pread(self._descriptor, max(count, _WINDOW_BYTES), at)
        taken = self._window[at - self._at : at - self._at + count]
        if len(taken) < count:
            raise _Short
        return taken

    def windows(self, at: int, overlap: int) -> "list[int]":
        """Return where to begin reading windows that cover the file from `at`, overlapping a little."""
        return list(range(at, max(self.size, at + 1), _WINDOW_BYTES - overlap))

    def has_hole(self) -> bool:
        """Say whether part of the file was never written: a hole, or space that was only reserved."""
        if not hasattr(os, "SEEK_HOLE"):
            return False
        try:
            return os.lseek(self._descriptor, 0, os.SEEK_HOLE) < self.size
        except OSError:
            return False


def examine(descriptor: int) -> Structure:
    """Examine an open file. A kind that is not known here misses nothing."""
    file = _File(descriptor)
    if file.size == 0:
        return Structure(_("it is empty"))
    if file.has_hole():
        return Structure(_("parts of it were never written"))
    word = sniff(file.take(0, min(HEAD_BYTES, file.size)))[1]
    walk = _WALKS.get(word)
    if walk is None:
        return Structure(_("hardly anything is written yet") if file.size < _LEAST_BYTES else "")
    try:
        return walk(file)
    except (_Short, struct.error):
        return Structure(_("its end is missing ({word})").format(word=word))


_REAL_MARKER = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]", re.DOTALL)


def _jpeg(file: _File) -> Structure:
    """Walk the markers to the end of the first picture: a motion photo or zeros may follow it."""
    at, width, height = 2, 0, 0
    for _step in range(_MOST_STEPS):
        while file.take(at, 2)[1] == 0xFF:  # fill bytes
            at += 1
        lead, marker = file.take(at, 2)
        if lead != 0xFF:
            return Structure(_("its parts do not follow each other (JPEG)"), width, height)
        if marker == 0xD9:
            return Structure("", width, height)
        if marker == 0x01 or 0xD0 <= marker <= 0xD7:
            at += 2
            continue
        (length,) = struct.unpack(">H", file.take(at + 2, 2))
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", file.take(at + 5, 4))
        at += 2 + length
        if marker == 0xDA:
            at = _after_scan(file, at)
    return Structure(_("it has too many parts (JPEG)"), width, height)


def _after_scan(file: _File, at: int) -> int:
    """Return where the marker behind entropy-coded data stands."""
    for start in file.windows(at, overlap=2):
        window = file.take(start, min(_WINDOW_BYTES, file.size - start)) if start < file.size else b""
        if found := _REAL_MARKER.search(window):
            return start + found.end() - 2
    raise _Short


def _png(file: _File) -> Structure:
    width, height = struct.unpack(">II", file.take(16, 8))
    at = 8
    for _step in range(_MOST_STEPS):
        length, kind = struct.unpack(">I4s", file.take(at, 8))
        if not kind.isalpha():
            return Structure(_("its parts do not follow each other (PNG)"), width, height)
        at += 12 + length
        file.take(at - 4, 4)
        if kind == b"IEND":
            return Structure("", width, height)
    return Structure(_("it has too many parts (PNG)"), width, height)


def _gif(file: _File) -> Structure:
    width, height, flags = struct.unpack("<HHB", file.take(6, 5))
    at = 13 + _table_bytes(flags)
    for _step in range(_MOST_STEPS):
        introducer = file.take(at, 1)[0]
        if introducer == 0x3B:
            return Structure("", width, height)
        if introducer == 0x2C:
            at += 11 + _table_bytes(file.take(at + 9, 1)[0])
        elif introducer == 0x21:
            at += 2
        else:
            return Structure(_("its parts do not follow each other (GIF)"), width, height)
        while count := file.take(at, 1)[0]:
            at += 1 + count
        at += 1
    return Structure(_("it has too many parts (GIF)"), width, height)


def _table_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _webp(file: _File) -> Structure:
    (length,) = struct.unpack("<I", file.take(4, 4))
    kind, body = file.take(12, 4), file.take(20, 10)
    width = height = 0
    if kind == b"VP8X":
        width = 1 + int.from_bytes(body[4:7], "little")
        height = 1 + int.from_bytes(body[7:10], "little")
    elif kind == b"VP8L":
        packed = int.from_bytes(body[1:5], "little")
        width, height = 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)
    elif kind == b"VP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack("<HH", body[6:10]))
    return Structure("" if file.size >= 8 + length else _("its end is missing (WebP)"), width, height)


_TIFF_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 16: 8, 13: 4, 18: 8}
_TIFF_CODES = {3: "H", 4: "I", 16: "Q", 13: "I", 18: "Q"}


def _tiff(file: _File) -> Structure:
    """Read the first directory: every strip or tile that it names has to be there."""
    order = "<" if file.take(0, 2) == b"II" else ">"
    is_big = struct.unpack(order + "H", file.take(2, 2))[0] == 43
    offset, entry, count = ("Q", "HHQ8s", "Q") if is_big else ("I", "HHI4s", "H")
    (at,) = struct.unpack(order + offset, file.take(8 if is_big else 4, struct.calcsize(offset)))
    if at == 0:
        return Structure(_("its directory is not written yet (TIFF)"))
    (entries,) = struct.unpack(order + count, file.take(at, struct.calcsize(count)))
    at += struct.calcsize(count)
    step = struct.calcsize(order + entry)
    tags = {}
    for index in range(min(entries, 4096)):
        tag, kind, number, inline = struct.unpack(order + entry, file.take(at + index * step, step))
        if tag in (256, 257, 273, 279, 324, 325):
            tags[tag] = _tiff_values(file, order, kind, number, inline)
    width, height = ((tags.get(tag) or [0])[0] for tag in (256, 257))
    for offsets, counts in ((273, 279), (324, 325)):
        for start, length in zip(tags.get(offsets, []), tags.get(counts, []), strict=False):
            if start + length > file.size:
                return Structure(_("its end is missing (TIFF)"), width, height)
    if not tags.get(273) and not tags.get(324):
        return Structure(_("it names no pixels yet (TIFF)"), width, height)
    return Structure("", width, height)


def _tiff_values(file: _File, order: str, kind: int, number: int, inline: bytes) -> list[int]:
    if kind not in _TIFF_CODES or not 0 < number <= _MOST_STEPS:
        return []
    length = number * _TIFF_SIZES[kind]
    if length > len(inline):
        (at,) = struct.unpack(order + ("Q" if len(inline) == 8 else "I"), inline)
        inline = file.take(at, length)
    return list(struct.unpack(f"{order}{number}{_TIFF_CODES[kind]}", inline[:length]))


def _bmp(file: _File) -> Structure:
    """Uncompressed rows have a length that can be computed; else the header's own length counts."""
    stated, start, header = struct.unpack("<I4xII", file.take(2, 16))
    if header == 12:
        width, height, bits, compression = (*struct.unpack("<HH2xH", file.take(18, 8)), 0)
    else:
        width, height, bits, compression = struct.unpack("<ii2xHI", file.take(18, 16))
    height = abs(height)
    end = start + (width * bits + 31) // 32 * 4 * height if compression in (0, 3, 6) else stated
    return Structure("" if file.size >= end else _("its end is missing (BMP)"), max(width, 0), height)


def _avif(file: _File) -> Structure:
    """Walk the top-level boxes; the largest `ispe` in `meta` is the picture's size."""
    at, kinds, width, height = 0, set(), 0, 0
    for _step in range(_MOST_STEPS):
        if at == file.size:
            break
        length, kind = struct.unpack(">I4s", file.take(at, 8))
        if length == 1:
            (length,) = struct.unpack(">Q", file.take(at + 8, 8))
        elif length == 0:
            length = file.size - at
        if length < 8 or not kind.isascii() or not kind.strip(b"\0"):
            break  # something that is no box stands behind the picture
        if kind == b"meta":
            width, height = _largest_ispe(file.take(at, length))
        file.take(at + length - 1, 1)
        kinds.add(kind)
        at += length
    is_whole = {b"meta", b"mdat"} <= kinds or b"moov" in kinds
    return Structure("" if is_whole else _("its pixels are missing (AVIF)"), width, height)


def _largest_ispe(meta: bytes) -> tuple[int, int]:
    sizes = [(0, 0)]
    at = meta.find(b"ispe")
    while 0 <= at <= len(meta) - 16:
        width, height = struct.unpack(">II", meta[at + 8 : at + 16])
        sizes.append((width, height))
        at = meta.find(b"ispe", at + 4)
    return max(sizes, key=lambda size: size[0] * size[1])


_WALKS: dict[str, Callable[[_File], Structure]] = {
    "JPEG": _jpeg,
    "PNG": _png,
    "GIF": _gif,
    "WebP": _webp,
    "TIFF": _tiff,
    "BMP": _bmp,
    "AVIF": _avif,
}
