"""Who is behind the daemon's socket, without asking anything of it."""

import os
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bgzero_daemon.client import connect
from bgzero_daemon.core import paths
from bgzero_daemon.wire.control import SOCKET

_CONNECT_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Peer:
    """A process and its account; `is_stopped` says that it was suspended, as by Ctrl-Z."""

    pid: int
    user: int
    is_stopped: bool


def find_peer() -> Peer | None:
    """Return who listens at the socket of this account; None where nobody does."""
    folder = paths.runtime_dir()
    if folder is None:
        return None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(_CONNECT_SECONDS)
        try:
            connect(sock, folder / SOCKET)
        except OSError:
            return None
        if not hasattr(socket, "SO_PEERCRED"):
            return Peer(0, os.getuid(), False)
        raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, user, _group = struct.unpack("3i", raw)
    return Peer(pid, user, _is_stopped(pid))


def _is_stopped(pid: int) -> bool:
    with suppress(OSError):  # it ended meanwhile
        return Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()[0] == "T"
    return False
