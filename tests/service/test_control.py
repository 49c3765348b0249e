"""The control socket, with real sockets and somebody who answers."""

import contextlib
import json
import os
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bgzero_daemon import client
from bgzero_daemon.core.errors import BgzeroError
from bgzero_daemon.service import control, talk
from bgzero_daemon.service.board import Board
from bgzero_daemon.service.control import ControlServer
from tests.home import until
from tests.wire.test_control import picture

Answer = Callable[[dict[str, object]], "dict[str, object] | Future[dict[str, object]]"]


class Desk:
    """A server and the thread that stands for the service's main one."""

    def __init__(self, file: Path, answer: Answer) -> None:
        self.file, self.board = file, Board()
        self.board.post(picture())
        self._wake = threading.Event()
        self._is_over = False
        self.server = ControlServer(file, self._wake.set, self.board)
        self.server.start()
        self._answer = answer
        self._thread = threading.Thread(target=self._live)
        self._thread.start()

    def _live(self) -> None:
        while not self._is_over:
            self._wake.wait()
            self._wake.clear()
            while self.server.answer(self._answer):
                pass

    def close(self) -> None:
        """End both."""
        self._is_over = True
        self._wake.set()
        self._thread.join()
        self.server.close()


@contextlib.contextmanager
def desk(folder: Path, answer: Answer = lambda request: {"heard": request["verb"]}) -> Iterator[Desk]:
    """A desk as long as the block lasts."""
    made = Desk(folder / "control.sock", answer)
    try:
        yield made
    finally:
        made.close()


@contextlib.contextmanager
def caller(made: Desk) -> Iterator[socket.socket]:
    """A connection that gives up in the end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(30)
        client.connect(sock, made.file)
        yield sock


def said(sock: socket.socket, text: bytes, count: int = 1) -> list[dict[str, Any]]:
    """Send bytes, and read so many lines."""
    sock.sendall(text)
    with sock.makefile("rb") as lines:
        return [json.loads(lines.readline()) for _number in range(count)]


def test_one_connection_may_ask_one_thing_after_another(tmp_path: Path) -> None:
    """Replies come in the order of the requests, however they were sent: piece by piece, or all at once."""
    with desk(tmp_path) as made, caller(made) as sock:
        verbs = ["status", "nonsense", "hello", "resume", "stop"] * 20
        text = b"".join(b'{"verb":"%s"}\n' % verb.encode() for verb in verbs)
        for at in range(0, len(text), 7):
            sock.sendall(text[at : at + 7])
        replies = said(sock, b"", len(verbs))
        for verb, reply in zip(verbs, replies, strict=True):
            if verb == "nonsense":
                assert not reply["ok"]
            elif verb == "hello":
                assert (reply["protocol"], reply["pid"]) == (1, os.getpid())
            else:
                assert reply == {"ok": True, "heard": verb}


def test_last_line_needs_no_end_and_a_half_closed_connection_gets_its_answer(tmp_path: Path) -> None:
    """As from `printf ... | socat`."""
    with desk(tmp_path) as made, caller(made) as sock:
        sock.sendall(b'{"verb":"resume"}')
        sock.shutdown(socket.SHUT_WR)
        with sock.makefile("rb") as lines:
            assert json.loads(lines.read())["heard"] == "resume"


def test_answer_that_takes_long_comes_when_it_is_there(tmp_path: Path) -> None:
    """And a sentence where it fails; meanwhile others are served, and nobody's processor is."""
    later: Future[dict[str, object]] = Future()

    def answer(request: dict[str, object]) -> "dict[str, object] | Future[dict[str, object]]":
        return later if request["verb"] == "reload" else {}

    with desk(tmp_path, answer) as made, caller(made) as slow, caller(made) as quick:
        slow.sendall(b'{"verb":"reload"}\n{"verb":"resume"}\n')
        assert said(quick, b'{"verb":"resume"}\n') == [{"ok": True}]
        before = time.process_time()
        time.sleep(0.5)
        assert time.process_time() - before < 0.2
        later.set_exception(BgzeroError("It cannot be.", hint="Do without."))
        assert said(slow, b"", 2) == [{"ok": False, "sentence": "It cannot be.", "hint": "Do without."}, {"ok": True}]


