"""Files of more than 8 bits a channel: read exactly where libvips is there, honestly reduced where it is not."""

import functools
import io
import logging
import struct
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin, TiffImagePlugin

from bgzero_daemon.core.errors import PhotoRefused
from bgzero_daemon.core.recipe import Depth, Edges, Metadata, Png
from bgzero_daemon.core.specs import Fit, InputSpec
from bgzero_daemon.photo import blocks, deep
from bgzero_daemon.photo.decode import decode
from bgzero_daemon.photo.encode import encode
from bgzero_daemon.photo.foreground import drawing
from bgzero_daemon.photo.metadata import chosen
from bgzero_daemon.photo.picture import U16, Photo
from bgzero_daemon.photo.tensor import to_tensor
from bgzero_daemon.worker.threads import Threads

from .exif import exif_block, text
from .handmade import chunk, deep_tiff, grey_tiff, png_file
from .pictures import MAX_PIXELS, astronaut
from .profiles import P3_PRIMARIES, colourless_cmyk_profile, grey_profile, matrix_profile
from .test_xmp import packet

pyvips = pytest.importorskip("pyvips", reason="NO PYVIPS ON THIS MACHINE: THE EXTRA deep IS NOT TESTED")

PEAK = 65535
ADOBE_RGB = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
PROPHOTO = ((0.79767, 0.28804, 0.0), (0.13519, 0.71187, 0.0), (0.03135, 0.00009, 0.82521))


