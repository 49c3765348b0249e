"""The log as a file of this account's own: small, private, rotated, and never a reason for trouble."""

import contextlib
import io
import logging
import os
import sys
from collections import deque
from logging.handlers import RotatingFileHandler
from pathlib import Path

from bgzero_daemon.core import paths

LIMIT_BYTES = 1_000_000
OLD_FILES = 3


def log_file() -> Path | None:
    """Return where the file is or would be; None for an account without a home."""
    folder = paths.state_dir()
    return folder / "bgzero.log" if folder else None


def files(newest: Path) -> list[Path]:
    """Return the file and those that were rotated away, the oldest first; only those that are there."""
    named = [newest.with_name(f"{newest.name}.{number}") for number in range(OLD_FILES, 0, -1)]
    return [file for file in (*named, newest) if file.is_file()]


def last_lines(newest: Path, count: int) -> list[str]:
    """Return the last lines of all of them together."""
    found: deque[str] = deque(maxlen=count)
    for file in files(newest):
        found.extend(file.read_text(encoding="utf-8", errors="replace").split("\n"))
    return [line for line in found if line]


class LogFile(RotatingFileHandler):
    """The rotated file. Lines that cannot be written are lost; the next one is tried anew.

    A file that was deleted or moved away by somebody is made again.
    """

    def __init__(self, file: Path, limit_bytes: int = LIMIT_BYTES) -> None:
        super().__init__(
            file, maxBytes=limit_bytes, backupCount=OLD_FILES, encoding="utf-8", errors="backslashreplace", delay=True
        )

    def _open(self) -> io.TextIOWrapper:
        paths.make_private(Path(self.baseFilename).parent)
        return open(self.baseFilename, "a", encoding=self.encoding, errors=self.errors, opener=_open_private)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, into the file that has the name now."""
        if self.stream is not None and not _has_name(self.stream, self.baseFilename):
            self._let_go()
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Let a full disk or a lost folder cost this line and no more. Called while the error is handled."""
        if isinstance(sys.exc_info()[1], OSError):
            self._let_go()  # what its buffer still holds would fail again with every line
        else:
            super().handleError(record)

    def _let_go(self) -> None:
        stream, self.stream = self.stream, None
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()


def _open_private(file: str, flags: int) -> int:
    return os.open(file, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _has_name(stream: io.TextIOWrapper, file: str) -> bool:
    try:
        return os.path.samestat(os.stat(file), os.fstat(stream.fileno()))
    except (OSError, ValueError):
        return False
