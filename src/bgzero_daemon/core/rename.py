"""Giving a file another name without ever replacing what has that name, in whatever way its file system has."""

import ctypes
import errno
import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path

from bgzero_daemon.core import crash

_AT_FDCWD = -100
_RENAME_NOREPLACE = 1  # renameat2(2), Linux
_RENAME_EXCL = 4  # renamex_np(2), macOS
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL, errno.EACCES}
_NO_SUCH_RENAME = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM}


def without_replacing(source: Path, target: Path, *, keeps_both: bool = False) -> bool:
    """Move a file within its file system. Returns False where the name is taken, by whatever it is.

    First a hard link and the removal of the old name: the file is never without a name, and both names
    are whole. Where there are no hard links (exFAT, SMB) one call of the kernel's that does not replace;
    where that is missing too, the name is held with an empty file that is then replaced. With `keeps_both`
    the old name stays where there are hard links, for whoever looks what had been done. Raises OSError.
    """
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        if not _is_one_file(source, target):
            return False
        # linked already, by somebody who died before the next line
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return _by_kernel(source, target)
    crash.point("linked")
    if keeps_both:
        return True
    source.unlink()
    crash.point("unlinked")
    return True


def in_one_step(source: Path, target: Path) -> bool:
    """Move a file within its file system as `without_replacing` does, by the kernel's call first.

    For files that others may write or replace meanwhile: there is no moment at which both names exist.
    """
    call = _kernel_call()
    number = call(os.fsencode(source), os.fsencode(target)) if call else errno.ENOSYS
    if number in _NO_SUCH_RENAME:
        return without_replacing(source, target)
    if number not in (0, errno.EEXIST):
        raise OSError(number, os.strerror(number), os.fspath(target))
    return number == 0


def _is_one_file(source: Path, target: Path) -> bool:
    one, other = os.lstat(source), os.lstat(target)
    return (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)


def _by_kernel(source: Path, target: Path) -> bool:
    call = _kernel_call()
    if call is None:
        return _by_holding(source, target)
    number = call(os.fsencode(source), os.fsencode(target))
    if not number:
        return True
    if number == errno.EEXIST:
        return False
    if number in _NO_SUCH_RENAME:
        return _by_holding(source, target)
    raise OSError(number, os.strerror(number), os.fspath(target))


@functools.cache
def _kernel_call() -> "functools.partial[int] | None":
    """Return a call that renames without replacing and returns an errno (0: done); None where there is none."""
    library = ctypes.CDLL(None, use_errno=True)
    name = "renamex_np" if sys.platform == "darwin" else "renameat2"
    return functools.partial(_rename, getattr(library, name)) if hasattr(library, name) else None


def _rename(function: Callable[..., int], source: bytes, target: bytes) -> int:
    if sys.platform == "darwin":
        failed = function(source, target, _RENAME_EXCL)
    else:
        failed = function(_AT_FDCWD, source, _AT_FDCWD, target, _RENAME_NOREPLACE)
    return ctypes.get_errno() if failed else 0


def _by_holding(source: Path, target: Path) -> bool:
    try:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC))
    except FileExistsError:
        return False
    crash.point("held")
    try:
        os.replace(source, target)
    except OSError:
        target.unlink()  # the empty file that held the name
        raise
    return True
