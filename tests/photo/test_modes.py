"""Every mode a photo can have: grey, palette, CMYK, LAB, transparent, 1, 16 and 32 bits."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageCms

from .handmade import Order, chunk, grey_tiff, png_file
from .pictures import astronaut, corners, error, grid, mean_error, opened, saved

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def triple(*greys: int) -> NDArray[np.uint8]:
    """Return one row of grey pixels as RGB."""
    return np.array([[(grey,) * 3 for grey in greys]], np.uint8)


@pytest.mark.parametrize("form", ["PNG", "TIFF", "BMP", "GIF"])
def test_grey_photo_becomes_rgb(form: str) -> None:
    """Grey values stand in all three channels."""
    photo = opened(saved(Image.fromarray(np.array([[0, 7, 128, 255]], np.uint8)), form))
    assert error(photo.rgb, triple(0, 7, 128, 255)) == 0
    assert photo.own_alpha is None


@pytest.mark.parametrize("form", ["PNG", "TIFF", "BMP", "GIF"])
def test_one_bit_photo_becomes_black_and_white(form: str) -> None:
    """1 bit is 0 and 255, nothing between."""
    picture = Image.fromarray(np.array([[0, 255, 255, 0]], np.uint8)).convert("1")
    photo = opened(saved(picture, form))
    assert error(photo.rgb, triple(0, 255, 255, 0)) == 0
    assert photo.own_alpha is None


@pytest.mark.parametrize("form", ["PNG", "TIFF", "BMP", "GIF"])
def test_palette_photo_shows_its_colours(form: str) -> None:
    """A palette's indexes are looked up."""
    picture = Image.fromarray(corners()).quantize(16)
    photo = opened(saved(picture, form))
    assert error(photo.rgb, np.asarray(picture.convert("RGB"))) == 0
    assert photo.own_alpha is None


@pytest.mark.parametrize("form", ["PNG", "GIF"])
def test_transparent_palette_entry_reaches_own_alpha(form: str) -> None:
    """One index is see-through: its pixels have alpha 0, all others 255."""
    picture = Image.new("P", (3, 1))
    picture.putpalette([*RED, *GREEN, *BLUE])
    for column in range(3):
        picture.putpixel((column, 0), column)
    photo = opened(saved(picture, form, transparency=1))
    assert photo.own_alpha is not None
    assert photo.own_alpha.tolist() == [[255, 0, 255]]
    assert photo.rgb[0, 0].tolist() == list(RED)
    assert photo.rgb[0, 2].tolist() == list(BLUE)


def test_palette_with_half_transparent_entries_reaches_own_alpha() -> None:
    """A PNG palette may give each colour its own alpha."""
    palette = chunk(b"PLTE", bytes([*RED, *GREEN, *BLUE])), chunk(b"tRNS", bytes([10, 128]))
    photo = opened(png_file((3, 1), 8, 3, [bytes([0, 1, 2])], *palette))
    assert photo.own_alpha is not None
    assert photo.own_alpha.tolist() == [[10, 128, 255]]
    assert photo.rgb.tolist() == [[list(RED), list(GREEN), list(BLUE)]]


def test_transparent_colour_of_an_rgb_png_reaches_own_alpha() -> None:
    """tRNS names one RGB colour: exactly its pixels are see-through."""
    key = chunk(b"tRNS", struct.pack(">3H", 1, 2, 3))
    photo = opened(png_file((3, 1), 8, 2, [bytes([1, 2, 3, 1, 2, 4, *RED])], key))
    assert photo.own_alpha is not None
    assert photo.own_alpha.tolist() == [[0, 255, 255]]
    assert photo.rgb[0, 1].tolist() == [1, 2, 4]


@pytest.mark.parametrize(("depth", "row", "key"), [(1, 0b01000000, 1), (2, 0b00_01_10_11, 1), (4, 0x01, 1), (8, 1, 1)])
def test_transparent_grey_of_any_depth_reaches_own_alpha(depth: int, row: int, key: int) -> None:
    """tRNS is in the file's own depth; the pixel with that value is see-through and no other."""
    columns = 8 // depth
    photo = opened(png_file((columns, 1), depth, 0, [bytes([row])], chunk(b"tRNS", struct.pack(">H", key))))
    wanted = [0 if row >> (8 - depth * (column + 1)) & (2**depth - 1) == key else 255 for column in range(columns)]
    assert photo.own_alpha is not None
    assert photo.own_alpha.tolist() == [wanted]


