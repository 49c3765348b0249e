"""Where weights come from, seen from whoever fetches them: a place that is opened at an offset, and read."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _


class Missing(Exception):
    """There is nothing at this place; the message says so. Something may be at another."""


class Broken(Exception):
    """It cannot be had from this place; the message is a sentence.

    `is_passing`: it is worth another try. `hint` says what to do where it is not.
    """

    def __init__(self, sentence: str, *, is_passing: bool = False, hint: str = "") -> None:
        super().__init__(sentence)
        self.is_passing, self.hint = is_passing, hint


class Stream(Protocol):
    """The bytes of a file from `start` on; `length` of them were announced, None where nothing was."""

    start: int
    length: int | None

    def read(self, most: int) -> bytes:
        """Return what is there, at most so many bytes; nothing at the end. Raises Broken."""
        ...


class Supply(Protocol):
    """Opens places of one kind."""

    def open(self, place: str, start: int = 0) -> AbstractContextManager[Stream]:
        """Open a place at `start`, in bytes, or at its beginning where that is impossible.

        Raises Missing, and Broken.
        """
        ...

    def beside(self, place: str, name: str) -> str:
        """Return the place of another file beside this one."""
        ...

    def shown(self, place: str) -> str:
        """Return how a person reads it, without secrets."""
        ...


@dataclass(slots=True)
class _File:
    descriptor: int
    start: int
    length: int | None

    def read(self, most: int) -> bytes:
        try:
            return os.read(self.descriptor, most)
        except OSError as error:
            raise Broken(_("It cannot be read any further: {why}.").format(why=error.strerror)) from error


class Files:
    """Files of this machine: a USB stick, a shared folder."""

    @contextmanager
    def open(self, place: str, start: int = 0) -> Iterator[Stream]:
        """Open a file. Raises Missing, and Broken."""
        try:
            descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                raise Missing(self.shown(place)) from None
            raise Broken(_("{file} cannot be read: {why}.").format(file=display(place), why=error.strerror)) from None
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise Missing(self.shown(place))
            start = min(start, found.st_size)
            os.lseek(descriptor, start, os.SEEK_SET)
            yield _File(descriptor, start, found.st_size - start)
        finally:
            os.close(descriptor)

    def beside(self, place: str, name: str) -> str:
        """Return the path of another file in the same folder."""
        return os.path.join(os.path.dirname(place), name)

    def shown(self, place: str) -> str:
        """Return the path, harmless for a terminal."""
        return display(place)
