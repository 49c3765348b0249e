"""One daemon for an inbox, whatever path leads there and whatever account runs it."""

import errno
import fcntl
import os
import socket
import sys
from pathlib import Path

from bgzero_daemon.core.errors import AlreadyRunning
from bgzero_daemon.core.names import display
from bgzero_daemon.core.paths import make_private
from bgzero_daemon.core.texts import _


def lock_inbox(state: Path | None, inbox: Path) -> list[int]:
    """Take the inbox's locks and return their descriptors, which hold them until they are closed or the process ends.

    One lock is on a file in the state folder, named by the inbox's device and inode. On Linux a name in
    the abstract socket namespace (unix(7)) keeps other accounts of this machine out as well. Neither
    holds the inbox itself open: that would keep people from unmounting it. Raises AlreadyRunning where
    another daemon has one of them.
    """
    name = identity_of(inbox)
    taken: list[int] = []
    try:
        if state is not None:
            file = make_private(state / "locks") / name
            taken.append(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            fcntl.flock(taken[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
        if sys.platform == "linux":
            taken.append(_take_name(f"\0bgzero-inbox-{name}"))
    except OSError as error:
        for descriptor in taken:
            os.close(descriptor)
        if not isinstance(error, BlockingIOError) and error.errno != errno.EADDRINUSE:
            raise
        raise AlreadyRunning(
            _("Another bgzero daemon already watches {folder}.").format(folder=display(inbox)),
            hint=_("Stop it first, or give this one another inbox."),
        ) from None
    return taken


def identity_of(inbox: Path) -> str:
    """Return what the locks of this inbox are called, whatever path leads there. Raises OSError where it is not."""
    identity = inbox.stat()
    return f"{identity.st_dev:x}-{identity.st_ino:x}"


def _take_name(name: str) -> int:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(name)
        return sock.detach()
