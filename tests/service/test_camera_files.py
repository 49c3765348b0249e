"""Where the photo ends in files of cameras and phones, which put other things behind it."""

import io
import random
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from bgzero_daemon.photo.decode import decode
from bgzero_daemon.service.container import Structure
from bgzero_daemon.service.structure import examine
from tests.photo import profiles
from tests.photo.dng import dng

PICTURE = Image.fromarray(skimage.data.astronaut()).resize((150, 100))  # type: ignore[no-untyped-call]
MP4 = struct.pack(">I4s4sI4s", 20, b"ftyp", b"isom", 0, b"mp42") + struct.pack(">I4s", 4008, b"mdat") + bytes(4000)
WHOLE = Structure("", 150, 100)


def jpeg(*, turn: int = 6) -> bytes:
    """A photo as a phone takes it: lying, and with a profile of its own."""
    out, exif = io.BytesIO(), Image.Exif()
    exif[274] = turn
    PICTURE.save(out, "JPEG", exif=exif, icc_profile=profiles.matrix_profile(), quality=95)
    return out.getvalue()


def with_segment(content: bytes, marker: int, body: bytes) -> bytes:
    """Put a segment behind the first ones of a JPEG, where EXIF stands."""
    at = 4 + struct.unpack_from(">H", content, 4)[0]
    return content[:at] + bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body + content[at:]


def mpo(*, is_cut: bool) -> bytes:
    """Two pictures, of which the first is the photo; the second may be missing."""
    out, exif = io.BytesIO(), Image.Exif()
    exif[274] = 6
    other = Image.new("RGB", (30, 20), (255, 0, 0))
    PICTURE.save(
        out, "MPO", save_all=True, append_images=[other], exif=exif, icc_profile=profiles.matrix_profile(), quality=95
    )
    content = out.getvalue()
    return content[: content.rindex(b"\xff\xd8\xff") + 60] if is_cut else content


GAIN_MAP_XMP = b'http://ns.adobe.com/xap/1.0/\0<x:xmpmeta><rdf:Description hdrgm:Version="1.0"/></x:xmpmeta>'
PHONES: dict[str, Callable[[], bytes]] = {
    "motion photo (Google)": lambda: jpeg() + MP4,
    "motion photo whose video is cut off": lambda: jpeg() + MP4[:300],
    "motion photo (Samsung)": lambda: jpeg() + b"\0\0\x30\x0a\x10\0\0\0MotionPhoto_Data" + MP4 + b"SEFH\x6b\0\0\0SEFT",
    "padded with zeros": lambda: jpeg() + bytes(5000),
    "MPO": lambda: mpo(is_cut=False),
    "MPO without its second picture": lambda: mpo(is_cut=True),
    "Ultra HDR": lambda: with_segment(mpo(is_cut=False), 0xE1, GAIN_MAP_XMP),
    "Ultra HDR without its gain map": lambda: with_segment(mpo(is_cut=True), 0xE1, GAIN_MAP_XMP),
}


@pytest.mark.parametrize("what", PHONES)
def test_phone_photo_is_whole_and_its_first_picture_is_cut(what: str, seen: Callable[[bytes], Structure]) -> None:
    """Turned once, in the colours of its profile."""
    content = PHONES[what]()
    assert seen(content) == WHOLE
    photo = decode(content, max_pixels=1_000_000)
    assert (photo.width_px, photo.height_px) == (100, 150)
    assert photo.icc == profiles.matrix_profile()
    wanted = np.rot90(np.asarray(PICTURE), -1)
    assert np.abs(photo.rgb.astype(int) - wanted).mean() < 4


@pytest.mark.parametrize("what", PHONES)
def test_no_cut_into_the_first_picture_is_judged_whole(what: str, seen: Callable[[bytes], Structure]) -> None:
    """Sixty lengths at random, and the last bytes of the picture one by one."""
    content, chance = PHONES[what](), random.Random(2)
    end = len(jpeg()) if "MPO" not in what and "HDR" not in what else content.index(b"\xff\xd9") + 2
    assert content[end - 2 : end] == b"\xff\xd9"
    lengths = [*(chance.randrange(end) for _try in range(60)), *range(end - 8, end)]
    assert all(seen(content[:length]).missing for length in lengths)


def scene() -> np.typing.NDArray[np.uint8]:
    """A picture of the size of the others."""
    return np.asarray(PICTURE)


