"""The PNG that is written: the same pixels back, and what stands beside them."""

import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
import zlib

import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from bgzero_daemon import __version__
from bgzero_daemon.core.checksums import joined_adler32
from bgzero_daemon.core.recipe import Png
from bgzero_daemon.photo import encode as encode_room
from bgzero_daemon.photo.chunks import SOFTWARE
from bgzero_daemon.photo.picture import U8, Photo
from bgzero_daemon.photo.png import Inspection, inspect

from . import unfilter
from .exif import exif_block, text
from .pictures import encoded, error, opened
from .profiles import matrix_profile

TAG = {"v": 1, "source": "Caf%C3%A9.jpg", "model_sha256": "ab" * 32, "settings": {"metadata": "safe"}}
CAMERA = exif_block([text(271, "Canon")])


def pixels(width: int = 6, height: int = 4, channels: int = 4, seed: int = 3) -> U8:
    """Return random pixels; without channels a grey mask."""
    shape = (height, width, channels) if channels else (height, width)
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def photo(icc: bytes = b"", dpi: tuple[float, float] | None = None) -> Photo:
    """Return what `encode` takes profile and resolution from."""
    return Photo.of(np.zeros((4, 6, 3), np.uint8), icc=icc, dpi=dpi)


def inspected(content: bytes) -> Inspection:
    """Inspect bytes through a real descriptor."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        return inspect(file.fileno())


def chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    """Return every chunk's kind and payload."""
    found, at = [], 8
    while at < len(content):
        length = int.from_bytes(content[at : at + 4], "big")
        found.append((content[at + 4 : at + 8], content[at + 8 : at + 8 + length]))
        at += length + 12
    return found


def read(content: bytes) -> PngImagePlugin.PngImageFile:
    """Open what was written with Pillow, texts behind the pixels included."""
    picture = Image.open(io.BytesIO(content))
    picture.load()
    assert isinstance(picture, PngImagePlugin.PngImageFile)
    return picture


@settings(max_examples=40, deadline=None)
@given(width=st.integers(1, 40), height=st.integers(1, 40), channels=st.sampled_from([0, 4]), seed=st.integers(0, 9999))
def test_pixels_come_back_identical(width: int, height: int, channels: int, seed: int) -> None:
    """Any size, cut-out or mask, even with colours under alpha 0: what is read is what was given."""
    given_pixels = pixels(width, height, channels, seed)
    content = encoded(given_pixels, photo(), exif=b"", tag=TAG)
    picture = read(content)
    assert picture.mode == ("RGBA" if channels else "L")
    assert error(np.asarray(picture), given_pixels) == 0
    found = inspected(content)
    assert (found.width_px, found.height_px) == (width, height)


def test_profile_resolution_exif_software_and_tag_stand_in_the_file() -> None:
    """Everything that was given is found again by an ordinary reader."""
    profile = matrix_profile()
    picture = read(encoded(pixels(), photo(profile, (300.0, 150.0)), exif=CAMERA, tag=TAG))
    assert picture.info["icc_profile"] == profile
    assert picture.info["dpi"] == pytest.approx((300, 150), abs=0.02)
    assert picture.text["Software"] == SOFTWARE == f"BGZero Daemon {__version__}"
    assert isinstance(picture.text["bgzero"], PngImagePlugin.iTXt)
    assert json.loads(picture.text["bgzero"]) == TAG
    assert picture.getexif()[271] == "Canon"


def test_what_was_not_given_is_not_made_up() -> None:
    """Without profile, resolution and EXIF the file holds exactly these chunks."""
    kinds = [kind for kind, _payload in chunks(encoded(pixels(), photo(), exif=b"", tag=TAG))]
    assert kinds == [b"IHDR", b"tEXt", b"iTXt", b"IDAT", b"IEND"]


def test_grey_mask_carries_no_rgb_profile() -> None:
    """Opacity is no colour: the photo's profile would be wrong for it; the resolution still holds."""
    picture = read(encoded(pixels(channels=0), photo(matrix_profile(), (300.0, 300.0)), exif=b"", tag=TAG))
    assert "icc_profile" not in picture.info
    assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.02)


def test_cutout_of_a_cutout_is_the_same_photo() -> None:
    """Decoding what was encoded gives colours, alpha, profile and resolution back."""
    rgba = pixels()
    again = opened(encoded(rgba, photo(matrix_profile(), (300.0, 150.0)), exif=b"", tag=TAG))
    assert error(again.rgb, np.ascontiguousarray(rgba[..., :3])) == 0
    assert again.own_alpha is not None
    assert error(again.own_alpha, np.ascontiguousarray(rgba[..., 3])) == 0
    assert again.icc == matrix_profile()
    assert again.dpi == pytest.approx((300, 150), abs=0.02)


def test_png_decides_bytes_and_no_pixel() -> None:
    """What more time is given for is fewer bytes; everything else in the file is the same."""
    picture = skimage.data.chelsea()  # type: ignore[no-untyped-call]
    rgba = np.dstack([picture, picture[..., 0]]).astype(np.uint8)
    written = {png: encoded(rgba, photo(), exif=CAMERA, tag=TAG, png=png) for png in Png}
    assert len(written[Png.FAST]) >= len(written[Png.BALANCED]) >= len(written[Png.SMALL])
    assert len(written[Png.FAST]) > len(written[Png.SMALL])
    for content in written.values():
        assert error(np.asarray(read(content)), rgba) == 0
        others = [[chunk for chunk in chunks(one) if chunk[0] != b"IDAT"] for one in (content, written[Png.BALANCED])]
        assert others[0] == others[1]
    assert encoded(rgba, photo(), exif=CAMERA, tag=TAG) == written[Png.BALANCED]


