"""What was decided about each photo, in SQLite, so that rescans and restarts cut nothing twice.

The inbox is the queue; the ledger holds decisions only. Losing it costs time, never a photo.
"""

import logging
import os
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bgzero_daemon.core.errors import BgzeroError
from bgzero_daemon.core.job import Fingerprint, Outcome
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _

log = logging.getLogger(__name__)

VERSION = 1
_SCHEMA = """
CREATE TABLE photo (
    inbox BLOB NOT NULL,
    rel BLOB NOT NULL,
    dev INTEGER NOT NULL, ino INTEGER NOT NULL, size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    output BLOB NOT NULL,
    model TEXT NOT NULL,
    sentence TEXT NOT NULL,
    decided_at REAL NOT NULL,
    PRIMARY KEY (inbox, rel)
) WITHOUT ROWID;
CREATE INDEX photo_output ON photo (output);
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A decision: about which bytes, how it ended, and where its output is.

    `sha256` is "" where the content was never read; `output` is the full path of the cut-out, "" without
    one; `sentence` says why not. `decided_at` is Unix time in seconds, for people only.
    """

    fingerprint: Fingerprint
    outcome: Outcome
    sha256: str = ""
    output: str = ""
    model: str = ""
    sentence: str = ""
    decided_at: float = 0.0


class Ledger:
    """One ledger file. All methods are called from one thread."""

    def __init__(self, file: Path) -> None:
        """Open or make the ledger. Raises BgzeroError where it cannot be used, as every other method does."""
        self._file = file
        try:
            os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            # the lock of SQLite itself is enough, and one writer is all there is
            self._base = sqlite3.connect(file, isolation_level=None)
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute("PRAGMA synchronous=FULL")
            version = int(self._base.execute("PRAGMA user_version").fetchone()[0])
            if version == 0:
                self._base.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version={VERSION}; COMMIT;")
        except (OSError, sqlite3.Error) as error:
            raise BgzeroError(
                _("The ledger {file} cannot be used: {why}.").format(file=display(file), why=error),
                hint=_("Correct its permissions, or move it away: photos are then cut again, none is lost."),
            ) from error
        if version > VERSION:
            raise BgzeroError(
                _("The ledger {file} was written by a newer version.").format(file=display(file)),
                hint=_("Install that version again, or move the file away."),
            )

    def _run(self, statement: str, values: tuple[object, ...] = ()) -> sqlite3.Cursor:
        try:
            return self._base.execute(statement, values)
        except sqlite3.Error as error:
            raise BgzeroError(
                _("The ledger {file} cannot be used: {why}.").format(file=display(self._file), why=error),
                hint=_("Free some space there; it is tried again by itself."),
            ) from error

    def get(self, inbox: str, rel: str) -> Entry | None:
        """Return the decision about a photo, or None where there is none yet."""
        row = self._run(
            "SELECT dev, ino, size, mtime_ns, ctime_ns, outcome, sha256, output, model, sentence, decided_at"
            " FROM photo WHERE inbox = ? AND rel = ?",
            (os.fsencode(inbox), os.fsencode(rel)),
        ).fetchone()
        if row is None:
            return None
        dev, ino, *rest = row[:5]
        fingerprint = Fingerprint(_unsigned(dev), _unsigned(ino), *rest)
        return Entry(fingerprint, Outcome(row[5]), row[6], os.fsdecode(row[7]), *row[8:])

    def put(self, inbox: str, rel: str, entry: Entry) -> None:
        """Write a decision, durably, over any former one."""
        mark = entry.fingerprint
        self._run(
            "INSERT OR REPLACE INTO photo VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                os.fsencode(inbox), os.fsencode(rel),
                _signed(mark.dev), _signed(mark.ino), mark.size_bytes, mark.mtime_ns, mark.ctime_ns,
                entry.outcome.value, entry.sha256, os.fsencode(entry.output), entry.model, entry.sentence,
                entry.decided_at,
            ),
        )  # fmt: skip

    def put_all(self, inbox: str, entries: Iterable[tuple[str, Entry]]) -> None:
        """Write decisions about many photos, all of them or none."""
        self._run("BEGIN IMMEDIATE")
        try:
            for rel, entry in entries:
                self.put(inbox, rel, entry)
        except BaseException:
            self._run("ROLLBACK")
            raise
        self._run("COMMIT")

    def knows(self, inbox: str) -> bool:
        """Say whether anything was ever decided about this inbox."""
        found = self._run("SELECT 1 FROM photo WHERE inbox = ? LIMIT 1", (os.fsencode(inbox),))
        return found.fetchone() is not None

    def is_taken(self, output: str, inbox: str, rel: str) -> bool:
        """Say whether `output` is the cut-out of another photo than this one."""
        rows = self._run("SELECT inbox, rel FROM photo WHERE output = ?", (os.fsencode(output),))
        return any(row != (os.fsencode(inbox), os.fsencode(rel)) for row in rows)

    def close(self) -> None:
        """Close the file."""
        self._base.close()


def _signed(number: int) -> int:
    """Bring an unsigned 64-bit number (inodes of some file systems) into SQLite's signed range."""
    return number - (1 << 64) if number >= 1 << 63 else number


def _unsigned(number: int) -> int:
    return number + (1 << 64) if number < 0 else number
