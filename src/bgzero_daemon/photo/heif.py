"""HEIC photos, by libheif (pillow-heif, the extra "heif"): the main picture, turned as the file says."""

import io
import struct
from contextlib import suppress
from types import ModuleType
from typing import Any

import numpy as np
from PIL import ExifTags, Image

from bgzero_daemon.core.errors import Code, PhotoRefused
from bgzero_daemon.core.extras import EXTRAS
from bgzero_daemon.core.formats import HEIC
from bgzero_daemon.core.texts import _
from bgzero_daemon.photo import colour, spaces
from bgzero_daemon.photo.picture import U8, U16, Photo, packed
from bgzero_daemon.photo.refusals import check_size, damaged

_PQ, _HLG = 16, 18  # H.273, table 3
_NCLX = b"colrnclx"
_HEAD_BYTES = 1 << 16  # in which properties stand, before any pixels


def _libheif() -> ModuleType:
    module = EXTRAS[HEIC].load()
    module.options.DECODE_THREADS = 1  # photos beside each other fill the cores
    module.options.THUMBNAILS = module.options.DEPTH_IMAGES = module.options.AUX_IMAGES = False
    return module


def read(content: bytes, *, max_pixels: int, is_deep: bool) -> Photo:
    """Read the main picture of a HEIC file: its base picture, without gain map, depth or video.

    With 16 bits where `is_deep` and the file has more than 8.

    Raises PhotoSkipped where the extra is not there, PhotoRefused for HDR and for what cannot be read.
    """
    pillow_heif = _libheif()
    try:
        opened = pillow_heif.open_heif(io.BytesIO(content), convert_hdr_to_8bit=not is_deep)
        main = opened[opened.primary_index]
        width, height = main.size
        check_size(width, height, max_pixels)
        icc = _profile(main.info)
        samples, icc = _samples(main, icc)
    except (ValueError, EOFError, SyntaxError, RuntimeError, OSError, IndexError) as error:
        raise damaged(error) from None
    note = _("the main one of {count} pictures").format(count=len(opened)) if len(opened) > 1 else ""
    has_alpha = samples.shape[2] in (2, 4)
    return Photo(packed(samples), has_alpha=has_alpha, icc=icc, exif=_exif(main.info.get("exif")), note=note)


def _profile(info: dict[str, Any]) -> bytes:
    """Return the profile, or one for the colours that are named without it. Raises PhotoRefused for HDR."""
    if icc := info.get("icc_profile"):
        return bytes(icc)
    named = info.get("nclx_profile") or {}
    return named_profile(named.get("color_primaries") or 0, named.get("transfer_characteristics") or 0)


def avif_profile(content: bytes) -> bytes:
    """Return the profile for the colours that an AVIF names: Pillow does not tell. Raises PhotoRefused for HDR."""
    at = content.find(_NCLX, 0, _HEAD_BYTES)
    return named_profile(*struct.unpack_from(">HH", content, at + len(_NCLX))) if 0 < at < len(content) - 12 else b""


def named_profile(primaries: int, transfer: int) -> bytes:
    """Return the profile for code points of H.273, b"" for sRGB and unknown ones. Raises PhotoRefused for HDR."""
    if transfer in (_PQ, _HLG):
        raise PhotoRefused(
            _("This is an HDR picture (PQ or HLG), and shown as it is its colours would be wrong."),
            hint=_("Export it as JPEG, or have the camera save SDR."),
            code=Code.LATER_KIND,
        )
    return b"" if primaries == spaces.SRGB else spaces.profile(primaries)


def _samples(main: Any, icc: bytes) -> tuple[U8 | U16, bytes]:  # noqa: ANN401 - a package without types
    """Decode into (rows, columns, channels) and the profile of that. Opacity that is multiplied in is taken out."""
    mode, _mark, depth = main.mode.partition(";")
    if mode.startswith("L") and icc and not depth:  # grey cannot keep its profile
        rgb, alpha, icc = colour.split(main.to_pillow(), icc)
        return np.asarray(Image.merge("RGBA", (*rgb.split(), alpha)) if alpha else rgb), icc
    width, height = main.size
    flat: U8 | U16 = np.frombuffer(main.data, np.uint16) if depth else np.frombuffer(main.data, np.uint8)
    samples = flat.reshape(height, -1)[:, : width * len(mode)].reshape(height, width, len(mode))
    return (_straight(samples) if mode.endswith("a") else samples), colour.fitting(icc)


def _straight(samples: U8 | U16) -> U8 | U16:
    made = samples.copy()
    peak = np.iinfo(samples.dtype).max
    for row in made:
        opacity = np.maximum(row[..., -1:], 1).astype(np.float32) / peak
        row[..., :-1] = np.minimum(row[..., :-1] / opacity, peak).round()
    return made


def _exif(block: bytes | None) -> Image.Exif | None:
    """Read the EXIF; its orientation says nothing (ISO/IEC 23008-12, A.2.1): the file's own turns are done."""
    exif = Image.Exif()
    with suppress(Exception):  # whatever is odd about it, the pixels are fine
        exif.load(block or b"")
        exif.get_ifd(ExifTags.IFD.Exif)
        exif.get_ifd(ExifTags.IFD.GPSInfo)
        exif.pop(ExifTags.Base.Orientation, None)
        return exif
    return None
