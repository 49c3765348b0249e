"""Files that we write where people may edit them: marked, so that an edited one is noticed and never lost."""

import contextlib
import hashlib
import os
import re
import tempfile
from enum import StrEnum
from itertools import count
from pathlib import Path

from bgzero_daemon.core.errors import BgzeroError
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _

_MARK = re.compile(r"Written by `bgzero service install`, sha256 ([0-9a-f]{64})")


class Standing(StrEnum):
    """Whose a file is."""

    MISSING = "missing"
    OURS = "ours"
    EDITED = "edited"
    FOREIGN = "foreign"


def seal(body: str, *, comment: str = "# {}", after: int = 0) -> str:
    """Return `body` with a comment line that marks it as ours and carries the hash of the rest.

    The line stands behind `after` lines: an XML file has to begin otherwise.
    """
    lines = body.splitlines(keepends=True)
    mark = f"Written by `bgzero service install`, sha256 {_hash(body)}"
    return "".join([*lines[:after], comment.format(mark), "\n", *lines[after:]])


def _hash(body: str) -> str:
    return hashlib.sha256(body.encode("utf-8", "surrogateescape")).hexdigest()


def judge(file: Path) -> tuple[Standing, str]:
    """Say whose a file is, and return its text. A link is never ours, whatever it leads to.

    Raises BgzeroError where it cannot be read.
    """
    if not os.path.lexists(file):
        return Standing.MISSING, ""
    if file.is_symlink() or not file.is_file():
        return Standing.FOREIGN, ""
    try:
        text = file.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise _trouble(_("{file} cannot be read: {why}."), file, error) from error
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines[:4]):
        if found := _MARK.search(line):
            body = "".join(lines[:number] + lines[number + 1 :])
            return (Standing.OURS if _hash(body) == found[1] else Standing.EDITED), text
    return Standing.FOREIGN, text


def _trouble(sentence: str, file: Path, error: OSError) -> BgzeroError:
    return BgzeroError(sentence.format(file=display(file), why=error.strerror or error))


def remove(file: Path) -> None:
    """Remove a file, which may be gone already. Raises BgzeroError."""
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        raise _trouble(_("{file} cannot be removed: {why}."), file, error) from error


def set_aside(file: Path) -> Path:
    """Rename a file to the next free `NAME.old`, `NAME.old.2` ...; returns it. Raises OSError."""
    for number in count(1):
        aside = file.with_name(f"{file.name}.old" if number == 1 else f"{file.name}.old.{number}")
        if not os.path.lexists(aside):
            file.rename(aside)
            return aside
    raise AssertionError


def write(file: Path, text: str) -> None:
    """Write a file in one step, and durably: after a power cut there is the old text or the new one. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor, half = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with open(descriptor, "wb") as stream:
            stream.write(text.encode("utf-8", "surrogateescape"))
            stream.flush()
            os.fchmod(stream.fileno(), 0o644)
            os.fsync(stream.fileno())
        os.replace(half, file)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(half)
        raise
