"""Frames between service and worker, over a real socketpair, with real descriptors."""

import array
import os
import socket
import struct
import threading
import tomllib
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bgzero_daemon.catalog.card import ModelCard
from bgzero_daemon.core import paths
from bgzero_daemon.core.confidence import Confidence, Doubt
from bgzero_daemon.core.recipe import Depth, Edges, Metadata, Png, Product
from bgzero_daemon.wire import framing, work
from bgzero_daemon.wire.framing import ProtocolError, receive, send

from .lending import Lent, descriptors_open

Pair = tuple[socket.socket, socket.socket]
CARD = ModelCard.model_validate(tomllib.loads(paths.shipped("models", "u2netp.toml").read_text()))
FRAMES: list[work.Frame] = [
    work.Setup(
        model="u2netp",
        card=CARD,
        provider="cpu",
        threads=2,
        lanes=2,
        max_pixels=10**8,
        nice=0,
        max_bytes=2**40,
        sandbox="require",
        allow_unverified=False,
        prepared_sha256="ab" * 32,
    ),
    work.Cut(
        job="1",
        name="Caf%C3%A9/%FF.jpg",
        metadata=Metadata.SAFE,
        product=Product.CUTOUT,
        png=Png.SMALL,
        edges=Edges.BEST,
        depth=Depth.SIXTEEN,
    ),
    work.Verdict(job="1", go=False),
    work.Ready(
        provider="cpu", note="no GPU here", seconds=0.25, network_seconds=0.1, sandbox="closed", is_verified=True
    ),
    work.Unfit(sentence="The model cannot be used.", hint="Take another."),
    work.Begun(job="1"),
    work.Hashed(job="1", sha256="ab" * 32),
    work.Done(
        job="1",
        staged_bytes=1,
        staged_sha256="cd" * 32,
        width_px=3,
        height_px=4,
        provider="cpu",
        seconds={"a": 0.5},
        confidence=Confidence.CHECK,
        doubt=Doubt.SEE_THROUGH,
    ),
    work.Refused(job="1", verdict="skipped", sentence="HEIC: später 🙂", hint=""),
]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Two ends of a stream, with a deadline so that a mistake cannot hang."""
    ends = socket.socketpair()
    for end in ends:
        end.settimeout(20)
    with ends[0], ends[1]:
        yield ends


@pytest.fixture
def lent() -> Iterator[Lent]:
    """Two descriptors to lend."""
    pipes = Lent(2)
    yield pipes
    pipes.end()


def header(length: int, magic: bytes = b"BGZ", version: int = work.VERSION) -> bytes:
    """Return a frame's header as it goes over the wire."""
    return struct.pack(">3sBI", magic, version, length)


def throw(sock: socket.socket, content: bytes, descriptors: tuple[int, ...]) -> None:
    """Send raw bytes with descriptors beside them."""
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
    sent = sock.sendmsg([content], rights if descriptors else [])
    sock.sendall(content[sent:])


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: frame.kind)
def test_frame_comes_out_as_it_went_in(pair: Pair, frame: work.Frame) -> None:
    """Every kind, with every field."""
    send(pair[0], frame)
    assert receive(pair[1]) == (frame, ())


def test_frames_keep_their_order(pair: Pair) -> None:
    """Many frames in one buffer are told apart."""
    for frame in FRAMES * 3:
        send(pair[0], frame)
    assert [receive(pair[1]) for _frame in FRAMES * 3] == [(frame, ()) for frame in FRAMES * 3]


def test_descriptors_travel_beside_the_frame_and_work(pair: Pair) -> None:
    """What arrives is the same open file under another number, owned by the receiver."""
    reading, writing = os.pipe()
    send(pair[0], FRAMES[1], (reading, writing))
    send(pair[0], FRAMES[2])
    os.close(reading)
    os.close(writing)
    got = receive(pair[1])
    assert got is not None
    frame, (source, staged) = got
    assert frame == FRAMES[1]
    os.write(staged, b"through")
    assert os.read(source, 20) == b"through"
    os.close(source)
    os.close(staged)
    assert receive(pair[1]) == (FRAMES[2], ())


def test_closed_peer_is_the_end(pair: Pair) -> None:
    """None after everything that was sent before, and again on every call."""
    send(pair[0], FRAMES[2])
    pair[0].close()
    assert receive(pair[1]) == (FRAMES[2], ())
    assert receive(pair[1]) is None
    assert receive(pair[1]) is None


def test_sending_to_a_closed_peer_is_an_oserror(pair: Pair) -> None:
    """The caller learns that the other side is gone; no signal kills the process."""
    pair[1].close()
    with pytest.raises(OSError, match=r"pipe|reset"):
        send(pair[0], FRAMES[2])


