"""The control socket: one thread that hears everybody, and the main thread that answers.

No connection has a thread or an unbounded buffer of its own: it may send one line at a time, and what it does not
read is dropped with it after a while. As many as may be there at once are; others wait in the kernel's queue.
"""

import contextlib
import errno
import fcntl
import logging
import math
import os
import queue
import selectors
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path

from bgzero_daemon import __version__
from bgzero_daemon.client import short_address
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _
from bgzero_daemon.service.bell import Bell
from bgzero_daemon.service.board import Board
from bgzero_daemon.service.replies import Reply, pass_on, refusal, settle
from bgzero_daemon.service.talk import Talk
from bgzero_daemon.wire.control import PROTOCOL, VERBS, BadRequest, encode, parse_request

log = logging.getLogger(__name__)

Request = dict[str, object]

_MOST_TALKS = 128
_MOST_WATCHERS = 32
_MOST_IN_A_TURN = 32  # requests the main thread answers before it sees to photos again
_MOST_LINES = 16  # of one conversation before others have their turn
_BACKLOG = 4096  # the kernel takes its own maximum
_STATUS_SECONDS = 3.0  # then the status is the last one known
_ANSWER_SECONDS = 25.0
_LONG_SECONDS = 900.0
_PAUSE_SECONDS = 1.0
_SILENT_SECONDS = 1.0


