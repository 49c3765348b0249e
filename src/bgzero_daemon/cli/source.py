"""The photos that `bgzero cut` is given, opened."""

import os
import shutil
import sys
import tempfile
from typing import BinaryIO

from bgzero_daemon.cli.target import STREAM
from bgzero_daemon.core.texts import _
from bgzero_daemon.service.structure import examine


class Sources:
    """Opens photos. Standard input is read once and kept: it may be wanted again after a worker died."""

    def __init__(self) -> None:
        self._spool: BinaryIO | None = None

    def open(self, photo: str) -> BinaryIO:
        """Open one for reading. Raises OSError where that is impossible, or where it is no regular file."""
        if photo == STREAM:
            return os.fdopen(os.dup(self._spooled().fileno()), "rb")
        file = open(  # noqa: SIM115 - closed by whoever holds the photo
            os.open(photo, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0
        )
        if not os.path.isfile(file.fileno()):
            file.close()
            raise OSError(0, _("it is not a regular file"))
        return file

    def _spooled(self) -> BinaryIO:
        if self._spool is None:
            spool = tempfile.TemporaryFile()  # noqa: SIM115 - as long as this lives
            shutil.copyfileobj(sys.stdin.buffer, spool)
            spool.flush()
            self._spool = spool
        return self._spool


def pixels_of(source: BinaryIO) -> int:
    """Return width × height as the container says, 0 where it does not or cannot be read."""
    try:
        inside = examine(source.fileno())
    except OSError:
        return 0
    return inside.width_px * inside.height_px
