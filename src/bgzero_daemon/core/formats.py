"""What a file is, judged by its first bytes. Names decide only what content cannot: RAW.

Signatures: the formats' own specifications; RAW families as LibRaw and exiftool list them.
"""

import os
import struct
from enum import StrEnum

from bgzero_daemon.core.texts import _

HEAD_BYTES = 64


class Kind(StrEnum):
    """What the first bytes say, as far as this program cares."""

    PHOTO = "photo"
    EXTRA = "extra"  # a photo that one of `core.extras` decodes, if it is installed
    OTHER = "other"  # certainly no photo
    UNKNOWN = "unknown"


_RAW_SUFFIXES = frozenset(
    b".3fr .arw .cr2 .cr3 .crw .dcr .dng .erf .fff .gpr .iiq .k25 .kdc .mef .mos .mrw .nef .nrw .orf .ori .pef "
    b".raf .raw .rw2 .rwl .sr2 .srf .srw .x3f".split()
)
_PHOTO_SUFFIXES = frozenset(b".jpg .jpeg .jpe .jfif .png .webp .tif .tiff .bmp .dib .gif .avif".split())
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_BMP_HEADER_SIZES = frozenset(struct.pack("<I", size) for size in (12, 40, 52, 56, 64, 108, 124))
RAW, HEIC = "RAW", "HEIC"
"""The words for kinds that extras decode."""

_MAGIC: dict[Kind, dict[bytes, str]] = {
    Kind.PHOTO: {
        b"\xff\xd8\xff": "JPEG",
        b"\x89PNG\r\n\x1a\n": "PNG",
        b"GIF87a": "GIF",
        b"GIF89a": "GIF",
        b"II*\0": "TIFF",
        b"MM\0*": "TIFF",
        b"II+\0": "TIFF",
        b"MM\0+": "TIFF",
    },
    Kind.EXTRA: dict.fromkeys(
        (b"FUJIFILMCCD-RAW", b"IIU\0", b"IIRO", b"IIRS", b"MMOR", b"FOVb", b"\0MRM", b"II\x1a\0\0\0HEAPCCDR"),
        RAW,
    ),
    Kind.OTHER: {
        b"<!DOCTYPE": _("an HTML page"),
        b"<!doctype": _("an HTML page"),
        b"<html": _("an HTML page"),
        b"<HTML": _("an HTML page"),
        b"<?xml": _("an XML text"),
        b"<svg": _("an SVG drawing"),
        b"%PDF": _("a PDF document"),
        b"%!PS": _("a PostScript document"),
        b"\x7fELF": _("a program"),
        b"#!": _("a script"),
        b"PK\x03\x04": _("a ZIP archive"),
        b"\x1f\x8b": _("a gzip archive"),
        b"8BPS": _("a Photoshop document"),
        b"\x1aE\xdf\xa3": _("a Matroska video"),
        b"ID3": _("an audio file"),
        b"OggS": _("an audio file"),
    },
}


def has_raw_suffix(name: str | bytes) -> bool:
    """Say whether the name is that of a camera's RAW file, whatever is inside."""
    return os.path.splitext(os.fsencode(name))[1].lower() in _RAW_SUFFIXES


def has_photo_suffix(name: str | bytes) -> bool:
    """Say whether the name is that of a photo this program cuts."""
    return os.path.splitext(os.fsencode(name))[1].lower() in _PHOTO_SUFFIXES


def sniff(head: bytes) -> tuple[Kind, str]:
    """Judge a file by its first `HEAD_BYTES` bytes: its kind, and a word for it ("JPEG", "an HTML page")."""
    if head[4:8] == b"ftyp":
        return _sniff_iso_media(head)
    if head[:4] == b"RIFF":
        return (Kind.PHOTO, "WebP") if head[8:12] == b"WEBP" else (Kind.OTHER, _("a RIFF audio or video file"))
    if head[:4] == b"II*\0" and head[8:10] == b"CR":
        return Kind.EXTRA, RAW
    if head[:2] == b"BM" and head[14:18] in _BMP_HEADER_SIZES:
        return Kind.PHOTO, "BMP"
    for kind, table in _MAGIC.items():
        for magic, word in table.items():
            if head.startswith(magic) or (kind is Kind.OTHER and head.lstrip().startswith(magic)):
                return kind, word
    return (Kind.OTHER, _("a text file")) if _is_text(head) else (Kind.UNKNOWN, _("unknown format"))


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # more than one character that is cut off
            return False
        text = head[: error.start].decode()
    return bool(text) and all(letter.isprintable() or letter in "\t\r\n\f\ufeff" for letter in text)


def _sniff_iso_media(head: bytes) -> tuple[Kind, str]:
    end = min(struct.unpack_from(">I", head, 0)[0], len(head))
    brands = {head[8:12], *(head[at : at + 4] for at in range(16, end - 3, 4))}
    if brands & _AVIF_BRANDS:
        return Kind.PHOTO, "AVIF"
    if b"crx " in brands:
        return Kind.EXTRA, RAW
    if brands & _HEIF_BRANDS:
        return Kind.EXTRA, HEIC
    return Kind.OTHER, _("a video file")


def is_raw_tiff(head: bytes) -> bool:
    """Say whether a TIFF's first directory is that of a RAW file, whose first picture is a thumbnail.

    Pillow opens such a file as TIFF and hands out the thumbnail without a word. The mark is
    NewSubfileType (254) with bit 0 set, or DNGVersion (50706). `head` is the file from its start;
    a directory behind its end answers False. Classic TIFF only: no camera writes BigTIFF.
    """
    if head[:4] not in (b"II*\0", b"MM\0*"):
        return False
    order = "<" if head[:2] == b"II" else ">"
    try:
        (at,) = struct.unpack_from(order + "I", head, 4)
        (count,) = struct.unpack_from(order + "H", head, at)
        for index in range(count):
            tag, form, _count = struct.unpack_from(order + "HHI", head, at + 2 + 12 * index)
            if tag == 50706:
                return True
            if tag == 254:
                (value,) = struct.unpack_from(order + ("H" if form == 3 else "I"), head, at + 10 + 12 * index)
                if value & 1:
                    return True
    except struct.error:
        return False
    return False
