"""What a worker prints reaches the log as plain lines, and not without end; what it is given is what it needs."""

import os
from pathlib import Path

import pytest

from bgzero_daemon.service.launch import _environment
from bgzero_daemon.service.murmur import Murmur
from tests.fault.test_worker import PROVOKE
from tests.home import Home, photo, until


def murmuring() -> tuple[Murmur, int]:
    """A murmur, and where to write for it."""
    reading, writing = os.pipe()
    return Murmur(1, os.fdopen(reading, "rb")), writing


def test_lines_are_plain_whatever_is_in_them(caplog: pytest.LogCaptureFixture) -> None:
    """Colours, forged lines, bytes that are no text; pieces of a line are one line."""
    murmur, writing = murmuring()
    os.write(writing, b"half ")
    assert murmur.hear()
    os.write(writing, b"a line\n\x1b[31mred\xff\n\nrest")
    assert murmur.hear()
    os.close(writing)
    murmur.close()
    murmur.close()
    assert [record.getMessage() for record in caplog.records] == [
        "worker 1: half a line", "worker 1: \\x1b[31mred\\xff", "worker 1: rest",
    ]  # fmt: skip


def test_flood_ends_in_a_sentence(caplog: pytest.LogCaptureFixture) -> None:
    """A hundred lines are heard; the rest is read and dropped, so that nobody waits for a full pipe."""
    murmur, writing = murmuring()
    for _time in range(50):
        os.write(writing, b"x\n" * 100 + b"y" * 3000)
        assert murmur.hear()
    os.close(writing)
    murmur.close()
    assert len(caplog.records) == 101
    assert "more than is worth a log" in caplog.records[-1].getMessage()
    assert all(len(record.getMessage()) < 300 for record in caplog.records)


def test_worker_gets_of_the_environment_what_it_needs(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """No token, no agent's socket, no proxy."""
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    monkeypatch.setenv("LC_TIME", "C")
    assert _environment()["LC_TIME"] == "C"
    assert "GITHUB_TOKEN" not in _environment()
    with home.daemon(**PROVOKE, AWS_SECRET_ACCESS_KEY="secret", HTTPS_PROXY="secret") as daemon:
        photo(home.inbox / "a.jpg")
        daemon.wait_for("a.png")
        until(daemon.worker, "a worker")
        assert b"secret" not in Path(f"/proc/{daemon.worker()}/environ").read_bytes()
        assert b"ORT_DISABLE_TELEMETRY=1" in Path(f"/proc/{daemon.worker()}/environ").read_bytes()
