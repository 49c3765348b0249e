"""RAW files made byte by byte: a Bayer mosaic of a known scene, as a DNG with a preview, or in the shape of a NEF.

Tags: TIFF 6.0, TIFF/EP and DNG 1.4. The camera is one whose primaries are sRGB's, so that a converter has to give
the scene back.
"""

import io
import struct
from collections.abc import Sequence

import numpy as np
from PIL import Image

from bgzero_daemon.photo.picture import U8
from bgzero_daemon.photo.tensor import F32

BYTE, ASCII, SHORT, LONG, RATIONAL, SRATIONAL = 1, 2, 3, 4, 5, 10
_CODES = {BYTE: "B", ASCII: "B", SHORT: "H", LONG: "I", RATIONAL: "I", SRATIONAL: "i"}
_WHITE_BALANCE = (2.0, 1.0, 1.5)  # red and blue come that much too weak from the sensor
_XYZ_TO_CAMERA = (
    3.2404542, -1.5371385, -0.4985314, -0.9692660, 1.8760108, 0.0415560, 0.0556434, -0.2040259, 1.0572252,
)  # fmt: skip
_BLACK, _WHITE = 512, (1 << 14) - 1

Entry = tuple[int, int, Sequence[int] | bytes]


def _directory(out: bytearray, entries: Sequence[Entry]) -> int:
    """Append a directory, and what does not fit into it; return where it begins."""
    packed = b""
    for tag, kind, values in sorted(entries):
        data = struct.pack(f"<{len(values)}{_CODES[kind]}", *values)
        count = len(values) // (2 if kind in (RATIONAL, SRATIONAL) else 1)
        if len(data) > 4:
            out += bytes(len(out) % 2)
            data, at = struct.pack("<I", len(out)), data
            out += at
        packed += struct.pack("<HHI", tag, kind, count) + data.ljust(4, b"\0")
    out += bytes(len(out) % 2)
    start = len(out)
    out += struct.pack("<H", len(entries)) + packed + bytes(4)
    return start


def _fractions(values: Sequence[float]) -> list[int]:
    return [part for value in values for part in (round(value * 10000), 10000)]


def mosaic(scene: U8 | F32) -> np.typing.NDArray[np.uint16]:
    """Return what a sensor of red, green, green and blue sees of an sRGB scene, in 14 bits.

    The scene is in [0, 255], of even height and width.
    """
    value = scene.astype(np.float32) / 255
    light = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    light /= np.array(_WHITE_BALANCE, np.float32)
    seen = np.empty(scene.shape[:2], np.float32)
    for row, column, channel in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)):
        seen[row::2, column::2] = light[row::2, column::2, channel]
    return np.round(_BLACK + seen * (_WHITE - _BLACK)).astype(np.uint16)


def dng(
    scene: U8 | F32, *, turn: int = 1, preview: U8 | None = None, is_dng: bool = True, more: Sequence[Entry] = ()
) -> bytes:
    """Return a RAW file of a scene as the sensor saw it; `turn` is its EXIF orientation.

    `preview` is the picture that its first directory shows, otherwise a small one of the scene. Without `is_dng` it is
    in the shape of a camera's own format: a thumbnail first, the mosaic behind it, and nothing that says DNG. `more`
    are entries of its first directory.
    """
    shown = io.BytesIO()
    small = Image.fromarray(scene.astype(np.uint8) if preview is None else preview)
    if preview is None:
        small.thumbnail((160, 120))
    small.save(shown, "JPEG", quality=90)
    pixels, thumbnail = mosaic(scene).tobytes(), shown.getvalue()
    head = _directories(scene.shape[1::-1], small.size, turn, is_dng, more, 0, 0, len(pixels), len(thumbnail))
    ends = len(head), len(head) + len(thumbnail)  # the mosaic comes last, as cameras write it
    head = _directories(
        scene.shape[1::-1], small.size, turn, is_dng, more, ends[1], ends[0], len(pixels), len(thumbnail)
    )
    return head + thumbnail + pixels


def _directories(
    size: Sequence[int], small: tuple[int, int], turn: int, is_dng: bool, more: Sequence[Entry],
    raw_at: int, preview_at: int, raw_bytes: int, preview_bytes: int,
) -> bytes:  # fmt: skip
    """Return the head of the file and both directories."""
    out = bytearray(b"II*\0" + bytes(4))
    sensor: list[Entry] = [
        (254, LONG, [0]), (256, LONG, [size[0]]), (257, LONG, [size[1]]), (258, SHORT, [16]), (259, SHORT, [1]),
        (262, SHORT, [32803]), (273, LONG, [raw_at]), (277, SHORT, [1]), (278, LONG, [size[1]]),
        (279, LONG, [raw_bytes]), (33421, SHORT, [2, 2]), (33422, BYTE, [0, 1, 1, 2]),
    ]  # fmt: skip
    first: list[Entry] = [
        (254, LONG, [1]), (256, LONG, [small[0]]), (257, LONG, [small[1]]), (258, SHORT, [8, 8, 8]),
        (259, SHORT, [7]), (262, SHORT, [6]), (271, ASCII, b"BGZero\0"), (272, ASCII, b"Test Camera\0"),
        (273, LONG, [preview_at]), (274, SHORT, [turn]), (277, SHORT, [3]), (278, LONG, [small[1]]),
        (279, LONG, [preview_bytes]), (306, ASCII, b"2025:05:01 10:00:00\0"), *more,
    ]  # fmt: skip
    if is_dng:
        sensor += [(50714, LONG, [_BLACK]), (50717, LONG, [_WHITE])]
        first += [
            (50706, BYTE, [1, 4, 0, 0]), (50707, BYTE, [1, 1, 0, 0]), (50708, ASCII, b"BGZero Test Camera\0"),
            (50721, SRATIONAL, _fractions(_XYZ_TO_CAMERA)), (50778, SHORT, [21]),
            (50728, RATIONAL, _fractions([1 / gain for gain in _WHITE_BALANCE])),
        ]  # fmt: skip
    first.append((330, LONG, [_directory(out, sensor)]))
    struct.pack_into("<I", out, 4, _directory(out, first))
    return bytes(out)
