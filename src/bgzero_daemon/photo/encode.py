"""From a cut-out to the bytes of a PNG."""

import io
import json
from collections.abc import Mapping

from PIL import Image, PngImagePlugin

from bgzero_daemon import __version__
from bgzero_daemon.photo.decode import U8, Photo
from bgzero_daemon.photo.png import TAG_KEYWORD

SOFTWARE = f"BGZero Daemon {__version__}"
# Level 1 is about three times as fast as Pillow's default and a few percent larger.
_COMPRESS_LEVEL = 1


def encode(pixels: U8, photo: Photo, *, exif: bytes, tag: Mapping[str, object]) -> bytes:
    """Return a PNG of `pixels`, (h, w, 4) or (h, w), with the photo's profile and resolution.

    `exif` is a finished block or b""; `tag` goes into an iTXt chunk as JSON and says what made the
    file. The same arguments give the same bytes.
    """
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Software", SOFTWARE)
    texts.add_itxt(TAG_KEYWORD, json.dumps(tag, sort_keys=True, ensure_ascii=False, separators=(",", ":")))
    options: dict[str, object] = {}
    if photo.icc and pixels.ndim == 3:  # a grey mask is not in the photo's colour space
        options["icc_profile"] = photo.icc
    if photo.dpi:
        options["dpi"] = photo.dpi
    if exif:
        options["exif"] = exif
    out = io.BytesIO()
    # icc_profile=None keeps Pillow from adding one of its own accord
    Image.fromarray(pixels).save(
        out, "PNG", pnginfo=texts, compress_level=_COMPRESS_LEVEL, **{"icc_profile": None, **options}
    )
    return out.getvalue()