def test_nobody_who_answers_costs_a_sentence_and_the_status_is_the_last_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The main thread hangs: the status is marked as old; an answer that comes too late is not taken for the next."""
    monkeypatch.setattr(control, "_STATUS_SECONDS", 0.3)
    monkeypatch.setattr(control, "_ANSWER_SECONDS", 0.3)
    late: list[Future[dict[str, object]]] = []

    def never(_request: dict[str, object]) -> "Future[dict[str, object]]":
        late.append(Future())
        return late[-1]

    with desk(tmp_path, never) as made, caller(made) as sock:
        (status,) = said(sock, b'{"verb":"status"}\n')
        assert (status["ok"], status["stale"], status["waiting"]) == (True, True, 3)
        sock.sendall(b'{"verb":"resume"}\n')
        until(lambda: len(late) == 2, "it is asked")
        late[0].set_result({"late": True})
        (refused,) = said(sock, b"")
        assert refused["sentence"] == "The daemon is too busy to answer."


def test_what_was_refused_is_not_done_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A main thread that was held up does not stop a daemon half a minute after it said that it could not."""
    monkeypatch.setattr(control, "_ANSWER_SECONDS", 0.2)
    heard: list[object] = []
    held_up = threading.Event()

    def slow(request: dict[str, object]) -> dict[str, object]:
        heard.append(request["verb"])
        held_up.wait()
        return {}

    with desk(tmp_path, slow) as made, caller(made) as first, caller(made) as second:
        first.sendall(b'{"verb":"resume"}\n')
        until(lambda: heard, "it is held up")
        assert not said(second, b'{"verb":"stop"}\n')[0]["ok"]
        held_up.set()
        with caller(made) as third:
            assert said(third, b'{"verb":"pause"}\n')[0]["ok"]
    assert heard == ["resume", "pause"]


def test_mistake_of_ours_is_told_and_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever asked is not left waiting."""

    def wrong(_request: dict[str, object]) -> dict[str, object]:
        raise RuntimeError("surprise")

    with desk(tmp_path, wrong) as made, caller(made) as sock:
        assert said(sock, b'{"verb":"resume"}\n')[0]["sentence"] == "RuntimeError: surprise"
    assert "could not be answered" in caplog.text


def test_watchers_hear_of_changes_and_a_slow_one_of_the_latest(tmp_path: Path) -> None:
    """One that does not read for a while misses what lay between, never the end; others miss nothing for it."""
    with desk(tmp_path) as made, caller(made) as slow, caller(made) as quick, quick.makefile("rb") as lines:
        for sock in (slow, quick):
            sock.sendall(b'{"verb":"subscribe"}\n')
        assert json.loads(lines.readline()) == {"ok": True}
        assert json.loads(lines.readline())["waiting"] == 3
        assert made.server.is_watched
        for number in range(1000):
            made.board.post(picture(waiting=number, why="x" * 2000))
            assert json.loads(lines.readline())["waiting"] == number
        with slow.makefile("rb") as behind:
            seen = [json.loads(behind.readline()).get("waiting")]
            while seen[-1] != 999:
                seen.append(json.loads(behind.readline())["waiting"])
        assert len(seen) < 900
        assert seen[2:] == sorted(seen[2:])
        assert said(slow, b'{"verb":"resume"}\n') == [{"ok": True, "heard": "resume"}]


def test_subscriber_stays_where_nothing_happens_and_goes_when_it_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who says nothing is put out, but for who waits for news; who went away is forgotten."""
    monkeypatch.setattr(talk, "_LINE_SECONDS", 0.3)
    with desk(tmp_path) as made, caller(made) as silent, caller(made) as half:
        half.sendall(b'{"verb":')
        with caller(made) as watcher:
            said(watcher, b'{"verb":"subscribe"}\n', 2)
            assert silent.recv(10) == half.recv(10) == b""
            made.board.post(picture(waiting=9))
            assert said(watcher, b"")[0]["waiting"] == 9
        until(lambda: not made.server.is_watched, "it is forgotten, though there is nothing to tell it")


