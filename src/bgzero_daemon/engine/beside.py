"""Runs beside each other on the CPU: a second session, whose runs have a share of the threads each.

Made when it is first needed. It shares the first one's memory (`providers.open_session`), but each run beside another
takes as much again, so it is done only where a run takes little; figures: docs/speed.md.
"""

import logging
from collections.abc import Callable
from threading import Lock
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bgzero_daemon.core.errors import ModelError

log = logging.getLogger(__name__)

F32 = NDArray[np.float32]

# What one more run may take: a little always; more where the photos themselves are small.
_LIGHT_BYTES = 200_000_000
_BEARABLE_BYTES = 400_000_000
_SMALL_PIXELS = 6_000_000

_LARGE_PIXELS_A_SECOND = 25e6
"""Of a run with a share of the threads. From there on what is around the network keeps the other cores busy, and one
run at a time with a share is better than with all threads. For u2netp that is 20 megapixels by its card."""


class Runs(Protocol):
    """A session."""

    def run(self, tensor: F32) -> NDArray[np.generic]:
        """Return the raw output. Raises whatever the provider raises."""


class Beside:
    """The second session. May be used by many threads."""

    def __init__(self, load: Callable[[], Runs], runs: int, run_bytes: int, run_seconds: float) -> None:
        """`run_bytes` is what a run was seen to take, `run_seconds` what it takes with a share of the threads.

        `load` may raise ModelError: then the first session does it.
        """
        self._load, self._runs, self._run_bytes, self._run_seconds = load, runs, run_bytes, run_seconds
        self._loading = Lock()
        self._session: Runs | None = None
        self._is_possible = True

    def most(self, pixels: int) -> int:
        """Return how many may go beside each other, each a photo of so many pixels; 0: one alone, with all threads."""
        if not self._is_possible:
            return 0
        if self._run_bytes <= (_BEARABLE_BYTES if pixels <= _SMALL_PIXELS else _LIGHT_BYTES):
            return self._runs
        return int(pixels >= self._run_seconds * _LARGE_PIXELS_A_SECOND)

    def session(self) -> Runs | None:
        """Return the second session, None where it does not load."""
        with self._loading:
            if self._session is None and self._is_possible:
                try:
                    self._session = self._load()
                except ModelError as error:
                    log.warning("%s", error)
                    self._is_possible = False
            return self._session
