"""From a photo to the tensor that a network wants. One function serves every model: the spec decides."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bgzero_daemon.core.specs import PHOTO_MAXIMUM, Fit, InputSpec
from bgzero_daemon.photo.colour import to_srgb
from bgzero_daemon.photo.picture import WORD, Photo, eight_bits, is_quarter_turn, turned

F32 = NDArray[np.float32]

_ROWS_EACH = 6
"""Enough to average: u2netp's masks of 24 megapixels are 0.0009 from those by all rows, in the mean of six photos."""


def photo_box(width_px: int, height_px: int, size_px: int, fit: Fit) -> tuple[int, int, int, int]:
    """Return (left, top, width, height) of the photo inside the network's square, in its pixels.

    Letterbox as isnet-anime's author does it (SkyTNT, inference.py): the longer side fills the square,
    the shorter one is rounded down and centred.
    """
    if fit is Fit.STRETCH:
        return 0, 0, size_px, size_px
    longer = max(width_px, height_px)
    width = max(1, size_px * width_px // longer)
    height = max(1, size_px * height_px // longer)
    return (size_px - width) // 2, (size_px - height) // 2, width, height


def to_tensor(photo: Photo, spec: InputSpec) -> F32:
    """Return the photo as (1, 3, size, size), float32, in the unit the spec asks for.

    The photo is resized in its own colour space (bilinear, antialiased) and then brought to sRGB:
    a network was trained on sRGB, and converting a small picture is cheap. Padding is zero.
    """
    left, top, width, height = photo_box(photo.width_px, photo.height_px, spec.size_px, spec.fit)
    rgb = np.asarray(to_srgb(_small(photo, width, height), photo.icc), np.float32)
    rgb = np.asarray(turned(rgb, photo.turn), np.float32)
    scale = max(float(rgb.max()), 1.0) if spec.scale == PHOTO_MAXIMUM else float(spec.scale)
    normal = (rgb / np.float32(scale) - np.asarray(spec.mean, np.float32)) / np.asarray(spec.std, np.float32)
    tensor = np.zeros((1, 3, spec.size_px, spec.size_px), np.float32)
    tensor[0, :, top : top + height, left : left + width] = normal.transpose(2, 0, 1)
    return tensor


def _small(photo: Photo, width: int, height: int) -> Image.Image:
    """Return the photo at this size, not yet turned upright. Pillow looks at its pixels where they are.

    Of one with 16 bits, which Pillow does not know, at a copy with 8. Of a photo that is much larger not every row is
    looked at: `_ROWS_EACH` or more for each row that is made, the first of every few, which moves the picture up by a
    twelfth of a row at most.
    """
    across, down = (height, width) if is_quarter_turn(photo.turn) else (width, height)
    rows, columns = photo.stored.shape
    skip = max(1, rows // (_ROWS_EACH * down))
    shown = columns, rows // skip
    if photo.depth > 8:
        seen, skip = eight_bits(photo.stored[::skip]), 1
    else:
        seen = np.ascontiguousarray(photo.stored).view(WORD)
    whole = Image.frombuffer("RGBX", shown, seen, "raw", "RGBX", seen.strides[0] * skip, 1)
    return whole.resize((across, down), Image.Resampling.BILINEAR, reducing_gap=3.0).convert("RGB")
