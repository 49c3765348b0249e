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


def deep_tiff(
    values: np.typing.NDArray[np.generic], *, order: Order = "<", is_planar: bool = False, is_zipped: bool = False,
    more: dict[int, tuple[str, Sequence[int] | bytes]] | None = None,
) -> bytes:  # fmt: skip
    """Return a TIFF of (h, w, channels), one strip a plane; `more` are tags as (letter of struct, values).

    R stands for fractions.
    """
    height, width, channels = values.shape
    planes = [values[..., at] for at in range(channels)] if is_planar else [values]
    strips = [plane.astype(values.dtype.newbyteorder(order)).tobytes() for plane in planes]
    strips = [zlib.compress(strip, 1) for strip in strips] if is_zipped else strips
    starts = [8 + sum(map(len, strips[:at])) for at in range(len(strips))]
    tags: dict[int, tuple[str, Sequence[int] | bytes]] = {
        256: ("I", [width]),
        257: ("I", [height]),
        258: ("H", [8 * values.dtype.itemsize] * channels),
        259: ("H", [8 if is_zipped else 1]),
        262: ("H", [2 if channels > 2 else 1]),
        273: ("I", starts),
        277: ("H", [channels]),
        278: ("I", [height]),
        279: ("I", [len(strip) for strip in strips]),
        284: ("H", [2 if is_planar else 1]),
        339: ("H", [3 if values.dtype.kind == "f" else 1] * channels),
    } | (more or {})
    at = 8 + sum(map(len, strips))
    table, behind, kinds = b"", b"", {"H": 3, "I": 4, "R": 5, "B": 7}
    for tag, (letter, numbers) in sorted(tags.items()):
        packed = struct.pack(f"{order}{len(numbers)}{letter.replace('R', 'I')}", *numbers)
        slot = packed.ljust(4, b"\0")
        if len(packed) > 4:
            slot = struct.pack(order + "I", at + len(behind))
            behind += packed + b"\0" * (len(packed) % 2)
        table += struct.pack(order + "HHI", tag, kinds[letter], len(numbers) // (2 if letter == "R" else 1)) + slot
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, at + len(behind))
    return head + b"".join(strips) + behind + struct.pack(order + "H", len(tags)) + table + b"\0\0\0\0"
