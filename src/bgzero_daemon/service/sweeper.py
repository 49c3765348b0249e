"""Clearing away what a dead process left half-made, beside the work and never in its way."""

import fcntl
import logging
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from bgzero_daemon.core import crash
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _
from bgzero_daemon.service.outbox import Outbox
from bgzero_daemon.service.published import open_quietly

log = logging.getLogger(__name__)

_PATIENCE_SECONDS = 30.0
_PAUSE_SECONDS = 1.0


def sweep_all(outboxes: Sequence[Outbox]) -> None:
    """Remove the staged files that nobody works on, in a thread of its own.

    The worker of a service that was killed lives on for a moment and holds its staged files: those are
    tried again for a while.
    """
    threading.Thread(target=_sweep, args=(outboxes,), name="bgzero-sweep", daemon=True).start()


def sweep(found: Path) -> bool:
    """Remove a staged file unless somebody works on it. Returns whether it is gone."""
    try:
        descriptor = open_quietly(found)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        found.unlink()
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def _sweep(outboxes: Sequence[Outbox]) -> None:
    left: list[Path] = []
    for outbox in outboxes:
        try:
            left += outbox.staged()
        except OSError as error:
            log.warning("%s: %s", display(outbox.root), error.strerror)
    found, deadline = len(left), time.monotonic() + _PATIENCE_SECONDS
    while (left := [path for path in left if not sweep(path)]) and time.monotonic() < deadline:
        time.sleep(_PAUSE_SECONDS)
    if found > len(left):
        log.info(_("%d unfinished files of an earlier run were cleared away."), found - len(left))
    crash.point("swept")
