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

# What one more run may take: a little always; more where the photo itself is small, and the network most of its time.
_LIGHT_BYTES = 200_000_000
_BEARABLE_BYTES = 400_000_000
_SMALL_PIXELS = 6_000_000


class Runs(Protocol):
    """A session."""

    def run(self, tensor: F32) -> NDArray[np.generic]:
        """Return the raw output. Raises whatever the provider raises."""


class Beside:
    """The second session. May be used by many threads."""

    def __init__(self, load: Callable[[], Runs], run_bytes: int) -> None:
        """`run_bytes` is what a run was seen to take. `load` may raise ModelError: then the first session does it."""
        self._load, self._run_bytes = load, run_bytes
        self._loading = Lock()
        self._session: Runs | None = None
        self._is_possible = True

    def suits(self, pixels: int) -> bool:
        """Say whether a photo of so many pixels is to go beside others."""
        most = _BEARABLE_BYTES if pixels <= _SMALL_PIXELS else _LIGHT_BYTES
        return self._is_possible and self._run_bytes <= most

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
