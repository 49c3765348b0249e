"""The few functions of the C library that the sandbox calls, with Python's errors."""

import ctypes
import os

_libc = ctypes.CDLL(None, use_errno=True)

_PR_SET_NO_NEW_PRIVS = 38  # prctl(2)


def syscall(number: int, *arguments: object) -> int:
    """Make a system call; pass integers as `ctypes.c_long`. Raises OSError."""
    result = int(_libc.syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def give_up_new_privileges() -> None:
    """Let no program that this process may become have more rights than it. Raises OSError."""
    if _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
