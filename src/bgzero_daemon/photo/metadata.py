"""What a cut-out keeps of what its photo's file says: EXIF and XMP built anew from lists of what may pass.

The lists are in `photo.exif` and `photo.xmp`; docs/metadata.md tells them to people. XMP says only what EXIF does not.
"""

import uuid
import warnings
from dataclasses import dataclass

from PIL import ExifTags

from bgzero_daemon.core.recipe import Metadata, Product
from bgzero_daemon.photo import exif, iptc, xmp
from bgzero_daemon.photo.picture import Photo

_Base = ExifTags.Base
_SAID_BY_EXIF = {
    "exif:DateTimeOriginal": _Base.DateTimeOriginal,
    "photoshop:DateCreated": _Base.DateTimeOriginal,
    "xmp:CreateDate": _Base.DateTimeDigitized,
    "tiff:Make": _Base.Make,
    "tiff:Model": _Base.Model,
    "aux:Lens": _Base.LensModel,
    "exifEX:LensModel": _Base.LensModel,
    "exif:GPSLatitude": 2,
    "exif:GPSLongitude": 4,
    "exif:GPSAltitude": 6,
    "exif:GPSAltitudeRef": 6,
    "aux:SerialNumber": _Base.BodySerialNumber,
    "exifEX:BodySerialNumber": _Base.BodySerialNumber,
    "aux:LensSerialNumber": _Base.LensSerialNumber,
    "exifEX:LensSerialNumber": _Base.LensSerialNumber,
}
"""Properties that are left out where the EXIF block has this tag."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What goes into the cut-out: an EXIF block and an XMP packet, b"" for none, and (x, y) pixels per inch."""

    exif: bytes = b""
    xmp: bytes = b""
    dpi: tuple[float, float] | None = None


def chosen(photo: Photo, policy: Metadata, *, source_sha256: str, product: Product = Product.CUTOUT) -> Kept:
    """Choose what the cut-out keeps.

    "safe": camera, lens, exposure, dates, rating, label, keywords, creator, rights and description. "keep" adds the
    place and the serial numbers. "none" keeps nothing. The packet's own identifier is made of the source's hash and the
    product, so that the same photo gives the same bytes.
    """
    if policy is Metadata.NONE:
        return Kept()
    is_private_kept = policy is Metadata.KEEP
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd entries, which are left out
        block = exif.build(photo.exif, (photo.width_px, photo.height_px), with_private=is_private_kept)
        stars = exif.rating(photo.exif)
    said = {**iptc.read(photo.iptc), **({"xmp:Rating": [stars]} if stars else {})}
    found = xmp.cleaned(said)
    for packet in reversed(photo.xmp):
        found.update(xmp.read(packet))
    names = {*xmp.ABOUT, *(xmp.PRIVATE if is_private_kept else ())}
    kept = {
        name: values for name, values in found.items() if name in names and _SAID_BY_EXIF.get(name) not in block.tags
    }
    packet = xmp.write(kept, _identifier(source_sha256, product), found) if kept else b""
    return Kept(block.content, packet, photo.dpi)


def _identifier(source_sha256: str, product: Product) -> str:
    return f"xmp.did:{uuid.uuid5(uuid.NAMESPACE_OID, f'{source_sha256} {product.value}')}"
