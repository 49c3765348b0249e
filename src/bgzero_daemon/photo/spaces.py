"""ICC profiles of RGB spaces, made of their primaries: for photos that name a space and bring no profile.

Sources: ICC.1:2022 (file layout, parametric curve of type 3, PCS of D50), ITU-T H.273 tables 2 and 3 (code points of
primaries and transfer), IEC 61966-2-1 (sRGB's curve), Bradford's matrix as in ICC.1 annex E. Always the same bytes:
Little CMS, which Pillow has, writes the date into its profiles and has no space but sRGB.
"""

import struct
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

SRGB, P3, REC2020 = 1, 12, 9
"""Code points of H.273; 1 is BT.709's primaries, which are sRGB's."""

_PRIMARIES = {
    SRGB: ("sRGB", (0.640, 0.330), (0.300, 0.600), (0.150, 0.060)),
    P3: ("Display P3", (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    REC2020: ("Rec. 2020", (0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
}
_D65, _D50 = (0.3127, 0.3290), (0.9642, 1.0, 0.8249)
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def _xyz(x: float, y: float) -> F64:
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _fixed(values: F64) -> bytes:
    return struct.pack(f">{values.size}i", *(round(float(value) * 65536) for value in values.flat))


def _text(words: str) -> bytes:
    text = words.encode("utf-16-be")
    return b"mluc" + struct.pack(">4xII4sII", 1, 12, b"enUS", len(text), 28) + text


@lru_cache
def profile(primaries: int) -> bytes:
    """Return the profile of a space by the code point of its primaries, with sRGB's curve; b"" for others."""
    if primaries not in _PRIMARIES:
        return b""
    name, *corners = _PRIMARIES[primaries]
    columns = np.stack([_xyz(*corner) for corner in corners], axis=1)
    white = _xyz(*_D65)
    to_xyz = columns * np.linalg.solve(columns, white)
    cone = _BRADFORD @ np.array(_D50) / (_BRADFORD @ white)
    adapt = np.linalg.solve(_BRADFORD, cone[:, None] * _BRADFORD)
    adapted = adapt @ to_xyz
    curve = b"para" + struct.pack(">4xHH", 3, 0) + _fixed(np.array(_SRGB_CURVE))
    tags = {
        b"desc": _text(name), b"cprt": _text("No copyright"), b"wtpt": b"XYZ \0\0\0\0" + _fixed(np.array(_D50)),
        b"chad": b"sf32\0\0\0\0" + _fixed(adapt),
        **{kind: b"XYZ \0\0\0\0" + _fixed(adapted[:, at]) for at, kind in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))},
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve),
    }  # fmt: skip
    return _file(tags)


def _file(tags: dict[bytes, bytes]) -> bytes:
    table, body, places = b"", b"", dict[bytes, int]()
    start = 128 + 4 + 12 * len(tags)
    for kind, data in tags.items():
        if data not in places:
            places[data] = start + len(body)
            body += data + bytes(-len(data) % 4)
        table += struct.pack(">4sII", kind, places[data], len(data))
    head = struct.pack(
        ">I4sI4s4s4s6H4s4sIIIQI3i4s16s28x",
        start + len(body), b"\0\0\0\0", 0x04400000, b"mntr", b"RGB ", b"XYZ ", 2026, 1, 1, 0, 0, 0, b"acsp",
        b"\0\0\0\0", 0, 0, 0, 0, 0, *struct.unpack(">3i", _fixed(np.array(_D50))), b"\0\0\0\0", bytes(16),
    )  # fmt: skip
    return head + struct.pack(">I", len(tags)) + table + body
