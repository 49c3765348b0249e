"""What was imported, from which card, under which name: so that nothing is copied twice.

A small SQLite file beside the ledger. Losing it costs time: photos that are still in the inbox are known by
their content.
"""

import os
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from bgzero_daemon.cards.source import Found
from bgzero_daemon.core.errors import MemoryTrouble
from bgzero_daemon.core.names import display
from bgzero_daemon.core.shots import Shot, shot_of
from bgzero_daemon.core.texts import _

VERSION = 1

# A row is "named" from the moment in which its name was chosen until the name is known to be on the disk.
_TABLES = f"""
BEGIN IMMEDIATE;
CREATE TABLE photo (
    number INTEGER PRIMARY KEY,
    card TEXT NOT NULL,
    path BLOB NOT NULL CHECK (typeof(path) = 'blob'),
    size INTEGER NOT NULL,
    moment INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    inbox BLOB NOT NULL CHECK (typeof(inbox) = 'blob'),
    name BLOB NOT NULL CHECK (typeof(name) = 'blob'),
    hidden BLOB NOT NULL CHECK (typeof(hidden) = 'blob'),
    state TEXT NOT NULL CHECK (state IN ('named', 'done')),
    imported_at REAL NOT NULL,
    UNIQUE (card, path, size, moment)
);
CREATE INDEX photo_content ON photo (sha256);
CREATE INDEX photo_name ON photo (inbox, name);
CREATE TABLE note (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
PRAGMA user_version={VERSION};
COMMIT;
"""
_KEY = "card = ? AND path = ? AND size = ? AND moment = ?"
Key = tuple[str, int, int]
"""A photo of one card: path, length, moment."""


@dataclass(frozen=True, slots=True)
class Named:
    """A photo whose name was chosen: the card, where it lies there, its hidden name and the one it is to have."""

    card: str
    found: Found
    sha256: str
    hidden: str
    name: str


