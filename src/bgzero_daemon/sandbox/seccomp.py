"""The filter over system calls: what Landlock does not cover.

A list of what is refused, not of what is allowed: C library, network kernels and GPU drivers change what they call,
and what matters here (sockets, programs, other processes, files' attributes) is known by name. Calls that are newer
than the list do not exist for the worker. See seccomp(2) and the kernel's Documentation/userspace-api/seccomp_filter.
"""

import ctypes
import errno
import os
import struct

from bgzero_daemon.sandbox import libc, syscalls

_SET_MODE_FILTER = 1
_TSYNC = 1  # all threads of the process, or none

_ARCHES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # AUDIT_ARCH_* of linux/audit.h
_X32 = 0x40000000

_LOAD, _JUMP_EQUAL, _JUMP_NOT_LESS, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # linux/bpf_common.h
_ALLOW, _KILL_PROCESS, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data

_CLONE_THREAD = 0x00010000
# fcntl(2): signals to whoever is named as a descriptor's owner, leases that make writers wait, notices of folders
_FCNTL_REFUSED = (8, 10, 15, 1024, 1026)  # F_SETOWN, F_SETSIG, F_SETOWN_EX, F_SETLEASE, F_NOTIFY
_PR_SET_PDEATHSIG = 1  # it stays as it was set: the worker ends with the service
# ioctl(2): is it a terminal, how wide, how much is there, (non-)blocking, (not) over exec
_IOCTL_ALLOWED = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
# A GPU's driver has hundreds of its own, so there only what is known to be bad is refused: words put into a terminal's
# mouth (TIOCSTI, TIOCLINUX), and a file's flags and verity, which need no more than reading rights
_IOCTL_REFUSED = (0x5412, 0x541C, 0x40086602, 0x40046602, 0x401C5820, 0x40806685)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def _line(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("=HBBI", code, then, otherwise, value)


def _refuse(code: int = errno.EPERM) -> bytes:
    return _line(_RETURN, _ERRNO | code)


def _argument(index: int) -> bytes:
    """Load the lower half of an argument: all that pids, flags and requests have."""
    return _line(_LOAD, _ARGUMENTS + 8 * index)


def _judged(number: int, *lines: bytes) -> list[bytes]:
    """For one call: lines that end in its verdict."""
    return [_line(_JUMP_EQUAL, number, 0, len(lines)), *lines]


def _only(index: int, allowed: tuple[int, ...]) -> list[bytes]:
    """Allow a call whose argument is one of these, and refuse it otherwise."""
    tests = [_line(_JUMP_EQUAL, value, len(allowed) - at, 0) for at, value in enumerate(allowed)]
    return [_argument(index), *tests, _refuse(), _line(_RETURN, _ALLOW)]


def _all_but(index: int, refused: tuple[int, ...]) -> list[bytes]:
    """Refuse a call whose argument is one of these, and allow it otherwise."""
    tests = [_line(_JUMP_EQUAL, value, len(refused) - at, 0) for at, value in enumerate(refused)]
    return [_argument(index), *tests, _line(_RETURN, _ALLOW), _refuse()]


def program(machine: str, pid: int, *, gpu: bool = False) -> bytes:
    """Return the filter for a process on a machine of `syscalls.MACHINES`, as the kernel reads it."""

    def number(name: str) -> int:
        found = syscalls.number(name, machine)
        assert found is not None, name
        return found

    lines = [
        _line(_LOAD, _ARCH),
        _line(_JUMP_EQUAL, _ARCHES[machine], 1, 0),
        _line(_RETURN, _KILL_PROCESS),  # a 32-bit call: its numbers mean something else
        _line(_LOAD, _NUMBER),
        _line(_JUMP_NOT_LESS, _X32, 0, 1),
        _refuse(),
        _line(_JUMP_NOT_LESS, syscalls.NEWEST + 1, 0, 1),
        _refuse(errno.ENOSYS),
    ]
    for name in syscalls.DENIED:
        if (denied := syscalls.number(name, machine)) is not None:
            lines += _judged(denied, _refuse())
    # its flags lie in memory, where no filter can look; the C library makes threads by clone then
    lines += _judged(number("clone3"), _refuse(errno.ENOSYS))
    allow = _line(_RETURN, _ALLOW)
    lines += _judged(number("clone"), _argument(0), _line(_JUMP_ANY_BIT, _CLONE_THREAD, 1, 0), _refuse(), allow)
    lines += _judged(number("kill"), *_only(0, (pid,)))
    lines += _judged(number("tgkill"), *_only(0, (pid,)))
    lines += _judged(number("prlimit64"), *_only(0, (0, pid)))
    lines += _judged(number("fcntl"), *_all_but(1, _FCNTL_REFUSED))
    lines += _judged(number("prctl"), *_all_but(0, (_PR_SET_PDEATHSIG,)))
    lines += _judged(number("ioctl"), *(_all_but(1, _IOCTL_REFUSED) if gpu else _only(1, _IOCTL_ALLOWED)))
    if not gpu:  # memory that counts as nobody's
        lines += _judged(number("memfd_create"), _refuse())
    return b"".join([*lines, allow])


def install(machine: str, *, gpu: bool) -> None:
    """Put the filter over this process, all of its threads and whatever comes of it. Raises OSError."""
    code = program(machine, os.getpid(), gpu=gpu)
    buffer = ctypes.create_string_buffer(code, len(code))
    made = _Program(len(code) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    number = syscalls.number("seccomp", machine)
    assert number is not None
    # where it cannot be put over all threads, the call returns the first thread that refused
    if libc.syscall(number, ctypes.c_long(_SET_MODE_FILTER), ctypes.c_long(_TSYNC), ctypes.byref(made)):
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
