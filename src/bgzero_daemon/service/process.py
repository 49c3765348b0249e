"""The process of one worker as its parent sees it: asked to end or killed, and reaped without being waited for."""

import logging
import math
import subprocess
from dataclasses import dataclass

from bgzero_daemon.core.texts import _

log = logging.getLogger(__name__)

_GRACE_SECONDS = 5.0  # to end by itself, and again to end once it is killed
_GLANCE_SECONDS = 0.02


@dataclass(slots=True)
class WorkerProcess:
    """A child process until it is reaped. Moments are seconds of the monotonic clock."""

    popen: "subprocess.Popen[bytes]"
    _asked: float = math.inf
    _killed: float = math.inf
    _is_given_up: bool = False

    @property
    def pid(self) -> int:
        """Its number."""
        return self.popen.pid

    @property
    def is_leaving(self) -> bool:
        """Say whether it was asked to end, or killed."""
        return min(self._asked, self._killed) < math.inf

    def leave(self, now: float) -> None:
        """Count from now how long it takes to end; what asks it to is the socket that its parent has closed."""
        self._asked = min(self._asked, now)

    def kill(self, now: float) -> None:
        """End it at once."""
        self.popen.kill()
        self._killed = min(self._killed, now)

    def is_over(self, now: float) -> bool:
        """Say whether it has ended, or is given up; one that does not end by itself is killed."""
        if not self.is_leaving or self._is_given_up:
            return self._is_given_up
        if self.popen.poll() is not None:
            return True
        if now >= self._killed + _GRACE_SECONDS:
            log.warning(_("The worker %d does not end: it waits for a device or a mount."), self.pid)
            self._is_given_up = True
        elif now >= self._asked + _GRACE_SECONDS and self._killed == math.inf:
            self.kill(now)
        return self._is_given_up

    def next_look(self, now: float) -> float:
        """Return when `is_over` is worth asking, `math.inf` while it is not on its way out."""
        return now + _GLANCE_SECONDS if self.is_leaving else math.inf

    @property
    def how(self) -> str:
        """How it ended, in a few words."""
        status = self.popen.returncode
        if status is None:
            return _("it does not end")
        if status < 0:
            return _("signal {number}").format(number=-status)
        return _("exit status {number}").format(number=status)
