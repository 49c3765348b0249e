"""Is a picture file all there? Judged by its container, without decoding; and how large it is, in pixels.

This is a reason to wait, never to fail: an odd but good file only waits until `max_wait_seconds`, and
then the decoder decides. Own code, because what is needed is small (where does the first picture end?)
and no kept library tells it without reading pixels or without Pillow, which the service may not load.

Sources: ITU T.81 B.1 (JPEG), PNG third edition 5, GIF89a, RIFF container of WebP, BITMAPFILEHEADER; TIFF and RAW
are in `service.directories`, AVIF, HEIC and CR3 in `service.boxes`.
"""

import re
import struct
from collections.abc import Callable

from bgzero_daemon.core.formats import HEAD_BYTES, HEIC, RAW, sniff
from bgzero_daemon.core.texts import _
from bgzero_daemon.service import boxes, directories
from bgzero_daemon.service.container import MOST_STEPS, WINDOW_BYTES, File, Short, Structure

_LEAST_BYTES = 32  # fewer bytes than this are no picture of any kind


def examine(descriptor: int) -> Structure:
    """Examine an open file. A kind that is not known here misses nothing."""
    file = File(descriptor)
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
    except (Short, struct.error):
        return Structure(_("its end is missing ({word})").format(word=word))


_REAL_MARKER = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]", re.DOTALL)


def _jpeg(file: File) -> Structure:
    """Walk the markers to the end of the first picture: a motion photo or zeros may follow it."""
    at, width, height = 2, 0, 0
    for _step in range(MOST_STEPS):
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


def _after_scan(file: File, at: int) -> int:
    """Return where the marker behind entropy-coded data stands."""
    for start in file.windows(at, overlap=2):
        window = file.take(start, min(WINDOW_BYTES, file.size - start)) if start < file.size else b""
        if found := _REAL_MARKER.search(window):
            return start + found.end() - 2
    raise Short


def _png(file: File) -> Structure:
    width, height = struct.unpack(">II", file.take(16, 8))
    at = 8
    for _step in range(MOST_STEPS):
        length, kind = struct.unpack(">I4s", file.take(at, 8))
        if not kind.isalpha():
            return Structure(_("its parts do not follow each other (PNG)"), width, height)
        at += 12 + length
        file.take(at - 4, 4)
        if kind == b"IEND":
            return Structure("", width, height)
    return Structure(_("it has too many parts (PNG)"), width, height)


def _gif(file: File) -> Structure:
    width, height, flags = struct.unpack("<HHB", file.take(6, 5))
    at = 13 + _table_bytes(flags)
    for _step in range(MOST_STEPS):
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


def _webp(file: File) -> Structure:
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


def _bmp(file: File) -> Structure:
    """Uncompressed rows have a length that can be computed; else the header's own length counts."""
    stated, start, header = struct.unpack("<I4xII", file.take(2, 16))
    if header == 12:
        width, height, bits, compression = (*struct.unpack("<HH2xH", file.take(18, 8)), 0)
    else:
        width, height, bits, compression = struct.unpack("<ii2xHI", file.take(18, 16))
    height = abs(height)
    end = start + (width * bits + 31) // 32 * 4 * height if compression in (0, 3, 6) else stated
    return Structure("" if file.size >= end else _("its end is missing (BMP)"), max(width, 0), height)


def _raw(file: File) -> Structure:
    head = file.take(0, 16)
    if head[4:8] == b"ftyp":
        return boxes.cr3(file)
    if head.startswith(b"FUJIFILMCCD-RAW"):
        return directories.raf(file)
    is_like_tiff = head[:2] in (b"II", b"MM") and head[:4] != b"II\x1a\0"
    return directories.tiff(file) if is_like_tiff else Structure()


_WALKS: dict[str, Callable[[File], Structure]] = {
    "JPEG": _jpeg,
    "PNG": _png,
    "GIF": _gif,
    "WebP": _webp,
    "TIFF": directories.tiff,
    "BMP": _bmp,
    "AVIF": boxes.avif,
    HEIC: boxes.heic,
    RAW: _raw,
}
