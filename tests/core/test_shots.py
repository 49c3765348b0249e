"""Which files are one shot."""

import pytest

from bgzero_daemon.core.shots import Pair, is_beside, is_one_moment, is_photo, shot_of, wanted

CARD = [
    "DCIM/100CANON/IMG_0001.CR3",
    "DCIM/100CANON/IMG_0001.JPG",
    "DCIM/100CANON/IMG_0002.JPG",
    "DCIM/100CANON/IMG_0003.CR3",
    "DCIM/101CANON/IMG_0001.JPG",
]


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        (Pair.JPEG, [1, 2, 3, 4]),
        (Pair.RAW, [0, 2, 3, 4]),
        (Pair.BOTH, [0, 1, 2, 3, 4]),
    ],
)
def test_one_file_of_each_shot_is_wanted_or_both(pair: Pair, expected: list[int]) -> None:
    """The kind that is preferred, else the other; a folder's counter that began anew is another shot."""
    assert wanted(reversed(CARD), pair) == [CARD[index] for index in expected]


def test_case_does_not_part_a_shot_and_folders_do() -> None:
    """FAT does not mind the case; two folders are two counters."""
    assert shot_of("a/IMG_1.JPG") == shot_of("a/img_1.cr3") != shot_of("b/IMG_1.JPG")


@pytest.mark.parametrize("name", ["MVI_1.THM", "IMG_1.XMP", "IMG_1.AAE", "IMG_1.MOV", "IMG_1.WAV", "IMG_1", ".jpg"])
def test_what_lies_beside_photos_is_none(name: str) -> None:
    """Thumbnails of videos, sidecars, films, voice notes."""
    assert not is_photo(name)
    assert wanted([name], Pair.BOTH) == []


@pytest.mark.parametrize(
    "name", ["MVI_1.THM", "a.nef.xmp", "IMG_1.AAE", "IMG_1_HEVC.MOV", "a.mp4", "M.CTG", b"\xff.wav"]
)
def test_what_lies_beside_photos_is_told_by_its_suffix(name: str | bytes) -> None:
    """Whatever is inside: a THM is a JPEG."""
    assert is_beside(name)


@pytest.mark.parametrize("name", ["IMG_1.JPG", "IMG_1.CR3", "thm", ".xmp", "a.mov.jpg", "a.txt"])
def test_photos_and_strange_names_are_not_beside(name: str) -> None:
    """A name that is a suffix alone has none."""
    assert not is_beside(name)


def test_files_of_one_name_an_hour_apart_are_two_shots() -> None:
    """A counter that came round takes longer; a copy that gives its own times does not."""
    second = 1_000_000_000
    assert is_one_moment(0, 3600 * second)
    assert is_one_moment(5000 * second, 1400 * second)
    assert not is_one_moment(0, 3601 * second)
    assert not is_one_moment(-(1 << 63), (1 << 63) - 1)


def test_two_developed_pictures_of_one_name_are_both_wanted() -> None:
    """In any folder that is no camera's: to leave one out would lose it."""
    assert wanted(["a.png", "a.jpg", "a.dng"], Pair.JPEG) == ["a.jpg", "a.png"]


def test_suffixes_count_whatever_their_case() -> None:
    """Cameras write capitals, programs do not."""
    assert wanted(["a.NEF", "A.jpeg"], Pair.RAW) == ["a.NEF"]
