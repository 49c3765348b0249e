"""`inspect`: nothing that is not a whole PNG passes, and only this program's own tag is read."""

import os
import tempfile
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import pytest
import skimage.data
from PIL import Image

from bgzero_daemon.photo.picture import Photo
from bgzero_daemon.photo.png import SIGNATURE, DamagedPng, inspect

from .handmade import chunk
from .pictures import encoded, saved
from .profiles import matrix_profile

HEAD = chunk(b"IHDR", bytes((0, 0, 0, 3, 0, 0, 0, 2, 8, 6, 0, 0, 0)))
DATA, END = chunk(b"IDAT", b"x"), chunk(b"IEND", b"")


@pytest.fixture
def file() -> Iterator[BinaryIO]:
    """An empty file that is open for reading and writing."""
    with tempfile.TemporaryFile() as opened:
        yield opened


def put(file: BinaryIO, content: bytes) -> int:
    """Make `content` the whole of the file; return its descriptor."""
    descriptor = file.fileno()
    os.pwrite(descriptor, content, 0)
    os.ftruncate(descriptor, len(content))
    return descriptor


def small() -> bytes:
    """Return a small cut-out as this program writes it, with every kind of chunk."""
    rgba = np.arange(3 * 2 * 4, dtype=np.uint8).reshape(2, 3, 4)
    photo = Photo.of(rgba[..., :3], icc=matrix_profile(), dpi=(300.0, 300.0))
    exif = Image.Exif()
    exif[271] = "Canon"
    return encoded(rgba, photo, exif=exif.tobytes(), tag={"v": 1})


def test_every_changed_byte_is_noticed(file: BinaryIO) -> None:
    """Whichever single bit falls over, anywhere in the file: it is damaged."""
    content = small()
    descriptor = put(file, content)
    inspect(descriptor)
    for position, value in enumerate(content):
        for bit in range(8):
            os.pwrite(descriptor, bytes((value ^ 1 << bit,)), position)
            with pytest.raises(DamagedPng):
                inspect(descriptor)
        os.pwrite(descriptor, bytes((value,)), position)
    assert inspect(descriptor).size_bytes == len(content)


def test_every_truncation_is_noticed(file: BinaryIO) -> None:
    """Cut at any length, the empty file included: it is damaged."""
    content = small()
    descriptor = put(file, content)
    for length in range(len(content) - 1, -1, -1):
        os.ftruncate(descriptor, length)
        with pytest.raises(DamagedPng):
            inspect(descriptor)


@pytest.mark.parametrize("tail", [b"\0", b"\n", b"x" * 5000, END, SIGNATURE])
def test_anything_behind_the_end_is_noticed(file: BinaryIO, tail: bytes) -> None:
    """A complete PNG with something behind it is not what was written."""
    with pytest.raises(DamagedPng, match="behind its end"):
        inspect(put(file, small() + tail))


@pytest.mark.parametrize(
    "content",
    [
        SIGNATURE,
        SIGNATURE + END,
        SIGNATURE + DATA + END,
        SIGNATURE + HEAD + END,
        SIGNATURE + chunk(b"IHDR", b"\0" * 12) + DATA + END,
        SIGNATURE + chunk(b"tEXt", b"a\0b") + HEAD + DATA + END,
        SIGNATURE + HEAD + b"\xff\xff\xff\xffIDAT",
        b"\xff\xd8\xff\xe0" + b"\0" * 200,
        b"GIF89a" + b"\0" * 200,
    ],
    ids=["no chunk", "IEND alone", "no IHDR", "no pixels", "short IHDR", "text first", "endless", "JPEG", "GIF"],
)
def test_what_is_built_unlike_a_png_is_damaged(file: BinaryIO, content: bytes) -> None:
    """Right checksums do not make a PNG: IHDR first, pixels, IEND last."""
    with pytest.raises(DamagedPng) as damage:
        inspect(put(file, content))
    assert str(damage.value)


def test_photos_by_other_programs_are_whole_and_untagged(file: BinaryIO) -> None:
    """A PNG of somebody else's passes, with no tag."""
    content = saved(Image.fromarray(skimage.data.camera()), "PNG")  # type: ignore[no-untyped-call]
    found = inspect(put(file, content))
    assert (found.width_px, found.height_px, found.tag) == (512, 512, {})


def _tagged(payload: bytes) -> bytes:
    return SIGNATURE + HEAD + chunk(b"iTXt", payload) + DATA + END


@pytest.mark.parametrize(
    "payload",
    [
        b"bgzero\0\0\0\0\0no json",
        b"bgzero\0\0\0\0\0[1, 2]",
        b'bgzero\0\1\0\0\0{"v": 1}',
        b'Comment\0\0\0\0\0{"v": 1}',
        b'bgzero2\0\0\0\0\0{"v": 1}',
        b"bgzero",
        b"",
        b"bgzero\0\0\0\0\0" + b'{"v": "' + b"x" * (1 << 16) + b'"}',
        b"bgzero\0\0\0\0\0" + b"[" * 60_000,
        b'bgzero\0\0\0\0\0{"v": ' + b"9" * 60_000 + b"}",
        b"bgzero\0\0\0\0\0\xff\xfe\xff",
    ],
    ids=[
        "text",
        "list",
        "compressed",
        "foreign",
        "longer",
        "bare",
        "empty",
        "too long",
        "deep",
        "huge number",
        "no UTF-8",
    ],
)
def test_text_that_is_not_this_programs_tag_is_no_tag(file: BinaryIO, payload: bytes) -> None:
    """Foreign, hostile or oversized texts are passed over: the PNG is whole all the same."""
    assert inspect(put(file, _tagged(payload))).tag == {}


def test_first_tag_counts(file: BinaryIO) -> None:
    """A second tag, added by whoever, does not replace the one this program wrote."""
    first, second = (chunk(b"iTXt", b'bgzero\0\0\0\0\0{"v": %d}' % number) for number in (1, 2))
    assert inspect(put(file, SIGNATURE + HEAD + first + second + DATA + END)).tag == {"v": 1}


def test_large_chunk_is_checked_piece_by_piece(file: BinaryIO) -> None:
    """A chunk of several megabytes is read in pieces, and its last byte counts."""
    content = bytearray(SIGNATURE + HEAD + chunk(b"IDAT", bytes(3 << 20)) + END)
    assert inspect(put(file, bytes(content))).size_bytes == len(content)
    content[-20] ^= 1
    with pytest.raises(DamagedPng, match="checksum"):
        inspect(put(file, bytes(content)))