class ControlServer:
    """Listens in a thread of its own; `answer` is called by the main thread, which `wake` wakes."""

    def __init__(self, file: Path | None, wake: Callable[[], None], board: Board) -> None:
        self._file, self._wake, self._board = file, wake, board
        self._asked: queue.SimpleQueue[tuple[Request, Future[Reply]]] = queue.SimpleQueue()
        self._said: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._talks: set[Talk] = set()
        self._lock = -1
        self._inode = 0
        self._listener: socket.socket | None = None
        self._listens_again = 0.0
        self._is_closing = False
        self._bell = Bell()
        self._selector = selectors.DefaultSelector()
        self._thread = threading.Thread(target=self._live, name="bgzero-control", daemon=True)

    @property
    def is_watched(self) -> bool:
        """Say whether anybody wants to hear of every change."""
        return any(talk.is_subscribed for talk in tuple(self._talks))

    def start(self) -> None:
        """Begin to listen. Where another daemon of this account does, or it is impossible, this one goes without."""
        if self._file is None:
            return
        try:
            self._bind(self._file)
        except BlockingIOError:
            log.warning(_("Another daemon of this account answers the commands; this one does not."))
            return
        except OSError as error:
            log.warning(_("No commands are answered: %s cannot be used (%s)."), display(self._file), error.strerror)
            return
        self._board.on_change = self._bell.ring
        self._thread.start()

    @property
    def is_answering(self) -> bool:
        """Say whether commands of this account come here."""
        return self._thread.is_alive()

    def _bind(self, file: Path) -> None:
        """Take the place. A socket that is there already is stale: whoever answers holds the lock."""
        self._lock = os.open(file.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                # the folder is private: nobody else gets near it before its mode is set
                with short_address(file) as address:
                    Path(address).unlink(missing_ok=True)
                    listener.bind(address)
                    os.chmod(address, 0o600)
                    self._inode = os.stat(address).st_ino
                listener.listen(_BACKLOG)
                listener.setblocking(False)
            except BaseException:
                listener.close()
                raise
        except BaseException:
            os.close(self._lock)
            self._lock = -1
            raise
        self._listener = listener

    def close(self) -> None:
        """Stop listening; what was answered is delivered where it is read at once."""
        if self._thread.is_alive():
            self._is_closing = True
            self._bell.ring()
            self._thread.join(5.0)
        if self._listener and self._file:
            self._listener.close()
            with contextlib.suppress(OSError), short_address(self._file) as address:  # somebody may have removed it
                if os.stat(address).st_ino == self._inode:
                    os.unlink(address)
            os.close(self._lock)
        self._selector.close()
        self._bell.close()

    def answer(self, by: Callable[[Request], "Reply | Future[Reply]"]) -> bool:
        """Answer what was asked since the last call, a bounded part of it. Returns whether there is more."""
        for _count in range(_MOST_IN_A_TURN):
            try:
                request, future = self._asked.get_nowait()
            except queue.Empty:
                return False
            if not future.set_running_or_notify_cancel():
                continue  # whoever asked was told that it comes to nothing
            try:
                answer = by(request)
            except Exception as error:  # noqa: BLE001 - told to whoever asked
                settle(future, error)
            else:
                if isinstance(answer, Future):
                    answer.add_done_callback(partial(pass_on, future))
                else:
                    settle(future, answer)
        return not self._asked.empty()

    def _live(self) -> None:
        self._selector.register(self._bell.reader, selectors.EVENT_READ, self._on_bell)
        while not self._is_closing:
            try:
                self._turn()
            except Exception:  # a mistake of ours may cost these conversations, not all that follow
                log.exception("the control socket's conversations are given up")
                for talk in tuple(self._talks):
                    self._end(talk)
                time.sleep(0.1)
        while not self._said.empty():
            self._said.get()()
        for talk in tuple(self._talks):
            self._end(talk)

    def _turn(self) -> None:
        now = time.monotonic()
        self._listen(now)
        for key, _events in self._selector.select(self._patience(now)):
            key.data()
        for talk in tuple(self._talks):
            if talk.due == -math.inf:
                self._on_talk(talk)
            if talk.is_over(time.monotonic()):
                self._end(talk)
            else:
                self._heed(talk)

    def _heed(self, talk: Talk) -> None:
        """Wait for what it wants to be waited for."""
        key = self._selector.get_map().get(talk.sock)
        if key and key.events != talk.events:
            self._selector.unregister(talk.sock)
        if talk.events and (key is None or key.events != talk.events):
            self._selector.register(talk.sock, talk.events, partial(self._on_talk, talk))

    def _listen(self, now: float) -> None:
        """Take new conversations only while there is room for them. Who says nothing makes room for others."""
        assert self._listener
        if len(self._talks) >= _MOST_TALKS:
            silent = min(self._talks, key=lambda talk: talk.silent_since)
            if silent.silent_since < now - _SILENT_SECONDS:
                self._end(silent)
        wanted = len(self._talks) < _MOST_TALKS and now >= self._listens_again
        listens = self._listener in self._selector.get_map()
        if wanted and not listens:
            self._selector.register(self._listener, selectors.EVENT_READ, self._on_call)
        elif listens and not wanted:
            self._selector.unregister(self._listener)

    def _patience(self, now: float) -> float | None:
        moments = [talk.due for talk in self._talks]
        if len(self._talks) >= _MOST_TALKS:  # somebody may wait outside
            moments += [talk.silent_since + _SILENT_SECONDS for talk in self._talks]
        if self._listens_again > now:
            moments.append(self._listens_again)
        first = min(moments, default=math.inf)
        return None if first == math.inf else max(0.0, first - now)

    def _on_call(self) -> None:
        assert self._listener
        while len(self._talks) < _MOST_TALKS:
            try:
                sock, _address = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:  # no descriptor left: in a moment there is
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS):
                    self._listens_again = time.monotonic() + _PAUSE_SECONDS
                return
            talk = Talk(sock, time.monotonic())
            if not talk.is_welcome:
                sock.close()
                continue
            self._talks.add(talk)

    def _on_talk(self, talk: Talk) -> None:
        talk.send()
        for _count in range(_MOST_LINES):
            line = talk.hear(time.monotonic())
            if line is None:
                return
            self._take(talk, line)

    def _on_bell(self) -> None:
        self._bell.hear()
        while not self._said.empty():
            self._said.get()()
        for talk in self._talks:
            if talk.is_subscribed:
                talk.tell(self._board.event)

    def _take(self, talk: Talk, line: bytes) -> None:
        try:
            request = parse_request(line)
        except BadRequest as error:
            talk.reply(encode(refusal(str(error))))
            return
        name = str(request["verb"])
        if name == "hello":
            answer = {"ok": True, "protocol": PROTOCOL, "version": __version__, "pid": os.getpid(), "verbs": [*VERBS]}
            talk.reply(encode(answer))
        elif name == "subscribe":
            if not talk.is_subscribed and sum(one.is_subscribed for one in self._talks) >= _MOST_WATCHERS:
                talk.reply(encode(refusal(_("Too many are watching already."))))
                return
            talk.is_subscribed = True
            talk.reply(encode({"ok": True}))
            talk.tell(self._board.event)
        else:
            self._ask(talk, request)

    def _ask(self, talk: Talk, request: Request) -> None:
        future: Future[Reply] = Future()
        patience = _LONG_SECONDS if VERBS[str(request["verb"])].may_take_long else _ANSWER_SECONDS
        if request["verb"] == "status":
            patience = _STATUS_SECONDS
        talk.expect(time.monotonic() + patience, partial(self._in_vain, request, future))
        future.add_done_callback(partial(self._on_answer, talk, talk.number))
        self._asked.put((request, future))
        self._wake()

    def _on_answer(self, talk: Talk, number: int, future: "Future[Reply]") -> None:
        """From the main thread, most likely."""
        if future.cancelled():
            return
        self._said.put(partial(self._deliver, talk, number, encode(future.result())))
        self._bell.ring()

    def _deliver(self, talk: Talk, number: int, line: bytes) -> None:
        if talk in self._talks and talk.is_asking and talk.number == number:
            talk.reply(line)

    def _in_vain(self, request: Request, future: "Future[Reply]") -> bytes:
        """Nobody answered in time: the main thread is held up by a disk, most likely. It is not done later, either."""
        future.cancel()
        snapshot = self._board.snapshot
        if request["verb"] == "status" and snapshot:
            return encode({"ok": True, **snapshot.told(), "stale": True})
        return encode(refusal(_("The daemon is too busy to answer.")))

    def _end(self, talk: Talk) -> None:
        self._talks.discard(talk)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(talk.sock)
        talk.sock.close()
