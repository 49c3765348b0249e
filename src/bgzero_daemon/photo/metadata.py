"""What of a photo's EXIF goes into the cut-out: built anew from an allow-list, never copied.

A copied block would bring the embedded thumbnail (it shows the background), a stale orientation, and
maker notes with serial numbers, places and previews that nobody can look through.
"""

import struct
import warnings

from PIL import ExifTags, Image

from bgzero_daemon.core.recipe import Metadata

_BASE = (
    ExifTags.Base.Make, ExifTags.Base.Model, ExifTags.Base.DateTime, ExifTags.Base.Artist,
    ExifTags.Base.Copyright, ExifTags.Base.ImageDescription,
)  # fmt: skip
_CAMERA = (
    ExifTags.Base.ExposureTime, ExifTags.Base.FNumber, ExifTags.Base.ExposureProgram,
    ExifTags.Base.ISOSpeedRatings, ExifTags.Base.SensitivityType, ExifTags.Base.DateTimeOriginal,
    ExifTags.Base.DateTimeDigitized, ExifTags.Base.OffsetTime, ExifTags.Base.OffsetTimeOriginal,
    ExifTags.Base.OffsetTimeDigitized, ExifTags.Base.SubsecTime, ExifTags.Base.SubsecTimeOriginal,
    ExifTags.Base.SubsecTimeDigitized, ExifTags.Base.ShutterSpeedValue, ExifTags.Base.ApertureValue,
    ExifTags.Base.ExposureBiasValue, ExifTags.Base.MaxApertureValue, ExifTags.Base.MeteringMode,
    ExifTags.Base.Flash, ExifTags.Base.FocalLength, ExifTags.Base.FocalLengthIn35mmFilm,
    ExifTags.Base.ExposureMode, ExifTags.Base.WhiteBalance, ExifTags.Base.LensSpecification,
    ExifTags.Base.LensMake, ExifTags.Base.LensModel,
)  # fmt: skip
_SERIALS = (ExifTags.Base.BodySerialNumber, ExifTags.Base.LensSerialNumber, ExifTags.Base.CameraOwnerName)


def chosen_exif(exif: Image.Exif | None, policy: Metadata) -> bytes:
    """Return the EXIF block for the cut-out, b"" where nothing is kept.

    "no-location" keeps camera, lens, exposure, dates, creator, rights and description; "keep" adds
    the place, serial numbers and the owner's name; "none" keeps nothing.
    """
    if exif is None or policy is Metadata.NONE:
        return b""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd entries, which are left out
        return _built(exif, policy)


def _built(exif: Image.Exif, policy: Metadata) -> bytes:
    kept = Image.Exif()
    for tag in _BASE:
        if _is_writable(tag, value := exif.get(tag)):
            kept[tag] = value
    _copy(exif, kept, ExifTags.IFD.Exif, _CAMERA + (_SERIALS if policy is Metadata.KEEP else ()))
    if policy is Metadata.KEEP:
        _copy(exif, kept, ExifTags.IFD.GPSInfo, tuple(exif.get_ifd(ExifTags.IFD.GPSInfo)))
    is_empty = not len(kept) and not any(kept.get_ifd(ifd) for ifd in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo))
    return b"" if is_empty else kept.tobytes()


def _copy(exif: Image.Exif, kept: Image.Exif, ifd: int, tags: tuple[int, ...]) -> None:
    values = exif.get_ifd(ifd)
    for tag in tags:
        if _is_writable(tag, value := values.get(tag), ifd):
            kept.get_ifd(ifd)[tag] = value


def _is_writable(tag: int, value: object, ifd: int | None = None) -> bool:
    """Say whether Pillow can write this entry; one odd value must not cost all the others."""
    if value in (None, "", b""):
        return False
    trial = Image.Exif()
    (trial if ifd is None else trial.get_ifd(ifd))[tag] = value
    try:
        trial.tobytes()
    except (ValueError, TypeError, AttributeError, OverflowError, KeyError, struct.error):
        return False
    return True
