"""One daemon for an inbox: a lock named by the folder's device and inode, whatever path leads there."""

import fcntl
import os
from pathlib import Path

from bgzero_daemon.core.errors import AlreadyRunning
from bgzero_daemon.core.names import display
from bgzero_daemon.core.paths import make_private
from bgzero_daemon.core.texts import _


def lock_inbox(state: Path, inbox: Path) -> int:
    """Take the inbox's lock and return its descriptor, which holds it until it is closed or the process ends.

    Raises AlreadyRunning where another daemon of this account has it.
    """
    identity = inbox.stat()
    folder = make_private(state / "locks")
    descriptor = os.open(
        folder / f"{identity.st_dev:x}-{identity.st_ino:x}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
    )
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise AlreadyRunning(
            _("Another bgzero daemon already watches {folder}.").format(folder=display(inbox)),
            hint=_("Stop it first, or give this one another inbox."),
        ) from None
    return descriptor
