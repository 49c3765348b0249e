"""The gate, with a clock and eyes that the test controls; and its real eyes on real files."""

import mmap
import os
import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from bgzero_daemon.core.job import Fingerprint, PhotoKey
from bgzero_daemon.service.gate import Gate, Sight, ignore_lease_breaks, look

KEY, PATH = PhotoKey(0, "a.jpg"), Path("/in/a.jpg")


def sight(version: int, is_written: bool | None = False) -> Sight:
    """What a file looks like after its `version`th change."""
    return Sight(Fingerprint(1, 2, version, version, version), is_written)


@given(st.lists(st.tuples(st.floats(0.0, 1.5), st.booleans(), st.booleans()), max_size=30))
def test_nothing_passes_before_it_was_quiet_and_free(steps: list[tuple[float, bool, bool]]) -> None:
    """Over any history of writes, events and open writers: a file passes only unwritten, unchanged for a second."""
    now, version, changed, writer = 0.0, 0, 0.0, False
    gate = Gate(1.0, lambda _path: sight(version, writer))
    gate.notice(KEY, PATH, now)
    for pause, writes, writer in steps:
        now += pause
        if writes:
            version, changed = version + 1, now
            gate.notice(KEY, PATH, now)
        for _key, fingerprint in gate.ready(now):
            assert not writer
            assert fingerprint.size_bytes == version
            assert now - changed >= 1.0
            version += 1
            changed = now
            gate.notice(KEY, PATH, now)
    writer = False
    passed = [key for wait in (1.01, 2.02, 3.03) for key, _mark in gate.ready(now + wait)]
    assert passed == [KEY]


def test_missed_events_only_cost_time() -> None:
    """A change that no event told of is seen when the file is due, and its quiet time begins again."""
    version = 0
    gate = Gate(1.0, lambda _path: sight(version))
    gate.notice(KEY, PATH, 0.0)
    version = 1
    assert list(gate.ready(1.0)) == []
    assert [mark.size_bytes for _key, mark in gate.ready(2.0)] == [1]


def test_file_that_is_gone_is_forgotten() -> None:
    """No entry stays behind."""
    eyes: list[Sight | None] = [sight(0), None]
    gate = Gate(1.0, lambda _path: eyes.pop(0))
    gate.notice(KEY, PATH, 0.0)
    assert list(gate.ready(1.0)) == []
    assert len(gate) == 0
    assert gate.next_due() is None


def test_only_regular_files_are_seen(tmp_path: Path) -> None:
    """Links, pipes and folders are nothing, and a pipe does not block."""
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "pipe")
    assert look(tmp_path / "file")
    assert [look(tmp_path / name) for name in ("link", "pipe", "", "missing")] == [None] * 4


def test_open_writer_is_seen_and_a_reader_is_not(tmp_path: Path) -> None:
    """The kernel says whether anybody has the file open for writing, by descriptor or by shared memory."""
    ignore_lease_breaks()
    file = tmp_path / "file"
    file.write_bytes(b"x" * 4096)

    def is_written() -> bool | None:
        seen = look(file)
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
            assert look(file)
    assert writer.returncode == 0
