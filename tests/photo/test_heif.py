"""HEIC photos: the main picture, upright, in its colours."""

import io
import random
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from bgzero_daemon.core.errors import BgzeroError, PhotoRefused
from bgzero_daemon.core.recipe import Metadata
from bgzero_daemon.photo import blocks, heif
from bgzero_daemon.photo.decode import decode
from bgzero_daemon.photo.metadata import chosen

from . import profiles
from .exif import exif_block, rational, text
from .pictures import MAX_PIXELS, astronaut, corners, mean_error, opened
from .test_recognition import is_a_sentence
from .test_xmp import packet

pillow_heif = pytest.importorskip("pillow_heif", reason="HEIC: the extra [heif] is not installed")


def heic(
    picture: Image.Image, *others: Image.Image, exif: bytes | None = None, xmp: bytes | None = None, **options: Any
) -> bytes:  # fmt: skip
    """Return a HEIC file of the picture, and of others behind it. By its EXIF's orientation the file says its turn."""
    made = pillow_heif.from_pillow(picture)
    made[0].info["exif"], made[0].info["xmp"] = exif, xmp
    for other in others:
        made.add_from_pillow(other)
    out = io.BytesIO()
    made.save(out, quality=95, chroma=444, **options)
    return out.getvalue()


def test_colours_come_back() -> None:
    """As near as HEVC keeps them."""
    photo = opened(heic(Image.fromarray(astronaut())))
    assert (photo.width_px, photo.height_px, photo.has_alpha, photo.icc) == (96, 96, False, b"")
    assert heif.read(heic(Image.fromarray(astronaut())), max_pixels=MAX_PIXELS, is_deep=True).depth == 8
    assert mean_error(photo.rgb, astronaut()) < 3


@pytest.mark.parametrize(("turn", "quarters"), [(3, 2), (6, -1), (8, 1)])
def test_it_stands_upright_once(turn: int, quarters: int) -> None:
    """libheif turns it; its EXIF says nothing of it any more."""
    exif = Image.Exif()
    exif[274], exif[271] = turn, "BGZero"
    photo = opened(heic(Image.fromarray(corners()), exif=exif.tobytes()))
    wanted = np.rot90(corners(), quarters)
    assert mean_error(photo.rgb, wanted) < 12
    assert photo.exif is not None
    assert photo.exif[271] == "BGZero"
    assert 274 not in photo.exif


def test_own_profile_is_kept() -> None:
    """Byte for byte; colours are not converted."""
    picture = Image.fromarray(astronaut())
    picture.info["icc_profile"] = profiles.matrix_profile()
    photo = opened(heic(picture))
    assert photo.icc == profiles.matrix_profile()
    assert mean_error(photo.rgb, astronaut()) < 3


def nclx(primaries: int, transfer: int) -> bytes:
    """Return a HEIC whose colours are named by code points."""
    return heic(
        Image.fromarray(astronaut()), save_nclx_profile=True, color_primaries=primaries, matrix_coefficients=6,
        transfer_characteristics=transfer, full_range_flag=1,
    )  # fmt: skip


def test_named_p3_gets_its_profile() -> None:
    """Display P3 by code point alone would be shown as sRGB; pure sRGB needs nothing."""
    photo = opened(nclx(12, 13))
    assert ImageCms.ImageCmsProfile(io.BytesIO(photo.icc)).profile.profile_description == "Display P3"
    assert opened(nclx(1, 13)).icc == b""


@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_is_refused_in_a_sentence(transfer: int) -> None:
    """PQ and HLG opened as they are have wrong colours, and nothing says so."""
    with pytest.raises(PhotoRefused, match="HDR") as refusal:
        opened(nclx(9, transfer))
    assert is_a_sentence(refusal.value)


def test_main_picture_of_several_is_cut() -> None:
    """Not the first one; the note says that there are others."""
    small = Image.fromarray(astronaut(32))
    photo = opened(heic(small, Image.fromarray(astronaut()), primary_index=1))
    assert photo.width_px == 96
    assert photo.note == "the main one of 2 pictures"


def test_own_opacity_is_kept() -> None:
    """HEIC has an alpha picture beside the colours."""
    rgba = np.dstack([astronaut(), np.full((96, 96), 255, np.uint8)])
    rgba[:48, :, 3] = 0
    photo = opened(heic(Image.fromarray(rgba)))
    assert photo.own_alpha is not None
    assert photo.own_alpha[10].max() < 10
    assert photo.own_alpha[90].min() > 245


def test_opacity_that_is_multiplied_in_is_taken_out() -> None:
    """Half-seen colours are those of the thing, not darker ones."""
    straight = np.full((64, 64, 4), (200, 120, 40, 128), np.uint8)
    premultiplied = straight.copy()
    premultiplied[..., :3] = (straight[..., :3].astype(int) * 128 + 127) // 255
    made = pillow_heif.from_bytes("RGBa", (64, 64), premultiplied.tobytes())
    out = io.BytesIO()
    made.save(out, quality=-1, chroma=444, matrix_coefficients=0)
    photo = opened(out.getvalue())
    assert photo.own_alpha is not None
    assert photo.own_alpha[32, 32] == 128
    assert np.abs(photo.rgb[32, 32].astype(int) - (200, 120, 40)).max() <= 3


