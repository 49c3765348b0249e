"""Whoever cuts, as the scheduler sees it."""

from concurrent.futures import Future
from typing import Protocol

from bgzero_daemon.core.job import Staged, Task


class Workforce(Protocol):
    """Whoever cuts. A future ends in Staged, or fails with WorkforceLost (back to waiting, no strike),
    PhotoCrashed (one strike if the photo ran alone), PhotoRefused (for good, one sentence), PhotoDelayed
    (back to waiting for a while) or OutputError (the staged file could not be written: likewise).
    """

    def places(self, model: str) -> int:
        """Return how many tasks for a model may be submitted now; 0 while nobody is there who could run it."""

    def submit(self, task: Task) -> "Future[Staged]":
        """Take a task; its descriptors stay open until the future has ended."""
