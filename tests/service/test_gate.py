"""The gate, with a clock and eyes that the test controls; and its real eyes on real files."""

import mmap
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgzero_daemon.core.job import Fingerprint, PhotoKey
from bgzero_daemon.service.container import Structure
from bgzero_daemon.service.gate import Gate, Patience
from bgzero_daemon.service.sight import Sight, ignore_lease_breaks, look, open_below

KEY = PhotoKey(0, "a.jpg")


def sight(version: int, is_written: bool | None = False) -> Sight:
    """What a file looks like after its `version`th change."""
    return Sight(Fingerprint(1, 2, version, version, version), is_written)


def a_gate(eyes: Callable[[PhotoKey], Sight | None], missing: Callable[[], str] = lambda: "") -> Gate:
    """A gate with a second of patience, five where it is unsure, a hundred at most."""
    return Gate(
        Patience(1.0, 5.0, 100.0),
        look=eyes,
        look_inside=lambda _key: Structure(missing()),
    )


@given(st.lists(st.tuples(st.floats(0.0, 1.5), st.booleans(), st.booleans()), max_size=30))
def test_nothing_passes_before_it_was_quiet_and_free(steps: list[tuple[float, bool, bool]]) -> None:
    """Over any history of writes, events and open writers: a file passes only unwritten, unchanged for a second."""
    now, version, changed, writer = 0.0, 0, 0.0, False
    gate = a_gate(lambda _key: sight(version, writer))
    gate.notice(KEY, now)
    for pause, writes, writer in steps:
        now += pause
        if writes:
            version, changed = version + 1, now
            gate.notice(KEY, now)
        for _key, fingerprint, _pixels in gate.ready(now):
            assert not writer
            assert fingerprint.size_bytes == version
            assert now - changed >= 1.0 - 1e-9
            version += 1
            changed = now
            gate.notice(KEY, now)
    writer = False
    passed = [key for wait in (1.01, 2.02, 3.03) for key, _mark, _pixels in gate.ready(now + wait)]
    assert passed == [KEY]


@pytest.mark.fault("F01")
@pytest.mark.parametrize("pause", [0.1, 1.0, 6.0, 30.0, 120.0])
def test_writer_that_pauses_is_waited_for_however_long(pause: float) -> None:
    """Where the kernel can tell who writes: not one look too early over ten pauses, by a clock of the test's."""
    now, version = 0.0, 0
    gate = a_gate(lambda _key: sight(version, is_written=now < 10 * pause))
    gate.notice(KEY, now)
    passed: list[int] = []
    while not passed:
        now = gate.next_due() or 0.0
        assert now < 11 * pause + 3
        if now < 10 * pause:
            version = int(now / pause)
        passed = [mark.size_bytes for _key, mark, _pixels in gate.ready(now)]
    assert now >= 10 * pause
    assert passed == [version]


@pytest.mark.fault("F01")
def test_pause_of_two_minutes_where_nobody_can_tell_who_writes() -> None:
    """A network mount: quiet for longer than the settle time, but not whole, so it waits for the rest."""
    now = 0.0
    gate = a_gate(lambda _key: sight(int(now >= 90.0), is_written=None), lambda: "" if now >= 90.0 else "its end")
    gate.notice(KEY, now)
    passed: list[PhotoKey] = []
    while not passed:
        now = gate.next_due() or 0.0
        passed = [key for key, _mark, _pixels in gate.ready(now)]
    assert now >= 95.0


def test_missed_events_only_cost_time() -> None:
    """A change that no event told of is seen when the file is due, and its quiet time begins again."""
    version = 0
    gate = a_gate(lambda _key: sight(version))
    gate.notice(KEY, 0.0)
    version = 1
    assert list(gate.ready(1.0)) == []
    assert [mark.size_bytes for _key, mark, _pixels in gate.ready(2.0)] == [1]


def test_file_that_is_gone_is_forgotten() -> None:
    """No entry stays behind."""
    eyes: list[Sight | None] = [sight(0), None]
    gate = a_gate(lambda _key: eyes.pop(0))
    gate.notice(KEY, 0.0)
    assert list(gate.ready(1.0)) == []
    assert len(gate) == 0
    assert gate.next_due() is None


