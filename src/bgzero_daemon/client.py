"""Asking the running daemon: standard library only, so that a command costs a start of Python and no more."""

import json
import os
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bgzero_daemon.core import paths
from bgzero_daemon.core.errors import BgzeroError, NoDaemon
from bgzero_daemon.core.names import to_wire
from bgzero_daemon.core.texts import _
from bgzero_daemon.wire.control import SOCKET, encode

_SECONDS = 30.0
_BATCH_BYTES = 40_000


def ask(verb: str, **arguments: object) -> dict[str, Any]:
    """Ask the daemon of this account. Raises NoDaemon where none answers, BgzeroError with its sentence."""
    folder = paths.runtime_dir()
    if folder is None:
        raise NoDaemon(_("This account has no place for a daemon's socket."))
    try:
        reply = json.loads(_exchange(folder / SOCKET, encode({"verb": verb, **arguments})))
    except (OSError, ValueError) as error:
        raise BgzeroError(_("The daemon did not answer: {why}.").format(why=error)) from error
    if not isinstance(reply, dict):
        raise BgzeroError(_("The daemon's answer makes no sense."))
    if not reply.get("ok"):
        raise BgzeroError(str(reply.get("sentence", "")), hint=str(reply.get("hint", "")))
    return reply


def _exchange(file: Path, request: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(_SECONDS)
        try:
            connect(sock, file)
        except OSError as error:
            raise NoDaemon(_("No bgzero daemon is running."), hint=_("Start one: bgzero run")) from error
        sock.sendall(request)
        parts = []
        while part := sock.recv(1 << 16):
            parts.append(part)
    return b"".join(parts)


def connect(sock: socket.socket, file: Path) -> None:
    """Connect to a socket whose path may be longer than the 108 bytes that an address holds. Raises OSError."""
    with short_address(file) as address:
        sock.connect(address)


class short_address:  # noqa: N801 - reads as the function it stands for
    """A name for a socket's path that fits into an address, for as long as the block lasts (Linux)."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._folder = -1

    def __enter__(self) -> str:
        if len(os.fsencode(self._file)) < 100 or not os.path.isdir("/proc/self/fd"):
            return str(self._file)
        self._folder = os.open(self._file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return f"/proc/self/fd/{self._folder}/{self._file.name}"

    def __exit__(self, *_error: object) -> None:
        if self._folder >= 0:
            os.close(self._folder)


def batches(wired: list[str]) -> Iterator[list[str]]:
    """Split paths into requests that are not too long; one empty request for none."""
    batch: list[str] = []
    size = 0
    for path in wired:
        if batch and size + len(path) > _BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(path)
        size += len(path) + 3
    yield batch


def spots(given: Sequence[str]) -> list[str]:
    """Bring paths from a command line into the form in which they travel, links in their folders resolved.

    The last part is kept as it is: a link in an inbox is not the file it leads to.
    """
    full = [os.path.abspath(path) for path in given]
    return [to_wire(os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))) for path in full]
