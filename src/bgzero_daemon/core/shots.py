"""Which files are one shot of a camera: a RAW file and a JPEG or HEIF of one name in one folder.

Cameras count from 0001 to 9999 and then anew, in another folder (DCF), so a name alone says nothing: it is
the folder and the stem, without regard to case, that two files of one shot share. Where counters have wrapped,
two shots share even that in a folder that collects for years; a camera's files of one shot have one time.
"""

import os
from collections.abc import Iterable
from enum import StrEnum

from bgzero_daemon.core.formats import has_raw_suffix

# What a camera, a phone or a program has developed. THM is a video's thumbnail and no photo.
_DEVELOPED = frozenset(
    b".jpg .jpeg .jpe .jfif .mpo .heic .heif .hif .avif .png .tif .tiff .webp .bmp .dib .gif".split()
)


class Pair(StrEnum):
    """Which files of a shot are wanted. The other kind is wanted where the shot has no file of this one."""

    JPEG = "jpeg"
    RAW = "raw"
    BOTH = "both"


# What cameras and phones write beside photos: previews of films, edits, films, voice notes, catalogues. A THM is a
# real JPEG of 160 x 120, so names decide before content does.
_BESIDE = frozenset(b".thm .xmp .aae .mov .mp4 .avi .mts .lrv .wav .xml .dat .ctg".split())
_ONE_MOMENT_SECONDS = 3600

Shot = tuple[str, str]
"""What the files of one shot have in common: the folder, and the stem without regard to case."""


def shot_of(path: str) -> Shot:
    """Return the shot that a file belongs to by its name."""
    folder, name = os.path.split(path)
    return folder, stem_of(name)


def stem_of(name: str) -> str:
    """Return a name without its suffix and without regard to case."""
    return os.path.splitext(name)[0].casefold()


def is_photo(name: str) -> bool:
    """Say whether a file is called like a photo: what is inside is judged later."""
    return is_developed(name) or has_raw_suffix(name)


def is_developed(name: str) -> bool:
    """Say whether a file is called like a picture that was developed already: JPEG, HEIF and their like."""
    return os.fsencode(os.path.splitext(name)[1].lower()) in _DEVELOPED


def wanted(paths: Iterable[str], pair: Pair) -> list[str]:
    """Return the files that are wanted of each shot, in the order of their paths.

    All files of the wanted kind: a JPEG and a TIFF of one name may be two pictures. Names that are no photo's
    are left out.
    """
    shots: dict[Shot, list[str]] = {}
    for path in sorted(paths):
        if is_photo(path):
            shots.setdefault(shot_of(path), []).append(path)
    return sorted(path for files in shots.values() for path in _of_one(files, pair))


def _of_one(files: list[str], pair: Pair) -> list[str]:
    if pair is Pair.BOTH:
        return files
    developed = [file for file in files if is_developed(file)]
    raw = [file for file in files if not is_developed(file)]
    return developed or raw if pair is Pair.JPEG else raw or developed


def is_beside(name: str | bytes) -> bool:
    """Say whether a file is called like what lies beside photos, and is never one itself."""
    return os.path.splitext(os.fsencode(name))[1].lower() in _BESIDE


def is_one_moment(mtime_ns: int, other_mtime_ns: int) -> bool:
    """Say whether two files of one shot's name can be of one shot: their times differ by an hour at most.

    A camera gives both the same time. Where a copy gave them its own, they came in one go; a counter takes
    longer than that to come to a number again.
    """
    return abs(mtime_ns - other_mtime_ns) <= _ONE_MOMENT_SECONDS * 1_000_000_000
