"""The last steps of a photo: a staged file is checked, made durable, and given its visible name.

The order is the promise. Verify, fsync, link without replacing, fsync the folder: a name that can be
seen always stands for a whole file that survives a power cut.
"""

import contextlib
import errno
import fcntl
import logging
import os
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from bgzero_daemon.core.errors import OutputError
from bgzero_daemon.core.job import Staged
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _
from bgzero_daemon.photo import png

log = logging.getLogger(__name__)

_PREFIX, _SUFFIX = ".bgz-", ".tmp"
_NO_FOLDER_FSYNC = {errno.EINVAL, errno.EOPNOTSUPP, errno.EBADF}  # vboxsf, some FUSE and SMB mounts
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL}


@dataclass(frozen=True, slots=True)
class StagedFile:
    """An unpublished output: hidden, locked by the process that works on it."""

    path: Path
    descriptor: int

    def discard(self) -> None:
        """Remove it; a name that is gone already is fine, and one that cannot be removed now is swept later."""
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            log.debug("%s: %s", display(self.path), error)
        finally:
            os.close(self.descriptor)


def read_umask() -> int:
    """Return the process's umask. Not safe while another thread makes files: ask once, early."""
    umask = os.umask(0o077)
    os.umask(umask)
    return umask


class Outbox:
    """One outbox folder. Errors of its file system come out as OutputError."""

    def __init__(self, root: Path, *, umask: int) -> None:
        self._root, self._mode = root, 0o666 & ~umask

    def stage(self, folder: str = "") -> StagedFile:
        """Make an empty staged file for an output in `folder` (relative to the root, "" for itself).

        It lies in the deepest part of that path that exists, so that publishing stays inside one
        file system. It is locked for as long as a descriptor of it is open: `sweep` leaves it alone.
        """
        place = self._root / folder
        while place != self._root and not os.path.isdir(place):
            place = place.parent
        path = place / f"{_PREFIX}{secrets.token_hex(8)}{_SUFFIX}"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._trouble(error) from error
        with contextlib.suppress(OSError):  # no locks on this file system: then nothing is swept there either
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return StagedFile(path, descriptor)

    def sweep(self) -> int:
        """Remove staged files that a dead process left behind. Returns how many."""
        swept = 0
        for found in self._root.rglob(f"{_PREFIX}*{_SUFFIX}"):
            try:
                descriptor = os.open(found, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError:
                continue
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                found.unlink()
                swept += 1
            except OSError:
                pass
            finally:
                os.close(descriptor)
        return swept

    def publish(
        self,
        file: StagedFile,
        staged: Staged,
        *,
        source_name: str,
        folder: str,
        names: Collection[str],
        earlier: str = "",
    ) -> str:
        """Give a staged file the first of `names` that is free, and return its path below the root.

        A taken name is replaced only if it is this program's own output of the very same photo
        (same `source_name`, same content), or `earlier`, the output of the photo's former content.
        Anybody else's file is left alone and the next name is tried. Raises OutputError; the staged
        file is then still there.
        """
        try:
            self._verify(file, staged)
            os.fchmod(file.descriptor, self._mode)
            _flush(file.descriptor)
            target = self._root / folder
            self._make(target)
            for name in names:
                rel = os.path.join(folder, name)
                is_own = self._is_own(target / name, source_name, None if rel == earlier else staged.source_sha256)
                if is_own:
                    os.replace(file.path, target / name)
                elif not _link(file.path, target / name):
                    continue
                _fsync_folder(target)
                return rel
        except OSError as error:
            raise self._trouble(error) from error
        raise OutputError(
            _("{names} in {folder} belongs to somebody else and is left as it is.").format(
                names=", ".join(map(display, names)), folder=display(target)
            ),
            hint=_("Move it away, or choose another place."),
        )

    def _verify(self, file: StagedFile, staged: Staged) -> None:
        try:
            found = png.inspect(file.descriptor)
        except png.DamagedPng as error:
            raise OutputError(_("The cut-out was damaged on its way to disk: {why}.").format(why=error)) from None
        if (found.size_bytes, found.sha256) != (staged.size_bytes, staged.sha256):
            raise OutputError(_("The cut-out on disk is not the one that was written."))

    def _is_own(self, path: Path, source_name: str, source_sha256: str | None) -> bool:
        """Say whether `path` is this program's output of that photo (of any content, where no hash is given)."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            tag = png.inspect(descriptor).tag
        except (png.DamagedPng, OSError):
            return False
        finally:
            os.close(descriptor)
        return tag.get("source") == source_name and source_sha256 in (None, tag.get("source_sha256"))

    def _make(self, folder: Path) -> None:
        """Make a mirrored sub-folder, durably. The root itself is never made: it may be a lost mount."""
        missing = []
        while folder != self._root and not os.path.isdir(folder):
            missing.append(folder)
            folder = folder.parent
        for new in reversed(missing):
            new.mkdir(exist_ok=True)
            _fsync_folder(new.parent)

    def _trouble(self, error: OSError) -> OutputError:
        return OutputError(
            _("The outbox {folder} cannot be written: {why}.").format(
                folder=display(self._root), why=error.strerror or error
            ),
            hint=_("Free some space, mount it again or correct its permissions; it is tried again by itself."),
        )


def _link(staged: Path, target: Path) -> bool:
    """Move without replacing. Returns False where the name is taken."""
    try:
        os.link(staged, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # no hard links here (exFAT, SMB): hold the name with an empty file, then replace it
        try:
            os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC))
        except FileExistsError:
            return False
        try:
            os.replace(staged, target)
        except OSError:
            target.unlink()  # the empty file that held the name
            raise
    else:
        staged.unlink()
    return True


def _flush(descriptor: int) -> None:
    """Bring a file to the disk's platters or cells; macOS needs more than fsync for that (fsync(2) there)."""
    if hasattr(fcntl, "F_FULLFSYNC"):
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fsync(descriptor)


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_FSYNC:
            raise
    finally:
        os.close(descriptor)