@pytest.mark.parametrize("is_dng", [True, False])
def test_raw_is_whole_with_its_last_row_and_as_large_as_its_sensor(
    is_dng: bool, seen: Callable[[bytes], Structure]
) -> None:
    """Its first directory, that of the thumbnail, is complete long before."""
    content = dng(scene(), is_dng=is_dng)
    assert seen(content) == WHOLE
    assert all(seen(content[:length]).missing for length in (len(content) - 1, len(content) // 2, 400, 60))


def test_cr2_is_followed_through_all_its_directories(seen: Callable[[bytes], Structure]) -> None:
    """Canon's first one is a picture of the size of the screen, the mosaic's is a later one."""

    def directory(at: int, size: tuple[int, int], strip: tuple[int, int], following: int) -> bytes:
        entries = ((256, size[0]), (257, size[1]), (273, strip[0]), (279, strip[1]))
        packed = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
        return struct.pack("<H", 4) + packed + struct.pack("<I", following)

    first = directory(16, (30, 20), (200, 100), 90)
    content = b"II*\0\x10\0\0\0CR\x02\0\0\0\0\0" + first
    content = content.ljust(90, b"\0") + directory(90, (150, 100), (300, 700), 0)
    content = content.ljust(1000, b"\1")
    assert seen(content) == WHOLE
    assert seen(content[:-1]).missing


def test_panasonics_strips_are_elsewhere(seen: Callable[[bytes], Structure]) -> None:
    """RW2 names its pixels by a tag of its own, and an offset that no file has."""
    entries = ((2, 150), (273, 0xFFFFFFFF), (279, 100))
    packed = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    assert seen(b"IIU\0\x08\0\0\0" + struct.pack("<H", 3) + packed + bytes(200)).missing == ""


def test_raf_is_whole_with_the_last_of_its_parts(seen: Callable[[bytes], Structure]) -> None:
    """Fujifilm's header says where preview, notes and mosaic are."""
    head = b"FUJIFILMCCD-RAW 0201FF383501".ljust(84, b"\0") + struct.pack(">6I", 200, 50, 250, 10, 300, 700)
    content = head.ljust(1000, b"\1")
    assert seen(content).missing == ""
    assert seen(content[:-1]).missing


def box(kind: bytes, body: bytes = b"") -> bytes:
    """A box of ISO media."""
    return struct.pack(">I4s", 8 + len(body), kind) + body


def test_cr3_is_whole_with_its_last_box(seen: Callable[[bytes], Structure]) -> None:
    """Its pictures are tracks of a film."""
    content = box(b"ftyp", b"crx \0\0\0\1crx isom") + box(b"moov", bytes(50)) + box(b"uuid", bytes(60))
    assert seen(content).missing
    content += box(b"mdat", bytes(500))
    assert seen(content).missing == ""
    assert seen(content[:-1]).missing


HEIC = box(b"ftyp", b"heic\0\0\0\0mif1heic") + box(b"meta", b"\0\0\0\0" + box(b"ispe", struct.pack(">4xII", 150, 100)))


@pytest.mark.parametrize(
    "behind", [b"", box(b"mpvd", MP4), box(b"mpvd", MP4)[:99], b"\0\0\0", b"SEFHxxxxSEFT"],
    ids=["nothing", "Google's video", "a cut video", "a cut head", "Samsung's trailer"],
)  # fmt: skip
def test_heic_is_whole_with_its_pixels_whatever_follows(behind: bytes, seen: Callable[[bytes], Structure]) -> None:
    """A video may be behind them, as a box or not, whole or cut off."""
    content = HEIC + box(b"mdat", bytes(range(1, 201)))
    assert seen(content + behind) == WHOLE
    assert all(seen(content[:length]).missing for length in range(20, len(content)))


def test_large_meta_box_is_not_read_as_a_whole(tmp_path: Path) -> None:
    """The service keeps no file in memory, however its boxes are laid."""
    content = box(b"ftyp", b"heic\0\0\0\0mif1heic") + box(b"meta", b"\1" * (64 << 20)) + box(b"mdat", b"\1")
    path = tmp_path / "photo"
    path.write_bytes(content)
    tracemalloc.start()
    try:
        with path.open("rb") as file:
            assert examine(file.fileno()) == Structure()
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()
