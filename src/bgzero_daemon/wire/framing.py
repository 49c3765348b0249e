"""Versioned frames over a socketpair, with file descriptors beside them: how `wire.work` travels.

A frame is eight bytes of header ("BGZ", the protocol version, the body's length as u32, big-endian)
and a body of JSON, one of the classes of `wire.work`. Descriptors travel with the header (SCM_RIGHTS).
"""

import array
import os
import select
import socket
import struct
from collections.abc import Iterator

from pydantic import TypeAdapter

from bgzero_daemon.wire.work import VERSION, Frame

MAX_BODY_BYTES = 64 * 1024
_HEADER = struct.Struct(">3sBI")
_MAX_DESCRIPTORS = 2
_ADAPTER: TypeAdapter[Frame] = TypeAdapter(Frame)


class ProtocolError(Exception):
    """The other side speaks another protocol, or sent something that is no frame."""


def send(sock: socket.socket, frame: Frame, descriptors: tuple[int, ...] = ()) -> None:
    """Send one frame. Raises OSError where the other side is gone."""
    body = frame.model_dump_json().encode()
    if len(body) > MAX_BODY_BYTES:
        raise ProtocolError(f"a {frame.kind} frame of {len(body)} bytes is too large")
    header = _HEADER.pack(b"BGZ", VERSION, len(body))
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
    sent = sock.sendmsg([header], ancillary)
    sock.sendall(header[sent:] + body)


def receive(sock: socket.socket) -> tuple[Frame, tuple[int, ...]] | None:
    """Receive one frame and its descriptors, which the caller owns; None where the other side ended.

    Raises ProtocolError for anything that is not a frame of this version.
    """
    room = socket.CMSG_LEN(_MAX_DESCRIPTORS * array.array("i").itemsize)
    head, ancillary, _flags, _address = sock.recvmsg(_HEADER.size, room)
    descriptors = _descriptors(ancillary)
    if not head:
        return None
    try:
        frame = _parse(sock, head)
    except (ValueError, EOFError, ProtocolError, OSError) as error:
        for descriptor in descriptors:
            os.close(descriptor)
        if isinstance(error, OSError):
            raise
        raise ProtocolError(f"not a frame: {error}") from error
    return frame, tuple(descriptors)


class Receiver:
    """Receives frames without ever waiting for the rest of one: for whoever has others to look after.

    Descriptors that come along are closed.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    def receive(self, sock: socket.socket) -> list[Frame] | None:
        """Take what is there, and return the frames that are complete; None where the other side ended.

        Raises ProtocolError for anything that is no frame of this version, and OSError.
        """
        poll = select.poll()  # a socket with a time-out would wait for so long
        poll.register(sock, select.POLLIN)
        if not poll.poll(0):
            return []
        room = socket.CMSG_SPACE(_MAX_DESCRIPTORS * array.array("i").itemsize)
        part, ancillary, _flags, _address = sock.recvmsg(MAX_BODY_BYTES, room)
        for descriptor in _descriptors(ancillary):
            os.close(descriptor)
        if not part:
            return None
        self._buffer += part
        return list(self._complete())

    def _complete(self) -> Iterator[Frame]:
        while len(self._buffer) >= _HEADER.size:
            length = _length(bytes(self._buffer[: _HEADER.size]))
            if len(self._buffer) < _HEADER.size + length:
                return
            body = bytes(self._buffer[_HEADER.size : _HEADER.size + length])
            del self._buffer[: _HEADER.size + length]
            try:
                yield _ADAPTER.validate_json(body)
            except ValueError as error:
                raise ProtocolError(f"not a frame: {error}") from error


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    found: list[int] = []
    for level, kind, payload in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            numbers = array.array("i")
            numbers.frombytes(payload[: len(payload) - len(payload) % numbers.itemsize])
            found.extend(numbers)
    return found


def _length(header: bytes) -> int:
    magic, version, length = _HEADER.unpack(header)
    if magic != b"BGZ" or version != VERSION:
        raise ProtocolError(f"expected protocol {VERSION}, got {magic!r} {version}")
    if length > MAX_BODY_BYTES:
        raise ProtocolError(f"it announces {length} bytes")
    return int(length)


def _parse(sock: socket.socket, head: bytes) -> Frame:
    head += _exactly(sock, _HEADER.size - len(head))
    return _ADAPTER.validate_json(_exactly(sock, _length(head)))


def _exactly(sock: socket.socket, count: int) -> bytes:
    parts = []
    while count:
        if not (part := sock.recv(count)):
            raise EOFError("the other side ended in the middle of a frame")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
