"""RAW photos, developed once and at full size by LibRaw (rawpy, the extra "raw").

What is looked at is what is cut: many cameras correct their lens in the preview, and a mask of that lies beside the
developed pixels. Nothing here is Pillow's: it opens a RAW as a TIFF and hands out its thumbnail.
"""

import io
from contextlib import suppress

from PIL import ExifTags, Image

from bgzero_daemon.core.errors import PhotoRefused
from bgzero_daemon.core.extras import EXTRAS
from bgzero_daemon.core.formats import RAW
from bgzero_daemon.core.texts import _
from bgzero_daemon.photo import spaces
from bgzero_daemon.photo.picture import U8, U16, Photo, packed
from bgzero_daemon.photo.refusals import check_size, damaged

_DNG_VERSION = 50706
_SRGB_CURVE = (2.4, 12.92)  # LibRaw's own default is BT.709's, which is darker


def develop(content: bytes, *, max_pixels: int, is_deep: bool) -> Photo:
    """Develop a RAW photo upright: camera white balance, no brightening, sRGB, AHD; with 16 bits where `is_deep`.

    Raises PhotoSkipped where the extra is not there, PhotoRefused for what LibRaw cannot develop, MemoryError.
    """
    rawpy, exif = EXTRAS[RAW].load(), _exif(content)
    try:
        with rawpy.imread(io.BytesIO(content)) as opened:
            check_size(opened.sizes.width, opened.sizes.height, max_pixels)
            rgb: U8 | U16 = opened.postprocess(
                use_camera_wb=True, no_auto_bright=True, gamma=_SRGB_CURVE, output_color=rawpy.ColorSpace.sRGB,
                output_bps=16 if is_deep else 8, adjust_maximum_thr=_trust(exif),
            )  # fmt: skip
    except rawpy.LibRawFileUnsupportedError:
        raise PhotoRefused(
            _("This is no RAW photo of a camera that LibRaw knows, or it is damaged."),
            hint=_("Copy it again from where it came from, or export it as JPEG, TIFF or PNG."),
        ) from None
    except rawpy.LibRawUnsufficientMemoryError:
        raise MemoryError from None
    except rawpy.LibRawError as error:
        raise damaged(error.args[0] if error.args else error) from None
    return Photo(packed(rgb), icc=spaces.profile(spaces.SRGB), exif=exif)


def _trust(exif: Image.Exif | None) -> float:
    """Return from which share of white on the brightest pixel counts as white.

    A DNG tells its white itself: taking another would brighten each photo of a burst differently. For cameras' own
    formats LibRaw knows it by a table, and highlights are magenta where that is wrong.
    """
    return 0.0 if exif is not None and _DNG_VERSION in exif else 0.75


def _exif(content: bytes) -> Image.Exif | None:
    """Read the first directory of a RAW that is a TIFF, which most are; none of its pixels."""
    exif = Image.Exif()
    with suppress(Exception):  # Pillow's reader meets directories that nobody made for it
        exif.load(content)
        exif.get_ifd(ExifTags.IFD.Exif)
        exif.get_ifd(ExifTags.IFD.GPSInfo)
        exif.pop(ExifTags.Base.Orientation, None)  # it is turned already
        exif.fp.close()  # it would hold all of the content
        return exif
    return None
