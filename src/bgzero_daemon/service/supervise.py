"""What a service manager is told: systemd's notification protocol, sd_notify(3) and sd_watchdog_enabled(3)."""

import contextlib
import logging
import math
import os
import socket
from collections.abc import Callable

from bgzero_daemon.core.texts import _

log = logging.getLogger(__name__)

_FED = 4  # times in the manager's patience


class Supervisor:
    """Tells systemd how the service is, where systemd asked for it; otherwise does nothing.

    Moments are seconds of the monotonic clock.
    """

    def __init__(self) -> None:
        self._address = os.environ.pop("NOTIFY_SOCKET", "")  # no business of the workers'
        self._interval = _watchdog_seconds() / _FED
        self._next_beat = 0.0 if self._interval < math.inf else math.inf
        self._status = ""

    def ready(self) -> None:
        """The inboxes are watched."""
        self._send("READY=1")

    def stopping(self) -> None:
        """The photos in work are finished, and then it ends."""
        self._send("STOPPING=1")

    def beat(self, now: float, prove: Callable[[], bool]) -> None:
        """Feed the watchdog where `prove` says that work goes on. Starves it otherwise: systemd then starts us anew."""
        if now >= self._next_beat:
            self._next_beat = now + self._interval
            if prove():
                self._send("WATCHDOG=1")
            else:
                log.warning(_("the watchdog is not fed: the workers' thread does not answer"))

    def status(self, line: str) -> None:
        """Say in a line what is going on, where that changed."""
        if line != self._status:
            self._status = line
            self._send(f"STATUS={line}")

    def next_due(self) -> float:
        """Return when `beat` has to be called again; infinity: never."""
        return self._next_beat

    def _send(self, line: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock,
        ):
            sock.connect(address)
            sock.send(line.encode())


def _watchdog_seconds() -> float:
    """Return the manager's patience with us, infinity where it does not watch."""
    asked, pid = os.environ.pop("WATCHDOG_USEC", ""), os.environ.pop("WATCHDOG_PID", "")
    is_ours = asked.isdigit() and int(asked) > 0 and pid in ("", str(os.getpid()))
    return int(asked) / 1e6 if is_ours else math.inf