@pytest.fixture
def no_libvips(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installation without the extra: its module cannot be found."""
    deep.forget()
    monkeypatch.setitem(sys.modules, "pyvips", None)
    yield
    deep.forget()


def ramp() -> U16:
    """Every level in each channel, in orders of their own: 256 by 256."""
    levels = np.arange(PEAK + 1, dtype=np.uint16)
    turned = levels.reshape(256, 256).T.ravel()
    return np.stack([levels, levels[::-1], turned], -1).reshape(256, 256, 3)


def opened(content: bytes, depth: Depth = Depth.AUTO) -> Photo:
    """Decode."""
    return decode(content, max_pixels=MAX_PIXELS, depth=depth)


def png16(samples: U16, *extra: bytes) -> bytes:
    """Return a PNG of 16 bits, made byte by byte."""
    height, width, channels = samples.shape
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    return png_file((width, height), 16, colour, [row.astype(">u2").tobytes() for row in samples], *extra)


def vips_tiff(samples: U16, **options: object) -> bytes:
    """Return a TIFF by libvips."""
    picture = pyvips.Image.new_from_array(samples, interpretation="rgb16")
    return bytes(picture.tiffsave_buffer(**options))


RAMPS = {
    "PNG": lambda: png16(ramp()),
    "PNG, interlaced": lambda: bytes(
        pyvips.Image.new_from_array(ramp(), interpretation="rgb16").pngsave_buffer(bitdepth=16, interlace=True)
    ),
    "TIFF, plain": lambda: deep_tiff(ramp()),
    "TIFF, big-endian": lambda: deep_tiff(ramp(), order=">"),
    "TIFF, planar": lambda: deep_tiff(ramp(), is_planar=True),
    "TIFF, planar, ZIP, big-endian": lambda: deep_tiff(ramp(), is_planar=True, is_zipped=True, order=">"),
    "TIFF, ZIP": lambda: deep_tiff(ramp(), is_zipped=True),
    "TIFF, ZIP and differences": lambda: vips_tiff(ramp(), compression="deflate", predictor="horizontal"),
    "TIFF, LZW": lambda: vips_tiff(ramp(), compression="lzw", predictor="none"),
    "TIFF, LZW and differences": lambda: vips_tiff(ramp(), compression="lzw", predictor="horizontal"),
    "TIFF, tiles": lambda: vips_tiff(ramp(), tile=True, tile_width=64, tile_height=64),
    "BigTIFF": lambda: vips_tiff(ramp(), bigtiff=True),
}


@pytest.mark.parametrize("kind", RAMPS)
def test_ramp_survives_decode_opaque_matte_and_encode(kind: str) -> None:
    """Each of the 65,536 levels comes out as it went in."""
    photo = opened(RAMPS[kind]())
    assert photo.note == ""
    drawn = drawing(photo, np.ones((16, 16), np.float32), Fit.STRETCH, edges=Edges.REFINE)
    png = b"".join(encode(drawn, photo, exif=b"", tag={}, png=Png.FAST, hands=Threads(1)))
    found = pyvips.Image.new_from_buffer(png, "", fail_on="warning").numpy()  # a writer's own test has its own reader
    assert found.dtype == np.uint16
    assert (found[..., :3] == ramp()).all()
    assert (found[..., 3] == PEAK).all()


@pytest.mark.parametrize("kind", ["PNG", "TIFF, plain"])
def test_without_the_extra_it_is_written_with_8_bits_and_says_so(
    kind: str, no_libvips: None, caplog: pytest.LogCaptureFixture
) -> None:
    """Of each photo in its note, in the log once; and 16 bits are not made up of 8 where somebody asks for them."""
    with caplog.at_level(logging.WARNING):
        photos = [opened(RAMPS[kind](), depth) for depth in (Depth.AUTO, Depth.AUTO, Depth.SIXTEEN)]
    for photo in photos:
        assert photo.depth == 8
        assert photo.note == "written with 8 bits; bgzero-daemon[deep] keeps 16"
        assert np.abs(photo.rgb * 257.0 - ramp()).max() <= 257
    assert len(caplog.records) == 1
    assert "bgzero-daemon[deep]" in caplog.text
    assert opened(RAMPS[kind](), Depth.EIGHT).note == "", "who asks for 8 bits gets what was asked for"


def test_depth_is_that_of_the_file_or_what_is_asked_for() -> None:
    """8 bits stay 8 unless somebody asks; 16 are rounded where 8 are asked for."""
    out = io.BytesIO()
    Image.fromarray(astronaut()).save(out, "PNG")
    assert [opened(out.getvalue(), depth).depth for depth in Depth] == [8, 8, 16]
    assert (opened(out.getvalue(), Depth.SIXTEEN).samples[..., :3] == astronaut().astype(np.uint16) * 257).all()
    assert [opened(png16(ramp()), depth).depth for depth in Depth] == [16, 8, 16]
    assert not any(opened(png16(ramp()), depth).note for depth in Depth)


def test_opacity_of_16_bits_is_read_in_every_form() -> None:
    """PNG and TIFF, beside colours or grey, with a transparent colour, and multiplied in beforehand."""
    rgb, alpha = ramp(), ramp()[..., 2]
    both = np.dstack([rgb, alpha])
    for content in (png16(both), deep_tiff(both, more={338: ("H", [2])})):
        assert (opened(content).samples == both).all()
    grey = both[..., [0, 3]]
    for content in (png16(grey), deep_tiff(grey, more={338: ("H", [2])})):
        assert (opened(content).samples == both[..., [0, 0, 0, 3]]).all()
    seen = alpha > 6000
    before = np.dstack([np.rint(rgb * (alpha[..., None] / PEAK)).astype(np.uint16), alpha])
    multiplied = opened(deep_tiff(before, more={338: ("H", [1])})).samples
    assert (multiplied[..., 3] == alpha).all()
    assert np.abs(multiplied[seen].astype(int) - both[seen]).max() <= 6
    unspecified = opened(deep_tiff(both, more={338: ("H", [0])}))
    assert not unspecified.has_alpha
    assert (unspecified.samples[..., :3] == rgb).all()
    key = struct.pack(">3H", *rgb[7, 9].tolist())
    keyed = opened(png16(rgb, chunk(b"tRNS", key))).samples[..., 3]
    assert keyed[7, 9] == 0
    assert (keyed != PEAK).sum() == 1


def test_grey_of_16_bits_is_exact() -> None:
    """PNG; TIFF with either value for white; by its profile where it has one."""
    grey = ramp()[..., 0]
    for content in (png16(grey[..., None]), grey_tiff(grey, 1), grey_tiff(PEAK - grey, 1, photometric=0)):
        assert (opened(content).samples == np.dstack([grey, grey, grey, np.full_like(grey, PEAK)])).all()
    linear = opened(png16(grey[..., None], _icc_chunk(grey_profile(1.0))))
    assert linear.icc == b""
    middle = linear.samples[grey == 14029][0]
    assert np.abs(middle[:3].astype(int) - PEAK // 2).max() < 400, "0.214 in linear light is the middle of sRGB"


def _icc_chunk(icc: bytes) -> bytes:
    return chunk(b"iCCP", b"x\0\0" + zlib.compress(icc))


@pytest.mark.parametrize("kind", ["float32", "float16", "uint32"])
def test_floats_and_32_bits_are_scaled(kind: str) -> None:
    """[0, 1] becomes the whole scale; larger floats are scaled by the largest, and what is no number is black."""
    if kind == "uint32":
        found = opened(deep_tiff(ramp().astype(np.uint32) * np.uint32(65537)))
        assert (found.samples[..., :3] == ramp()).all()
        return
    values = (ramp() / PEAK).astype(kind)
    assert np.abs(opened(deep_tiff(values)).samples[..., :3].astype(int) - ramp()).max() <= 16 * (kind == "float16")
    bright = values.astype(np.float32) * 4
    bright[0, 0], bright[0, 1] = (np.nan, np.inf, -np.inf), -1
    found = opened(deep_tiff(bright))
    assert not found.samples[0, :2, :3].any()
    assert np.abs(found.samples[1:, :, :3].astype(int) - ramp()[1:]).max() <= 32
    assert opened(deep_tiff(values), Depth.EIGHT).depth == 8


def test_float_photo_without_the_extra_is_refused_with_the_way_out(no_libvips: None) -> None:
    with pytest.raises(PhotoRefused) as refusal:
        opened(deep_tiff((ramp() / PEAK).astype(np.float32)))
    assert "bgzero-daemon[deep]" in refusal.value.hint


@pytest.mark.parametrize(
    ("primaries", "gamma"),
    [(P3_PRIMARIES, 2.2), (ADOBE_RGB, 2.2), (PROPHOTO, 1.8)],
    ids=["P3", "Adobe RGB", "ProPhoto"],
)
@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_wide_gamut_keeps_its_profile_and_the_network_sees_srgb(
    primaries: tuple[tuple[float, float, float], ...], gamma: float, form: str, tmp_path: Path
) -> None:
    """Samples are untouched, the profile comes out byte for byte; the tensor is that of the same colours in sRGB."""
    icc = matrix_profile(primaries, gamma)
    plain = Photo.of(astronaut())
    wide = _into(plain, icc, tmp_path)
    content = png16(wide, _icc_chunk(icc)) if form == "PNG" else deep_tiff(wide, more={34675: ("B", icc)})
    photo = opened(content)
    assert photo.icc == icc
    assert (photo.samples[..., :3] == wide).all()
    spec = InputSpec(96, 255.0, (0.0,) * 3, (1.0,) * 3)
    assert np.abs(to_tensor(photo, spec) - to_tensor(plain, spec)).mean() < 1.5 / 255
    drawn = drawing(photo, np.ones((16, 16), np.float32), Fit.STRETCH)
    png = b"".join(encode(drawn, photo, exif=b"", tag={}, png=Png.FAST, hands=Threads(1)))
    again = opened(png)
    assert again.icc == icc
    assert (again.samples == photo.samples).all()


def _into(photo: Photo, icc: bytes, folder: Path) -> U16:
    """Return an sRGB photo's colours in a profile's numbers, as libvips finds them; in gamut they are."""
    (folder / "wide.icc").write_bytes(icc)
    source = pyvips.Image.new_from_array(photo.rgb.astype(np.uint16) * 257, interpretation="rgb16")
    made = source.icc_transform(str(folder / "wide.icc"), input_profile="srgb", depth=16, intent="relative")
    return np.asarray(made.numpy(), np.uint16)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["PNG", "PNG, behind", "TIFF", "TIFF by libvips"])
def test_orientation_resolution_and_camera_are_those_of_the_same_file_in_8_bits(form: str, orientation: int) -> None:
    """What stands beside the pixels is read as ever, wherever it stands."""
    samples = ramp()[:30, :50]
    exif = exif_block([text(271, "Canon"), (274, 3, 1, struct.pack("<HH", orientation, 0))])
    pixels_per_metre = chunk(b"pHYs", struct.pack(">IIB", 11811, 5906, 1))
    told = chunk(b"eXIf", exif.removeprefix(b"Exif\0\0"))
    if form == "TIFF":
        content = deep_tiff(samples, more={271: ("B", b"Canon\0"), 274: ("H", [orientation])})
    elif form == "TIFF by libvips":
        picture = pyvips.Image.new_from_array(samples, interpretation="rgb16").copy(xres=11.811, yres=5.9055)
        picture.set_type(pyvips.GValue.gint_type, "orientation", orientation)
        content = bytes(picture.tiffsave_buffer())
    elif form == "PNG":
        content = png16(samples, pixels_per_metre, told)
    else:
        content = png16(samples, pixels_per_metre)
        content = content[:-12] + told + content[-12:]
    fine, plain = opened(content), opened(content, Depth.EIGHT)
    assert fine.samples.shape[:2] == plain.rgb.shape[:2]
    assert np.abs(fine.rgb.astype(int) - plain.rgb).max() <= 1
    assert fine.dpi == plain.dpi
    assert bool(fine.dpi) == (form != "TIFF"), "which says nothing of it"
    assert not fine.dpi or (round(fine.dpi[0]) == 300) == (orientation < 5), "across and down change places"
    for policy in Metadata:
        assert chosen(fine, policy, source_sha256="ab") == chosen(plain, policy, source_sha256="ab")


def test_tiff_that_pillow_does_not_open_tells_as_much_as_others() -> None:
    """XMP, IPTC, Content Credentials and resolution of one with floats; a resolution of 1 says nothing."""
    more: dict[int, tuple[str, Sequence[int] | bytes]] = {
        700: ("B", packet("<xmp:Rating>4</xmp:Rating>")), 33723: ("B", b"\x1c\x02\x19\x00\x03dog"), 339: ("H", [3] * 3),
        282: ("R", [300, 1]), 283: ("R", [300, 1]), 296: ("H", [2]),
    }  # fmt: skip
    content = deep_tiff(np.full((8, 8, 3), 0.5, np.float32), more=more)
    photo = opened(content + blocks._MANIFEST)
    written = chosen(photo, Metadata.SAFE, source_sha256="0")
    assert b"<xmp:Rating>4<" in written.xmp
    assert b"dog" in written.xmp
    assert written.dpi == (300.0, 300.0)
    assert "Content Credentials" in photo.note
    more |= {282: ("R", [1, 1]), 283: ("R", [1, 1])}
    assert opened(deep_tiff(np.full((8, 8, 3), 0.5, np.float32), more=more)).dpi is None


def test_text_that_is_broken_behind_the_pixels_costs_no_photo() -> None:
    """As in 8 bits; what stands in front of them is kept."""
    front, broken = chunk(b"eXIf", exif_block([text(271, "BGZero")])[6:]), bytearray(chunk(b"tEXt", b"Comment\0word"))
    broken[-1] ^= 1
    content = png16(ramp(), front)
    photo = opened(content[:-12] + broken + content[-12:])
    assert (photo.samples[..., :3] == ramp()).all()
    assert photo.exif is not None
    assert photo.exif[271] == "BGZero"


def test_cmyk_of_16_bits_becomes_rgb_by_its_profile() -> None:
    """As in 8 bits: by one in which every ink is black."""
    inks = np.dstack([ramp(), np.zeros((256, 256), np.uint16)])
    content = deep_tiff(inks, more={262: ("H", [5]), 34675: ("B", colourless_cmyk_profile())})
    photo = opened(content)
    assert photo.depth == 16
    assert photo.icc == b""
    assert np.abs(photo.rgb.astype(int) - opened(content, Depth.EIGHT).rgb).max() <= 3
    assert np.ptp(photo.samples[..., 0]) > 10000


@pytest.mark.parametrize("kind", ["PNG", "TIFF, plain", "TIFF, LZW"])
def test_what_is_cut_off_is_refused(kind: str) -> None:
    content = RAMPS[kind]()
    for share in (0.1, 0.5, 0.95):
        with pytest.raises(PhotoRefused):
            opened(content[: int(len(content) * share)])


def test_size_is_checked_before_anything_is_decoded() -> None:
    for content in (png16(ramp()), deep_tiff(ramp()), deep_tiff(ramp().astype(np.float32))):
        with pytest.raises(PhotoRefused, match="megapixels"):
            decode(content, max_pixels=1000, depth=Depth.AUTO)


def _told(picture: Image.Image, load: Callable[[Image.Image], object], loaded: list[tuple[int, int]]) -> object:
    loaded.append(picture.size)
    return load(picture)


@pytest.mark.parametrize("kind", ["PNG", "TIFF, LZW"])
def test_deep_photo_is_decoded_once(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow decodes a PNG to look for EXIF behind its pixels; here nothing but a single pixel."""
    loaded: list[tuple[int, int]] = []
    for one in (PngImagePlugin.PngImageFile, TiffImagePlugin.TiffImageFile):
        monkeypatch.setattr(one, "load", functools.partialmethod(_told, one.load, loaded))
    assert opened(RAMPS[kind]()).depth == 16
    assert set(loaded) <= {(1, 1)}


def test_size_that_is_told_twice_does_not_fool_the_check() -> None:
    """Of two widths Pillow takes the last one and libvips the first: what is larger then is not read."""
    content = deep_tiff(np.zeros((1, 30_000, 3), np.uint16))
    (at,) = struct.unpack_from("<I", content, 4)
    (count,) = struct.unpack_from("<H", content, at)
    again = struct.pack("<HHII", 256, 4, 1, 100)
    content = content[:at] + struct.pack("<H", count + 1) + content[at + 2 : at + 14] + again + content[at + 14 :]
    assert deep.size(content) == (30_000, 1)
    assert deep.read(content, b"", 30_000)
    assert deep.read(content, b"", 10_000) is None


def test_libvips_may_load_nothing_else() -> None:
    """Whatever else is in the library cannot be reached by the bytes of a photo, nor by their sniffing."""
    assert deep.size(png16(ramp())) == (256, 256)
    jpeg = io.BytesIO()
    Image.fromarray(astronaut()).save(jpeg, "JPEG")
    with pytest.raises(pyvips.Error, match="blocked"):
        pyvips.Image.jpegload_buffer(jpeg.getvalue())
    with pytest.raises(pyvips.Error, match="blocked"):
        pyvips.Image.rawload("/etc/passwd", 1, 1, 1)
    for load, content in (
        ("svgload_buffer", b'<svg xmlns="http://www.w3.org/2000/svg"/>'),
        ("ppmload_buffer", b"P6 1 1 255 abc"),
        ("jpegload_buffer", b"\xff\xd8\xff"),
        ("new_from_file", "/etc/passwd"),
    ):
        with pytest.raises((pyvips.Error, AttributeError)):
            getattr(pyvips.Image, load)(content)
    assert pyvips.cache_get_max() == 0
    assert pyvips.concurrency_get() == 1
