"""Where the service can be seen: the board, the service manager's line, and `status.json`."""

import contextlib
import json
import logging
import math
import os
import time
from dataclasses import replace
from pathlib import Path

from bgzero_daemon.core.errors import BgzeroError
from bgzero_daemon.service.board import Board
from bgzero_daemon.service.portrait import Portrait, Steering
from bgzero_daemon.service.supervise import Supervisor
from bgzero_daemon.service.workshop import Workshop
from bgzero_daemon.wire.snapshot import Snapshot

log = logging.getLogger(__name__)

_SECONDS = 2.0  # between two pictures that nobody waits for
_WATCHED_SECONDS = 0.25
_FRESH_SECONDS = 0.2  # so old a picture may be that is asked for
_SHARE = 50.0  # counting a million photos takes a while: at most so much of our time
_ASKED_SHARE = 10.0


class Window:
    """Takes a Snapshot when something has changed, not more often than is worth it, and shows it everywhere.

    `file` is `status.json`, None for none; it is written while `is_public`.
    """

    def __init__(self, board: Board, portrait: Portrait, supervisor: Supervisor, file: Path | None) -> None:
        self.board, self._portrait, self._supervisor, self._file = board, portrait, supervisor, file
        self.is_public = False
        self._is_stale = True
        self._next = self._taken = -math.inf
        self._cost = 0.0

    def note_change(self) -> None:
        """Something may have changed."""
        self._is_stale = True

    def next_due(self) -> float:
        """Return when the next picture is due, in seconds of the monotonic clock; infinity while nothing changes."""
        return self._next if self._is_stale else math.inf

    def show(self, now: float, workshop: Workshop, steering: Steering, is_watched: bool) -> None:
        """Show what has changed, if it is time."""
        pause = max(_WATCHED_SECONDS if is_watched else _SECONDS, _SHARE * self._cost)
        self._next = self._taken + pause
        if self._is_stale and now >= self._next:
            with contextlib.suppress(BgzeroError):  # the ledger is in trouble, which others say
                self._take(workshop, steering)

    def look(self, workshop: Workshop, steering: Steering) -> Snapshot:
        """Return a picture for somebody who asks. Raises LedgerError."""
        age = time.monotonic() - self._taken
        last = self.board.snapshot
        if last and age < max(_FRESH_SECONDS, _ASKED_SHARE * self._cost) and not self._is_stale:
            return last
        try:
            return self._take(workshop, steering)
        except BgzeroError as error:  # the ledger cannot be asked: what was known, and why nothing newer is
            if last is None:
                raise
            return replace(last, state="trouble", why=str(error), trouble=str(error), taken_at=time.time())

    def _take(self, workshop: Workshop, steering: Steering) -> Snapshot:
        began = time.monotonic()
        snapshot = self._portrait.take(workshop, steering)
        self._taken = time.monotonic()
        self._cost = self._taken - began
        self._is_stale = False
        if self.board.post(snapshot):
            self._supervisor.status(snapshot.line)
            self._write(snapshot)
        return snapshot

    def show_last(self, workshop: Workshop, steering: Steering) -> None:
        """Show that the end has begun."""
        with contextlib.suppress(BgzeroError):
            self._take(workshop, steering)

    def _write(self, snapshot: Snapshot) -> None:
        if not (self._file and self.is_public):
            return
        beside = self._file.with_name(f".{self._file.name}")
        try:
            with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as stream:
                json.dump(snapshot.told(), stream, indent=1)
                stream.write("\n")
            beside.replace(self._file)
        except OSError as error:  # who can ask by the socket is better served anyway
            log.debug("%s: %s", self._file, error)

    def close(self) -> None:
        """Nobody is here any more."""
        if self._file and self.is_public:
            for file in (self._file, self._file.with_name(f".{self._file.name}")):
                with contextlib.suppress(OSError):
                    file.unlink(missing_ok=True)
