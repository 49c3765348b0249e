"""Waking a thread that waits in a selector."""

import contextlib
import os


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
