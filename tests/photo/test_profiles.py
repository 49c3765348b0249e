"""Colour profiles: the output keeps the photo's, the network sees sRGB."""

import zlib

import numpy as np
import pytest
from PIL import Image

from bgzero_daemon.core.specs import InputSpec
from bgzero_daemon.photo.colour import to_srgb
from bgzero_daemon.photo.tensor import to_tensor

from .handmade import chunk, png_file
from .pictures import astronaut, corners, error, grid, mean_error, opened, saved
from .profiles import colourless_cmyk_profile, grey_profile, matrix_profile, srgb_profile

WIDE = matrix_profile()
# The same colours in sRGB and in a P3 display's numbers (gamma 2.2), by LittleCMS.
RED_IN_P3 = (200, 50, 50)
RED_IN_SRGB = (219, 14, 35)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_profile_of_an_rgb_photo_is_kept(form: str) -> None:
    """The profile comes out byte for byte."""
    assert opened(saved(Image.fromarray(corners()), form, icc_profile=WIDE)).icc == WIDE
    assert opened(saved(Image.fromarray(corners()), form, icc_profile=srgb_profile())).icc == srgb_profile()
    assert opened(saved(Image.fromarray(corners()), form)).icc == b""


def test_profile_of_a_palette_photo_is_kept() -> None:
    """A palette holds RGB, so its profile fits the RGB that comes out."""
    assert opened(saved(Image.fromarray(corners()).quantize(16), "PNG", icc_profile=WIDE)).icc == WIDE


def test_wide_photo_keeps_its_own_pixels_while_the_network_sees_srgb() -> None:
    """rgb stays bit-identical; the small picture for the network is converted."""
    photo = opened(saved(grid([RED_IN_P3] * 8), "PNG", icc_profile=WIDE))
    assert (photo.rgb == np.array(RED_IN_P3, np.uint8)).all()
    shown = np.asarray(to_srgb(Image.fromarray(photo.rgb), photo.icc))
    assert error(shown, np.full_like(shown, RED_IN_SRGB)) <= 2
    tensor = to_tensor(photo, InputSpec(8, 255.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)))
    assert np.abs(tensor[0, :, 4, 4] * 255 - np.array(RED_IN_SRGB)).max() <= 2


def test_srgb_profile_changes_nothing_for_the_network() -> None:
    """A photo in sRGB gives the network the same with and without its profile."""
    spec = InputSpec(32, 255.0, (0.5, 0.5, 0.5), (1.0, 1.0, 1.0))
    with_profile = opened(saved(Image.fromarray(astronaut()), "PNG", icc_profile=srgb_profile()))
    without = opened(saved(Image.fromarray(astronaut()), "PNG"))
    assert np.abs(to_tensor(with_profile, spec) - to_tensor(without, spec)).max() <= 1.5 / 255


def _cut_short(profile: bytes) -> bytes:
    return profile[: len(profile) // 2]


@pytest.mark.parametrize(
    "profile",
    [b"nonsense" * 40, b"\0", _cut_short(WIDE), grey_profile(), colourless_cmyk_profile()],
    ids=["nonsense", "one byte", "cut short", "grey", "CMYK"],
)
def test_broken_or_foreign_profile_is_dropped(profile: bytes) -> None:
    """A profile that cannot be opened or belongs to other pixels is left out; the pixels stay."""
    photo = opened(saved(Image.fromarray(corners()), "PNG", icc_profile=profile))
    assert photo.icc == b""
    assert error(photo.rgb, corners()) == 0


def _grey(mode: str) -> bytes:
    values = np.array([[0, 100, 200, 255]], np.uint8)
    if mode == "tRNS":
        return saved(Image.fromarray(values), "PNG", icc_profile=grey_profile(), transparency=0)
    if mode == "I;16":
        return saved(Image.fromarray(values.astype(np.uint16) * 257), "PNG", icc_profile=grey_profile())
    return saved(Image.fromarray(values).convert(mode), "PNG", icc_profile=grey_profile())


@pytest.mark.parametrize("mode", ["L", "LA", "I;16", "tRNS"])
def test_grey_with_a_profile_is_converted_to_srgb(mode: str) -> None:
    """Linear grey 100 is brighter in sRGB (168), however the grey is stored; no profile remains."""
    photo = opened(_grey(mode))
    assert np.abs(photo.rgb[0, :, 0].astype(int) - [0, 168, 229, 255]).max() <= 1
    assert photo.icc == b""


def test_grey_with_an_rgb_profile_keeps_its_values() -> None:
    """A profile for other pixels is not used."""
    photo = opened(saved(Image.fromarray(np.array([[0, 100, 255]], np.uint8)), "PNG", icc_profile=WIDE))
    assert photo.rgb[0, :, 0].tolist() == [0, 100, 255]
    assert photo.icc == b""


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_cmyk_is_converted_through_its_profile(form: str) -> None:
    """In this profile cyan ink prints grey: grey shows that the profile was used, cyan that it was not."""
    cyan = Image.new("CMYK", (8, 8), (255, 0, 0, 0))
    photo = opened(saved(cyan, form, icc_profile=colourless_cmyk_profile()))
    red, green, blue = (int(value) for value in photo.rgb[4, 4])
    assert max(red, green, blue) - min(red, green, blue) <= 3
    assert 150 < green < 220
    assert photo.icc == b""
    assert opened(saved(cyan, form)).rgb[4, 4].tolist() == pytest.approx([0, 255, 255], abs=4)


def test_cmyk_with_a_broken_profile_is_converted_without() -> None:
    """A useless profile costs the photo nothing."""
    picture = Image.fromarray(astronaut()).convert("CMYK")
    photo = opened(saved(picture, "JPEG", icc_profile=b"nonsense" * 40))
    assert mean_error(photo.rgb, astronaut()) < 2
    assert photo.icc == b""


def test_compressed_profile_that_explodes_is_left_out() -> None:
    """An iCCP chunk of some kilobytes may not become gigabytes in memory."""
    bomb = chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(1 << 26), 9))
    content = png_file((1, 1), 8, 2, [b"\1\2\3"], bomb)
    assert len(content) < 1 << 17
    photo = opened(content)
    assert photo.rgb.tolist() == [[[1, 2, 3]]]
    assert photo.icc == b""
    assert photo.note == "without its comments and profile, which are too large"
