"""One conversation on the control socket: its line that is half there, and what it has not read yet."""

import math
import os
import selectors
import socket
import struct
import time
from collections.abc import Callable

from bgzero_daemon.wire.control import MAX_REQUEST_BYTES

_LINE_SECONDS = 10.0  # for a whole line, and between two
_READ_SECONDS = 10.0  # for reading anything of what was said
_PIECE_BYTES = 1 << 16


class Talk:
    """Called from the control thread alone. It asks one thing at a time; moments are of the monotonic clock.

    `due` is when `is_over` has to be asked again; `number` counts what was asked.
    """

    def __init__(self, sock: socket.socket, now: float) -> None:
        self.sock = sock
        sock.setblocking(False)
        self.is_subscribed = self.is_asking = False
        self.number = 0
        self._in = bytearray()
        self._out = bytearray()
        self._news = b""  # the latest event, while an earlier one is not read yet
        self._has_said_all = self._is_broken = self._ends = False
        self._line_due = now + _LINE_SECONDS
        self._read_due = math.inf
        self._answer_due = math.inf
        self._in_vain: Callable[[], bytes] = bytes

    @property
    def is_welcome(self) -> bool:
        """Say whether this account or root is at the other end. The folder keeps others out already."""
        try:
            if hasattr(socket, "SO_PEERCRED"):
                raw = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
                user = struct.unpack("3i", raw)[1]
            else:  # LOCAL_PEERCRED of the BSDs, struct xucred; never run on a Mac
                user = struct.unpack_from("2I", self.sock.getsockopt(0, 1, 76))[1]
        except OSError:
            return False
        return user in (0, os.getuid())

    @property
    def events(self) -> int:
        """What to wait for, 0 for nothing: it is heard only while nothing of it is unanswered or unread."""
        hears = not (self.is_asking or self._has_said_all or self._out)
        return (selectors.EVENT_READ if hears else 0) | (selectors.EVENT_WRITE if self._out else 0)

    @property
    def due(self) -> float:
        """When its patience ends; at once where it has said more than was taken so far."""
        is_more = b"\n" in self._in and not (self.is_asking or self._out)
        return -math.inf if is_more else min(self._line_due, self._read_due, self._answer_due)

    def hear(self, now: float) -> bytes | None:
        """Read what is there. Returns a line once there is one and nothing is unanswered or unread."""
        if self.is_asking or self._out:
            return None
        while not self._has_said_all and (self._ends or not (b"\n" in self._in or len(self._in) > MAX_REQUEST_BYTES)):
            try:
                piece = self.sock.recv(_PIECE_BYTES)
            except BlockingIOError:
                return None
            except OSError:
                self._is_broken = True
                return None
            self._has_said_all = not piece
            self._in += b"" if self._ends else piece
        line, mark, rest = self._in.partition(b"\n")
        if not (line or mark):
            return None
        self._ends = len(line) > MAX_REQUEST_BYTES  # what follows is the rest of it, most likely
        self._in = bytearray() if self._ends else rest
        self._line_due = math.inf if self.is_subscribed else now + _LINE_SECONDS
        return bytes(line)

    @property
    def silent_since(self) -> float:
        """Since when it has had nothing to say or to hear; infinity where it waits for something."""
        waits = self.is_subscribed or self.is_asking or self._out
        return math.inf if waits else self._line_due - _LINE_SECONDS

    def expect(self, due: float, in_vain: Callable[[], bytes]) -> None:
        """It waits for an answer until `due`; then it gets the one that `in_vain` makes."""
        self.is_asking = True
        self.number += 1
        self._answer_due, self._in_vain, self._line_due = due, in_vain, math.inf

    def reply(self, line: bytes) -> None:
        """Give it an answer."""
        self.is_asking, self._answer_due = False, math.inf
        self._line_due = math.inf if self.is_subscribed else time.monotonic() + _LINE_SECONDS
        self._out += line
        self.send()

    def tell(self, event: bytes) -> None:
        """Tell it of a change. Only the latest one is kept for a reader that is behind."""
        if self._out:
            self._news = event
        else:
            self._out += event
            self.send()

    def send(self) -> None:
        """Send what it takes without waiting."""
        before = len(self._out)
        while self._out:
            try:
                sent = self.sock.send(self._out)
            except BlockingIOError:
                break
            except OSError:
                self._is_broken = True
                return
            del self._out[:sent]
            if not self._out and self._news:
                self._out, self._news = bytearray(self._news), b""
        if not self._out:
            self._read_due = math.inf
        elif self._read_due == math.inf or len(self._out) < before:
            self._read_due = time.monotonic() + _READ_SECONDS

    def is_over(self, now: float) -> bool:
        """Say whether it ends: all is said and answered, it went away, or its patience or ours has ended."""
        if self.is_asking and now >= self._answer_due:
            self.reply(self._in_vain())
        if self._is_broken or now >= min(self._line_due, self._read_due):
            return True
        is_silent_for_good = self._has_said_all and not (self.is_asking or self._in)
        return is_silent_for_good and (self.is_subscribed or not self._out)
