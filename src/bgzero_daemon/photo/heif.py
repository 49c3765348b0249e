"""HEIC photos, by libheif (pillow-heif, the extra "heif"): the main picture, turned as the file says."""

import io
import struct
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
from PIL import ExifTags, Image

from bgzero_daemon.core.errors import Code, PhotoRefused
from bgzero_daemon.core.extras import EXTRAS
from bgzero_daemon.core.formats import HEIC
from bgzero_daemon.core.texts import _
from bgzero_daemon.photo import blocks, colour, spaces
from bgzero_daemon.photo.picture import SIXTEEN, U8, U16, Photo, Words, packed
from bgzero_daemon.photo.refusals import check_size, damaged

_PQ, _HLG = 16, 18  # H.273, table 3
_NCLX = b"colrnclx"
_HEAD_BYTES = 1 << 16  # in which properties stand, before any pixels
_EXIF_HEAD = b"Exif\0\0"
_SAMPLES_AT_ONCE = 1 << 18


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
        said = _said(main.info)
    except blocks.READ_ERRORS as error:
        raise damaged(error) from None
    note = _("the main one of {count} pictures").format(count=len(opened)) if len(opened) > 1 else ""
    has_alpha = samples.shape[2] in (2, 4)
    words = packed(samples)
    if samples.dtype.itemsize > 1:
        _widen(words, main.info.get("bit_depth", 16))
    return Photo(words, has_alpha=has_alpha, icc=icc, exif=said.exif, xmp=said.xmp, iptc=said.iptc, note=note)


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
    return (_straight(samples, int(main.info.get("bit_depth", 16))) if mode.endswith("a") else samples), colour.fitting(
        icc
    )


def _straight(samples: U8 | U16, bits: int) -> U8 | U16:
    """Take opacity out of colours. Of 16 bits only the upper `bits` are used."""
    made = samples.copy()
    peak = 255 if samples.dtype.itemsize == 1 else ((1 << bits) - 1) << (16 - bits)
    for row in made:
        opacity = np.maximum(row[..., -1:], 1).astype(np.float32) / peak
        row[..., :-1] = np.minimum(row[..., :-1] / opacity, peak).round()
    return made


def _widen(words: Words, bits: int) -> None:
    """Make white and full opacity the peak, in place: of samples that have fewer than 16 bits the lowest are zero."""
    levels = words.reshape(-1).view(SIXTEEN.sample)
    for first in range(0, levels.size, _SAMPLES_AT_ONCE) if bits < SIXTEEN.depth else ():
        some = levels[first : first + _SAMPLES_AT_ONCE]
        some |= some >> np.uint16(bits)


def _said(info: dict[str, Any]) -> blocks.Blocks:
    """Read what it says; EXIF's orientation says nothing (ISO/IEC 23008-12, A.2.1): the file's own turns are done."""
    found = blocks.of_tiff(bytes(info.get("exif") or b"").removeprefix(_EXIF_HEAD))
    if found.exif is not None:
        found.exif.pop(ExifTags.Base.Orientation, None)
    packet = info.get("xmp")
    return replace(found, xmp=(bytes(packet),)) if packet else found
