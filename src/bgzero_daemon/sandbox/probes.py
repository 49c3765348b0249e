"""The sandbox measured: what it has to refuse is tried, in ways that do no harm where it is not refused."""

import ctypes
import errno
import fcntl
import os
import resource
import socket
import threading
from collections.abc import Callable

from bgzero_daemon.core.texts import _
from bgzero_daemon.sandbox import libc, syscalls

# what is not there, or on a disk that nobody may write to, is as good as refused
_REFUSED = (errno.EPERM, errno.EACCES, errno.EROFS, errno.ENOENT, errno.ENOSYS)
_NOBODY = 0x7FFFFFFF
_NO_REQUEST = 0xFFFF
_NO_FAMILY = 255
_F_SETOWN = 8  # fcntl(2); Python has no name for it on every platform


def _call(machine: str, name: str, *arguments: int | None) -> None:
    number = syscalls.number(name, machine)
    if number is None:
        raise OSError(errno.EPERM, "this machine does not have it")
    libc.syscall(number, *(ctypes.c_long(value or 0) for value in arguments))


def _list_home() -> None:
    os.listdir(os.path.expanduser("~"))


def _list_root() -> None:
    os.listdir("/")


def _write() -> None:
    """A folder that is gone again at once, in each place that a worker might be able to write to."""
    refusal = None
    for place in ("/tmp", "/dev/shm", "/var/tmp", os.path.expanduser("~"), "."):  # noqa: S108 - that is the question
        folder = os.path.join(place, f".bgzero-probe-{os.getpid()}")
        try:
            os.mkdir(folder)
        except OSError as error:
            refusal = error
            if error.errno not in _REFUSED:
                raise
        else:
            os.rmdir(folder)
            return
    if refusal:
        raise refusal


def _change_mode() -> None:
    reading, writing = os.pipe()
    try:
        os.fchmod(reading, 0o600)
    finally:
        os.close(reading)
        os.close(writing)


def _socket(family: int) -> None:
    """Of a family, or of none: a trace of the system's calls then shows no internet socket, not even a refused one."""
    socket.socket(family, socket.SOCK_STREAM).close()


def _fork() -> None:
    """Where it is allowed, the child ends at once."""
    if not (child := os.fork()):
        os._exit(0)
    os.waitpid(child, 0)


def _steer() -> None:
    """To what is so already."""
    os.sched_setaffinity(os.getppid(), os.sched_getaffinity(os.getppid()))


def _own_signals() -> None:
    """Name the service as whom the kernel is to signal about a descriptor, and nobody again."""
    reading, writing = os.pipe()
    try:
        fcntl.fcntl(reading, _F_SETOWN, os.getppid())
        fcntl.fcntl(reading, _F_SETOWN, 0)
    finally:
        os.close(reading)
        os.close(writing)


def _raise_limit() -> None:
    resource.prlimit(os.getppid(), resource.RLIMIT_CORE)


def probes(machine: str) -> dict[str, Callable[[], None]]:
    """Return what is tried, by the names that the status shows. Each raises OSError where it is refused.

    Where a call that is allowed would do something, it is made with arguments that nobody can mean: it fails then,
    but not with "not permitted".
    """
    return {
        _("reading the home folder"): _list_home,
        _("reading the root folder"): _list_root,
        _("writing files"): _write,
        _("changing modes"): _change_mode,
        _("local sockets"): lambda: _socket(socket.AF_UNIX),
        _("other sockets"): lambda: _socket(_NO_FAMILY),
        _("new processes"): _fork,
        _("other programs"): lambda: _call(machine, "execve", None, None, None),
        _("looking into processes"): lambda: _call(machine, "ptrace", _NO_REQUEST, _NOBODY),
        _("reading processes' memory"): lambda: _call(machine, "process_vm_readv", os.getppid(), 0, 0, 0, 0, 0),
        _("signals to the service"): lambda: os.kill(os.getppid(), 0),
        _("signals by way of descriptors"): _own_signals,
        _("limits of the service"): _raise_limit,
        _("when the service runs"): _steer,
        _("emptying files by name"): lambda: os.truncate("/", 0),
        _("watching folders"): lambda: _call(machine, "inotify_init1", _NO_REQUEST),
        "io_uring": lambda: _call(machine, "io_uring_setup", None, None),
        _("namespaces"): lambda: _call(machine, "unshare", None),
    }


def allowed(machine: str) -> tuple[str, ...]:
    """Try everything from a new thread, as a decoder would, and return what was not refused."""
    found: list[str] = []

    def try_all() -> None:
        for name, attempt in probes(machine).items():
            try:
                attempt()
            except OSError as error:
                if error.errno in _REFUSED:
                    continue
            found.append(name)

    thread = threading.Thread(target=try_all, name="probe")
    thread.start()
    thread.join()
    return tuple(found)
