"""The ledger on real SQLite."""

import os
import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bgzero_daemon.core.errors import BgzeroError
from bgzero_daemon.core.job import Fingerprint, Outcome
from bgzero_daemon.service.ledger import Entry, Ledger

U64 = st.integers(0, 2**64 - 1)
I63 = st.integers(-(2**62), 2**62)
NAMES = st.binary(min_size=1, max_size=40).filter(lambda raw: b"\0" not in raw).map(os.fsdecode)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rel=NAMES, mark=st.builds(Fingerprint, U64, U64, I63, I63, I63), output=NAMES)
def test_what_is_written_is_read_back(tmp_path: Path, rel: str, mark: Fingerprint, output: str) -> None:
    """Any name of bytes, inodes of the full 64 bits; and it is still there when the file is opened again."""
    entry = Entry(mark, Outcome.DONE, "ab", output, "m", "", 5.0)
    ledger = Ledger(tmp_path / "ledger.db")
    ledger.put("/in", rel, entry)
    ledger.close()
    ledger = Ledger(tmp_path / "ledger.db")
    assert ledger.get("/in", rel) == entry
    assert ledger.get("/other", rel) is None
    ledger.close()


def test_output_is_taken_by_others_only(tmp_path: Path) -> None:
    """A photo's own output is not in its own way."""
    ledger = Ledger(tmp_path / "ledger.db")
    ledger.put("/in", "a.jpg", Entry(Fingerprint(1, 2, 3, 4, 5), Outcome.DONE, output="/out/a.png"))
    assert not ledger.is_taken("/out/a.png", "/in", "a.jpg")
    assert ledger.is_taken("/out/a.png", "/in", "a.png")
    assert not ledger.is_taken("/out/b.png", "/in", "a.png")
    ledger.close()


def test_ledger_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    """One sentence; the file is not touched."""
    file = tmp_path / "ledger.db"
    base = sqlite3.connect(file)
    base.execute("PRAGMA user_version = 99")
    base.close()
    before = file.read_bytes()
    with pytest.raises(BgzeroError, match="newer version"):
        Ledger(file)
    assert file.read_bytes()[:100] != b""
    assert sqlite3.connect(file).execute("PRAGMA user_version").fetchone() == (99,)
    assert len(before) <= file.stat().st_size


def test_damaged_ledger_is_one_sentence(tmp_path: Path) -> None:
    """What is no database says so, with the way out."""
    (tmp_path / "ledger.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(BgzeroError, match="cannot be used") as caught:
        Ledger(tmp_path / "ledger.db")
    assert "none is lost" in caught.value.hint
