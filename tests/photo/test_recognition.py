"""Which files are photos: judged by content, never by name."""

import struct
import sys

import pytest
from PIL import Image

from bgzero_daemon.core.errors import BgzeroError, Code, PhotoRefused, PhotoSkipped
from bgzero_daemon.photo import decode

from .handmade import tiff_file
from .pictures import FORMATS, astronaut, opened, saved

_HEIC = struct.pack(">I4s4sI4s4s", 24, b"ftyp", b"heic", 0, b"mif1", b"heic") + b"\0" * 200
_CR3 = struct.pack(">I4s4sI4s4s", 24, b"ftyp", b"crx ", 1, b"crx ", b"isom") + b"\0" * 200
_MP4 = struct.pack(">I4s4sI4s4s", 24, b"ftyp", b"isom", 0, b"mp42", b"avc1") + b"\0" * 200
_SIZE = {256: (4, 4), 257: (4, 4), 258: (3, 8), 259: (3, 1), 262: (3, 1), 273: (4, 0), 277: (3, 1), 279: (4, 16)}

NO_PHOTOS = {
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n",
    "EPS with a preview": b"\xc5\xd0\xd3\xc6" + struct.pack("<6I", 32, 40, 0, 0, 0, 0) + b"%!PS-Adobe-3.0 EPSF-3.0\n",
    "PSD": b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, 4, 4, 8, 3) + b"\0" * 64,
    "SVG": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
    "SVG as XML": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
    "HTML": b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
    "HTML after a blank line": b"\n  <html><body>404 Not Found</body></html>",
    "text": b"Dear diary, today I took no photo.\n",
    "JSON": b'{"error": "file not found"}',
    "PDF": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "ZIP": b"PK\x03\x04" + b"\0" * 60,
    "program": b"\x7fELF\x02\x01\x01" + b"\0" * 60,
    "MP4": _MP4,
    "ICO": b"\0\0\1\0\1\0\x10\x10" + b"\0" * 60,
    "PPM": b"P6 2 2 255\n" + b"\x80" * 12,
    "JPEG 2000": saved(Image.new("RGB", (8, 8)), "JPEG2000"),
    "zeros": b"\0" * 4096,
    "empty": b"",
}


def is_a_sentence(error: BgzeroError) -> bool:
    """Say whether a person can read it: one line that begins with a capital letter and ends with a full stop."""
    shown = str(error)
    return shown[:1].isupper() and shown.endswith(".") and shown.isprintable() and len(shown) <= 240


@pytest.mark.parametrize("form", FORMATS)
def test_allowed_format_is_recognised_by_its_content(form: str) -> None:
    """Bytes alone decide: no name is ever asked for."""
    content = saved(Image.fromarray(astronaut()), form)
    photo = opened(content)
    assert photo.rgb.shape == (96, 96, 3)
    assert (photo.width_px, photo.height_px) == (96, 96)
    assert photo.note == ""


@pytest.mark.parametrize("what", NO_PHOTOS)
def test_what_is_no_photo_is_refused_in_one_sentence(what: str) -> None:
    """A refusal is one sentence that a person can read, and not a skip."""
    with pytest.raises(PhotoRefused) as refusal:
        opened(NO_PHOTOS[what])
    assert not isinstance(refusal.value, PhotoSkipped)
    assert is_a_sentence(refusal.value), str(refusal.value)


def test_allow_list_is_the_seven_formats() -> None:
    """A decoder that nobody asked for is an open door: EPS runs a program, PSD is a project file."""
    assert decode.FORMATS == FORMATS


def test_postscript_is_refused_even_though_pillow_could_run_it() -> None:
    """EPS would start Ghostscript: the word in the sentence says that it was known before any decoder."""
    with pytest.raises(PhotoRefused, match="PostScript"):
        opened(NO_PHOTOS["EPS"])
    with pytest.raises(PhotoRefused, match="Photoshop"):
        opened(NO_PHOTOS["PSD"])


@pytest.mark.parametrize(
    ("what", "content"),
    {
        "HEIC": _HEIC,
        "Canon CR3": _CR3,
        "Canon CR2": b"II*\0\x10\0\0\0CR\x02\0" + b"\0" * 200,
        "Fuji RAF": b"FUJIFILMCCD-RAW 0201FF383501" + b"\0" * 200,
        "Panasonic RW2": b"IIU\0" + b"\0" * 200,
        "TIFF that begins with a thumbnail (NEF, ARW)": tiff_file(_SIZE | {254: (4, 1)}, b"\x80" * 16),
        "the same from a big-endian camera": tiff_file(_SIZE | {254: (4, 1)}, b"\x80" * 16, ">"),
        "DNG": tiff_file(_SIZE | {50706: (4, 0x00000401)}, b"\x80" * 16),
        "big-endian DNG": tiff_file(_SIZE | {50706: (4, 0x01040000)}, b"\x80" * 16, ">"),
    }.items(),
)
def test_photo_whose_extra_is_not_there_is_skipped(what: str, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """HEIC and RAW are no failures: they are skipped with a sentence and the command that helps."""
    for module in ("rawpy", "pillow_heif"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(PhotoSkipped) as skip:
        opened(content)
    assert is_a_sentence(skip.value), what
    assert skip.value.code == Code.LATER_KIND
    assert ("[heif]" if what == "HEIC" else "[raw]") in skip.value.hint


def test_plain_tiff_without_raw_marks_is_a_photo() -> None:
    """The same TIFF without the marks is decoded, and so is one that says it is the full picture."""
    assert (opened(tiff_file(_SIZE, b"\x80" * 16)).rgb == 128).all()
    assert (opened(tiff_file(_SIZE | {254: (4, 0)}, b"\x80" * 16)).rgb == 128).all()