def test_grey_is_read_with_its_profile() -> None:
    """It becomes RGB, and a grey profile is applied, since it fits no RGB."""
    levels = np.tile(np.arange(96, dtype=np.uint8), (96, 1)) + 80
    assert mean_error(opened(heic(Image.fromarray(levels))).rgb, np.dstack([levels] * 3)) < 2
    picture = Image.fromarray(levels)
    picture.info["icc_profile"] = profiles.grey_profile(1.0)
    photo = opened(heic(picture))
    assert photo.icc == b""
    assert photo.rgb[48, 48, 0] > levels[48, 48] + 30  # light that is counted evenly is brighter in sRGB


@pytest.mark.parametrize("depth", [10, 12])
@pytest.mark.parametrize("chroma", [420, 422, 444])
def test_deep_pictures_are_read(depth: int, chroma: int) -> None:
    """10 and 12 bits, of every subsampling."""
    levels = np.repeat(astronaut().astype(np.uint16) * 257, 2, axis=1)
    made = pillow_heif.from_bytes("RGB;16", (192, 96), levels.tobytes())
    out = io.BytesIO()
    pillow_heif.options.SAVE_HDR_TO_12_BIT = depth == 12
    try:
        made.save(out, quality=95, chroma=chroma)
    finally:
        pillow_heif.options.SAVE_HDR_TO_12_BIT = False
    assert mean_error(opened(out.getvalue()).rgb, np.repeat(astronaut(), 2, axis=1)) < 4
    photo = heif.read(out.getvalue(), max_pixels=MAX_PIXELS, is_deep=True)
    assert photo.depth == 16
    assert np.abs(photo.samples[..., :3].astype(int) - levels).mean() < 4 * 257
    assert len(np.unique(photo.samples[..., 0])) > 256


@pytest.mark.parametrize("depth", [10, 12])
def test_deep_white_is_white_and_full_opacity_full(depth: int) -> None:
    """The lowest of 16 bits are not left empty: of what is opaque nothing would be as it was."""
    levels = np.full((64, 64, 4), 0xFFFF, np.uint16)
    levels[:32, :, :3] = 0
    made = pillow_heif.from_bytes("RGBA;16", (64, 64), levels.tobytes())
    out = io.BytesIO()
    pillow_heif.options.SAVE_HDR_TO_12_BIT = depth == 12
    try:
        made.save(out, quality=-1, chroma=444, matrix_coefficients=0)
    finally:
        pillow_heif.options.SAVE_HDR_TO_12_BIT = False
    photo = heif.read(out.getvalue(), max_pixels=MAX_PIXELS, is_deep=True)
    assert photo.has_alpha
    assert (photo.samples == levels).all()


def test_deep_opacity_that_is_multiplied_in_is_taken_out() -> None:
    """In 16 bits, too."""
    levels = np.full((64, 64, 4), (100 * 257, 60 * 257, 20 * 257, 128 * 257), np.uint16)
    made = pillow_heif.from_bytes("RGBa;16", (64, 64), levels.tobytes())
    out = io.BytesIO()
    made.save(out, quality=-1, chroma=444, matrix_coefficients=0)
    found = heif.read(out.getvalue(), max_pixels=MAX_PIXELS, is_deep=True).samples[32, 32].astype(int)
    assert np.abs(found - np.array([199.2, 119.5, 39.8, 128]) * 257).max() < 300


def test_words_are_handed_on_and_credentials_told() -> None:
    """XMP beside the picture; place and serial number in its EXIF pass with "keep" alone, an owner never."""
    block = exif_block(
        [text(271, "BGZero")], [text(0xA431, "SERIAL-1"), text(0xA430, "Owner Name")],
        [text(1, "N"), rational(2, (48, 1), (51, 1), (7, 1))],
    )  # fmt: skip
    content = heic(Image.fromarray(astronaut()), exif=block, xmp=packet("<xmp:Rating>4</xmp:Rating>"))
    photo = opened(content + b"\0\0\0\x24free" + blocks._MANIFEST)
    assert "Content Credentials" in photo.note
    safe, keep = (chosen(photo, policy, source_sha256="0") for policy in (Metadata.SAFE, Metadata.KEEP))
    assert b"<xmp:Rating>4<" in safe.xmp
    assert b"BGZero" in safe.exif
    assert b"SERIAL-1" not in safe.exif
    assert b"SERIAL-1" in keep.exif
    assert len(keep.exif) > len(safe.exif) + 60
    assert b"Owner" not in keep.exif + keep.xmp


def test_picture_beyond_the_limit_is_refused_before_it_is_decoded() -> None:
    """By what its head says."""
    with pytest.raises(PhotoRefused, match="megapixels"):
        decode(heic(Image.fromarray(astronaut())), max_pixels=96 * 96 - 1)


def test_hostile_heic_ends_in_a_sentence() -> None:
    """Cut at 60 places, and with 60 pieces overwritten: decoded or refused, never anything else."""
    content, chance = heic(Image.fromarray(astronaut())), random.Random(1)
    for _try in range(60):
        with pytest.raises(BgzeroError) as refusal:
            opened(content[: chance.randrange(len(content))])
        assert is_a_sentence(refusal.value), str(refusal.value)
        damaged = bytearray(content)
        at = chance.randrange(len(content))
        damaged[at : at + 8] = chance.randbytes(8)
        with suppress(PhotoRefused):
            opened(bytes(damaged))
