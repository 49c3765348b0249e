"""Bringing bytes and names to the disk, so that they are there after a power cut."""

import errno
import fcntl
import os
from pathlib import Path

_NO_FOLDER_FSYNC = {errno.EINVAL, errno.EOPNOTSUPP, errno.EBADF}  # vboxsf, some FUSE and SMB mounts


def flush(descriptor: int) -> None:
    """Bring a file to the disk's platters or cells; macOS needs more than fsync for that (fsync(2) there)."""
    if hasattr(fcntl, "F_FULLFSYNC"):
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fsync(descriptor)


def fsync_folder(folder: Path) -> None:
    """Bring a folder's entries to the disk, where its file system can."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_FSYNC:
            raise
    finally:
        os.close(descriptor)
