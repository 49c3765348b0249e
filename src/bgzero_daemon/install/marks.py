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

SERVICE, DESKTOP = "bgzero service install", "bgzero integrate"
MARK = re.compile(rf"Written by `(?:{SERVICE}|{DESKTOP})`, sha256 ([0-9a-f]{{64}})")


class Standing(StrEnum):
    """Whose a file is."""

    MISSING = "missing"
    OURS = "ours"
    EDITED = "edited"
    FOREIGN = "foreign"


def seal(body: str, *, comment: str = "# {}", after: int = 0, by: str = SERVICE) -> str:
    """Return `body` with a comment line that marks it as ours and carries the hash of the rest.

    The line stands behind `after` lines: XML files and scripts have to begin otherwise.
    """
    lines = body.splitlines(keepends=True)
    return "".join([*lines[:after], comment.format(mark(_bytes(body), by)), "\n", *lines[after:]])


def mark(body: bytes, by: str) -> str:
    """Return the words that mark a file as ours; `by` is the command that wrote it."""
    return f"Written by `{by}`, sha256 {_hash(body)}"


def is_sealed(body: bytes, found: "re.Match[str]") -> bool:
    """Say whether `body` is what a mark was made for."""
    return _hash(body) == found[1]


def _hash(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


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
        if found := MARK.search(line):
            body = "".join(lines[:number] + lines[number + 1 :])
            return (Standing.OURS if is_sealed(_bytes(body), found) else Standing.EDITED), text
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


def write(file: Path, content: str | bytes, *, mode: int = 0o644) -> None:
    """Write a file in one step, and durably: after a power cut there is the old one or the new one. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor, half = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with open(descriptor, "wb") as stream:
            stream.write(_bytes(content) if isinstance(content, str) else content)
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        os.replace(half, file)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(half)
        raise
