"""Every mode and profile a photo can have, brought to RGB; and the sRGB view that networks look at."""

import io
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms


@dataclass(frozen=True, slots=True)
class Grey:
    """What a TIFF says of deep grey and Pillow does not heed: values without a sign, white counted as zero."""

    is_unsigned: bool = False
    is_white_zero: bool = False


PLAIN_GREY = Grey()

_SPACES = {"RGB": "RGB ", "L": "GRAY", "CMYK": "CMYK", "LAB": "Lab "}


@lru_cache(maxsize=1)
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def _profile(icc: bytes, mode: str) -> ImageCms.ImageCmsProfile | None:
    """Open a profile; None where it is broken or made for another kind of pixels."""
    if len(icc) < int.from_bytes(icc[:4], "big") or not icc:  # it begins with its own length
        return None
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    except OSError:
        return None
    return profile if profile.profile.xcolor_space == _SPACES[mode] else None


def _converted(picture: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    try:
        converted = ImageCms.profileToProfile(picture, profile, _srgb(), outputMode="RGB")
    except ImageCms.PyCMSError:
        return picture.convert("RGB")
    assert converted is not None  # only with inPlace=True
    return converted


def split(picture: Image.Image, icc: bytes, grey: Grey = PLAIN_GREY) -> tuple[Image.Image, Image.Image | None, bytes]:
    """Split a picture of any mode into RGB, its own alpha ("L") or None, and the profile of that RGB.

    RGB pixels stay as they are and keep their profile. CMYK, LAB and grey with a profile cannot keep
    it in an RGB file, so they are converted to sRGB and the profile returned is b"".
    """
    if picture.mode.startswith(("I", "F")):
        picture, alpha = _eight_bits(picture, grey)
    elif picture.has_transparency_data:
        picture = picture.convert("LA" if picture.mode in ("L", "LA", "La") else "RGBA")
        alpha = picture.getchannel("A")
        picture = picture.convert(picture.mode[:-1])
    else:
        alpha = None
    if picture.mode == "1":
        picture = picture.convert("L")
    if picture.mode == "LAB":
        return _converted(picture, ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))), alpha, b""
    if picture.mode in ("L", "CMYK"):
        profile = _profile(icc, picture.mode)
        return (_converted(picture, profile) if profile else picture.convert("RGB")), alpha, b""
    rgb = picture if picture.mode == "RGB" else picture.convert("RGB")
    return rgb, alpha, fitting(icc)


def fitting(icc: bytes) -> bytes:
    """Return a profile for RGB pixels, b"" for one that is broken or made for others."""
    return icc if is_for(icc, "RGB") else b""


def is_for(icc: bytes, mode: str) -> bool:
    """Say whether a profile is whole and made for "RGB", "L", "CMYK" or "LAB"."""
    return _profile(icc, mode) is not None


def _eight_bits(picture: Image.Image, kind: Grey) -> tuple[Image.Image, Image.Image | None]:
    """Scale 16-bit, 32-bit and floating-point grey to 8 bits without clipping.

    "I" holds 16-bit values in most files, so it is taken as such unless a value is larger. Floats are
    taken as [0, 1] where they fit, else scaled by their largest value.
    """
    values = np.asarray(picture)
    key = picture.info.get("transparency")
    alpha = Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8)) if isinstance(key, int) else None
    if picture.mode == "I" and kind.is_unsigned:
        values = values.view(np.uint32)
    grey = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    grey = np.maximum(grey, 0.0)
    full = _full_scale(picture.mode, float(grey.max(initial=0.0)), kind)
    scaled = np.rint(grey * (255.0 / full)).astype(np.uint8)
    return Image.fromarray(255 - scaled if kind.is_white_zero else scaled), alpha


def _full_scale(mode: str, largest: float, kind: Grey) -> float:
    """Return the value that becomes 255."""
    if mode == "F":
        return max(1.0, largest)
    if largest <= 65535.0:
        return 65535.0
    return float(2**32 - 1 if kind.is_unsigned else 2**31 - 1)


def to_srgb(picture: Image.Image, icc: bytes) -> Image.Image:
    """Return an RGB picture with the given profile as sRGB. Without a usable profile it is sRGB already."""
    profile = _profile(icc, "RGB")
    return _converted(picture, profile) if profile else picture
