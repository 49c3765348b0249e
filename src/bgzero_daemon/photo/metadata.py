"""What of a photo's EXIF goes into the cut-out: built anew from an allow-list, never copied.

A copied block would bring the embedded thumbnail (it shows the background), a stale orientation, and
maker notes with serial numbers, places and previews that nobody can look through.
"""

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
    kept = Image.Exif()
    for tag in _BASE:
        _copy(exif, kept, tag)
    camera, kept_camera = exif.get_ifd(ExifTags.IFD.Exif), kept.get_ifd(ExifTags.IFD.Exif)
    for tag in _CAMERA + (_SERIALS if policy is Metadata.KEEP else ()):
        _copy(camera, kept_camera, tag)
    if policy is Metadata.KEEP:
        kept.get_ifd(ExifTags.IFD.GPSInfo).update(exif.get_ifd(ExifTags.IFD.GPSInfo))
    if not len(kept) and not kept_camera and not kept.get_ifd(ExifTags.IFD.GPSInfo):
        return b""
    try:
        return kept.tobytes()
    except (ValueError, TypeError, OverflowError, KeyError):  # a value that cannot be written back
        return b""


def _copy(source: Image.Exif | dict[int, object], target: Image.Exif | dict[int, object], tag: int) -> None:
    value = source.get(tag)
    if value not in (None, "", b""):
        target[tag] = value