def test_same_arguments_give_the_same_bytes() -> None:
    """No clock, no chance, and no order of a dictionary gets into the file."""
    backwards = dict(reversed(TAG.items()))
    first = encoded(pixels(), photo(matrix_profile(), (72.0, 72.0)), exif=CAMERA, tag=TAG)
    second = encoded(pixels(), photo(matrix_profile(), (72.0, 72.0)), exif=CAMERA, tag=backwards)
    assert first == second


def test_inspection_tells_size_hash_and_tag() -> None:
    """The service learns from the file itself what the worker claims."""
    content = encoded(pixels(), photo(), exif=b"", tag=TAG)
    found = inspected(content)
    assert found.size_bytes == len(content)
    assert found.sha256 == hashlib.sha256(content).hexdigest()
    assert (found.width_px, found.height_px) == (6, 4)
    assert found.tag == TAG


@pytest.mark.parametrize("value", ["é ü 漢字 🙂", 'quotes " and \\', "line\nbreak", "\0", ""])
def test_tag_carries_any_text(value: str) -> None:
    """Names in any script, quotes and control characters come back as they were."""
    assert inspected(encoded(pixels(), photo(), exif=b"", tag={"source": value})).tag == {"source": value}


def test_inspection_does_not_move_the_descriptors_offset() -> None:
    """The service may look into a file that somebody is about to copy."""
    with tempfile.TemporaryFile() as file:
        file.write(encoded(pixels(), photo(), exif=b"", tag=TAG))
        file.flush()
        file.seek(5)
        inspect(file.fileno())
        assert os.lseek(file.fileno(), 0, os.SEEK_CUR) == 5


def test_pixels_are_compressed() -> None:
    """A flat picture of a megabyte takes some kilobytes."""
    content = encoded(np.zeros((512, 512, 4), np.uint8), photo(), exif=b"", tag={})
    assert len(content) < 20_000
    data = b"".join(payload for kind, payload in chunks(content) if kind == b"IDAT")
    assert len(zlib.decompress(data)) == 512 * (512 * 4 + 1)


@settings(max_examples=25, deadline=None)
@given(
    png=st.sampled_from(Png), threads=st.integers(1, 4), width=st.integers(1, 40), height=st.integers(1, 90),
    channels=st.sampled_from([0, 3, 4]), strip_bytes=st.integers(1, 2000), seed=st.integers(0, 9999),
)  # fmt: skip
def test_strips_are_one_picture_for_a_strict_reader(
    png: Png, threads: int, width: int, height: int, channels: int, strip_bytes: int, seed: int
) -> None:
    """However many strips and threads: every CRC, the Adler-32, the filters and the pixels are right."""
    given_pixels = pixels(width, height, channels, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(encode_room._STRIP_BYTES, png, strip_bytes)
        content = encoded(given_pixels, photo(), tag=TAG, png=png, threads=threads)
        assert content == encoded(given_pixels, photo(), tag=TAG, png=png, threads=1)
    found = unfilter.read(content)
    assert (found.pixels.reshape(given_pixels.shape) == given_pixels).all()


@pytest.mark.parametrize("png", Png)
def test_nothing_to_see_costs_next_to_nothing(png: Png) -> None:
    """A large cut-out in which some rows hold a subject: the rest is less than a hundredth of its pixels."""
    rgba = np.zeros((2000, 500, 4), np.uint8)
    rgba[900:950, 100:140] = pixels(40, 50, 4)
    content = encoded(rgba, photo(), png=png)
    assert len(content) < 40 * 50 * 4 * 1.1 + 4_000_000 / 100
    assert error(np.asarray(read(content)), rgba) == 0


@pytest.mark.parametrize(("png", "most"), [(Png.FAST, 1.30), (Png.BALANCED, 1.15), (Png.SMALL, 1.02)])
def test_files_are_hardly_larger_than_pillows(png: Png, most: float) -> None:
    """Real photos from a package: the geometric mean of bytes beside Pillow's default, which takes far longer."""
    ratios = []
    for name in ("astronaut", "chelsea", "coffee", "rocket"):
        rgb = getattr(skimage.data, name)()
        out = io.BytesIO()
        Image.fromarray(rgb).save(out, "PNG")
        ratios.append(len(encoded(rgb, photo(), png=png)) / out.tell())
    assert np.exp(np.mean(np.log(ratios))) <= most


def test_without_isal_the_same_pixels_are_written() -> None:
    """Where there is no wheel of it zlib does the work."""
    script = (
        "import sys; sys.modules['isal'] = None\n"
        "from tests.photo.pictures import encoded; from tests.photo.test_encode import pixels, photo\n"
        "sys.stdout.buffer.write(encoded(pixels(70, 50), photo()))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert (unfilter.read(done.stdout).pixels == pixels(70, 50)).all()


@given(first=st.binary(max_size=9000), second=st.binary(max_size=9000))
def test_checksums_of_pieces_are_put_together(first: bytes, second: bytes) -> None:
    """As if it had been one piece."""
    whole = zlib.adler32(first + second)
    assert joined_adler32(zlib.adler32(first), zlib.adler32(second), len(second)) == whole
