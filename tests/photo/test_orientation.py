"""EXIF orientation: applied once, in every format that carries it."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from bgzero_daemon.core.recipe import Metadata

from .handmade import grey_tiff
from .pictures import LOSSY_ERROR, corners, encoded, error, kept, opened, saved

Turn = Image.Transpose
# How an upright photo lies in the file for each orientation (EXIF 2.32, 4.6.4 A).
LIES: dict[int, Turn | None] = {
    1: None,
    2: Turn.FLIP_LEFT_RIGHT,
    3: Turn.ROTATE_180,
    4: Turn.FLIP_TOP_BOTTOM,
    5: Turn.TRANSPOSE,
    6: Turn.ROTATE_90,
    7: Turn.TRANSVERSE,
    8: Turn.ROTATE_270,
}
QUARTER_TURNS = (5, 6, 7, 8)
EXACT = ("PNG", "WEBP", "TIFF")


def lying(orientation: int, form: str, **options: object) -> bytes:
    """Return the upright four corners as a camera that was held that way would store them."""
    turn, upright = LIES[orientation], Image.fromarray(corners())
    exif = Image.Exif()
    exif[274] = orientation
    return saved(upright if turn is None else upright.transpose(turn), form, exif=exif, **options)


@pytest.mark.parametrize("orientation", LIES)
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_every_orientation_gives_the_same_upright_photo(form: str, orientation: int) -> None:
    """All eight orientations of all formats give one picture: exactly where the format is lossless."""
    photo = opened(lying(orientation, form))
    assert photo.rgb.shape == corners().shape
    assert error(photo.rgb, corners()) <= (0 if form in EXACT else LOSSY_ERROR)


@pytest.mark.parametrize("orientation", LIES)
@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_compressed_tiff_is_turned_once_too(compression: str, orientation: int) -> None:
    """libtiff's path gives the same picture as the plain one."""
    assert error(opened(lying(orientation, "TIFF", compression=compression)).rgb, corners()) == 0


@pytest.mark.parametrize("policy", Metadata)
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_orientation_is_not_applied_again_from_the_cutout(form: str, policy: Metadata) -> None:
    """What is written carries no orientation: opening it again turns nothing."""
    photo = opened(lying(6, form))
    content = encoded(photo.rgb, photo, exif=kept(photo, policy).exif, tag={})
    again = opened(content)
    assert (again.rgb == photo.rgb).all()
    assert again.exif is None or 274 not in again.exif


@pytest.mark.parametrize("orientation", LIES)
@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF"])
def test_resolution_follows_the_quarter_turn(form: str, orientation: int) -> None:
    """300 dots across and 150 down become 150 across and 300 down where the photo is turned."""
    photo = opened(lying(orientation, form, dpi=(300, 150)))
    assert photo.dpi == pytest.approx((150, 300) if orientation in QUARTER_TURNS else (300, 150), abs=0.02)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF"])
def test_resolution_of_a_square_photo_follows_the_quarter_turn(form: str) -> None:
    """A square photo is turned as well, though its size does not tell."""
    exif = Image.Exif()
    exif[274] = 6
    photo = opened(saved(Image.new("RGB", (16, 16)), form, exif=exif, dpi=(300, 150)))
    assert photo.dpi == pytest.approx((150, 300), abs=0.02)


def test_resolution_out_of_reason_is_left_out() -> None:
    """A file without a resolution has none, and a nonsense one is not carried on."""
    assert opened(saved(Image.new("RGB", (4, 4)), "BMP", dpi=(0.01, 0.01))).dpi is None
    assert opened(saved(Image.new("RGB", (4, 4)), "PNG")).dpi is None
    assert opened(saved(Image.new("RGB", (4, 4)), "WEBP")).dpi is None


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_orientation_that_does_not_exist_turns_nothing(orientation: int) -> None:
    """A value outside 1 to 8 leaves the photo as it lies."""
    exif = Image.Exif()
    exif[274] = orientation
    assert error(opened(saved(Image.fromarray(corners()), "PNG", exif=exif)).rgb, corners()) == 0


def _with_orientation(save: Callable[[Image.Exif], bytes], orientation: int) -> bytes:
    exif = Image.Exif()
    exif[274] = orientation
    return save(exif)


def test_own_transparency_is_turned_with_the_photo() -> None:
    """Colour and own alpha stay together."""
    rgba = Image.fromarray(corners()).convert("RGBA")
    alpha = np.zeros((12, 20), np.uint8)
    alpha[:6, :10] = 200
    rgba.putalpha(Image.fromarray(alpha))
    turned = rgba.transpose(Turn.ROTATE_90)
    photo = opened(_with_orientation(lambda exif: saved(turned, "PNG", exif=exif), 6))
    assert photo.own_alpha is not None
    assert error(photo.own_alpha, alpha) == 0
    assert error(photo.rgb, corners()) == 0


def test_sixteen_bit_photo_is_turned() -> None:
    """Turning works before the pixels become 8-bit."""
    values = np.arange(24).reshape(4, 6).astype(np.uint16) * 2500
    upright = opened(saved(Image.fromarray(values), "PNG"))
    lies = Image.fromarray(np.rot90(values).copy())
    photo = opened(_with_orientation(lambda exif: saved(lies, "PNG", exif=exif), 6))
    assert error(photo.rgb, upright.rgb) == 0
    assert error(opened(grey_tiff(values, 1, ">")).rgb, upright.rgb) == 0
