"""Landlock: which files the worker may still open. See landlock(7) and Documentation/userspace-api/landlock of Linux.

Descriptors that are open already go on working, so photos and cut-outs need no rule.
"""

import contextlib
import ctypes
import errno
import os
import stat
import struct
from collections.abc import Iterable
from pathlib import Path

from bgzero_daemon.core.texts import _
from bgzero_daemon.sandbox import libc, syscalls

_WRITE_FILE, _READ_FILE, _READ_DIR, _IOCTL_DEV = 1 << 1, 1 << 2, 1 << 3, 1 << 15
_FILE_RIGHTS = (13, 14, 15, 15, 16)  # how many rights of files each ABI from 1 on knows
_TCP_ABI, _SCOPE_ABI = 4, 6
_TCP, _SCOPES = 0b11, 0b11  # bind and connect; abstract sockets and signals
_VERSION, _RULE_PATH_BENEATH = 1, 1


def abi(machine: str) -> int:
    """Return the kernel's version of Landlock. Raises OSError where it has none, or where it is switched off."""
    return _call("landlock_create_ruleset", machine, None, 0, _VERSION)


def _call(name: str, machine: str, *arguments: object) -> int:
    number = syscalls.number(name, machine)
    assert number is not None
    wrapped = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    return libc.syscall(number, *wrapped)


def _file_rights(version: int) -> int:
    return int((1 << _FILE_RIGHTS[min(version, len(_FILE_RIGHTS)) - 1]) - 1)


def restrict(machine: str, readable: Iterable[Path], devices: Iterable[Path]) -> int:
    """Let this thread, and all that come of it, read what lies below some places, use some devices, and no more.

    Places that do not exist are passed over. Returns the ABI. Raises OSError.
    """
    version = abi(machine)
    handled = _file_rights(version)
    fields = [handled]
    fields += [_TCP] if version >= _TCP_ABI else []
    fields += [_SCOPES] if version >= _SCOPE_ABI else []
    attributes = struct.pack(f"={len(fields)}Q", *fields)
    rules = _call("landlock_create_ruleset", machine, ctypes.c_char_p(attributes), len(attributes), 0)
    try:
        for place in readable:
            _allow(machine, rules, place, (_READ_FILE | _READ_DIR) & handled)
        for place in devices:
            _allow(machine, rules, place, (_READ_FILE | _READ_DIR | _WRITE_FILE | _IOCTL_DEV) & handled)
        _call("landlock_restrict_self", machine, rules, 0)
    finally:
        os.close(rules)
    return version


def _allow(machine: str, rules: int, place: Path, rights: int) -> None:
    with contextlib.suppress(OSError):
        below = os.open(place, os.O_PATH | os.O_CLOEXEC)
        try:
            if not stat.S_ISDIR(os.fstat(below).st_mode):
                rights &= ~_READ_DIR
            rule = struct.pack("=Qi", rights, below)
            _call("landlock_add_rule", machine, rules, _RULE_PATH_BENEATH, ctypes.c_char_p(rule), 0)
        finally:
            os.close(below)


def why_not(error: OSError) -> str:
    """Say why Landlock cannot be had."""
    if error.errno == errno.ENOSYS:
        return _("this kernel does not have Landlock")
    if error.errno == errno.EOPNOTSUPP:
        return _("Landlock is switched off at boot (lsm=)")
    return _("Landlock cannot be used ({why})").format(why=error.strerror)
