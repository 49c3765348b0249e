"""Asking the running daemon: standard library only, so that a command costs a start of Python and no more."""

import contextlib
import json
import os
import select
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from bgzero_daemon.core import paths
from bgzero_daemon.core.errors import BgzeroError, NoDaemon
from bgzero_daemon.core.names import to_wire
from bgzero_daemon.core.texts import _
from bgzero_daemon.wire.control import PROTOCOL, SOCKET, VERBS, encode

_SECONDS = 30.0
_LONG_SECONDS = 960.0  # a model of a gigabyte on a slow disk
_STOP_SECONDS = 120.0  # photos in work have 30 s, and what hangs is left behind
_BATCH_BYTES = 40_000
_ADDRESS_BYTES = 100  # of the 108 (Linux) or 104 that a socket's address may have


def ask(verb: str, **arguments: object) -> dict[str, Any]:
    """Ask the daemon of this account. Raises NoDaemon where none answers, BgzeroError with its sentence."""
    with _conversation(_LONG_SECONDS if VERBS[verb].may_take_long else _SECONDS) as lines:
        return _answer(lines, verb, **arguments)


def watch(patience_seconds: float | None = None) -> Iterator[dict[str, Any]]:
    """Yield the daemon's Snapshot, as an object of JSON, now and whenever it changes; ends when the daemon does.

    Raises NoDaemon where none answers, ValueError for what is no JSON. A daemon that says nothing for
    `patience_seconds` is asked whether it is there, and BgzeroError is raised when it says nothing for as long again.
    """
    with _connected() as sock:
        lines = _heard(sock, patience_seconds)
        with contextlib.suppress(ConnectionError):  # then nothing is heard either
            sock.sendall(_request("subscribe"))
        _understood(next(lines, b""))
        for line in lines:
            event = json.loads(line)
            if isinstance(event, dict) and event.get("event") == "snapshot":
                yield event


def stop() -> None:
    """Have the daemon finish the photos in work and end, and wait until its process has. Raises like `ask`."""
    with _connected() as sock, _process(sock) as process:
        with _lines(sock, _SECONDS) as lines:
            _answer(lines, "stop")
        if process >= 0:
            select.select([process], [], [], _STOP_SECONDS)
            return
    end = time.monotonic() + _STOP_SECONDS
    with contextlib.suppress(NoDaemon):
        while time.monotonic() < end:
            with _connected():
                time.sleep(0.2)


@contextlib.contextmanager
def _conversation(seconds: float) -> Iterator[BinaryIO]:
    with _connected() as sock, _lines(sock, seconds) as lines:
        yield lines


@contextlib.contextmanager
def _connected() -> Iterator[socket.socket]:
    folder = paths.runtime_dir()
    if folder is None:
        raise NoDaemon(_("This account has no place for a daemon's socket."))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(_SECONDS)
        try:
            connect(sock, folder / SOCKET)
        except BlockingIOError as error:  # it does not even take in those who wait before its door
            raise BgzeroError(_("The daemon does not answer.")) from error
        except OSError as error:
            raise NoDaemon(_("No bgzero daemon is running."), hint=_("Start one: bgzero run")) from error
        yield sock


@contextlib.contextmanager
def _lines(sock: socket.socket, seconds: float) -> Iterator[BinaryIO]:
    sock.settimeout(seconds)
    with sock.makefile("rwb") as lines:
        yield lines  # type: ignore[misc]  # BufferedRWPair has both ends


@contextlib.contextmanager
def _process(sock: socket.socket) -> Iterator[int]:
    """Return a descriptor that is readable once the process at the other end is over, -1 where there is none."""
    descriptor = -1
    with contextlib.suppress(OSError, AttributeError):  # another namespace; other systems than Linux
        raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        descriptor = os.pidfd_open(struct.unpack("3i", raw)[0])
    try:
        yield descriptor
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _answer(lines: BinaryIO, verb: str, **arguments: object) -> dict[str, Any]:
    try:
        lines.write(_request(verb, **arguments))
        lines.flush()
        line = lines.readline()
    except (ConnectionError, EOFError) as error:
        raise NoDaemon(_("The daemon has ended meanwhile.")) from error
    except OSError as error:
        raise BgzeroError(_("The daemon did not answer: {why}.").format(why=error)) from error
    return _understood(line)


def _request(verb: str, **arguments: object) -> bytes:
    return encode({"verb": verb, "protocol": PROTOCOL, **arguments})


def _understood(line: bytes) -> dict[str, Any]:
    """Read a reply. Raises NoDaemon for half a one, BgzeroError where it says no."""
    if not line.endswith(b"\n"):
        raise NoDaemon(_("The daemon has ended meanwhile."))
    try:
        reply = json.loads(line)
    except ValueError:
        reply = None
    if not isinstance(reply, dict):
        raise BgzeroError(_("The daemon's answer makes no sense."))
    if not reply.get("ok"):
        raise BgzeroError(str(reply.get("sentence", "")), hint=str(reply.get("hint", "")))
    return reply


def _heard(sock: socket.socket, patience_seconds: float | None) -> Iterator[bytes]:
    """Yield whole lines until the daemon has ended, however it did."""
    sock.settimeout(patience_seconds)
    begun = bytearray()
    is_asked = False
    while True:
        try:
            heard = sock.recv(1 << 16)
        except TimeoutError as error:
            if is_asked:
                raise BgzeroError(_("The daemon does not answer.")) from error
            with contextlib.suppress(ConnectionError):
                sock.sendall(_request("hello"))
            is_asked = True
            continue
        except ConnectionError:
            return
        if not heard:
            return
        is_asked = False
        begun += heard
        while b"\n" in begun:
            line, _end, rest = begun.partition(b"\n")
            begun = rest
            yield bytes(line) + b"\n"


def connect(sock: socket.socket, file: Path) -> None:
    """Connect to a socket whose path may be longer than an address holds. Raises OSError."""
    with short_address(file) as address:
        sock.connect(address)


@contextlib.contextmanager
def short_address(file: Path) -> Iterator[str]:
    """Return a name for a socket's path that fits into an address, for as long as the block lasts.

    On Linux through the descriptor of its folder. Elsewhere the socket lies in a folder of this account's below the
    one for temporary files, which is made and has to be this account's. Raises OSError.
    """
    if len(os.fsencode(file)) < _ADDRESS_BYTES:
        yield str(file)
    elif os.path.isdir("/proc/self/fd"):
        folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield f"/proc/self/fd/{folder}/{file.name}"
        finally:
            os.close(folder)
    else:
        import tempfile

        short = paths.make_private(Path(tempfile.gettempdir()) / f"{paths.APP}-{os.getuid()}")
        yield str(short / file.name)


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