def test_who_reads_nothing_is_put_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answers are not kept for ever."""
    monkeypatch.setattr(talk, "_READ_SECONDS", 0.3)
    with desk(tmp_path, lambda _request: {"long": "x" * 1_000_000}) as made, caller(made) as sock:
        sock.sendall(b'{"verb":"history"}\n')
        until(lambda: made.server._talks, "it is there")
        until(lambda: not made.server._talks, "it is put out")


def test_more_than_there_is_room_for_wait_and_are_all_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand at once: each gets its answer, no more descriptors are open than are meant for it."""
    monkeypatch.setattr(control, "_MOST_TALKS", 20)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 2048)), hard))
    try:
        with desk(tmp_path) as made, contextlib.ExitStack() as stack:
            socks = [stack.enter_context(caller(made)) for _number in range(1000)]
            for sock in socks:
                sock.sendall(b'{"verb":"resume"}\n')
            assert len(made.server._talks) <= 20
            for sock in socks:
                assert said(sock, b"") == [{"ok": True, "heard": "resume"}]
                sock.close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_too_many_watchers_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that commands always find room."""
    monkeypatch.setattr(control, "_MOST_WATCHERS", 2)
    with desk(tmp_path) as made, contextlib.ExitStack() as stack:
        socks = [stack.enter_context(caller(made)) for _number in range(3)]
        for sock in socks[:2]:
            assert said(sock, b'{"verb":"subscribe"}\n', 2)[0]["ok"]
        assert "too many" in said(socks[2], b'{"verb":"subscribe"}\n')[0]["sentence"].lower()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(st.binary(max_size=200) | st.sampled_from([b"\n", b'{"verb":"status"}\n', b"{" * 70_000])))
def test_whatever_is_sent_the_next_one_is_served(fuzzed: Desk, pieces: list[bytes]) -> None:
    """Bytes of any kind, cut off anywhere."""
    with caller(fuzzed) as sock, contextlib.suppress(BrokenPipeError, ConnectionResetError):
        for piece in pieces:
            sock.sendall(piece)
    with caller(fuzzed) as sock:
        assert said(sock, b'{"verb":"resume"}\n') == [{"ok": True, "heard": "resume"}]


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """One desk for all that is thrown at it."""
    with desk(tmp_path_factory.mktemp("fuzz")) as made:
        yield made
        until(lambda: not made.server._talks, "all are forgotten")


def test_who_says_nothing_makes_room_for_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every place is taken by somebody silent: who asks waits a moment, not until their patience ends."""
    monkeypatch.setattr(control, "_MOST_TALKS", 5)
    monkeypatch.setattr(talk, "_LINE_SECONDS", 1000.0)
    with desk(tmp_path) as made, contextlib.ExitStack() as stack:
        for _number in range(10):
            stack.enter_context(caller(made))
        until(lambda: len(made.server._talks) == 5, "all places are taken")
        with caller(made) as sock:
            assert said(sock, b'{"verb":"resume"}\n') == [{"ok": True, "heard": "resume"}]


def test_too_long_a_line_is_told_so_and_ends(tmp_path: Path) -> None:
    """Its rest is nobody's request."""
    heard: list[dict[str, object]] = []

    def listen(request: dict[str, object]) -> dict[str, object]:
        heard.append(request)
        return {}

    with desk(tmp_path, listen) as made, caller(made) as sock:
        sock.sendall(b'{"verb":"add","paths":["' + b"x" * 100_000 + b'"]}\n{"verb":"stop"}\n')
        sock.shutdown(socket.SHUT_WR)
        with sock.makefile("rb") as lines:
            (refused,) = [json.loads(line) for line in lines]
        assert "at most 65536 bytes" in refused["sentence"]
    assert not heard


@pytest.mark.skipif(os.getuid() == 0, reason="root is welcome everywhere")
def test_other_account_is_shown_the_door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Should it ever get through the folder: here this very account, to a server that believes it is another's."""
    with desk(tmp_path) as made:
        monkeypatch.setattr("bgzero_daemon.service.talk.os.getuid", lambda: 12345)
        with caller(made) as sock:
            answer = b""
            with contextlib.suppress(ConnectionError):
                sock.sendall(b'{"verb":"resume"}\n')
                answer = sock.recv(100)
            assert answer == b""


def test_second_one_finds_the_place_taken_and_a_stale_socket_is_nobodys(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Who holds the lock answers; what a killed one left is replaced; the end takes its own socket alone away."""
    file = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(file))
    with desk(tmp_path) as made:
        assert file.stat().st_mode & 0o777 == 0o600
        second = ControlServer(file, lambda: None, Board())
        second.start()
        assert "Another daemon of this account" in caplog.text
        assert not second.is_answering
        second.close()
        with caller(made) as sock:
            assert said(sock, b'{"verb":"resume"}\n')[0]["ok"]
        file.unlink()
        file.write_text("somebody else's")
    assert file.read_text() == "somebody else's"


def test_path_that_is_too_long_for_a_socket_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With /proc by its folder's descriptor; without in a folder of this account's below the temporary one."""
    deep = tmp_path / ("long" * 30)
    deep.mkdir()
    with desk(deep) as made, caller(made) as sock:
        assert said(sock, b'{"verb":"resume"}\n')[0]["ok"]
    monkeypatch.setattr("bgzero_daemon.client.os.path.isdir", lambda place: place != "/proc/self/fd")
    short = Path(f"/tmp/bgz-{os.getpid()}")
    short.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(short))
    try:
        with desk(deep) as made, caller(made) as sock:
            assert said(sock, b'{"verb":"resume"}\n')[0]["ok"]
            assert (short / f"bgzero-{os.getuid()}").stat().st_mode & 0o777 == 0o700
        assert not list((short / f"bgzero-{os.getuid()}").glob("*.sock"))
    finally:
        for entry in sorted(short.rglob("*"), reverse=True):
            entry.unlink() if entry.is_file() else entry.rmdir()
        short.rmdir()