def framed(body: bytes) -> bytes:
    """Return any body with the right header."""
    return header(len(body)) + body


GARBAGE = {
    "another magic": header(2, magic=b"XYZ") + b"{}",
    "another version": header(2, version=work.VERSION + 1) + b"{}",
    "version 0": header(2, version=0) + b"{}",
    "oversized": header(framing.MAX_BODY_BYTES + 1) + b"{}",
    "huge": header(2**32 - 1) + b"{}",
    "empty body": framed(b""),
    "no JSON": framed(b"hello"),
    "no object": framed(b"[]"),
    "no kind": framed(b"{}"),
    "unknown kind": framed(b'{"kind":"nope"}'),
    "missing field": framed(b'{"kind":"verdict"}'),
    "unknown field": framed(b'{"kind":"verdict","job":"1","go":true,"more":1}'),
    "text in place of a number": framed(b'{"kind":"ready","provider":"cpu","seconds":"soon"}'),
    "two objects": framed(b'{"kind":"verdict","job":"1","go":true}{}'),
    "no UTF-8": framed(b"\xff\xfe\xff\xfe"),
    "deep": framed(b"[" * 6_000),
    "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "zeros": b"\0" * 64,
    "one byte": b"B",
    "half a header": header(10)[:5],
    "header alone": header(10),
    "half a body": header(100) + b'{"kind":',
}


@pytest.mark.parametrize("what", GARBAGE)
def test_what_is_no_frame_is_a_protocol_error_and_leaks_nothing(pair: Pair, lent: Lent, what: str) -> None:
    """Wrong, oversized, cut short or garbage: told as such, and what came beside it is closed."""
    throw(pair[0], GARBAGE[what], lent.lent)
    lent.close_own()
    pair[0].close()
    before = descriptors_open()
    assert not lent.all_closed()
    with pytest.raises(ProtocolError):
        receive(pair[1])
    assert lent.all_closed()
    assert descriptors_open() == before


def test_oversized_frame_is_refused_before_its_body_is_there(pair: Pair) -> None:
    """The announcement is enough: nobody waits for gigabytes, or reads them."""
    pair[0].sendall(header(framing.MAX_BODY_BYTES + 1))
    with pytest.raises(ProtocolError, match="announces"):
        receive(pair[1])


def test_error_names_both_versions(pair: Pair) -> None:
    """After an update a daemon may meet an old worker: the message says so."""
    pair[0].sendall(header(2, version=work.VERSION + 1) + b"{}")
    said = rf"expected protocol {work.VERSION}, got b'BGZ' {work.VERSION + 1}"
    with pytest.raises(ProtocolError, match=said):
        receive(pair[1])


def test_deadline_in_the_middle_of_a_frame_leaks_nothing(pair: Pair, lent: Lent) -> None:
    """A peer that stops half-way: the error is the socket's own, and what came beside is closed."""
    throw(pair[0], header(10), lent.lent)
    lent.close_own()
    pair[1].settimeout(0.05)
    with pytest.raises(OSError, match="timed out"):
        receive(pair[1])
    assert lent.all_closed()


def test_more_descriptors_than_a_frame_may_have_leak_nothing(pair: Pair) -> None:
    """A frame carries two at most: of five, none stays open once the receiver has closed what it got."""
    pipes = Lent(5)
    body = FRAMES[2].model_dump_json().encode()
    throw(pair[0], framed(body), pipes.lent)
    pipes.close_own()
    got: tuple[int, ...] = ()
    with suppress(ProtocolError):
        received = receive(pair[1])
        got = received[1] if received else ()
    assert len(got) <= 2
    for descriptor in got:
        os.close(descriptor)
    assert pipes.all_closed()
    pipes.end()


def test_descriptors_beside_the_body_are_not_taken(pair: Pair, lent: Lent) -> None:
    """Only the header may bring any: those that come later do not stay open."""
    body = FRAMES[2].model_dump_json().encode()
    pair[0].sendall(header(len(body)))
    throw(pair[0], body, lent.lent)
    lent.close_own()
    assert receive(pair[1]) == (FRAMES[2], ())
    assert lent.all_closed()


DONE = (
    f'"job": "1", "staged_bytes": 1, "staged_sha256": "{"cd" * 32}", "width_px": 3, "height_px": 4, "provider": "cpu",'
    ' "seconds": {}'
)


def test_done_frame_that_is_true_is_one(pair: Pair) -> None:
    """Those below are refused for what they say last."""
    pair[0].sendall(framed(f'{{"kind": "done", {DONE}, "confidence": "check"}}'.encode()))
    (frame,) = framing.Receiver().receive(pair[1]) or []
    assert isinstance(frame, work.Done)
    assert frame.confidence == "check"