class Memory:
    """One memory. Every method raises MemoryTrouble where its file cannot be used."""

    def __init__(self, file: Path) -> None:
        """Open or make it; one that is damaged is set aside and begun anew, which `notes` tells."""
        self._file = file
        self.notes: list[str] = []
        try:
            self._base = self._opened()
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise self._trouble(error) from error
            aside = f"{file}.damaged-{time.strftime('%Y%m%d-%H%M%S')}"
            try:
                for suffix in ("", "-wal", "-shm"):
                    if os.path.lexists(f"{file}{suffix}"):
                        os.replace(f"{file}{suffix}", f"{aside}{suffix}")
                self._base = self._opened()
            except (OSError, sqlite3.Error) as second:
                raise self._trouble(second) from second
            self.notes.append(
                _("What was imported is not known any more: {file} is damaged, and was set aside as {aside}.").format(
                    file=display(file), aside=display(os.path.basename(aside))
                )
            )
        except OSError as error:
            raise self._trouble(error) from error

    def _opened(self) -> sqlite3.Connection:
        os.close(os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        base = sqlite3.connect(self._file, isolation_level=None, timeout=10.0)
        try:
            base.execute("PRAGMA journal_mode=WAL")
            base.execute("PRAGMA synchronous=FULL")
            version = base.execute("PRAGMA user_version").fetchone()[0]
            self._check(version)
            if version < VERSION:
                base.executescript(_TABLES)
            # of this memory alone: another account's hidden files in the same inbox are its own to judge
            base.execute("INSERT OR IGNORE INTO note VALUES ('mark', ?)", (token_hex(4),))
            self.mark = str(base.execute("SELECT value FROM note WHERE name = 'mark'").fetchone()[0])
        except BaseException:
            base.close()
            raise
        return base

    def _check(self, version: int) -> None:
        if version > VERSION:
            raise MemoryTrouble(
                _("{file} was written by a newer version.").format(file=display(self._file)),
                hint=_("Install that version again, or move the file away."),
            )

    def close(self) -> None:
        """Let go of the file."""
        self._base.close()

    def _run(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        try:
            return self._base.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise self._trouble(error) from error

    def of_card(self, card: str) -> set[Key]:
        """Return the photos of a card that were imported."""
        rows = self._run("SELECT path, size, moment FROM photo WHERE card = ? AND state = 'done'", card)
        return {(_path(path), int(str(size)), int(str(moment))) for path, size, moment in rows}

    def newest(self, card: str) -> int | None:
        """Return the moment of the newest photo that was imported of a card, in seconds since 1970."""
        (found,) = self._run("SELECT max(moment) FROM photo WHERE card = ? AND state = 'done'", card)[0]
        return None if found is None else int(str(found))

    def knows(self, sha256: str) -> bool:
        """Say whether a photo of this content was imported, from whatever card."""
        return bool(self._run("SELECT 1 FROM photo WHERE sha256 = ? AND state = 'done' LIMIT 1", sha256))

    def shot_in(self, inbox: Path, name: str) -> tuple[str, Shot] | None:
        """Return the card and the shot of the photo that got this name in an inbox last."""
        rows = self._run(
            "SELECT card, path FROM photo WHERE inbox = ? AND name = ? ORDER BY number DESC LIMIT 1",
            os.fsencode(inbox), os.fsencode(name),
        )  # fmt: skip
        return (str(rows[0][0]), shot_of(_path(rows[0][1]))) if rows else None

    def names_of(self, inbox: Path, card: str, path: str) -> list[str]:
        """Return the names that the files of a photo's shot got in an inbox, itself among them, the latest first."""
        stem = os.fsencode(os.path.splitext(path)[0])
        rows = self._run(
            "SELECT name FROM photo WHERE inbox = ? AND card = ? AND name != x'' AND path > ? AND path < ?"
            " ORDER BY number DESC",
            os.fsencode(inbox), card, stem + b".", stem + b"/",
        )  # fmt: skip
        return [_path(name) for (name,) in rows]

    def named(self, inbox: Path) -> list[Named]:
        """Return what has got a name in an inbox and is not known to be there."""
        rows = self._run(
            "SELECT card, path, size, moment, sha256, hidden, name FROM photo WHERE inbox = ? AND state = 'named'",
            os.fsencode(inbox),
        )
        return [
            Named(str(card), Found(_path(path), int(str(size)), int(str(moment)) * 1_000_000_000), str(sha256),
                  _path(hidden), _path(name))
            for card, path, size, moment, sha256, hidden, name in rows
        ]  # fmt: skip

    def intend(self, named: Named, inbox: Path) -> None:
        """Write down, durably, which name a photo is about to get."""
        self._put(named.card, named.found, inbox, named.sha256, (named.name, named.hidden, "named"))

    def remember(self, card: str, found: Found, inbox: Path, sha256: str, name: str = "") -> None:
        """Write down, durably, that a photo is imported; without a name it was known already."""
        self._put(card, found, inbox, sha256, (name, "", "done"))

    def _put(self, card: str, found: Found, inbox: Path, sha256: str, kept: tuple[str, str, str]) -> None:
        name, hidden, state = kept
        self._run(
            "INSERT OR REPLACE INTO photo (card, path, size, moment, sha256, inbox, name, hidden, state, imported_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            *_key(card, found), sha256, os.fsencode(inbox), os.fsencode(name), os.fsencode(hidden), state, time.time(),
        )  # fmt: skip

    def settle(self, named: Named, *, is_there: bool) -> None:
        """Write down, durably, whether a photo has got the name that was meant for it; if not it is forgotten."""
        done = "UPDATE photo SET state = 'done', hidden = x'' WHERE " if is_there else "DELETE FROM photo WHERE "
        self._run(done + _KEY, *_key(named.card, named.found))

    def _trouble(self, error: Exception) -> MemoryTrouble:
        return MemoryTrouble(
            _("What was imported cannot be remembered in {file}: {why}.").format(file=display(self._file), why=error),
            hint=_("Correct its permissions, free some space, or move it away."),
        )


def _key(card: str, found: Found) -> tuple[str, bytes, int, int]:
    return card, os.fsencode(found.path), found.size_bytes, found.moment


def _path(raw: object) -> str:
    assert isinstance(raw, bytes)
    return os.fsdecode(raw)


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_SCHEMA)
