"""JPEG by two decoders: the quick one gives the very pixels of Pillow's, and leaves to it whatever is not plain."""

import io
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from bgzero_daemon.core.errors import PhotoRefused
from bgzero_daemon.photo import decode as room
from bgzero_daemon.photo.decode import decode
from bgzero_daemon.photo.picture import Photo
from tests.home import SHARED

from .exif import exif_block, short
from .pictures import astronaut, saved
from .profiles import matrix_profile

LIMIT = 200_000_000


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count what the quick decoder decodes. Skips where it is not installed."""
    if room.simplejpeg is None:
        pytest.skip("simplejpeg is not installed")
    calls: list[int] = []
    real = room.simplejpeg.decode_jpeg

    def counted(content: bytes, **options: object) -> object:
        made = real(content, **options)
        calls.append(len(content))
        return made

    monkeypatch.setattr(room.simplejpeg, "decode_jpeg", counted)
    return calls


def by_pillow(content: bytes) -> Photo:
    """Decode as where simplejpeg is not installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "simplejpeg", None)
        return decode(content, max_pixels=LIMIT)


def check_same(content: bytes) -> Photo:
    """Decode both ways: the same pixels, bit for bit, and the same of everything else."""
    one, other = decode(content, max_pixels=LIMIT), by_pillow(content)
    assert (one.stored == other.stored).all()
    for name in ("turn", "has_alpha", "icc", "dpi", "note"):
        assert getattr(one, name) == getattr(other, name), name
    assert (one.words >> np.uint32(24) == 255).all()
    return one


@pytest.mark.skipif(not (SHARED / "photos").is_dir(), reason="the shared photos are not here")
def test_every_shared_photo_has_the_same_pixels(quick: list[int]) -> None:
    found = sorted((SHARED / "photos").glob("*.jpg"))
    for photo in found:
        check_same(photo.read_bytes())
    assert len(quick) >= len(found) - 1 > 10, "one is a PNG by another name"


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0", "4:1:1"])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("size", [(96, 96), (97, 61), (1, 1), (17, 300)])
def test_every_kind_of_jpeg_has_the_same_pixels(
    subsampling: str, progressive: bool, size: tuple[int, int], quick: list[int]
) -> None:
    """Odd sizes too, where chroma is cut off."""
    picture = Image.fromarray(astronaut()).resize(size)
    check_same(saved(picture, "JPEG", quality=85, subsampling=subsampling, progressive=progressive))
    assert quick


def test_profile_resolution_and_orientation_are_the_same(quick: list[int]) -> None:
    """What stands beside the pixels is read by Pillow either way."""
    content = saved(
        Image.fromarray(astronaut()), "JPEG", icc_profile=matrix_profile(), dpi=(300, 150),
        exif=exif_block([short(274, 6)]),
    )  # fmt: skip
    found = check_same(content)
    assert (found.icc, found.turn, found.dpi) == (matrix_profile(), 6, (150, 300))
    assert quick


def test_jpeg_that_holds_rgb_itself_is_the_same(quick: list[int]) -> None:
    """Without the detour over luma and chroma: rare, and said in the file."""
    found = check_same(saved(Image.fromarray(astronaut()), "JPEG", quality=98, keep_rgb=True))
    assert np.abs(found.rgb.astype(int) - astronaut()).max() < 12
    assert quick


@pytest.mark.parametrize("icc", [b"no profile at all", matrix_profile()[:-40]])
def test_profile_that_is_none_is_left_out(icc: bytes, quick: list[int]) -> None:
    """As of every other file."""
    assert check_same(saved(Image.fromarray(astronaut()), "JPEG", icc_profile=icc)).icc == b""
    assert quick


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_other_colours_are_left_to_pillow(mode: str, quick: list[int]) -> None:
    """Grey and CMYK have profiles that have to be applied."""
    content = saved(Image.fromarray(astronaut()).convert(mode), "JPEG")
    assert decode(content, max_pixels=LIMIT).width_px == 96
    assert not quick


def test_damage_is_judged_by_pillow(quick: list[int]) -> None:
    """Cut off, it is refused; with a wrong byte in the middle it is decoded as Pillow does it."""
    content = bytearray(saved(Image.fromarray(skimage.data.coffee()), "JPEG"))  # type: ignore[no-untyped-call]
    with pytest.raises(PhotoRefused, match="damaged or incomplete"):
        decode(bytes(content[: len(content) // 2]), max_pixels=LIMIT)
    middle = len(content) // 2
    content[middle : middle + 40] = bytes(40)
    check_same(bytes(content))


def test_a_small_picture_behind_the_photo_changes_nothing(quick: list[int]) -> None:
    """A camera's MPO: the first picture, and a note."""
    out = io.BytesIO()
    large, small = Image.fromarray(astronaut()), Image.fromarray(astronaut()).resize((20, 20))
    large.save(out, "MPO", save_all=True, append_images=[small])
    assert check_same(out.getvalue()).width_px == 96
    assert quick


def test_without_the_quick_decoder_everything_is_decoded(tmp_path: Path) -> None:
    """Where its package is not installed."""
    assert by_pillow(saved(Image.fromarray(astronaut()), "JPEG")).width_px == 96
