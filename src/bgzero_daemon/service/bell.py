"""Waking a thread that waits in a selector, or for nothing else."""

import contextlib
import math
import os
import select

_LONGEST_WAIT_SECONDS = 3600.0  # the kernel counts milliseconds, and not very far


class Bell:
    """A pipe: `ring` from any thread makes `reader` readable until `hear` is called."""

    def __init__(self) -> None:
        self.reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)

    def ring(self) -> None:
        """Wake whoever waits."""
        with contextlib.suppress(BlockingIOError):  # a full pipe rings as well
            os.write(self._writer, b"!")

    def hear(self) -> None:
        """Take note. Call it only when there is something to read."""
        os.read(self.reader, 4096)

    def close(self) -> None:
        """Give the descriptors back; nobody may ring any more."""
        os.close(self.reader)
        os.close(self._writer)


class Alarm:
    """An event that a signal's handler may set, too, in the very thread that waits for it.

    A `threading.Event` has a lock: a handler that runs while its own thread holds that waits for good. Lives as long
    as the process, since a thread that is left behind may ring at any time.
    """

    def __init__(self) -> None:
        self._bell = Bell()
        self._poll = select.poll()
        self._poll.register(self._bell.reader, select.POLLIN)

    def set(self) -> None:
        """Wake whoever waits, now or next."""
        self._bell.ring()

    def wait(self, seconds: float) -> bool:
        """Wait until it is set, or so long, an hour at most; say whether it is."""
        return bool(self._poll.poll(math.ceil(1000 * min(seconds, _LONGEST_WAIT_SECONDS))))

    def clear(self) -> None:
        """Note that it was set; what sets it afterwards counts."""
        while self._poll.poll(0):
            self._bell.hear()