def test_transparent_colour_of_a_sixteen_bit_png_reaches_own_alpha() -> None:
    """A key in 16 bits is compared with 16-bit pixels."""
    pixels = struct.pack(">6H", 0x1234, 0x1234, 0x1234, 0xFEDC, 0, 0)
    key = chunk(b"tRNS", struct.pack(">3H", 0x1234, 0x1234, 0x1234))
    photo = opened(png_file((2, 1), 16, 2, [pixels], key))
    assert photo.own_alpha is not None
    assert photo.own_alpha.tolist() == [[0, 255]]


@pytest.mark.parametrize(
    ("mode", "form"), [("LA", "PNG"), ("LA", "TIFF"), ("RGBA", "PNG"), ("RGBA", "TIFF"), ("RGBA", "WEBP")]
)
def test_alpha_channel_reaches_own_alpha(mode: str, form: str) -> None:
    """The channel comes back as it was, and colours under it are untouched."""
    picture = Image.fromarray(corners()).convert("L" if mode == "LA" else "RGB")
    alpha = np.arange(240, dtype=np.uint8).reshape(12, 20)
    colour = np.asarray(picture.convert("RGB"))
    picture.putalpha(Image.fromarray(alpha))
    assert picture.mode == mode
    photo = opened(saved(picture, form))
    assert photo.own_alpha is not None
    assert error(photo.own_alpha, alpha) == 0
    assert error(photo.rgb, colour) == 0


def test_lossy_transparent_formats_reach_own_alpha() -> None:
    """AVIF's alpha is coded with loss: close is enough."""
    picture = Image.fromarray(corners())
    alpha = np.zeros((12, 20), np.uint8)
    alpha[:, 10:] = 255
    picture.putalpha(Image.fromarray(alpha))
    photo = opened(saved(picture, "AVIF"))
    assert photo.own_alpha is not None
    assert error(photo.own_alpha, alpha) <= 8


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_cmyk_without_profile_looks_like_the_rgb_it_was_made_from(form: str) -> None:
    """Ink is subtracted, once: a photo must not come out as its own negative."""
    photo = opened(saved(Image.fromarray(astronaut()).convert("CMYK"), form))
    assert mean_error(photo.rgb, astronaut()) < 2
    assert photo.icc == b""


