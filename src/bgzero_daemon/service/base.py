"""The ledger's file: opened, checked, brought to the present version, or set aside where it is damaged.

One connection with a lock around it is the one writer; WAL with synchronous=FULL makes each commit
durable before it returns (sqlite.org/pragma.html#pragma_synchronous).
"""

import logging
import os
import shutil
import sqlite3
import time
from pathlib import Path

from bgzero_daemon.core import crash
from bgzero_daemon.core.errors import LedgerError, LedgerTooNew
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _
from bgzero_daemon.service.record import SEALED, seal_of, shot_key

log = logging.getLogger(__name__)

VERSION = 5

# Version 1 held decisions only. What waits, a name that was chosen, an original on its way and
# everything for retries came with version 2, a model for single photos with version 3, what is thought of a
# cut-out, and edges for single photos, with version 4, which files are one shot, and where a template put a cut-out,
# with version 5.
_STEPS = {
    1: """
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
""",
    2: """
ALTER TABLE photo RENAME TO photo_1;
DROP INDEX photo_output;
CREATE TABLE photo (
    inbox BLOB NOT NULL CHECK (typeof(inbox) = 'blob'),
    rel BLOB NOT NULL CHECK (typeof(rel) = 'blob'),
    dev INTEGER NOT NULL, ino INTEGER NOT NULL, size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'published', 'done', 'failed', 'skipped')),
    decided TEXT NOT NULL CHECK (decided IN ('', 'done', 'failed', 'skipped')),
    sha256 TEXT NOT NULL,
    output BLOB NOT NULL CHECK (typeof(output) = 'blob'),
    output_sha256 TEXT NOT NULL,
    intended_sha256 TEXT NOT NULL,
    original BLOB NOT NULL CHECK (typeof(original) = 'blob'),
    model TEXT NOT NULL, code TEXT NOT NULL, sentence TEXT NOT NULL, hint TEXT NOT NULL,
    pixels INTEGER NOT NULL,
    front INTEGER NOT NULL, rank INTEGER NOT NULL,
    not_before REAL NOT NULL, tries INTEGER NOT NULL, strikes INTEGER NOT NULL,
    decided_at REAL NOT NULL,
    seal INTEGER NOT NULL,
    PRIMARY KEY (inbox, rel)
) WITHOUT ROWID;
INSERT INTO photo SELECT inbox, rel, dev, ino, size, mtime_ns, ctime_ns, outcome, outcome, sha256, output, '', '', x'',
    model, '', sentence, '', 0, 0, 0, 0, 0, 0, decided_at,
    seal_of(inbox, rel, dev, ino, size, mtime_ns, ctime_ns, sha256, output, '', x'')
    FROM photo_1 WHERE rel != CAST('.' AS BLOB);
CREATE TABLE note (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO note SELECT 'inbox:' || hex(inbox), '1' FROM photo_1 WHERE rel = CAST('.' AS BLOB);
DROP TABLE photo_1;
CREATE INDEX photo_output ON photo (output);
CREATE INDEX photo_queue ON photo (inbox, state, front DESC, rank);
CREATE INDEX photo_content ON photo (size, mtime_ns);
CREATE INDEX photo_state ON photo (state, decided_at);
""",
    3: "ALTER TABLE photo ADD COLUMN wanted TEXT NOT NULL DEFAULT '';",
    4: """
ALTER TABLE photo ADD COLUMN confidence TEXT NOT NULL DEFAULT '';
ALTER TABLE photo ADD COLUMN doubt TEXT NOT NULL DEFAULT '';
ALTER TABLE photo ADD COLUMN wanted_edges TEXT NOT NULL DEFAULT '';
CREATE INDEX photo_confidence ON photo (confidence, decided_at);
""",
    # shots: `shot` is what the files of one shot share, `covered_by` the path of the one that was cut for this one
    5: """
ALTER TABLE photo ADD COLUMN covered_by BLOB NOT NULL DEFAULT x'';
ALTER TABLE photo ADD COLUMN shot BLOB NOT NULL DEFAULT x'';
UPDATE photo SET shot = shot_key(rel);
CREATE INDEX photo_shot ON photo (inbox, shot);
ALTER TABLE photo ADD COLUMN home BLOB NOT NULL DEFAULT x'';
ALTER TABLE photo ADD COLUMN former BLOB NOT NULL DEFAULT x'';
ALTER TABLE photo ADD COLUMN former_home BLOB NOT NULL DEFAULT x'';
CREATE INDEX photo_former ON photo (former) WHERE former != x'';
""",
}
_SEALED = ", ".join(SEALED)


