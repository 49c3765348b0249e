"""RAW photos: what LibRaw makes of a known scene, and what becomes of files that are none."""

import io
import random
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image, ImageCms

from bgzero_daemon.core.errors import BgzeroError, Code, PhotoRefused
from bgzero_daemon.core.recipe import Metadata
from bgzero_daemon.photo import blocks, raw
from bgzero_daemon.photo.decode import decode
from bgzero_daemon.photo.metadata import chosen
from bgzero_daemon.photo.picture import U8, Photo

from .dng import BYTE, LONG, dng
from .pictures import MAX_PIXELS, mean_error, opened, saved
from .test_recognition import is_a_sentence
from .test_xmp import packet

pytest.importorskip("rawpy", reason="RAW: the extra [raw] is not installed")


def scene(width: int = 120, height: int = 80) -> U8:
    """Smooth colours, none of which is clipped, different in every corner: a mosaic loses none of it."""
    across, down = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    rgb = np.stack([40 + 170 * across, 60 + 150 * down, 200 - 120 * across * down], axis=-1)
    return rgb.round().astype(np.uint8)


def called(content: bytes, name: str) -> Photo:
    """Decode a file of that name."""
    return decode(content, max_pixels=MAX_PIXELS, name=name)


@pytest.mark.parametrize(("turn", "quarters"), [(1, 0), (3, 2), (6, -1), (8, 1)])
def test_scene_comes_back_in_its_colours_and_upright(turn: int, quarters: int) -> None:
    """Camera white balance, sRGB's own curve and not BT.709's; turned once."""
    photo = opened(dng(scene(), turn=turn))
    wanted = np.rot90(scene(), quarters)
    assert (photo.height_px, photo.width_px) == wanted.shape[:2]
    assert mean_error(photo.rgb, wanted) < 3
    assert not photo.has_alpha


