"""PNG and TIFF files made byte by byte, for what Pillow reads but does not write."""

import struct
import zlib
from collections.abc import Sequence
from typing import Literal

import numpy as np

Order = Literal["<", ">"]


def chunk(kind: bytes, payload: bytes) -> bytes:
    """Return a PNG chunk with its checksum."""
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))


def png_file(size: tuple[int, int], depth: int, colour: int, rows: Sequence[bytes], *extra: bytes) -> bytes:
    """Return a PNG of any bit depth and colour type; `extra` are chunks that stand before the pixels."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"".join((b"\x89PNG\r\n\x1a\n", head, *extra, data, chunk(b"IEND", b"")))


def tiff_file(entries: dict[int, tuple[int, int]], pixels: bytes = b"", order: Order = "<") -> bytes:
    """Return a TIFF of one directory; `entries` maps tags to (type, value), 0 for the pixels' offset."""
    at = 8 + 2 + 12 * len(entries) + 4
    packed = b""
    for tag, (kind, value) in sorted(entries.items()):
        number = at if tag == 273 else value
        slot = struct.pack(order + "HH", number, 0) if kind == 3 else struct.pack(order + "I", number)
        packed += struct.pack(order + "HHI", tag, kind, 1) + slot
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8)
    return head + struct.pack(order + "H", len(entries)) + packed + struct.pack(order + "I", 0) + pixels


def grey_tiff(values: np.typing.NDArray[np.generic], form: int, order: Order = "<", photometric: int = 1) -> bytes:
    """Return a grey TIFF of any sample size; `form` is TIFF's SampleFormat: 1 unsigned, 2 signed, 3 float."""
    height, width = values.shape
    pixels = values.astype(values.dtype.newbyteorder(order)).tobytes()
    short, long = 3, 4
    return tiff_file(
        {
            256: (long, width),
            257: (long, height),
            258: (short, values.dtype.itemsize * 8),
            259: (short, 1),
            262: (short, photometric),
            273: (long, 0),
            277: (short, 1),
            278: (long, height),
            279: (long, len(pixels)),
            339: (short, form),
        },
        pixels,
        order,
    )