@pytest.mark.parametrize(
    "body",
    [
        '"hashed", "job": "1", "sha256": "/../../home/x"',
        '"hashed", "job": "1", "sha256": "AB"',
        '"ready", "is_verified": true, "sandbox": "", "seconds": 1, "network_seconds": 1, "provider": ""',
        '"ready", "is_verified": true, "sandbox": "", "seconds": 1, "network_seconds": 1, "provider": "a\\nb"',
        '"ready", "is_verified": true, "sandbox": "", "seconds": 1, "network_seconds": 1e308, "provider": "c"',
        '"ready", "is_verified": true, "sandbox": "", "seconds": 1, "network_seconds": NaN, "provider": "c"',
        f'"done", {DONE}, "confidence": "accepted"',
        f'"done", {DONE}, "confidence": "seen"',
    ],
)
def test_lies_of_a_worker_are_no_frames(pair: Pair, body: str) -> None:
    """A path for a hash, a deadline without end, a line of log in a name, a look that only a person can have had."""
    receiver = framing.Receiver()
    pair[0].sendall(framed(f'{{"kind": {body}}}'.encode()))
    with pytest.raises(ProtocolError):
        receiver.receive(pair[1])


def test_text_of_a_worker_is_one_plain_line(pair: Pair) -> None:
    """What a photo made of it goes to logs and terminals."""
    send(pair[0], work.Unfit.model_construct(kind="unfit", sentence="a\nb\x1b[31m", hint="\u202e"))
    frames = framing.Receiver().receive(pair[1])
    assert frames
    (frame,) = frames
    assert isinstance(frame, work.Unfit)
    assert frame.sentence.isprintable()
    assert frame.hint.isprintable()


def test_receiver_takes_frames_in_any_pieces(pair: Pair) -> None:
    """Several at once, and halves; the end is told."""
    receiver = framing.Receiver()
    assert receiver.receive(pair[1]) == []
    content = b"".join(framed(frame.model_dump_json().encode()) for frame in FRAMES)
    pair[0].sendall(content[:50])
    assert receiver.receive(pair[1]) == []
    pair[0].sendall(content[50:])
    assert receiver.receive(pair[1]) == FRAMES
    pair[0].shutdown(socket.SHUT_WR)
    assert receiver.receive(pair[1]) is None


def test_frame_that_is_too_large_is_never_sent(pair: Pair) -> None:
    """The sender refuses what the receiver would; the stream stays usable."""
    with pytest.raises(ProtocolError, match="too large"):
        send(pair[0], FRAMES[1].model_copy(update={"name": "x" * framing.MAX_BODY_BYTES}))
    send(pair[0], FRAMES[2])
    assert receive(pair[1]) == (FRAMES[2], ())


def test_header_that_arrives_in_two_pieces_keeps_its_descriptors(pair: Pair, lent: Lent) -> None:
    """The first piece brings the descriptors; the kernel never reads past it in one go."""
    content = framed(FRAMES[2].model_dump_json().encode())
    throw(pair[0], content[:3], lent.lent)
    pair[0].sendall(content[3:])
    lent.close_own()
    got = receive(pair[1])
    assert got is not None
    assert got[0] == FRAMES[2]
    assert len(got[1]) == 2
    for descriptor in got[1]:
        os.close(descriptor)
    assert lent.all_closed()


@settings(max_examples=40, deadline=None)
@given(job=st.text(st.characters(codec="utf-8"), max_size=200), go=st.booleans(), piece=st.integers(1, 40))
def test_any_text_in_any_pieces_arrives(job: str, go: bool, piece: int) -> None:
    """Any text in a field, delivered in pieces of any size, while the receiver waits."""
    frame = work.Verdict(job=job, go=go)
    content = framed(frame.model_dump_json().encode())
    near, far = socket.socketpair()
    with near, far:
        far.settimeout(20)

        def deliver() -> None:
            for at in range(0, len(content), piece):
                near.sendall(content[at : at + piece])

        sender = threading.Thread(target=deliver, name="sender")
        sender.start()
        try:
            assert receive(far) == (frame, ())
        finally:
            sender.join(20)


@settings(max_examples=100, deadline=None)
@given(junk=st.binary(min_size=1, max_size=200))
def test_any_bytes_are_a_frame_or_a_protocol_error(junk: bytes) -> None:
    """Whatever arrives, nothing else is raised."""
    near, far = socket.socketpair()
    with near, far:
        far.settimeout(20)
        near.sendall(junk)
        near.close()
        with pytest.raises(ProtocolError):
            receive(far)
