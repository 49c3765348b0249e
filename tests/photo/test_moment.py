"""When and by what a photo was taken."""

import pytest
from PIL import ExifTags, Image

from bgzero_daemon.photo.moment import camera_of, taken_of

ORIGINAL, DIGITIZED, WRITTEN = ExifTags.Base.DateTimeOriginal, ExifTags.Base.DateTimeDigitized, ExifTags.Base.DateTime


def exif(**dates: object) -> Image.Exif:
    """EXIF with these dates."""
    made = Image.Exif()
    for name, tag in (("original", ORIGINAL), ("digitized", DIGITIZED)):
        if name in dates:
            made.get_ifd(ExifTags.IFD.Exif)[tag] = dates[name]
    if "written" in dates:
        made[WRITTEN] = dates["written"]
    return made


def test_moment_of_capture_comes_before_all_others() -> None:
    """The shutter's, a scanner's, a program's."""
    dates = {"original": "2024:05:03 07:08:09", "digitized": "2024:06:01 00:00:00", "written": "2025:01:01 00:00:00"}
    assert taken_of(exif(**dates)) == "2024-05-03T07:08:09"
    del dates["original"]
    assert taken_of(exif(**dates)) == "2024-06-01T00:00:00"
    del dates["digitized"]
    assert taken_of(exif(**dates)) == "2025-01-01T00:00:00"
    assert taken_of(exif()) == taken_of(None) == ""


@pytest.mark.parametrize(
    "said", ["0000:00:00 00:00:00", "2024:13:01 00:00:00", "", "x" * 9999, b"\xff\xd8", 7, (1, 2), None]
)
def test_moment_that_makes_no_sense_is_none(said: object) -> None:
    """A clock that was never set, and anything that a file may say; a good one behind it counts."""
    assert taken_of(exif(original=said)) == ""
    assert taken_of(exif(original=said, written="2024:05:03 07:08:09\0")) == "2024-05-03T07:08:09"


@pytest.mark.parametrize(
    ("said", "expected"), [("EOS R5", "EOS R5"), (" a\n b\0", "a b\0"), ("x" * 999, "x" * 100), (b"x", ""), (7, "")]
)
def test_camera_is_one_line(said: object, expected: str) -> None:
    """Of no great length."""
    made = Image.Exif()
    made[ExifTags.Base.Model] = said
    assert camera_of(made) == expected
    assert camera_of(None) == ""
