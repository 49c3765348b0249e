"""AVIF, HEIC and Canon's CR3: boxes that follow each other (ISO/IEC 14496-12 and 23008-12)."""

import struct

from bgzero_daemon.core.texts import _
from bgzero_daemon.service.container import MOST_STEPS, File, Short, Structure

_MOST_META_BYTES = 1 << 22  # hundreds of tiles take some ten thousand


def avif(file: File) -> Structure:
    """Walk the top-level boxes; the largest `ispe` in `meta` is the picture's size."""
    kinds, size = _walk(file)
    is_whole = {b"meta", b"mdat"} <= kinds or b"moov" in kinds
    return Structure("" if is_whole else _("its pixels are missing ({word})").format(word="AVIF"), *size)


def heic(file: File) -> Structure:
    """Walk likewise. What stands behind the picture, such as a motion photo's video, may be cut off."""
    kinds, size = _walk(file)
    is_whole = {b"meta", b"mdat"} <= kinds or b"moov" in kinds
    return Structure("" if is_whole else _("its pixels are missing ({word})").format(word="HEIC"), *size)


def cr3(file: File) -> Structure:
    """Walk Canon's RAW, whose pictures are tracks of a film; how large they are is left to the decoder."""
    kinds, _size = _walk(file)
    return Structure("" if {b"moov", b"mdat"} <= kinds else _("its pixels are missing ({word})").format(word="CR3"))


def _walk(file: File) -> tuple[set[bytes], tuple[int, int]]:
    """Return the kinds of the boxes that are whole, and the size in pixels. Raises Short where one is cut off."""
    at, kinds, size = 0, set[bytes](), (0, 0)
    for _step in range(MOST_STEPS):
        if at == file.size:
            break
        try:
            length, kind = _head(file, at)
        except Short:
            if kinds >= {b"meta", b"mdat"}:
                break
            raise
        if length < 8 or not kind.isascii() or not kind.strip(b"\0"):
            break  # something that is no box stands behind the picture
        if at + length > file.size and kinds >= {b"meta", b"mdat"} and kind != b"mdat":
            break  # a video behind the picture is still on its way, or never will be
        if kind == b"meta":
            size = _largest_ispe(file.take(at, max(0, min(length, _MOST_META_BYTES, file.size - at))))
        file.take(at + length - 1, 1)
        kinds.add(kind)
        at += length
    return kinds, size


def _head(file: File, at: int) -> tuple[int, bytes]:
    length, kind = struct.unpack(">I4s", file.take(at, 8))
    if length == 1:
        (length,) = struct.unpack(">Q", file.take(at + 8, 8))
    return length or file.size - at, kind


def _largest_ispe(meta: bytes) -> tuple[int, int]:
    sizes = [(0, 0)]
    at = meta.find(b"ispe")
    while 0 <= at <= len(meta) - 16:
        sizes.append(struct.unpack(">II", meta[at + 8 : at + 16]))
        at = meta.find(b"ispe", at + 4)
    return max(sizes, key=lambda size: size[0] * size[1])
