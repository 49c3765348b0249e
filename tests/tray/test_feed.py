"""Following a daemon that hangs, dies in the middle of a word, or is of another version: a scripted one."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from bgzero_daemon import client
from bgzero_daemon.core.errors import BgzeroError, NoDaemon
from bgzero_daemon.tray import feed as feeds
from bgzero_daemon.tray.feed import Feed, Picture
from tests.home import until
from tests.tray.test_notices import snapshot

MODEL = {
    "name": "m", "title": "M", "good_for": "all", "size_bytes": None, "licence": "L", "commercial": "yes",
    "installed": True, "accepted": True, "can_be_pulled": False, "of_tomorrow": 1,
}  # fmt: skip


def told(**changes: Any) -> bytes:
    """A line with a snapshot."""
    return json.dumps({"event": "snapshot", **snapshot().told(), **changes}).encode() + b"\n"


def line(**keys: Any) -> bytes:
    """A line with a reply."""
    return json.dumps({"ok": True, **keys}).encode() + b"\n"


_ENDINGS: list[Callable[[], None]] = []
Replies = dict[str, Callable[[], bytes | None]]


class Scripted:
    """Answers each verb by a function; None: never. A reply that is no whole line ends the conversation."""

    def __init__(self, folder: Path, replies: Replies) -> None:
        self.replies, self.asked = replies, list[str]()
        self.followers: list[socket.socket] = []
        self._server = socket.socket(socket.AF_UNIX)
        with client.short_address(folder / "control.sock") as address:
            self._server.bind(address)
        self._server.listen()
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        with suppress(OSError):
            while True:
                peer, _address = self._server.accept()
                threading.Thread(target=self._talk, args=(peer,), daemon=True).start()

    def _talk(self, peer: socket.socket) -> None:
        with peer, peer.makefile("rb") as lines, suppress(OSError):
            for request in lines:
                verb = json.loads(request)["verb"]
                if verb == "subscribe":
                    self.followers.append(peer)
                self.asked.append(verb)
                reply = self.replies.get(verb, lambda: b'{"ok": false, "sentence": "no such verb"}\n')()
                peer.sendall(reply or b"")
                if reply is not None and not reply.endswith(b"\n"):
                    return

    def say(self, words: bytes) -> None:
        """Tell who has subscribed last."""
        self.followers[-1].sendall(words)

    def close(self) -> None:
        """End; those who follow hear of it."""
        self._server.close()
        for peer in self.followers:
            with suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)


class Followed:
    """A feed and every picture that it has shown; until the end of the test."""

    def __init__(self) -> None:
        self.pictures: list[Picture] = []
        self.feed = Feed(self.pictures.append)
        self.feed.start()
        _ENDINGS.append(self.feed.stop)

    @property
    def now(self) -> Picture:
        """The latest picture."""
        return self.feed.picture


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The runtime folder; everything goes quickly."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    tmp_path.chmod(0o700)
    monkeypatch.setattr(feeds, "_PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr(feeds, "_AGAIN_SECONDS", 0.05)
    (tmp_path / "bgzero").mkdir()
    yield tmp_path / "bgzero"
    while _ENDINGS:
        _ENDINGS.pop()()
    until(lambda: not [one for one in threading.enumerate() if one.name == "tray-feed"], "nobody listens any more")


@contextmanager
def scripted(folder: Path, **replies: Callable[[], bytes | None]) -> Iterator[Scripted]:
    """A daemon that answers so, and as it should otherwise."""
    usual: Replies = {
        "subscribe": lambda: line() + told(), "models": lambda: line(models=[MODEL]),
        "failed": lambda: line(photos=[], count=0), "hello": line,
    }  # fmt: skip
    found = Scripted(folder, usual | replies)
    try:
        yield found
    finally:
        found.close()
        (folder / "control.sock").unlink()


def test_daemon_that_falls_silent_is_asked_and_then_said_to_hang(folder: Path) -> None:
    """Silence alone is no news; one that does not answer is. It comes back when it speaks again."""
    with scripted(folder) as daemon:
        tray = Followed()
        until(lambda: daemon.asked.count("hello") >= 2, "it is asked whether it is there")
        assert tray.now.snapshot
        assert all(not picture.why for picture in tray.pictures)
        assert daemon.asked.count("subscribe") == 1
        daemon.replies |= {"hello": lambda: None, "subscribe": lambda: None}
        until(lambda: tray.now.why == "The daemon does not answer.", lambda: str(tray.now))
        assert tray.now.snapshot is None
        daemon.replies |= {"hello": line, "subscribe": lambda: line() + told()}
        until(lambda: tray.now.snapshot and not tray.now.why, "it is there again")


def test_daemon_that_dies_in_the_middle_of_a_word_is_gone(folder: Path) -> None:
    """Half a line is none, whether an answer or a snapshot."""
    with scripted(folder, subscribe=lambda: line() + told() + told()[:100]) as daemon:
        tray = Followed()
        until(lambda: daemon.asked.count("subscribe") >= 2, "it is tried again")
        daemon.replies["subscribe"] = lambda: b'{"ok": tr'
        before = daemon.asked.count("subscribe")
        until(lambda: daemon.asked.count("subscribe") >= before + 2, "it is tried again")
        daemon.replies["status"] = lambda: b'{"ok": tr'
        with pytest.raises(NoDaemon):
            client.ask("status")
    until(lambda: tray.now.snapshot is None, "it is gone")
    assert {picture.why for picture in tray.pictures} == {""}


def test_daemon_of_another_version_is_said_to_be_one(folder: Path) -> None:
    """A newer schema, missing keys, lines that are no objects or no JSON: a sentence, and no end of following."""
    wrong = [told(schema=99), told(model=None), b"[1]\n\0\n", b'{"event": "snapshot"}\n', told(latest=7), b"\n"]
    with scripted(folder) as daemon:
        tray = Followed()
        for words in wrong:
            daemon.replies["subscribe"] = lambda: line() + told()
            until(lambda: tray.now.snapshot, "one that can be understood")
            daemon.replies["subscribe"] = lambda words=words: line() + words  # type: ignore[misc]
            daemon.say(words)
            until(lambda: tray.now.why.startswith("The daemon is of another version"), lambda: str(tray.now))


def test_lists_are_taken_as_they_come(folder: Path) -> None:
    """An older daemon has none; entries that lack something are left out; one that never comes keeps nobody waiting."""
    with scripted(folder, models=lambda: None) as daemon:
        tray = Followed()
        until(lambda: tray.now.snapshot and "models" in daemon.asked, "it follows")
        daemon.say(told(waiting=5))
        until(lambda: tray.now.snapshot and tray.now.snapshot.waiting == 5, "it goes on following")
        tray.feed.stop()
    strange = [MODEL, {**MODEL, "title": None}, {"name": "x"}, 7, None, {**MODEL, "size_bytes": "1"}]
    lists = iter([b'{"ok": false, "sentence": "no such verb"}\n', line(), line(models=None), line(models=strange)])
    failed = [{"path": "/a", "sentence": "s"}, {"path": 1, "sentence": "s"}, {}]
    photos = line(photos=failed, count=3)
    with scripted(folder, models=lambda: next(lists), failed=lambda: photos) as daemon:
        tray = Followed()
        for number in range(1, 4):
            until(lambda number=number: daemon.asked.count("models") == number, "it is asked")  # type: ignore[misc]
            tray.feed.reload_models()
        until(lambda: tray.now.models, "they are shown")
        assert tray.now.models == [MODEL]
        assert tray.now.failed == failed[:1]
        assert tray.now.snapshot
    until(lambda: tray.now.snapshot is None, "it is gone")
    assert not tray.now.failed


def test_lists_are_asked_for_when_they_have_changed(folder: Path) -> None:
    """At the beginning, and when another photo has failed, or another model is in force."""
    with scripted(folder) as daemon:
        tray = Followed()
        until(lambda: tray.now.models and {"failed", "models"} <= set(daemon.asked), "at the beginning")
        daemon.asked.clear()
        daemon.say(told(waiting=1))
        until(lambda: tray.now.snapshot and tray.now.snapshot.waiting == 1, "it follows")
        assert not {"failed", "models"} & set(daemon.asked)
        daemon.say(told(failed=1))
        until(lambda: "failed" in daemon.asked, "another failure")
        assert "models" not in daemon.asked
        daemon.say(told(failed=1, model={"value": "x", "origin": "state"}))
        until(lambda: "models" in daemon.asked, "another model")
        daemon.asked.clear()
        outcome = {
            "photo": "a", "path": "/a", "state": "failed", "sentence": "s", "cutout": "", "cutout_path": "",
            "model": "x", "decided_at": 1.0,
        }  # fmt: skip
        daemon.say(told(failed=1, model={"value": "x", "origin": "state"}, latest=[outcome]))
        until(lambda: "failed" in daemon.asked, "the same number, for another reason")
        assert "review" not in daemon.asked
        same = {"failed": 1, "model": {"value": "x", "origin": "state"}, "latest": [outcome]}
        daemon.say(told(**same, wanting_look=1))
        until(lambda: "review" in daemon.asked, "a cut-out wants a look")


def test_nobody_is_looked_for_less_and_less_often(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """But at once when it is asked for, and every two seconds always."""
    tries: list[float] = []
    watch = client.watch

    def counted(patience: float | None = None) -> Iterator[dict[str, Any]]:
        tries.append(time.monotonic())
        return watch(patience)

    monkeypatch.setattr(client, "watch", counted)
    monkeypatch.setattr(feeds, "_MOST_AGAIN_SECONDS", 30.0)
    tray = Followed()
    until(lambda: len(tries) >= 6, "it looks")
    assert tries[5] - tries[4] >= 0.2
    assert not tray.pictures, "nothing is new"
    tray.feed._pause = 30.0
    tray.feed.look_again()
    until(lambda: len(tries) >= 7, "it looks")
    with scripted(folder):
        tray.feed.look_again()
        until(lambda: tray.now.snapshot, "it is found at once", 10)
        assert tray.feed._pause == 0.05, "and looked for at once when it has gone"


def test_daemon_that_lets_nobody_in_any_more_is_there(folder: Path) -> None:
    """As one that is stopped is, once many have knocked: it is not taken for one that does not run."""
    with socket.socket(socket.AF_UNIX) as server, ExitStack() as knocking:
        with client.short_address(folder / "control.sock") as address:
            server.bind(address)
        server.listen(0)
        with suppress(BlockingIOError):
            for _time in range(100):
                peer = knocking.enter_context(socket.socket(socket.AF_UNIX))
                peer.setblocking(False)
                client.connect(peer, folder / "control.sock")
        with pytest.raises(BgzeroError, match="The daemon does not answer") as caught:
            client.ask("hello")
        assert not isinstance(caught.value, NoDaemon)
