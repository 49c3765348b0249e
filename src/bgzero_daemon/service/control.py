"""The control socket: commands of this account, one line of JSON each, answered by the main thread."""

import contextlib
import logging
import os
import queue
import socket
import socketserver
import struct
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NoAnswer
from pathlib import Path

from bgzero_daemon.client import connect, short_address
from bgzero_daemon.core.errors import BgzeroError
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _
from bgzero_daemon.wire.control import MAX_REQUEST_BYTES, BadRequest, encode, parse_request

log = logging.getLogger(__name__)

Request = dict[str, object]
Reply = dict[str, object]

_LINE_SECONDS = 5.0
_ANSWER_SECONDS = 25.0
_MOST_AT_ONCE = 16
_POLL_SECONDS = 3600.0  # it need not look by itself: `close` wakes it


class ControlServer:
    """Listens in threads of its own; `answer` is called by the main thread and answers what came."""

    def __init__(self, file: Path | None, wake: Callable[[], None]) -> None:
        self._file, self._wake = file, wake
        self._asked: queue.SimpleQueue[tuple[Request, Future[Reply]]] = queue.SimpleQueue()
        self._server: _Server | None = None

    def start(self) -> None:
        """Begin to listen. Where another daemon of this account does, or it is impossible, this one goes without."""
        if self._file is None:
            return
        try:
            if _is_answered(self._file):
                log.warning(_("Another daemon of this account answers the commands; this one does not."))
                return
            self._file.unlink(missing_ok=True)
            self._server = _Server(self._file, self._ask)
        except OSError as error:
            log.warning(_("No commands are answered: %s cannot be used (%s)."), display(self._file), error.strerror)
            return
        threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), name="bgzero-control", daemon=True
        ).start()

    def close(self) -> None:
        """Stop listening."""
        if self._server and self._file:
            ender = threading.Thread(target=self._server.shutdown, daemon=True)
            ender.start()
            while ender.is_alive() and _is_answered(self._file):  # each call wakes the server, which then looks
                ender.join(0.05)
            self._server.server_close()
            with contextlib.suppress(OSError):  # another daemon's by now, or gone
                if self._file.stat().st_ino == self._server.inode:
                    self._file.unlink()

    def _ask(self, request: Request) -> Reply:
        future: Future[Reply] = Future()
        self._asked.put((request, future))
        self._wake()
        try:
            return future.result(_ANSWER_SECONDS)
        except NoAnswer:
            return refusal(_("The daemon is too busy to answer."))

    def answer(self, by: Callable[[Request], Reply]) -> None:
        """Answer everything that was asked since the last call."""
        while not self._asked.empty():
            request, future = self._asked.get()
            try:
                future.set_result({"ok": True, **by(request)})
            except BadRequest as error:
                future.set_result(refusal(str(error)))
            except BgzeroError as error:
                future.set_result(refusal(str(error), error.hint))
            except Exception as error:
                log.exception("a command could not be answered")
                future.set_result(refusal(f"{type(error).__name__}: {error}"))


def refusal(sentence: str, hint: str = "") -> Reply:
    """Return the reply of a request that was not served."""
    return {"ok": False, "sentence": sentence, "hint": hint}


def _is_answered(file: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(1.0)
        try:
            connect(sock, file)
        except TimeoutError:  # somebody is there and busy
            return True
        except OSError:
            return False
    return True


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, file: Path, ask: Callable[[Request], Reply]) -> None:
        self.ask = ask
        self.places = threading.BoundedSemaphore(_MOST_AT_ONCE)
        with short_address(file) as address:
            super().__init__(address, _Conversation)
        file.chmod(0o600)
        self.inode = file.stat().st_ino

    def verify_request(self, request: "socket.socket | tuple[bytes, socket.socket]", _address: object) -> bool:
        """Answer this account and root alone. The folder keeps others out already."""
        assert isinstance(request, socket.socket)
        if not hasattr(socket, "SO_PEERCRED"):
            return True
        raw = request.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        user = struct.unpack("3i", raw)[1]
        return user in (0, os.getuid())

    def handle_error(self, _request: object, _address: object) -> None:
        """Somebody went away in the middle of it."""
        log.debug("a command went away")


class _Conversation(socketserver.StreamRequestHandler):
    server: _Server
    timeout = _LINE_SECONDS

    def handle(self) -> None:
        is_welcome = self.server.places.acquire(blocking=False)
        try:
            line = self.rfile.readline(MAX_REQUEST_BYTES + 1)
            if not is_welcome:
                reply = refusal(_("The daemon is too busy to answer."))
            else:
                try:
                    reply = self.server.ask(parse_request(line))
                except BadRequest as error:
                    reply = refusal(str(error))
            self.wfile.write(encode(reply))
            self.connection.shutdown(socket.SHUT_WR)
            while self.rfile.read1(1 << 16):  # closing with bytes unread would reset the connection under the answer
                pass
        finally:
            if is_welcome:
                self.server.places.release()
