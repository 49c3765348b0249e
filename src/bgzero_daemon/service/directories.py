"""TIFF and what cameras make of it: every strip or tile that a directory names has to be there.

Sources: TIFF 6.0 section 2, BigTIFF, DNG 1.4 (SubIFDs), exiftool's and LibRaw's notes on CR2, RW2, ORF and RAF.
"""

import struct
from collections import deque

from bgzero_daemon.core.texts import _
from bgzero_daemon.service.container import MOST_STEPS, File, Structure

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 16: 8, 13: 4, 18: 8}
_CODES = {3: "H", 4: "I", 16: "Q", 13: "I", 18: "Q"}
_KIND, _WIDTH, _HEIGHT, _SUB, _DNG = 254, 256, 257, 330, 50706
_STRIPS, _STRIP_BYTES, _TILES, _TILE_BYTES = 273, 279, 324, 325
_WANTED = (_KIND, _WIDTH, _HEIGHT, _STRIPS, _STRIP_BYTES, _TILES, _TILE_BYTES, _SUB)
_ELSEWHERE = 0xFFFFFFFF  # Panasonic's: a tag of its own says where
_MOST_DIRECTORIES = 64


def tiff(file: File) -> Structure:
    """Read the first directory; of a RAW all of them, for the first is a thumbnail's."""
    head = file.take(0, 16)
    order = "<" if head[:2] == b"II" else ">"
    is_big = struct.unpack(order + "H", head[2:4])[0] == 43
    (at,) = struct.unpack_from(order + ("Q" if is_big else "I"), head, 8 if is_big else 4)
    if at == 0:
        return Structure(_("its directory is not written yet (TIFF)"))
    tags, _following = _directory(file, order, at, is_big=is_big)
    if _is_raw(head, tags):
        return _all_of(file, order, at)
    missing = _missing(file, tags)
    if not missing and not tags.get(_STRIPS) and not tags.get(_TILES):
        missing = _("it names no pixels yet (TIFF)")
    return Structure(missing, *_size(tags))


def _is_raw(head: bytes, tags: dict[int, list[int]]) -> bool:
    is_plain = head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+") and head[8:10] != b"CR"
    return not is_plain or bool((tags.get(_KIND) or [0])[0] & 1) or _DNG in tags


def _all_of(file: File, order: str, first: int) -> Structure:
    """Read directories, those that follow and those below; the largest picture is the photo."""
    size, seen, waiting = (0, 0), set[int](), deque([first])
    while waiting and len(seen) < _MOST_DIRECTORIES:
        if (at := waiting.popleft()) in seen or not at:
            continue
        seen.add(at)
        tags, following = _directory(file, order, at, is_big=False)
        if missing := _missing(file, tags):
            return Structure(missing, *max(size, _size(tags), key=_area))
        size = max(size, _size(tags), key=_area)
        waiting += [following, *tags.get(_SUB, [])]
    return Structure("", *size)


def _size(tags: dict[int, list[int]]) -> tuple[int, int]:
    width, height = ((tags.get(tag) or [0])[0] for tag in (_WIDTH, _HEIGHT))
    return width, height


def _area(size: tuple[int, int]) -> int:
    return size[0] * size[1]


def _missing(file: File, tags: dict[int, list[int]]) -> str:
    for offsets, counts in ((_STRIPS, _STRIP_BYTES), (_TILES, _TILE_BYTES)):
        for start, length in zip(tags.get(offsets, []), tags.get(counts, []), strict=False):
            if start + length > file.size and start != _ELSEWHERE:
                return _("its end is missing ({word})").format(word="TIFF")
    return ""


def _directory(file: File, order: str, at: int, *, is_big: bool) -> tuple[dict[int, list[int]], int]:
    """Return what a directory says of its pixels, and where the next one is, 0 for none."""
    offset, entry, count = ("Q", "HHQ8s", "Q") if is_big else ("I", "HHI4s", "H")
    (entries,) = struct.unpack(order + count, file.take(at, struct.calcsize(count)))
    at += struct.calcsize(count)
    step = struct.calcsize(order + entry)
    tags = {}
    for index in range(min(entries, 4096)):
        tag, kind, number, inline = struct.unpack(order + entry, file.take(at + index * step, step))
        if tag in _WANTED:
            tags[tag] = _values(file, order, kind, number, inline)
        elif tag == _DNG:
            tags[tag] = [1]
    end, width = at + entries * step, struct.calcsize(offset)
    (following,) = struct.unpack(order + offset, file.take(end, width)) if end + width <= file.size else (0,)
    return tags, following


def _values(file: File, order: str, kind: int, number: int, inline: bytes) -> list[int]:
    if kind not in _CODES or not 0 < number <= MOST_STEPS:
        return []
    length = number * _SIZES[kind]
    if length > len(inline):
        (at,) = struct.unpack(order + ("Q" if len(inline) == 8 else "I"), inline)
        inline = file.take(at, length)
    return list(struct.unpack(f"{order}{number}{_CODES[kind]}", inline[:length]))


def raf(file: File) -> Structure:
    """Read Fujifilm's header, which says where preview, notes and mosaic are."""
    places = struct.unpack(">6I", file.take(84, 24))
    ends = [start + length for start, length in zip(places[::2], places[1::2], strict=True)]
    return Structure("" if max(ends) <= file.size else _("its end is missing ({word})").format(word="RAF"))