def test_lab_tiff_looks_like_the_rgb_it_was_made_from() -> None:
    """LAB goes to sRGB through its white point."""
    lab = ImageCms.profileToProfile(
        Image.fromarray(astronaut()), ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert lab is not None
    photo = opened(saved(lab, "TIFF"))
    assert mean_error(photo.rgb, astronaut()) < 2
    assert photo.icc == b""


def _wide_files(values: NDArray[np.uint16]) -> tuple[bytes, ...]:
    return saved(Image.fromarray(values), "PNG"), grey_tiff(values, 1, "<"), grey_tiff(values, 1, ">")


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    """The whole range is used: 65535 is white, 257 is 1, and what is above 255 is not all white."""
    values = np.array([[0, 128, 257, 32896, 65278, 65535]], np.uint16)
    for content in _wide_files(values):
        assert opened(content).rgb[0, :, 0].tolist() == [0, 0, 1, 128, 254, 255]


@settings(max_examples=40, deadline=None)
@given(values=st.lists(st.integers(0, 65535), min_size=1, max_size=30))
def test_sixteen_bit_grey_keeps_its_order(values: list[int]) -> None:
    """Every 16-bit value lands within half a step of its place in 8 bits, in PNG and TIFF alike."""
    wide = np.array([values], np.uint16)
    wanted = np.rint(wide.astype(np.float64) / 257).astype(np.uint8)
    for content in _wide_files(wide):
        assert error(opened(content).rgb, np.repeat(wanted[..., None], 3, axis=2)) == 0


def test_transparent_value_of_a_sixteen_bit_png_is_compared_before_scaling() -> None:
    """300 is see-through, 301 is not, though both become the same grey."""
    rows = [struct.pack(">3H", 300, 301, 65535)]
    photo = opened(png_file((3, 1), 16, 0, rows, chunk(b"tRNS", struct.pack(">H", 300))))
    assert photo.own_alpha is not None
    assert photo.own_alpha.tolist() == [[0, 255, 255]]
    assert error(photo.rgb, triple(1, 1, 255)) == 0


def test_sixteen_bit_grey_with_alpha_keeps_both() -> None:
    """LA in 16 bits comes down to 8 bits in colour and alpha."""
    rows = [struct.pack(">4H", 0, 65535, 65535, 32896)]
    photo = opened(png_file((2, 1), 16, 4, rows))
    assert photo.own_alpha is not None
    assert photo.own_alpha.tolist() == [[255, 128]]
    assert error(photo.rgb, triple(0, 255)) == 0


def test_sixteen_bit_colour_comes_down_to_eight() -> None:
    """RGB in 16 bits is scaled: within one step of the exact value."""
    pixels = np.array([0, 300, 65535, 32896, 257, 40000], np.uint16)
    photo = opened(png_file((2, 1), 16, 2, [pixels.astype(">u2").tobytes()]))
    assert error(photo.rgb, np.rint(pixels / 257).astype(np.uint8).reshape(1, 2, 3)) <= 1


@pytest.mark.parametrize("order", ["<", ">"])
def test_thirty_two_bit_integers_are_scaled(order: Order) -> None:
    """Mode I holds 16-bit values in most files; a larger one says that all 32 bits are used."""
    small, large = np.array([[0, 257, 65535]], np.int32), np.array([[0, 2**30, 2**31 - 1]], np.int32)
    assert opened(grey_tiff(small, 2, order)).rgb[0, :, 0].tolist() == [0, 1, 255]
    assert opened(grey_tiff(large, 2, order)).rgb[0, :, 0].tolist() == [0, 128, 255]


def test_unsigned_thirty_two_bit_integers_are_not_taken_for_negative() -> None:
    """The brightest value of an unsigned file is white, not black."""
    values = np.array([[0, 2**31, 2**32 - 1]], np.uint32)
    assert opened(grey_tiff(values, 1)).rgb[0, :, 0].tolist() == [0, 128, 255]


def test_floating_point_grey_is_scaled_and_odd_values_are_black() -> None:
    """[0, 1] is taken as such; larger values are divided by the largest; what is no number is black."""
    fits = np.array([[0, 0.5, 1]], np.float32)
    wide = np.array([[0, 500, 1000]], np.float32)
    odd = np.array([[np.nan, np.inf, -5, 2]], np.float32)
    assert opened(grey_tiff(fits, 3)).rgb[0, :, 0].tolist() == [0, 128, 255]
    assert opened(grey_tiff(wide, 3, ">")).rgb[0, :, 0].tolist() == [0, 128, 255]
    assert opened(grey_tiff(odd, 3)).rgb[0, :, 0].tolist() == [0, 0, 0, 255]


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_tiff_with_white_as_zero_is_no_negative(kind: type[np.uint8 | np.uint16]) -> None:
    """Photometric 0 (scans, faxes, X-rays) counts from white to black, in 16 bits as in 8."""
    top = int(np.iinfo(kind).max)
    photo = opened(grey_tiff(np.array([[0, top]], kind), 1, photometric=0))
    assert photo.rgb[0, :, 0].tolist() == [255, 0]


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(1, 17),
    height=st.integers(1, 17),
    mode=st.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA", "I;16"]),
)
def test_any_size_and_mode_keeps_its_size(width: int, height: int, mode: str) -> None:
    """From 1x1 on, size and mode give (h, w, 3) in uint8, and own alpha of the same size or none."""
    picture = (
        Image.new(mode, (width, height)) if mode == "I;16" else Image.new("RGB", (width, height), RED).convert(mode)
    )
    photo = opened(saved(picture, "PNG"))
    assert photo.rgb.shape == (height, width, 3)
    assert photo.rgb.dtype == np.uint8
    assert photo.own_alpha is None or photo.own_alpha.shape == (height, width)
    assert (photo.own_alpha is not None) == (mode in ("LA", "RGBA"))


def test_rgb_photo_keeps_its_pixels() -> None:
    """The decoded pixels are the file's, bit for bit."""
    picture = grid((RED, GREEN, BLUE), ((1, 2, 3), (4, 5, 6), (7, 8, 9)))
    for form in ("PNG", "TIFF", "BMP", "WEBP"):
        assert error(opened(saved(picture, form)).rgb, np.asarray(picture)) == 0
