"""What people ask about many photos at once, answered from the ledger in bounded pieces."""

import os
import time
from dataclasses import dataclass, field

from bgzero_daemon.core.errors import Code
from bgzero_daemon.core.job import JobState
from bgzero_daemon.service.ledger import Address, Ledger, addressed
from bgzero_daemon.service.record import COLUMNS, Record, path_of, record_of

_NOT_A_PHOTO = Code.NOT_A_PHOTO.value


@dataclass(frozen=True, slots=True)
class Survey:
    """Questions to a ledger. What is no photo at all is nobody's business and left out."""

    ledger: Ledger

    def counts(self, *, since: float = 0.0) -> dict[JobState, int]:
        """Return how many photos are in each state; with `since` only what was decided from that moment on."""
        marks = ", ".join("?" * len(self.ledger.mine))
        later = " AND decided_at >= ? AND state IN ('done', 'published', 'failed', 'skipped')" if since else ""
        rows = self.ledger.rows(
            f"SELECT state, count(*) FROM photo WHERE code != ? AND inbox IN ({marks}){later} GROUP BY state",
            (_NOT_A_PHOTO, *self.ledger.mine, *([since] if since else [])),
        )
        found = {str(state): int(str(count)) for state, count in rows}
        return {state: found.get(state.value, 0) for state in JobState}

    def count_covered(self) -> int:
        """Return how many of those that were skipped are covered by another file of their shot."""
        marks = ", ".join("?" * len(self.ledger.mine))
        rows = self.ledger.rows(
            f"SELECT count(*) FROM photo WHERE state = 'skipped' AND code = ? AND inbox IN ({marks})",
            (Code.COVERED.value, *self.ledger.mine),
        )
        return int(str(rows[0][0]))

    def history(self, limit: int, confidence: str | None = None) -> list[tuple[Address, Record]]:
        """Return what was decided, the latest first, in all inboxes that this ledger knows; all, or what is so sure."""
        only = "" if confidence is None else " AND confidence = ?"
        rows = self.ledger.rows(
            f"SELECT inbox, rel, {COLUMNS} FROM photo WHERE decided_at > 0 AND code != ?{only}"
            " ORDER BY decided_at DESC LIMIT ?",
            (_NOT_A_PHOTO, *([] if confidence is None else [confidence]), limit),
        )
        return addressed(rows)

    def wanting_look(self, limit: int) -> list[tuple[Address, Record]]:
        """Return this service's cut-outs that want a look and had none, the latest first."""
        rows = self.ledger.rows(
            f"SELECT inbox, rel, {COLUMNS} FROM photo WHERE {self._wants_look} ORDER BY decided_at DESC LIMIT ?",
            (*self.ledger.mine, limit),
        )
        return addressed(rows)

    def count_wanting_look(self) -> int:
        """Return how many those are."""
        rows = self.ledger.rows(f"SELECT count(*) FROM photo WHERE {self._wants_look}", self.ledger.mine)
        return int(str(rows[0][0]))

    def count_empty(self) -> int:
        """Return how many photos were skipped because nothing was found in them."""
        marks = ", ".join("?" * len(self.ledger.mine))
        rows = self.ledger.rows(
            f"SELECT count(*) FROM photo WHERE confidence = 'no-subject' AND state = 'skipped' AND inbox IN ({marks})",
            self.ledger.mine,
        )
        return int(str(rows[0][0]))

    def reviewed(self, limit: int, *, after: Address | None = None) -> tuple[list[Address], Address | None]:
        """Return those, and what was accepted and may still be where it was: in an order that stays, behind `after`.

        And what to ask for next: None for all from the beginning.
        """
        marks = ", ".join("?" * len(self.ledger.mine))
        rows = self.ledger.rows(
            f"SELECT inbox, rel FROM photo WHERE confidence IN ('check', 'accepted') AND inbox IN ({marks})"
            " AND (inbox, rel) > (?, ?) ORDER BY inbox, rel LIMIT ?",
            (*self.ledger.mine, *(after.key if after else (b"", b"")), limit),
        )
        found = [Address(path_of(row[0]), path_of(row[1])) for row in rows]
        return found, found[-1] if len(found) == limit else None

    @property
    def _wants_look(self) -> str:
        marks = ", ".join("?" * len(self.ledger.mine))
        return f"confidence = 'check' AND state IN ('done', 'published') AND inbox IN ({marks})"

    def latest(self, limit: int) -> list[tuple[Address, Record]]:
        """Return what was decided last in this service's inboxes, without looking through all of it."""
        marks = ", ".join("?" * len(self.ledger.mine))
        found = []
        for state in (JobState.DONE, JobState.PUBLISHED, JobState.FAILED, JobState.SKIPPED):
            rows = self.ledger.rows(
                f"SELECT inbox, rel, {COLUMNS} FROM photo WHERE state = ? AND decided_at > 0 AND code != ?"
                f" AND inbox IN ({marks}) ORDER BY decided_at DESC LIMIT ?",
                (state.value, _NOT_A_PHOTO, *self.ledger.mine, limit),
            )
            found += addressed(rows)
        return sorted(found, key=lambda row: -row[1].decided_at)[:limit]

    def known_below(self, inbox: str, rel: str, limit: int, *, after: str = "") -> list[tuple[str, Record]]:
        """Return the photos of a folder below an inbox ("." for all of it), or the photo of that path.

        In the order of their paths, `limit` of them at most, those behind `after`.
        """
        first = b"" if rel == "." else os.fsencode(rel) + b"/"
        last = b"\xff" * 8 if rel == "." else os.fsencode(rel) + b"0"  # "0" is the byte behind "/"
        rows = self.ledger.rows(
            f"SELECT rel, {COLUMNS} FROM photo WHERE inbox = ? AND (rel = ? OR (rel >= ? AND rel < ?)) AND rel > ?"
            " AND code != ? ORDER BY rel LIMIT ?",
            (os.fsencode(inbox), os.fsencode(rel), first, last, os.fsencode(after), _NOT_A_PHOTO, limit),
        )
        return [(path_of(row[0]), record_of(row[1:])) for row in rows]


@dataclass(frozen=True, slots=True)
class Overview:
    """Photos in each state, those that came there today, those that want a look or are empty, and the latest.

    `covered` are those among the skipped that another file of their shot covers.
    """

    counts: dict[JobState, int]
    today: dict[JobState, int]
    wanting_look: int
    empty: int
    latest: list[tuple[Address, Record]]
    covered: int = 0


@dataclass(slots=True)
class Overviews:
    """Takes overviews of ledgers, and counts again only where something was written since: a million rows take long."""

    latest: int
    _basis: tuple[object, ...] = ()
    _last: Overview = field(default_factory=lambda: Overview({}, {}, 0, 0, []))

    def take(self, ledger: Ledger) -> Overview:
        """Return the present overview, with the `latest` decisions. Raises LedgerError."""
        now = time.localtime()
        midnight = time.mktime((now.tm_year, now.tm_mon, now.tm_mday, 0, 0, 0, 0, 0, -1))
        basis = ledger, ledger.version, tuple(ledger.mine), midnight
        if basis != self._basis:
            survey = Survey(ledger)
            self._last = Overview(
                survey.counts(), survey.counts(since=midnight), survey.count_wanting_look(), survey.count_empty(),
                survey.latest(self.latest), survey.count_covered(),
            )  # fmt: skip
            self._basis = basis
        return self._last
