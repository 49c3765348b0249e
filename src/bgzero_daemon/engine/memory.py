"""What this process takes of the machine's memory. What a card takes of its own, a process cannot tell of itself."""

import contextlib
import ctypes

import psutil


def resident_bytes() -> int | None:
    """Return what it takes now, None where that cannot be read. First what was freed goes back to the system.

    Without that a network would be measured by what a former one has left behind.
    """
    with contextlib.suppress(AttributeError, OSError):  # the C library of GNU has it, others give back by themselves
        ctypes.CDLL(None).malloc_trim(0)
    try:
        return int(psutil.Process().memory_info().rss)
    except (psutil.Error, OSError):
        return None


def grown_bytes(before: int | None) -> int | None:
    """Return by how much it has grown, at least 0; None where that is not known."""
    now = resident_bytes()
    return None if before is None or now is None else max(0, now - before)
