"""ICC profiles made byte by byte (ICC.1:2001-04), for Pillow makes only sRGB."""

import struct
from collections.abc import Sequence

from PIL import ImageCms

P3_PRIMARIES = ((0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841))


def _fixed(*values: float) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def _profile_file(space: bytes, connection: bytes, kind: bytes, tags: dict[bytes, bytes]) -> bytes:
    white = _fixed(0.9642, 1.0, 0.8249)
    every = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + b"\0" * 78,
        b"cprt": b"text\0\0\0\0none\0",
        b"wtpt": b"XYZ \0\0\0\0" + white,
    } | tags
    table, data, start = struct.pack(">I", len(every)), b"", 132 + 12 * len(every)
    for name, payload in every.items():
        table += name + struct.pack(">II", start + len(data), len(payload))
        data += payload + b"\0" * (-len(payload) % 4)
    head = struct.pack(">I4s4B", start + len(data), b"test", 2, 16, 0, 0) + kind + space + connection
    return head + b"\0" * 12 + b"acsp" + b"\0" * 28 + white + b"\0" * 48 + table + data


def matrix_profile(primaries: Sequence[Sequence[float]] = P3_PRIMARIES, gamma: float = 2.2) -> bytes:
    """Return an ICC profile of an RGB display with these primaries in XYZ D50."""
    curve = b"curv\0\0\0\0" + struct.pack(">IHH", 1, round(gamma * 256), 0)
    tags = {name + b"TRC": curve for name in (b"r", b"g", b"b")}
    for name, primary in zip((b"r", b"g", b"b"), primaries, strict=True):
        tags[name + b"XYZ"] = b"XYZ \0\0\0\0" + _fixed(*primary)
    return _profile_file(b"RGB ", b"XYZ ", b"mntr", tags)


def grey_profile(gamma: float = 1.0) -> bytes:
    """Return an ICC profile of grey pixels."""
    return _profile_file(
        b"GRAY", b"XYZ ", b"mntr", {b"kTRC": b"curv\0\0\0\0" + struct.pack(">IHH", 1, round(gamma * 256), 0)}
    )


def colourless_cmyk_profile() -> bytes:
    """Return a CMYK profile (lut8Type) in which every ink is black: whatever is printed comes out grey."""
    ramp = bytes(range(256))
    nodes = b"".join(bytes((max(0, 255 - 64 * node.bit_count()), 128, 128)) for node in range(16))
    matrix = _fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    table = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + matrix + ramp * 4 + nodes + ramp * 3
    return _profile_file(b"CMYK", b"Lab ", b"prtr", {b"A2B0": table})


def srgb_profile() -> bytes:
    """Return LittleCMS's own sRGB profile."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
