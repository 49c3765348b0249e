"""Mutated real photos through the decode room, in a process of its own: native decoders may take it down.

`python -m tests.photo.fuzz --seconds 300 --seed 7` tries until the time is over, or so many `--inputs`, and ends with 1
at the first one that does anything but give a photo or a refusal. It lies in the file named by `--last`, also where the
process was killed by it. What was found is kept in tests/photo/corpus. Seeded, and without coverage feedback:
atheris has no wheels for all Pythons that the tests run on.
"""

import argparse
import faulthandler
import os
import random
import resource
import struct
import sys
import time
import warnings
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

from bgzero_daemon.core.errors import PhotoRefused
from bgzero_daemon.core.recipe import Depth, Metadata
from bgzero_daemon.photo.decode import decode
from bgzero_daemon.photo.picture import Photo
from bgzero_daemon.photo.xmp import write
from bgzero_daemon.service.structure import examine

from .exif import exif_block, rational, short, text
from .handmade import deep_tiff, png_file
from .pictures import FORMATS, astronaut, kept, saved
from .test_recognition import is_a_sentence

MOST_PIXELS = 1_000_000
MOST_SECONDS = 20.0
MOST_BYTES = 3_000_000_000  # of address space
NUMBERS = (0, 1, 2, 7, 8, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)

Mutation = Callable[[random.Random, bytearray], None]


def seeds() -> list[bytes]:
    """Real photos in every format, and in what formats have of odd corners."""
    small = Image.fromarray(astronaut(40))
    exif = exif_block([text(271, "Canon"), short(274, 6)], [rational(33437, (28, 10))], [text(1, "N")])
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    found = [saved(small, form) for form in FORMATS]
    found += [saved(small, form, exif=exif, icc_profile=icc) for form in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF")]
    xmp = write({"dc:subject": ["one", "two"], "dc:rights": ["Ann"], "xmp:Rating": ["4"]}, "xmp.did:12345678", {})
    found += [saved(small, form, xmp=xmp) for form in ("JPEG", "WEBP", "AVIF")]
    found += [saved(small, "JPEG", progressive=True), saved(small.convert("CMYK"), "JPEG", icc_profile=icc)]
    found += [saved(small, "TIFF", compression=kind) for kind in ("tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits")]
    found += [saved(small.convert("RGBA"), form) for form in ("PNG", "WEBP", "TIFF", "AVIF")]
    found += [saved(small.convert("P"), form) for form in ("PNG", "GIF", "TIFF", "BMP")]
    found += [saved(small.convert("1"), "TIFF", compression="group4"), saved(small.convert("LAB"), "TIFF")]
    found += [saved(Image.fromarray(np.asarray(small.convert("L"), np.uint16) * 257), form) for form in ("PNG", "TIFF")]
    deep = np.asarray(small, np.uint16) * 257
    found += [deep_tiff(deep), deep_tiff(deep, order=">", is_planar=True, is_zipped=True)]
    found += [deep_tiff(deep[..., :2], more={338: ("H", [2])}), deep_tiff((deep / 65535).astype(np.float32))]
    found += [png_file((40, 40), 16, 2, [row.astype(">u2").tobytes() for row in deep])]
    more = [small.rotate(90), small.rotate(180)]
    found += [saved(small, form, save_all=True, append_images=more) for form in ("GIF", "WEBP", "PNG", "TIFF", "AVIF")]
    return found


def _flip(chance: random.Random, content: bytearray) -> None:
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)


def _byte(chance: random.Random, content: bytearray) -> None:
    content[chance.randrange(len(content))] = chance.randrange(256)


def _number(chance: random.Random, content: bytearray) -> None:
    form = chance.choice(("<H", ">H", "<I", ">I"))
    length = struct.calcsize(form)
    at = chance.randrange(max(1, min(len(content), chance.choice((200, len(content)))) - length))
    content[at : at + length] = struct.pack(form, chance.choice(NUMBERS) & (256**length - 1))


def _cut(chance: random.Random, content: bytearray) -> None:
    del content[chance.randrange(len(content)) :]


def _remove(chance: random.Random, content: bytearray) -> None:
    at = chance.randrange(len(content))
    del content[at : at + chance.randrange(1, 64)]


def _repeat(chance: random.Random, content: bytearray) -> None:
    at, length = chance.randrange(len(content)), chance.randrange(1, 64)
    content[at:at] = content[at : at + length] * chance.choice((1, 2, 100))


def _insert(chance: random.Random, content: bytearray) -> None:
    at = chance.randrange(len(content))
    content[at:at] = chance.randbytes(chance.randrange(1, 32))


MUTATIONS: list[Mutation] = [_flip, _byte, _byte, _number, _number, _number, _cut, _remove, _repeat, _insert]


def mutated(chance: random.Random, originals: list[bytes]) -> bytes:
    """Return one of the originals, damaged a few times; sometimes its end is another one's."""
    content = bytearray(chance.choice(originals))
    if chance.random() < 0.1:
        other = chance.choice(originals)
        content[chance.randrange(len(content)) :] = other[chance.randrange(len(other)) :]
    for _time in range(chance.choice((1, 1, 2, 4, 16))):
        if content:
            chance.choice(MUTATIONS)(chance, content)
    return with_right_sums(bytes(content)) if chance.random() < 0.7 else bytes(content)


def with_right_sums(content: bytes) -> bytes:
    """Correct the checksums of a PNG's chunks, so that decoders look at what is in them."""
    if content[:8] != b"\x89PNG\r\n\x1a\n":
        return content
    corrected, at = bytearray(content), 8
    while at + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, at)
        end = at + 8 + length
        if end + 4 > len(content):
            break
        corrected[end : end + 4] = struct.pack(">I", zlib.crc32(content[at + 4 : end]))
        at = end + 4
    return bytes(corrected)


def outcome(content: bytes) -> str:
    """Decode, and return what came of it in a word. Raises whatever is neither a photo nor a proper refusal."""
    try:
        photo = decode(content, max_pixels=MOST_PIXELS, depth=Depth.AUTO)
    except PhotoRefused as refusal:
        if not is_a_sentence(refusal):
            raise
        return refusal.code
    _check(photo)
    return "photo"


def _check(photo: Photo) -> None:
    height, width, channels = photo.rgb.shape
    assert channels == 3
    assert 0 < width * height <= MOST_PIXELS
    assert photo.own_alpha is None or photo.own_alpha.shape == (height, width)
    for policy in Metadata:
        kept(photo, policy)


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--inputs", type=int, default=sys.maxsize)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--last", type=Path, default=Path("fuzz-last.bin"))
    arguments = parser.parse_args()
    faulthandler.enable()
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    chance, originals, counts = random.Random(arguments.seed), seeds(), Counter[str]()
    end = time.monotonic() + arguments.seconds
    with arguments.last.open("w+b", buffering=0) as last:
        while time.monotonic() < end and counts.total() < arguments.inputs:
            content = mutated(chance, originals)
            os.pwrite(last.fileno(), content, 0)
            os.ftruncate(last.fileno(), len(content))
            began = time.monotonic()
            counts[outcome(content)] += 1
            examine(last.fileno())
            assert time.monotonic() - began < MOST_SECONDS, "too slow"
    print(f"{counts.total()} inputs:", ", ".join(f"{count} {word}" for word, count in counts.most_common()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
