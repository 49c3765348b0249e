"""A reader of PNGs that is strict and shares nothing with the writer: PNG specification, sections 5, 9 and 10."""

import struct
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bgzero_daemon.photo.picture import U8

Samples = NDArray[np.uint8] | NDArray[np.uint16]

_CHANNELS = {0: 1, 2: 3, 6: 4}


@dataclass(frozen=True)
class Read:
    """What a PNG holds: (h, w, channels) of its depth, each row's filter, the kinds of its chunks in their order."""

    pixels: Samples
    filters: list[int]
    kinds: list[bytes]


def read(content: bytes) -> Read:
    """Read every byte. Raises AssertionError for whatever is not as it has to be."""
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    kinds, data, at, head = [], b"", 8, b""
    while at < len(content):
        (length,) = struct.unpack_from(">I", content, at)
        kind, payload = content[at + 4 : at + 8], content[at + 8 : at + 8 + length]
        assert len(payload) == length
        assert struct.unpack_from(">I", content, at + 8 + length)[0] == zlib.crc32(kind + payload)
        kinds.append(kind)
        head = payload if kind == b"IHDR" else head
        data += payload if kind == b"IDAT" else b""
        at += 12 + length
    assert (kinds[0], kinds[-1]) == (b"IHDR", b"IEND")
    width, height, depth, colour, *rest = struct.unpack(">IIBBBBB", head)
    assert (depth in (8, 16), rest) == (True, [0, 0, 0])
    inflate = zlib.decompressobj()
    raw = inflate.decompress(data)  # raises for a wrong Adler-32
    assert inflate.eof
    assert not inflate.unused_data
    channels = _CHANNELS[colour]
    step = channels * depth // 8
    rows = np.frombuffer(raw, np.uint8).reshape(height, 1 + width * step)
    filters = [int(kind) for kind in rows[:, 0]]
    pixels = unfiltered(rows[:, 1:], filters, step).reshape(height, width, step)
    return Read(pixels.view(">u2").astype(np.uint16) if depth == 16 else pixels, filters, kinds)


def unfiltered(rows: U8, filters: list[int], step: int) -> U8:
    """Undo the filters, byte by byte."""
    above = [0] * rows.shape[1]
    out = np.empty_like(rows)
    for number, kind in enumerate(filters):
        line = rows[number].tolist()
        for at, value in enumerate(line):
            left = line[at - step] if at >= step else 0
            corner = above[at - step] if at >= step else 0
            guess = (0, left, above[at], (left + above[at]) // 2, _paeth(left, above[at], corner))[kind]
            line[at] = (value + guess) & 255
        out[number] = above = line
    return out


def _paeth(left: int, above: int, corner: int) -> int:
    straight = left + above - corner
    return min((abs(straight - left), 0, left), (abs(straight - above), 1, above), (abs(straight - corner), 2, corner))[
        2
    ]
