"""A card as a camera leaves it, and what must not change on it."""

import hashlib
import os
from pathlib import Path

from tests.home import photo


def card(root: Path, shots: int = 3, *, pairs: bool = False) -> Path:
    """Make a card of JPEGs, each with a RAW file beside it or not, a minute apart; and what else cameras write."""
    folder = root / "DCIM" / "100CANON"
    for number in range(1, shots + 1):
        file = photo(folder / f"IMG_{number:04}.JPG", (60 + number, 40), number)
        stamp(file, number)
        if pairs:
            stamp(raw(folder / f"IMG_{number:04}.CR3", number), number)
    (root / "MISC").mkdir()
    (root / "MISC" / "PRINT.JPG").write_bytes(b"\xff\xd8\xff")
    return root


def raw(file: Path, number: int) -> Path:
    """Write what is called like a RAW file: nothing here looks inside."""
    file.write_bytes(hashlib.sha256(str(number).encode()).digest() * 100)
    return file


def stamp(file: Path, minute: int) -> None:
    """Set when a photo was taken, and that it was last read before: any reading now would show."""
    moment = 1_750_000_000 + 60 * minute
    os.utime(file, (moment - 100_000, moment))


def tree_hash(root: Path) -> str:
    """Hash all of a tree: names, kinds, rights, contents, times of change and of reading."""
    told = []
    for path in sorted(root.rglob("*")):
        found = path.lstat()  # before the content is read
        marks = (path.relative_to(root), found.st_mode, found.st_size, found.st_mtime_ns, found.st_ino)
        told.append(repr((*map(str, marks), _content(path))))
    return hashlib.sha256("\n".join(told).encode()).hexdigest()


def _content(path: Path) -> str:
    if not path.is_file():
        return ""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOATIME", 0))
    with open(descriptor, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def times_of_reading(root: Path) -> list[int]:
    """Return when each file and folder was last read."""
    return [path.stat().st_atime_ns for path in sorted(root.rglob("*"))]