def open_base(file: Path | None) -> sqlite3.Connection:
    """Open the ledger, making it where there is none; None keeps it in memory alone.

    A damaged file is set aside with a date in its name, which the log says, and a new one begun. An
    older version is copied before it is changed. Raises LedgerError for a newer version, and where
    the file cannot be used.
    """
    if file is None:
        base = _connect(":memory:")
        _migrate(base, 0, None)
        return base
    try:
        return _open(file)
    except UnicodeError as error:
        _set_aside(file, error)
    except sqlite3.DatabaseError as error:
        if not _is_damage(error):
            raise _trouble(file, error) from error
        _set_aside(file, error)
    except OSError as error:
        raise _trouble(file, error) from error
    try:
        return _open(file)
    except (OSError, sqlite3.Error) as error:
        raise _trouble(file, error) from error


def _open(file: Path) -> sqlite3.Connection:
    os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    base = _connect(str(file))
    try:
        version = _checked(base, file)
        crash.point("ledger-opened")
        _migrate(base, version, file)
        _check_seals(base)
    except BaseException:
        base.close()
        raise
    return base


def _checked(base: sqlite3.Connection, file: Path) -> int:
    """Return the version of a ledger that is sound."""
    version = int(base.execute("PRAGMA user_version").fetchone()[0])
    if version > VERSION:
        raise LedgerTooNew(
            _("The ledger {file} was written by a newer version.").format(file=display(file)),
            hint=_("Install that version again, or move the file away."),
        )
    base.execute("PRAGMA journal_mode=WAL")
    base.execute("PRAGMA synchronous=FULL")
    base.execute("PRAGMA wal_autocheckpoint=250")  # about 1 MB: small state disks exist
    found = base.execute("PRAGMA quick_check(1)").fetchone()[0]  # also what the CHECKs of the schema say
    if found != "ok":
        raise sqlite3.DatabaseError(f"malformed: {found}")
    return version


def _check_seals(base: sqlite3.Connection) -> None:
    if base.execute(f"SELECT 1 FROM photo WHERE seal != seal_of({_SEALED}) LIMIT 1").fetchone():
        raise sqlite3.DatabaseError("malformed: a row is not as it was written")


def _connect(name: str) -> sqlite3.Connection:
    # The ledger's own lock lets one thread at a time near it.
    base = sqlite3.connect(name, isolation_level=None, check_same_thread=False, timeout=10.0)
    base.create_function("seal_of", len(SEALED), lambda *values: seal_of(values), deterministic=True)
    base.create_function("shot_key", 1, shot_key, deterministic=True)
    return base


def _migrate(base: sqlite3.Connection, version: int, file: Path | None) -> None:
    if 0 < version < VERSION and file:
        copy = file.with_name(f"{file.name}.version-{version}")
        base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copy2(file, copy)
        log.info(_("The ledger is brought from version %d to %d; the former one is kept as %s."), version, VERSION,
                 display(copy))  # fmt: skip
        crash.point("ledger-copied")
    for step in range(version + 1, VERSION + 1):
        base.executescript(f"BEGIN IMMEDIATE; {_STEPS[step]} PRAGMA user_version={step}; COMMIT;")
        crash.point(f"ledger-version-{step}")


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return "malformed" in str(error)
    return code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_SCHEMA)


def _set_aside(file: Path, error: Exception) -> None:
    """Move the damaged file away, and what SQLite keeps beside it."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    for suffix in ("", "-wal", "-shm"):
        beside = file.with_name(file.name + suffix)
        if beside.exists():
            os.replace(beside, file.with_name(f"{file.name}.damaged-{stamp}{suffix}"))
    log.error(
        _("The ledger %s is damaged (%s). It was set aside as %s; what was done is read from the cut-outs."),
        display(file), error, f"{file.name}.damaged-{stamp}",
    )  # fmt: skip


def _trouble(file: Path, error: Exception) -> LedgerError:
    return LedgerError(
        _("The ledger {file} cannot be used: {why}.").format(file=display(file), why=error),
        hint=_("Correct its permissions, or move it away: what was done is read from the cut-outs, no photo is lost."),
    )
