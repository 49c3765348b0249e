"""What was decided about each photo, and what waits: SQLite, so that nothing is cut twice or forgotten.

The inbox is the queue; the ledger holds decisions. Losing it costs time, never a photo: the cut-outs
carry a tag that says what they are of (`service.recovery`).
"""

import os
import sqlite3
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bgzero_daemon.core import crash
from bgzero_daemon.core.errors import Code, LedgerError
from bgzero_daemon.core.job import Fingerprint, JobState
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _
from bgzero_daemon.service.base import open_base
from bgzero_daemon.service.record import COLUMNS, REDO, Record, path_of, record_of, sealed, shot_key, values_of


@dataclass(frozen=True, slots=True)
class Address:
    """One photo's row: the inbox's path and the path below it."""

    inbox: str
    rel: str

    @property
    def key(self) -> tuple[bytes, bytes]:
        """Return what the rows are keyed by."""
        return os.fsencode(self.inbox), os.fsencode(self.rel)


class Ledger:
    """One ledger. Its methods may be called from any thread; one at a time gets through.

    Every method raises LedgerError where the file cannot be used at present.
    """

    def __init__(self, file: Path | None, inboxes: Sequence[str] = ()) -> None:
        """Open or make the ledger; None keeps it in memory. Raises LedgerError where it cannot be used.

        What is asked about all photos is answered for those of `inboxes`: another daemon of this account
        may share the file.
        """
        self._file = file
        self.serve(inboxes)
        self._base = open_base(file)
        self._lock = threading.RLock()
        # moments of a clock that began with the machine, and tries of a former run
        self._run(
            "UPDATE photo SET not_before = 0, tries = 0 WHERE state = 'waiting' AND tries > 0"
            f" AND inbox IN ({self._marks})",
            self.mine,
        )
        self._rank = int(self._run("SELECT coalesce(max(rank), 0) FROM photo").fetchone()[0])

    def serve(self, inboxes: Sequence[str]) -> None:
        """Answer for these inboxes from now on."""
        self.mine = [os.fsencode(inbox) for inbox in inboxes]
        self._marks = ", ".join("?" * len(inboxes))

    def _run(self, statement: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        with self._lock:
            try:
                return self._base.execute(statement, values)
            except (sqlite3.Error, OverflowError, UnicodeError) as error:
                raise LedgerError(
                    _("The ledger {file} cannot be used: {why}.").format(
                        file=display(self._file or _("in memory")), why=error
                    ),
                    hint=_("Free some space there; it is tried again by itself."),
                ) from error

    @property
    def version(self) -> tuple[int, int]:
        """Return what differs after any change, by this connection or by another process."""
        with self._lock:
            return self._base.total_changes, int(self._run("PRAGMA data_version").fetchone()[0])

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """Ask for rows, all of them at once."""
        with self._lock:
            return self._run(statement, values).fetchall()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make everything in the block one commit: all of it or nothing."""
        with self._lock:
            self._run("BEGIN IMMEDIATE")
            try:
                yield
                self._run("COMMIT")
            except BaseException:
                if self._base.in_transaction:
                    self._run("ROLLBACK")
                raise

    def get(self, inbox: str, rel: str) -> Record | None:
        """Return what is known of a photo, or None."""
        rows = self.rows(f"SELECT {COLUMNS} FROM photo WHERE inbox = ? AND rel = ?", Address(inbox, rel).key)
        return record_of(rows[0]) if rows else None

    def put(self, inbox: str, rel: str, record: Record) -> None:
        """Write down, durably, what is known of a photo, over what was."""
        values = values_of(record)
        key = Address(inbox, rel).key
        marks = ", ".join("?" * (len(values) + 4))
        self._run(
            f"INSERT OR REPLACE INTO photo (inbox, rel, {COLUMNS}, seal, shot) VALUES ({marks})",
            (*key, *values, sealed(key, record), shot_key(key[1])),
        )

    def arrive(self, inbox: str, rel: str, fingerprint: Fingerprint, *, pixels: int = 0, front: bool = False) -> None:
        """Let a photo wait that is new or has changed. What was decided about its former content is kept."""
        with self._lock:
            former = self.get(inbox, rel)
            self._rank += 1
            base = former or Record(fingerprint, JobState.WAITING)
            waiting = replace(
                base, fingerprint=fingerprint, state=JobState.WAITING, pixels=pixels, rank=self._rank,
                front=int(front or max(0, base.front)), not_before=0.0, tries=0,
                wanted=base.wanted if base.front >= REDO else "",  # a second try was about its former bytes
                wanted_edges=base.wanted_edges if base.front >= REDO else "",
                strikes=base.strikes if former and former.fingerprint == fingerprint else 0,
            )  # fmt: skip
            self.put(inbox, rel, waiting)
        crash.point("arrived")

    def waiting(
        self, inbox: str, limit: int, now: float, *, newest: bool = False, but_for: Collection[str] = ()
    ) -> list[tuple[str, Record]]:
        """Return an inbox's photos that may be cut now, in their order; none that wants one of these models."""
        order = "DESC" if newest else "ASC"
        others = f" AND wanted NOT IN ({', '.join('?' * len(but_for))})" if but_for else ""
        rows = self.rows(
            f"SELECT rel, {COLUMNS} FROM photo WHERE inbox = ? AND state = 'waiting' AND not_before <= ?{others}"
            f" ORDER BY front DESC, rank {order} LIMIT ?",
            (os.fsencode(inbox), now, *but_for, limit),
        )
        return [(path_of(row[0]), record_of(row[1:])) for row in rows]

    def wanted_models(self) -> list[str]:
        """Return the models that waiting photos want for themselves."""
        rows = self.rows(
            f"SELECT DISTINCT wanted FROM photo WHERE state = 'waiting' AND wanted != '' AND inbox IN ({self._marks})",
            self.mine,
        )
        return [str(row[0]) for row in rows]

    def forget_wanted(self, model: str) -> None:
        """Let photos that want this model be cut with that of their folder."""
        self._run(f"UPDATE photo SET wanted = '' WHERE wanted = ? AND inbox IN ({self._marks})", (model, *self.mine))

    def forget_second_tries(self, *, but_for: str = "") -> None:
        """Let doubtful photos that wait for a second try be as they are, but for those that want this model."""
        self._run(
            "UPDATE photo SET wanted = '' WHERE state = 'waiting' AND front < ? AND wanted NOT IN ('', ?)"
            f" AND inbox IN ({self._marks})",
            (REDO, but_for, *self.mine),
        )

    def next_retry(self, now: float) -> float | None:
        """Return the moment at which the next photo that was put back may be tried again."""
        found = self.rows(
            "SELECT min(not_before) FROM photo WHERE state = 'waiting' AND not_before > ? AND not_before < 1e300"
            f" AND inbox IN ({self._marks})",
            (now, *self.mine),
        )
        moment = found[0][0]
        return float(moment) if isinstance(moment, float) else None

    def of_state(self, state: JobState, limit: int) -> list[tuple[Address, Record]]:
        """Return photos in a state, the ones decided last first."""
        rows = self.rows(
            f"SELECT inbox, rel, {COLUMNS} FROM photo WHERE state = ? AND inbox IN ({self._marks})"
            " ORDER BY decided_at DESC LIMIT ?",
            (state.value, *self.mine, limit),
        )
        return addressed(rows)

    def alike(self, inbox: str, fingerprint: Fingerprint) -> list[tuple[str, Record]]:
        """Return the decided photos of an inbox that have this length and modification time."""
        rows = self.rows(
            f"SELECT rel, {COLUMNS} FROM photo WHERE size = ? AND mtime_ns = ? AND inbox = ? AND decided != ''",
            (fingerprint.size_bytes, fingerprint.mtime_ns, os.fsencode(inbox)),
        )
        return [(path_of(row[0]), record_of(row[1:])) for row in rows]

    def choose(
        self, inbox: str, rel: str, candidates: Sequence[str], *, intended: str = "", home: str | None = None
    ) -> str | None:
        """Give a photo the first of these output paths that no other photo has, and write that down before use.

        `intended` is the hash of what is about to be published there, `home` what `Record.home` becomes; None: as it
        is. None where all are taken. The former cut-out's hash and path stay, so that it is known again whatever comes
        in between.
        """
        with self._lock:
            for output in candidates:
                if self.is_anothers(inbox, rel, output):
                    continue
                known = self.get(inbox, rel)
                if known:
                    named = known.with_name(output, intended, known.home if home is None else home)
                    if named != known:
                        self.put(inbox, rel, named)
                return output
        return None

    def owners(self, output: str) -> list[Address]:
        """Return the photos that have this output path, or had it for a cut-out whose successor is on its way."""
        select, path = "SELECT inbox, rel FROM photo WHERE", os.fsencode(output)
        rows = self.rows(f"{select} output = ?1 UNION {select} former != x'' AND former = ?1", (path,))
        return [Address(path_of(row[0]), path_of(row[1])) for row in rows]

    def is_anothers(self, inbox: str, rel: str, output: str) -> bool:
        """Say whether another photo has this output path."""
        return any(owner != Address(inbox, rel) for owner in self.owners(output))

    def move(self, inbox: str, rel: str, new_rel: str, record: Record) -> None:
        """A photo was renamed: its row goes with it."""
        with self.together():
            self.remove(inbox, rel)
            self.put(inbox, new_rel, record)

    def shot_mates(self, inbox: str, rel: str) -> list[tuple[str, Record]]:
        """Return the other photos of an inbox that have the shot's name of this one."""
        name, path = Address(inbox, rel).key
        rows = self.rows(
            f"SELECT rel, {COLUMNS} FROM photo WHERE inbox = ? AND shot = ? AND rel != ? ORDER BY rel",
            (name, shot_key(path), path),
        )
        return [(path_of(row[0]), record_of(row[1:])) for row in rows]

    def uncover(self, inbox: str, rel: str) -> list[str]:
        """Forget the photos that this one covers, so that they arrive anew. Returns their paths below the inbox."""
        name, path = Address(inbox, rel).key
        where = "inbox = ? AND shot = ? AND covered_by = ? AND code = ? AND state = 'skipped'"
        values = (name, shot_key(path), path, Code.COVERED.value)
        with self._lock:
            rows = self.rows(f"SELECT rel FROM photo WHERE {where}", values)
            if rows:
                self._run(f"DELETE FROM photo WHERE {where}", values)
        return [path_of(row[0]) for row in rows]

    def remove(self, inbox: str, rel: str) -> None:
        """Forget a photo."""
        self._run("DELETE FROM photo WHERE inbox = ? AND rel = ?", Address(inbox, rel).key)

    def reopen(self, code: Code, inbox: str = "") -> int:
        """Let all photos wait again that were turned down for this reason, or an inbox's alone. Returns how many."""
        inboxes = [os.fsencode(inbox)] if inbox else self.mine
        return self._run(
            "UPDATE photo SET state = 'waiting', decided = '', strikes = 0 WHERE code = ? AND state IN"
            f" ('failed', 'skipped') AND inbox IN ({', '.join('?' * len(inboxes))})",
            (code.value, *inboxes),
        ).rowcount

    def forget(self, code: Code) -> int:
        """Forget all photos that were turned down for this reason, so that they arrive anew. Returns how many."""
        return self._run(
            f"DELETE FROM photo WHERE code = ? AND state IN ('failed', 'skipped') AND inbox IN ({self._marks})",
            (code.value, *self.mine),
        ).rowcount

    def note(self, name: str) -> str:
        """Return what was noted under a name, "" without a note."""
        rows = self.rows("SELECT value FROM note WHERE name = ?", (name,))
        return str(rows[0][0]) if rows else ""

    def set_note(self, name: str, value: str) -> None:
        """Note something about this installation."""
        self._run("INSERT OR REPLACE INTO note VALUES (?, ?)", (name, value))

    def knows(self, inbox: str) -> bool:
        """Say whether this inbox was served before."""
        return bool(self.note(_inbox_note(inbox)))

    def know(self, inbox: str) -> None:
        """Remember that this inbox is served."""
        self.set_note(_inbox_note(inbox), "1")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._base.close()


def addressed(rows: Sequence[Sequence[object]]) -> list[tuple[Address, Record]]:
    """Read rows that begin with inbox and path."""
    return [(Address(path_of(row[0]), path_of(row[1])), record_of(row[2:])) for row in rows]


def _inbox_note(inbox: str) -> str:
    return f"inbox:{os.fsencode(inbox).hex().upper()}"
