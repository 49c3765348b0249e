"""Profiles that are made of primaries, as Little CMS reads them."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from bgzero_daemon.core.errors import PhotoRefused
from bgzero_daemon.photo import spaces

from .pictures import astronaut, opened, saved
from .profiles import P3_PRIMARIES

SRGB_PRIMARIES = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))


def read(primaries: int) -> ImageCms.ImageCmsProfile:
    """Open one."""
    return ImageCms.ImageCmsProfile(io.BytesIO(spaces.profile(primaries)))


@pytest.mark.parametrize(("code", "wanted"), [(spaces.SRGB, SRGB_PRIMARIES), (spaces.P3, P3_PRIMARIES)])
def test_primaries_are_those_that_are_published(code: int, wanted: tuple[tuple[float, ...], ...]) -> None:
    """In XYZ of D50, as every profile of these spaces has them."""
    profile = read(code).profile
    colorants = [profile.red_colorant, profile.green_colorant, profile.blue_colorant]
    assert np.allclose([colorant[0] for colorant in colorants if colorant], wanted, atol=0.0005)


def test_red_of_p3_is_beyond_srgb_and_grey_is_the_same() -> None:
    """A named space makes a difference where it should, and none where all spaces agree."""
    picture = Image.fromarray(np.array([[(200, 60, 40), (128, 128, 128)]], np.uint8))
    shown = ImageCms.profileToProfile(picture, read(spaces.P3), read(spaces.SRGB))
    assert shown is not None
    red, grey = np.asarray(shown)[0]
    assert red[0] > 210
    assert np.abs(grey.astype(int) - 128).max() <= 1


def test_unknown_space_has_no_profile() -> None:
    """Better none than a wrong one."""
    assert spaces.profile(2) == b""
    assert spaces.profile(0) == b""


def named_avif(primaries: int, transfer: int) -> bytes:
    """Return an AVIF whose colours are named by code points."""
    content = saved(Image.fromarray(astronaut()), "AVIF")
    at = content.index(b"colrnclx") + 8
    return content[:at] + struct.pack(">HH", primaries, transfer) + content[at + 4 :]


def test_avif_that_names_p3_gets_its_profile_and_hdr_is_refused() -> None:
    """As HEIC does: Pillow opens all of them as if they were sRGB."""
    assert opened(named_avif(1, 13)).icc == b""
    assert opened(named_avif(12, 13)).icc == spaces.profile(spaces.P3)
    for transfer in (16, 18):
        with pytest.raises(PhotoRefused, match="HDR"):
            opened(named_avif(9, transfer))
