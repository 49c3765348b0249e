"""Where a picture ends, in every format, without decoding it."""

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bgzero_daemon.service.container import Structure
from bgzero_daemon.service.structure import examine

PICTURE = Image.fromarray(skimage.data.astronaut()).resize((150, 100))  # type: ignore[no-untyped-call]
KINDS: dict[str, tuple[str, dict[str, object]]] = {
    "JPEG": ("JPEG", {}),
    "progressive JPEG": ("JPEG", {"progressive": True}),
    "JPEG with restarts": ("JPEG", {"restart_marker_blocks": 3}),
    "PNG": ("PNG", {}),
    "GIF": ("GIF", {}),
    "WebP": ("WEBP", {}),
    "lossless WebP": ("WEBP", {"lossless": True}),
    "WebP with ICC": ("WEBP", {"icc_profile": b"x" * 200}),
    "TIFF": ("TIFF", {}),
    "TIFF in strips": ("TIFF", {"compression": "tiff_lzw", "strip_size": 4096}),
    "BigTIFF": ("TIFF", {"big_tiff": True}),
    "BMP": ("BMP", {}),
    "AVIF": ("AVIF", {}),
}


def saved(kind: str) -> bytes:
    """A photo in that form."""
    form, options = KINDS[kind]
    out = io.BytesIO()
    PICTURE.save(out, form, **options)
    return out.getvalue()


@pytest.mark.parametrize("kind", KINDS)
def test_whole_file_misses_nothing_and_tells_its_size(kind: str, seen: Callable[[bytes], Structure]) -> None:
    """Width and height come from the header, without a pixel."""
    assert seen(saved(kind)) == Structure("", 150, 100)


@pytest.mark.parametrize("kind", KINDS)
def test_every_cut_is_noticed(kind: str, seen: Callable[[bytes], Structure]) -> None:
    """At 150 lengths, and at each of the last hundred but the padding behind an end: something is missing."""
    content = saved(kind)
    lengths = {*range(0, len(content), max(1, len(content) // 150)), *range(len(content) - 100, len(content) - 1)}
    judged_whole = [length for length in sorted(lengths) if not seen(content[:length]).missing]
    for length in judged_whole:  # then it has to be whole indeed
        with Image.open(io.BytesIO(content[:length])) as picture:
            picture.load()


@pytest.mark.parametrize("tail", [bytes(5000), b"\xff\xd8\xff more", b"ftypmp42" * 100], ids=["zeros", "JPEG", "MP4"])
def test_what_stands_behind_a_jpeg_does_not_matter(tail: bytes, seen: Callable[[bytes], Structure]) -> None:
    """Motion photos carry a video, some cameras pad with zeros, gain maps are a second picture."""
    assert seen(saved("JPEG") + tail) == Structure("", 150, 100)


def test_thumbnail_inside_exif_is_not_the_end(seen: Callable[[bytes], Structure]) -> None:
    """Its end marker lies inside a segment, which is stepped over."""
    thumbnail = saved("JPEG")[:60000]
    segment = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 8) + b"Exif\0\0" + thumbnail
    content = saved("JPEG")
    assert seen(content[:2] + segment + content[2:]) == Structure("", 150, 100)
    assert seen((content[:2] + segment + content[2:])[:-10]).missing


@pytest.mark.parametrize("form", ["TIFF", "BMP"])
def test_black_edges_are_no_missing_ends(form: str, seen: Callable[[bytes], Structure]) -> None:
    """Rows of zeros at the end are pixels."""
    out = io.BytesIO()
    Image.new("RGB", (200, 200)).save(out, form)
    assert seen(out.getvalue()).missing == ""


@pytest.mark.parametrize("kind", KINDS)
def test_hole_is_noticed_wherever_it_is(kind: str, tmp_path: Path) -> None:
    """The file system knows what was never written, though reading gives zeros."""
    content = saved(kind) + b""
    with (tmp_path / "file").open("wb") as file:
        file.truncate(1 << 20)
        file.write(content[:100])
    descriptor = os.open(tmp_path / "file", os.O_RDONLY)
    assert examine(descriptor).missing == "parts of it were never written"
    os.close(descriptor)


def test_empty_and_tiny_files_miss_something(seen: Callable[[bytes], Structure]) -> None:
    """No picture of any kind fits into so few bytes."""
    assert seen(b"").missing == "it is empty"
    assert seen(b"\xff").missing
    assert seen(b"x" * 100).missing == ""  # something unknown: none of the gate's business


def test_chunks_that_make_no_sense_are_told(seen: Callable[[bytes], Structure]) -> None:
    """A PNG whose middle is still zeros is walked into nowhere, not for ever."""
    content = bytearray(saved("PNG"))
    content[40:2000] = bytes(1960)
    assert "PNG" in seen(bytes(content)).missing
    end = struct.pack(">I4sI", 0, b"IEND", zlib.crc32(b"IEND"))
    assert seen(bytes(content[:33]) + end).missing == ""


@settings(max_examples=300, deadline=None)
@given(kind=st.sampled_from(sorted(KINDS)), changes=st.lists(st.tuples(st.integers(0, 2000), st.binary(max_size=9))))
def test_damaged_headers_never_raise(
    kind: str, changes: list[tuple[int, bytes]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Any bytes give an answer, in bounded time."""
    content = bytearray(saved(kind))
    for at, wrong in changes:
        content[at : at + len(wrong)] = wrong
    file = tmp_path_factory.getbasetemp() / f"damaged-{os.getpid()}"
    file.write_bytes(content)
    descriptor = os.open(file, os.O_RDONLY)
    try:
        assert isinstance(examine(descriptor), Structure)
    finally:
        os.close(descriptor)
