"""What is refused: too large before it is decoded, damaged, cut short."""

import random
import struct

import numpy as np
import pytest
from PIL import Image

from bgzero_daemon.core.errors import PhotoRefused
from bgzero_daemon.core.recipe import Metadata
from bgzero_daemon.photo.decode import decode
from bgzero_daemon.photo.picture import Photo

from .exif import exif_block, rational, short, text
from .handmade import chunk, tiff_file
from .pictures import FORMATS, astronaut, kept, opened, saved
from .test_recognition import is_a_sentence

# Large enough to be refused, small enough not to hurt where the limit is broken.
HUGE = 10_000


def _outcome(content: bytes) -> tuple[Photo | None, PhotoRefused]:
    """Decode and choose metadata: a photo or a refusal; anything else that is raised fails the test."""
    try:
        photo = decode(content, max_pixels=10_000)
        for policy in Metadata:
            kept(photo, policy)
    except PhotoRefused as refusal:
        return None, refusal
    return photo, PhotoRefused("")


def _patched(form: str, at: int, packed: bytes) -> bytes:
    content = saved(Image.new("RGB", (8, 8)), form)
    return content[:at] + packed + content[at + len(packed) :]


def _huge_jpeg() -> bytes:
    content = saved(Image.new("RGB", (8, 8)), "JPEG")
    at = content.index(b"\xff\xc0") + 5
    return content[:at] + struct.pack(">HH", HUGE, HUGE) + content[at + 4 :]


def _huge_avif() -> bytes:
    content = saved(Image.new("RGB", (8, 8)), "AVIF")
    at = content.index(b"ispe") + 8
    return content[:at] + struct.pack(">II", HUGE, HUGE) + content[at + 8 :]


BOMBS = {
    "JPEG": _huge_jpeg(),
    "PNG": b"\x89PNG\r\n\x1a\n"
    + chunk(b"IHDR", struct.pack(">IIBBBBB", HUGE, HUGE, 8, 2, 0, 0, 0))
    + chunk(b"IDAT", b""),
    "WEBP": b"RIFF"
    + struct.pack("<I", 26)
    + b"WEBPVP8L"
    + struct.pack("<IBI", 14, 0x2F, 1999 | 1999 << 14)
    + b"\0" * 9,
    "TIFF": tiff_file(
        {256: (4, HUGE), 257: (4, HUGE), 258: (3, 8), 259: (3, 1), 262: (3, 1), 273: (4, 0), 277: (3, 1), 279: (4, 16)}
    ),
    "BMP": _patched("BMP", 18, struct.pack("<ii", HUGE, HUGE)),
    "GIF": _patched("GIF", 6, struct.pack("<HH", HUGE, HUGE)),
    "AVIF": _huge_avif(),
}


@pytest.mark.parametrize("form", BOMBS)
def test_bomb_is_refused_by_its_header(form: str) -> None:
    """A tiny file that announces a huge photo is refused for its size: nobody tried to find its pixels."""
    content = BOMBS[form]
    assert len(content) < 2000
    with pytest.raises(PhotoRefused, match="megapixels; the limit is 1") as refusal:
        decode(content, max_pixels=1_000_000)
    assert "limits.megapixels" in refusal.value.hint
    assert is_a_sentence(refusal.value)


def test_photo_at_the_limit_is_cut_and_one_pixel_more_is_not() -> None:
    """The limit counts width times height and is inclusive."""
    content = saved(Image.new("RGB", (30, 20)), "PNG")
    assert decode(content, max_pixels=600).width_px == 30
    with pytest.raises(PhotoRefused):
        decode(content, max_pixels=599)


@pytest.mark.parametrize("form", FORMATS)
def test_truncated_photo_is_refused_or_whole(form: str) -> None:
    """Cut anywhere, a file is refused with a sentence, or gives every pixel of the whole one (only its end is gone)."""
    content = saved(Image.fromarray(astronaut(32)), form, **({"quality": 60} if form in ("JPEG", "AVIF") else {}))
    whole = opened(content)
    lengths = sorted({*range(0, len(content), max(1, len(content) // 60)), *range(len(content) - 20, len(content))})
    for length in lengths:
        photo, refusal = _outcome(content[:length])
        if photo is None:
            assert is_a_sentence(refusal), (length, str(refusal))
        else:
            assert length > len(content) - 30
            assert (photo.rgb == whole.rgb).all(), length


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "jpeg"])
def test_truncated_compressed_tiff_is_refused(compression: str) -> None:
    """libtiff's decoders refuse what is missing too."""
    noise = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    content = saved(Image.fromarray(noise), "TIFF", compression=compression)
    # the directory stands behind the pixels, so pixels are taken from the middle
    for gone in (100, 500):
        with pytest.raises(PhotoRefused) as refusal:
            opened(content[:200] + content[200 + gone :])
        assert is_a_sentence(refusal.value)


def test_missing_tail_is_told_with_a_hint() -> None:
    """Half a JPEG says that it is incomplete and what to do."""
    content = saved(Image.fromarray(astronaut()), "JPEG")
    with pytest.raises(PhotoRefused, match="damaged or incomplete") as refusal:
        opened(content[: len(content) // 2])
    assert "Copy it again" in refusal.value.hint


@pytest.mark.parametrize("form", FORMATS)
def test_damaged_bytes_never_raise_anything_but_a_refusal(form: str) -> None:
    """Some hundred damaged files a format: each gives a photo or a refusal in one sentence."""
    exif = exif_block([text(271, "Canon"), short(274, 6)], [rational(33437, (28, 10))], [text(1, "N")])
    options = {} if form in ("BMP", "GIF") else {"exif": exif}
    content = saved(Image.fromarray(astronaut(16)), form, **options)
    dice = random.Random(form)
    photos = 0
    for _round in range(150):
        damaged = bytearray(content)
        for _hit in range(dice.randint(1, 4)):
            damaged[dice.randrange(len(damaged))] = dice.choice((0, 1, 2, 7, 127, 255, dice.randrange(256)))
        photo, refusal = _outcome(bytes(damaged))
        assert photo or is_a_sentence(refusal), str(refusal)
        photos += photo is not None
    assert photos
