"""Reading cut-outs that have their names: are they whole, and which photo are they of?

Links are not followed, and nothing here changes anything.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from bgzero_daemon.core.confidence import Confidence, Doubt
from bgzero_daemon.photo import png

Tag = dict[str, object]


def open_quietly(path: Path) -> int:
    """Open a file for reading, following no link and never waiting. Raises OSError."""
    return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)


def tag_of(path: Path) -> Tag:
    """Return this program's tag in a whole PNG; {} for anything else."""
    found = _inspect(path)
    return found.tag if found else {}


def sha256_of(path: Path) -> str:
    """Return the hash of a whole PNG, "" for anything else."""
    found = _inspect(path)
    return found.sha256 if found else ""


def is_whole(path: Path, sha256: str) -> bool:
    """Say whether a published output is on the disk as it was written."""
    return bool(sha256) and sha256_of(path) == sha256


def model_of(tag: Tag) -> str:
    """Return the model that a tag names, as text that can be written anywhere."""
    return str(tag.get("model", "")).encode("utf-8", "replace").decode()


def confidence_of(tag: Tag) -> tuple[str, str]:
    """Return what a tag says is thought of its cut-out, and why: words of `core.confidence`, "" for all else."""
    try:
        return Confidence(str(tag.get("confidence", ""))).value, Doubt(str(tag.get("doubt", ""))).value
    except ValueError:
        return "", ""


def tagged_below(root: Path) -> Iterator[tuple[str, Tag]]:
    """Yield every PNG below a folder that carries this program's tag: its path below the folder, and the tag.

    Only what stands in front of the pixels is read.
    """
    for folder, _folders, names in os.walk(root):
        for name in names:
            file = Path(folder, name)
            if file.suffix.lower() == ".png" and not name.startswith(".") and (tag := _peek(file)):
                yield str(file.relative_to(root)), tag


def _inspect(path: Path) -> png.Inspection | None:
    try:
        descriptor = open_quietly(path)
    except OSError:
        return None
    try:
        return png.inspect(descriptor)
    except (png.DamagedPng, OSError):
        return None
    finally:
        os.close(descriptor)


def _peek(path: Path) -> Tag:
    try:
        descriptor = open_quietly(path)
    except OSError:
        return {}
    try:
        return png.peek_tag(descriptor)
    except OSError:
        return {}
    finally:
        os.close(descriptor)
