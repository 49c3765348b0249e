"""An open file as whoever walks through a container sees it, and what such a walk says."""

import os
from dataclasses import dataclass

WINDOW_BYTES = 1 << 20
MOST_STEPS = 1_000_000  # more blocks than this in one file are no picture's


@dataclass(frozen=True, slots=True)
class Structure:
    """What a container says. `missing` is "" where nothing is missed, else what is, in words.

    `width_px` and `height_px` are 0 where the header does not tell.
    """

    missing: str = ""
    width_px: int = 0
    height_px: int = 0


class Short(Exception):
    """The file ends before something that was promised."""


class File:
    """Random access to a descriptor, through one window that is read again where it is left."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.size = os.fstat(descriptor).st_size
        self._at, self._window = 0, b""

    def take(self, at: int, count: int) -> bytes:
        """Return exactly `count` bytes from `at`. Raises Short where the file ends before."""
        if at < 0 or at + count > self.size:
            raise Short
        if not self._at <= at <= at + count <= self._at + len(self._window):
            self._at, self._window = at, os.pread(self._descriptor, max(count, WINDOW_BYTES), at)
        taken = self._window[at - self._at : at - self._at + count]
        if len(taken) < count:
            raise Short
        return taken

    def windows(self, at: int, overlap: int) -> "list[int]":
        """Return where to begin reading windows that cover the file from `at`, overlapping a little."""
        return list(range(at, max(self.size, at + 1), WINDOW_BYTES - overlap))

    def has_hole(self) -> bool:
        """Say whether part of the file was never written: a hole, or space that was only reserved."""
        if not hasattr(os, "SEEK_HOLE"):
            return False
        try:
            return os.lseek(self._descriptor, 0, os.SEEK_HOLE) < self.size
        except OSError:
            return False