def test_photo_without_white_in_it_is_not_brightened() -> None:
    """The brightest pixel is no white: photos of one burst would differ by what is in them."""
    for levels in (scene() + 30, scene() // 2):  # 87 and 15 % of the light that is white
        assert mean_error(opened(dng(levels)).rgb, levels) < 1


def test_sixteen_bits_are_developed_where_the_output_keeps_them() -> None:
    """A gradient of which 8 bits show steps; the colours are the same."""
    light = np.full((80, 400, 3), 120, np.float32)
    light[..., 0] = np.linspace(100, 110, 400)
    content = dng(light, preview=scene())
    photo = raw.develop(content, max_pixels=MAX_PIXELS, is_deep=True)
    assert photo.depth == 16
    eight = raw.develop(content, max_pixels=MAX_PIXELS, is_deep=False)
    assert (eight.depth, photo.icc) == (8, eight.icc)
    assert np.abs(photo.samples[..., :3].astype(int) - eight.rgb.astype(int) * 257).max() <= 257
    assert len(np.unique(photo.samples[..., 0])) > 8 * len(np.unique(eight.rgb[..., 0]))


def test_profile_says_srgb() -> None:
    """A profile is in it, always of the same bytes, and by it the colours stay what they are."""
    icc = opened(dng(scene())).icc
    profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    assert profile.profile.profile_description == "sRGB"
    picture = Image.fromarray(scene())
    shown = ImageCms.profileToProfile(picture, profile, ImageCms.createProfile("sRGB"))
    assert shown is not None
    assert np.abs(np.asarray(shown).astype(int) - scene()).max() <= 1
    assert icc == opened(dng(scene(), turn=6)).icc


@pytest.mark.parametrize("name", ["a.dng", "a.NEF", "a.tif", "a"])
@pytest.mark.parametrize("is_dng", [True, False])
def test_raw_is_never_its_preview_whatever_it_is_called(name: str, is_dng: bool) -> None:
    """Pillow would open its thumbnail."""
    content = dng(scene(), preview=np.zeros((20, 30, 3), np.uint8), is_dng=is_dng)
    with Image.open(io.BytesIO(content)) as preview:
        assert preview.size == (30, 20)
    photo = called(content, name)
    assert (photo.width_px, photo.height_px) == (120, 80)
    assert photo.rgb.mean() > 50


def test_plain_tiff_called_raw_never_reaches_pillow() -> None:
    """By its name it is a RAW, and LibRaw knows no such camera."""
    tiff = saved(Image.fromarray(scene()), "TIFF")
    assert called(tiff, "a.tif").width_px == 120
    with pytest.raises(PhotoRefused, match="LibRaw"):
        called(tiff, "a.nef")


def test_other_photo_called_raw_is_told_what_it_is() -> None:
    """A JPEG is no RAW, and its name says it is."""
    with pytest.raises(PhotoRefused, match="JPEG") as refusal:
        called(saved(Image.fromarray(scene()), "JPEG"), "a.cr2")
    assert refusal.value.code == Code.WRONG_CONTENT


def test_raw_beyond_the_limit_is_refused_before_it_is_developed() -> None:
    """By the size of its sensor, not of its preview."""
    with pytest.raises(PhotoRefused, match="megapixels"):
        decode(dng(scene()), max_pixels=120 * 80 - 1)


def test_camera_and_date_are_read_from_its_first_directory() -> None:
    """For the metadata of the cut-out; its orientation is done with."""
    exif = opened(dng(scene(), turn=6)).exif
    assert exif is not None
    assert (exif[271], exif[306]) == ("BGZero", "2025:05:01 10:00:00")
    assert 274 not in exif


def test_words_in_its_first_directory_are_handed_on() -> None:
    """XMP and IPTC of a DNG: stars, keywords; and that it had Content Credentials is told."""
    stars = packet("<xmp:Rating>4</xmp:Rating>")
    words = b"\x1c\x02\x19\x00\x03dog"
    photo = opened(dng(scene(), more=[(700, BYTE, stars), (33723, BYTE, words)]) + blocks._MANIFEST)
    written = chosen(photo, Metadata.SAFE, source_sha256="0").xmp
    assert b"<xmp:Rating>4<" in written
    assert b"dog" in written
    assert "Content Credentials" in photo.note
    assert opened(dng(scene())).note == ""


@pytest.mark.parametrize("mark", [b"IIRO", b"IIRS", b"IIU\0", b"\x49\x49\x99\0"])
def test_camera_is_read_where_pillow_knows_no_such_file(mark: bytes) -> None:
    """Olympus and Panasonic begin their TIFFs otherwise; of others the preview tells. Both without orientation."""
    photo = called(mark + dng(scene(), turn=6)[4:], "a.orf")
    assert (photo.width_px, photo.height_px) == (80, 120)
    assert photo.exif is not None
    assert photo.exif[271].strip("\0") == "BGZero"
    assert 274 not in photo.exif


def test_broken_place_costs_no_date() -> None:
    """A directory that points nowhere is left out alone."""
    exif = opened(dng(scene(), more=[(34853, LONG, [0x7FFFFFFF])])).exif
    assert exif is not None
    assert exif[306] == "2025:05:01 10:00:00"


def test_heic_called_raw_is_told_what_it_is() -> None:
    """As a JPEG is."""
    with pytest.raises(PhotoRefused, match="HEIC"):
        called(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64), "a.cr3")


def test_hostile_raw_ends_in_a_sentence() -> None:
    """Cut at 60 places, and with 60 pieces overwritten: decoded or refused, never anything else."""
    content, chance = dng(scene()), random.Random(1)
    for _try in range(60):
        with pytest.raises(BgzeroError) as refusal:
            called(content[: chance.randrange(len(content))], "a.dng")
        assert is_a_sentence(refusal.value), str(refusal.value)
        damaged = bytearray(content)
        at = chance.randrange(900)  # where the directories are
        damaged[at : at + 8] = chance.randbytes(8)
        with suppress(PhotoRefused):
            called(bytes(damaged), "a.dng")
