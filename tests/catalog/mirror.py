"""A web server of real sockets that misbehaves as it is told, in the ways that servers and networks do."""

import contextlib
import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

Answer = Callable[["Request"], None]
_BLOCK = 8192


@dataclass
class Request:
    """One request and the connection that it came on."""

    connection: socket.socket
    target: str
    headers: dict[str, str]

    @property
    def start(self) -> int:
        """The offset that is asked for."""
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("range", ""))
        return int(found[1]) if found else 0

    def head(self, status: str, **headers: object) -> None:
        """Send a status line and headers."""
        lines = [f"HTTP/1.1 {status}", *(f"{key.replace('_', '-')}: {value}" for key, value in headers.items())]
        self.connection.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode())

    def file(self, content: bytes, upto: int | None = None) -> None:
        """Send a file as an honest server does, from the offset that is asked for; with `upto` not to its end."""
        start = self.start
        if start >= len(content) > 0:
            self.head("416 Range Not Satisfiable", Content_Range=f"bytes */{len(content)}", Content_Length=0)
            return
        if start:
            told = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self.head("206 Partial Content", Content_Length=len(content) - start, Content_Range=told)
        else:
            self.head("200 OK", Content_Length=len(content))
        self.connection.sendall(content[start:upto])

    def reset(self) -> None:
        """Break the connection off."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


@dataclass
class Server:
    """Listens on loopback. `answer` decides what happens to each request; `asked` remembers them all."""

    answer: Answer
    tls: ssl.SSLContext | None = None
    asked: list[Request] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    @property
    def url(self) -> str:
        """Its address, without a file."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def serve(self, listening: socket.socket) -> None:
        """Take connections until there is nothing to listen on."""
        while True:
            try:
                connection, _peer = listening.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.closing(connection):
            connection.settimeout(30)
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            with contextlib.closing(connection):
                request = read_request(connection)
                self.asked.append(request)
                self.answer(request)


def read_request(connection: socket.socket) -> Request:
    """Read a request's head."""
    text = b""
    while b"\r\n\r\n" not in text:
        piece = connection.recv(_BLOCK)
        if not piece:
            raise OSError("no request")
        text += piece
    first, *lines = text.decode("latin-1").split("\r\n\r\n")[0].split("\r\n")
    headers = {key.lower(): value for key, _colon, value in (line.partition(": ") for line in lines)}
    return Request(connection, first.split(" ")[1], headers)


@contextmanager
def serving(answer: Answer, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """A server for the length of the block."""
    server = Server(answer, tls)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server.port = listening.getsockname()[1]
        thread = threading.Thread(target=server.serve, args=(listening,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            listening.shutdown(socket.SHUT_RDWR)
    thread.join()


def tunnel(request: Request, port: int) -> None:
    """Do what a proxy does after CONNECT: pass on bytes both ways, to a port of this machine."""
    request.head("200 Connection Established")
    with socket.create_connection(("127.0.0.1", port)) as inner:
        other = threading.Thread(target=_pass_on, args=(inner, request.connection), daemon=True)
        other.start()
        _pass_on(request.connection, inner)
        other.join()


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(_BLOCK):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)
