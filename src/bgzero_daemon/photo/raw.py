"""RAW photos, developed once and at full size by LibRaw (rawpy, the extra "raw").

What is looked at is what is cut: many cameras correct their lens in the preview, and a mask of that lies beside the
developed pixels. Nothing here is Pillow's: it opens a RAW as a TIFF and hands out its thumbnail.
"""

import io
from typing import Any

from PIL import ExifTags, Image

from bgzero_daemon.core.errors import PhotoRefused
from bgzero_daemon.core.extras import EXTRAS
from bgzero_daemon.core.formats import RAW
from bgzero_daemon.core.texts import _
from bgzero_daemon.photo import blocks, spaces
from bgzero_daemon.photo.picture import U8, U16, Photo, packed
from bgzero_daemon.photo.refusals import check_size, damaged

_DNG_VERSION = 50706
_TIFF_HEADS = {b"IIU\0": b"II*\0", b"IIRO": b"II*\0", b"IIRS": b"II*\0", b"MMOR": b"MM\0*"}
"""Of Panasonic's and Olympus's TIFFs, which begin with marks of their own: what others begin with."""
_SRGB_CURVE = (2.4, 12.92)  # LibRaw's own default is BT.709's, which is darker


def develop(content: bytes, *, max_pixels: int, is_deep: bool) -> Photo:
    """Develop a RAW photo upright: camera white balance, no brightening, sRGB, AHD; with 16 bits where `is_deep`.

    Raises PhotoSkipped where the extra is not there, PhotoRefused for what LibRaw cannot develop, MemoryError.
    """
    rawpy, said = EXTRAS[RAW].load(), _said(content)
    try:
        with rawpy.imread(io.BytesIO(content)) as opened:
            check_size(opened.sizes.width, opened.sizes.height, max_pixels)
            if said.exif is None:
                said = _said_by_preview(opened)
            rgb: U8 | U16 = opened.postprocess(
                use_camera_wb=True, no_auto_bright=True, gamma=_SRGB_CURVE, output_color=rawpy.ColorSpace.sRGB,
                output_bps=16 if is_deep else 8, adjust_maximum_thr=_trust(said.exif),
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
    except blocks.READ_ERRORS as error:
        raise damaged(error) from None
    if said.exif is not None:
        said.exif.pop(ExifTags.Base.Orientation, None)  # it is turned already
    return Photo(packed(rgb), icc=spaces.profile(spaces.SRGB), exif=said.exif, xmp=said.xmp, iptc=said.iptc)


def _trust(exif: Image.Exif | None) -> float:
    """Return from which share of white on the brightest pixel counts as white.

    A DNG tells its white itself: taking another would brighten each photo of a burst differently. For cameras' own
    formats LibRaw knows it by a table, and highlights are magenta where that is wrong.
    """
    return 0.0 if exif is not None and _DNG_VERSION in exif else 0.75


def _said(content: bytes) -> blocks.Blocks:
    """Read the first directory of a RAW that is a TIFF, which most are."""
    head = _TIFF_HEADS.get(content[:4])
    return blocks.of_tiff(head + content[4:] if head else content)


def _said_by_preview(opened: Any) -> blocks.Blocks:  # noqa: ANN401 - a package without types
    """Read what the embedded JPEG says, or LibRaw of one that says nothing; none of its pixels."""
    try:
        with Image.open(io.BytesIO(opened.extract_thumb().data), formats=("JPEG",)) as preview:
            return blocks.find(preview)
    except Exception:  # noqa: BLE001 - there may be none, or none that is a JPEG
        return blocks.Blocks()
