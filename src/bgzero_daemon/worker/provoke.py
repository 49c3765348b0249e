"""What hostile photos do to a worker, for tests: a photo may carry an order, as bytes behind its own.

Only where the environment has `BGZERO_PROVOKE=1`. `BGZERO PROVOKE segfault` at the end of a file makes the
worker do that when it would decode the file; several words are done one after the other. Otherwise this costs one
look into a dict for each photo.
"""

import ctypes
import os
import time
from collections.abc import Callable

VARIABLE = "BGZERO_PROVOKE"
ORDER = b"BGZERO PROVOKE "
_STEP_BYTES = 50_000_000
_kept: list[bytearray] = []


_is_trapped = False


def obey(content: bytes) -> None:
    """Do what a photo orders, if tests asked for it."""
    if not os.environ.get(VARIABLE):
        return
    if _is_trapped:
        _segfault()
    _before, order, deed = content[-64:].partition(ORDER)
    if order:
        for word in deed.decode("ascii", "replace").split():
            _DEEDS[word]()


def _segfault() -> None:
    ctypes.memmove(1, b"x", 1)


def _hang() -> None:
    while True:
        time.sleep(1)


def _seize() -> None:
    """Hang like a decoder that never gives the interpreter back."""
    ctypes.PyDLL(None).sleep(3600)


def _eat() -> None:
    """Take some 0.8 GB a second."""
    while True:
        _drip()
        time.sleep(0.005)


def _leak() -> None:
    _kept.append(bytearray(b"\1") * _STEP_BYTES)


def _drip() -> None:
    _kept.append(bytearray(b"\1") * (_STEP_BYTES // 10))


def _trap() -> None:
    """Damage this process in a way that brings the next photo down."""
    global _is_trapped  # noqa: PLW0603 - the damage is the process's
    _is_trapped = True


def _wait() -> None:
    time.sleep(0.5)


def _short() -> None:
    raise MemoryError


def _chatter() -> None:
    """Print like a native library, where Python's own streams do not matter."""
    os.write(1, b"chatter\n")
    os.write(2, b"chatter\n")


_DEEDS: dict[str, Callable[[], object]] = {
    "segfault": _segfault, "abort": os.abort, "hang": _hang, "seize": _seize, "eat": _eat, "leak": _leak,
    "drip": _drip, "trap": _trap, "wait": _wait, "exit": lambda: os._exit(0), "short": _short,
    "chatter": _chatter,
}  # fmt: skip
