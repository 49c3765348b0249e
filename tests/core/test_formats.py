"""What a file is, by its first bytes."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bgzero_daemon.core.formats import HEAD_BYTES, Kind, has_photo_suffix, has_raw_suffix, is_raw_tiff, sniff


def _box(*brands: bytes) -> bytes:
    major, *others = brands
    body = b"ftyp" + major + b"\0\0\0\0" + b"".join(others)
    return struct.pack(">I", len(body) + 4) + body


HEADS: dict[str, tuple[bytes, Kind, str]] = {
    "JPEG": (b"\xff\xd8\xff\xe0\0\x10JFIF", Kind.PHOTO, "JPEG"),
    "PNG": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", Kind.PHOTO, "PNG"),
    "GIF 87": (b"GIF87a", Kind.PHOTO, "GIF"),
    "GIF 89": (b"GIF89a", Kind.PHOTO, "GIF"),
    "WebP": (b"RIFF\x10\0\0\0WEBPVP8 ", Kind.PHOTO, "WebP"),
    "TIFF, little-endian": (b"II*\0\x08\0\0\0", Kind.PHOTO, "TIFF"),
    "TIFF, big-endian": (b"MM\0*\0\0\0\x08", Kind.PHOTO, "TIFF"),
    "BigTIFF": (b"II+\0\x08\0\0\0", Kind.PHOTO, "TIFF"),
    "BMP": (b"BM" + b"\0" * 12 + struct.pack("<I", 40), Kind.PHOTO, "BMP"),
    "AVIF": (_box(b"avif", b"avif", b"mif1", b"miaf"), Kind.PHOTO, "AVIF"),
    "AVIF under a common brand": (_box(b"mif1", b"mif1", b"avif"), Kind.PHOTO, "AVIF"),
    "AVIF sequence": (_box(b"avis", b"msf1"), Kind.PHOTO, "AVIF"),
    "HEIC": (_box(b"heic", b"mif1", b"heic"), Kind.EXTRA, "HEIC"),
    "HEIC under a common brand": (_box(b"mif1", b"heic"), Kind.EXTRA, "HEIC"),
    "HEIC sequence": (_box(b"hevc", b"msf1"), Kind.EXTRA, "HEIC"),
    "CR3": (_box(b"crx ", b"crx ", b"isom"), Kind.EXTRA, "RAW"),
    "CR2": (b"II*\0\x10\0\0\0CR\x02\0", Kind.EXTRA, "RAW"),
    "RAF": (b"FUJIFILMCCD-RAW 0201", Kind.EXTRA, "RAW"),
    "RW2": (b"IIU\0\x18\0\0\0", Kind.EXTRA, "RAW"),
    "ORF": (b"IIRO\x08\0\0\0", Kind.EXTRA, "RAW"),
    "CRW": (b"II\x1a\0\0\0HEAPCCDR\x02\0", Kind.EXTRA, "RAW"),
    "X3F": (b"FOVb\0\0\0\0", Kind.EXTRA, "RAW"),
    "MP4": (_box(b"isom", b"mp42"), Kind.OTHER, "a video file"),
    "QuickTime": (_box(b"qt  "), Kind.OTHER, "a video file"),
    "WAV": (b"RIFF\x10\0\0\0WAVEfmt ", Kind.OTHER, "a RIFF audio or video file"),
    "HTML": (b"<!DOCTYPE html>", Kind.OTHER, "an HTML page"),
    "HTML, indented": (b"\r\n\t <html>", Kind.OTHER, "an HTML page"),
    "SVG": (b"<svg xmlns=", Kind.OTHER, "an SVG drawing"),
    "PDF": (b"%PDF-1.7", Kind.OTHER, "a PDF document"),
    "EPS": (b"%!PS-Adobe", Kind.OTHER, "a PostScript document"),
    "PSD": (b"8BPS\0\1", Kind.OTHER, "a Photoshop document"),
    "program": (b"\x7fELF", Kind.OTHER, "a program"),
    "script": (b"#!/bin/sh\n", Kind.OTHER, "a script"),
    "ZIP": (b"PK\3\4", Kind.OTHER, "a ZIP archive"),
    "text": (b"Dear diary", Kind.OTHER, "a text file"),
    "a word that begins like a bitmap": (b"BMW is a car maker from Bavaria", Kind.OTHER, "a text file"),
    "text cut off in a letter": ("Ä".encode() * 32 + b"\xc3", Kind.OTHER, "a text file"),
    "no text": (b"Dear diary\0", Kind.UNKNOWN, "unknown format"),
    "empty": (b"", Kind.UNKNOWN, "unknown format"),
    "one byte": (b"\xff", Kind.UNKNOWN, "unknown format"),
}


@pytest.mark.parametrize("what", HEADS)
def test_first_bytes_tell_what_a_file_is(what: str) -> None:
    """Kind and word, for what is cut, what comes later, and what is certainly no photo."""
    head, kind, word = HEADS[what]
    assert sniff(head) == (kind, word)
    more = b" and more" if word == "a text file" else b"\0"
    assert sniff((head + more * HEAD_BYTES)[:HEAD_BYTES])[0] is kind


@settings(max_examples=300, deadline=None)
@given(
    start=st.sampled_from([b"", b"II*\0", b"MM\0*", b"\0\0\0\x18ftyp", b"RIFF", b"BM", b"GIF"]),
    rest=st.binary(max_size=80),
)
def test_any_bytes_get_a_verdict(start: bytes, rest: bytes) -> None:
    """Cut short or nonsense: never an error, always a word."""
    kind, word = sniff(start + rest)
    assert kind in Kind
    assert word
    assert is_raw_tiff(start + rest) in (True, False)


def _tiff(order: str, *entries: tuple[int, int]) -> bytes:
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, len(entries))
    return head + b"".join(struct.pack(order + "HHII", tag, 4, 1, value) for tag, value in entries) + b"\0" * 4


@pytest.mark.parametrize("order", ["<", ">"])
def test_raw_file_in_tiffs_clothes_is_recognised(order: str) -> None:
    """NewSubfileType with bit 0, or a DNG version, anywhere in the first directory."""
    assert is_raw_tiff(_tiff(order, (254, 1), (256, 160)))
    assert is_raw_tiff(_tiff(order, (254, 5), (256, 160)))
    assert is_raw_tiff(_tiff(order, (254, 0), (256, 160), (50706, 1)))
    assert not is_raw_tiff(_tiff(order, (254, 0), (256, 160)))
    assert not is_raw_tiff(_tiff(order, (254, 2), (256, 160)))
    assert not is_raw_tiff(_tiff(order, (256, 254), (257, 50706)))
    assert not is_raw_tiff(_tiff(order))
    short = bytearray(_tiff(order, (254, 0)))
    short[12:22] = struct.pack(order + "HIHH", 3, 1, 1, 0)  # a number of two bytes, as some write it
    assert is_raw_tiff(bytes(short))


def test_directory_behind_the_end_is_no_raw_file() -> None:
    """What cannot be read from the bytes at hand answers False."""
    assert not is_raw_tiff(b"II*\0\xff\xff\xff\x7f")
    assert not is_raw_tiff(_tiff("<", (256, 1), (254, 1))[:20])
    assert not is_raw_tiff(b"\x89PNG\r\n\x1a\n")


def test_suffixes_are_read_from_any_name() -> None:
    """Upper case, bytes, names that are no UTF-8."""
    assert has_raw_suffix("DSC_1.NEF")
    assert has_raw_suffix(b"caf\xe9.cr3")
    assert has_raw_suffix("caf\udce9.dng")
    assert not has_raw_suffix("nef")
    assert not has_raw_suffix("a.nef.jpg")
    assert has_photo_suffix("IMG_1.JPEG")
    assert has_photo_suffix(b"\xff.webp")
    assert not has_photo_suffix("a.jpg.part")
    assert not has_photo_suffix("a")
    assert not has_photo_suffix(".jpg")