def test_only_regular_files_are_seen(tmp_path: Path) -> None:
    """Links, pipes and folders are nothing, and a pipe does not block."""
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "pipe")
    assert look(tmp_path, "file")
    assert [look(tmp_path, name) for name in ("link", "pipe", "", "missing")] == [None] * 4


def test_open_writer_is_seen_and_a_reader_is_not(tmp_path: Path) -> None:
    """The kernel says whether anybody has the file open for writing, by descriptor or by shared memory."""
    ignore_lease_breaks()
    file = tmp_path / "file"
    file.write_bytes(b"x" * 4096)

    def is_written() -> bool | None:
        seen = look(tmp_path, file.name)
        assert seen
        return seen.is_written

    if is_written() is None:
        return  # no leases on this file system: unknown is the right answer
    assert is_written() is False
    with file.open("rb"):
        assert is_written() is False
    with file.open("r+b") as writer:
        assert is_written() is True
        mapped = mmap.mmap(writer.fileno(), 0)
    assert is_written() is True
    mapped.close()
    assert is_written() is False


def test_writer_that_comes_in_the_window_of_the_lease_harms_nobody(tmp_path: Path) -> None:
    """Looking at a file again and again while another process opens it for writing: both go on."""
    ignore_lease_breaks()
    file = tmp_path / "file"
    file.write_bytes(b"x")
    code = f"for _ in range(3000): open({str(file)!r}, 'ab').close()"
    with subprocess.Popen([sys.executable, "-c", code]) as writer:
        while writer.poll() is None:
            assert look(tmp_path, file.name)
    assert writer.returncode == 0


def test_incomplete_file_is_looked_at_less_and_less_often_and_passes_in_the_end() -> None:
    """Structure delays a photo by at most `max_wait_seconds`; it never keeps one out."""
    looks: list[float] = []
    now = 0.0

    def missing() -> str:
        looks.append(now)
        return "its end is missing"

    gate = a_gate(lambda _key: sight(0), missing)
    gate.notice(KEY, now)
    passed: list[PhotoKey] = []
    while not passed:
        now = gate.next_due() or 0.0
        passed = [key for key, _mark, _pixels in gate.ready(now)]
    assert now == 100.0
    assert looks == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 100.0]


def test_incomplete_file_passes_as_soon_as_it_is_whole() -> None:
    """New bytes begin the quiet time again; then the structure decides."""
    version, missing = 0, "its end is missing"
    gate = a_gate(lambda _key: sight(version), lambda: missing)
    gate.notice(KEY, 0.0)
    assert list(gate.ready(1.0)) == []
    version, missing = 1, ""
    gate.notice(KEY, 1.5)
    assert list(gate.ready(2.4)) == []
    assert [mark.size_bytes for _key, mark, _pixels in gate.ready(2.5)] == [1]


def test_where_nobody_can_tell_who_writes_the_gate_waits_longer() -> None:
    """Another's file, or a network mount, where a lease says nothing about writers elsewhere."""
    gate = a_gate(lambda _key: sight(0, None))
    gate.notice(KEY, 0.0)
    assert list(gate.ready(4.9)) == []
    assert [key for key, _mark, _pixels in gate.ready(5.0)] == [KEY]


def test_no_link_is_followed_on_the_way_to_a_file(tmp_path: Path) -> None:
    """A folder that becomes a link between the scan and the look leads nowhere."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.jpg").write_bytes(b"x")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "sub").symlink_to(tmp_path / "real")
    assert look(tmp_path / "in", "sub/a.jpg") is None
    with pytest.raises(OSError, match="Not a directory"):
        open_below(tmp_path / "in", "sub/a.jpg")
    (tmp_path / "way").symlink_to(tmp_path / "real")
    assert look(tmp_path / "way", "a.jpg")  # the root itself is somebody's choice
    before = len(os.listdir("/proc/self/fd"))
    for _time in range(50):
        look(tmp_path / "in", "sub/a.jpg")
    assert len(os.listdir("/proc/self/fd")) <= before
