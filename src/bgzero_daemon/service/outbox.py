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
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bgzero_daemon.core import crash
from bgzero_daemon.core.durable import flush, fsync_folder
from bgzero_daemon.core.errors import OutputError
from bgzero_daemon.core.job import Staged
from bgzero_daemon.core.mounts import Mount, mount_of
from bgzero_daemon.core.names import display
from bgzero_daemon.core.rename import in_one_step, without_replacing
from bgzero_daemon.core.texts import _
from bgzero_daemon.photo import png

log = logging.getLogger(__name__)

_PREFIX, _SUFFIX = ".bgz-", ".tmp"
_PROBE_BYTES = 4_000_000


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


def free_bytes(folder: Path) -> int:
    """Return how much this account may still write there. Raises OSError."""
    space = os.statvfs(folder)
    return space.f_bavail * space.f_frsize


class Outbox:
    """One outbox folder. Errors of its file system come out as OutputError.

    It remembers which folder it is, by device, inode and mount: a folder that was unmounted, or is
    another one now, is trouble and is never filled or made again. `keep_free_bytes` of its file system
    are left free. `free_bytes` is what was found there last, None before.
    """

    def __init__(self, root: Path, *, umask: int, keep_free_bytes: int = 0) -> None:
        self.root = root
        self._umask, self._keep_free = umask, keep_free_bytes
        self.free_bytes: int | None = None
        self._identity = self._identify()
        self.mount: Mount | None = mount_of(str(root)) if self._identity else None

    def _identify(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self.root)
        except OSError:
            return None
        return found.st_dev, found.st_ino

    @property
    def is_there(self) -> bool:
        """Say whether this is still the folder it was: what is missing in another one is not gone."""
        return self._identity is not None and self._identify() == self._identity

    def check(self) -> None:
        """Raise OutputError with one sentence where nothing can be written at present."""
        here = display(self.root)
        identity = self._identify()
        if identity is None:
            raise OutputError(_("The outbox {folder} is not there.").format(folder=here))
        if identity != self._identity:
            mount = mount_of(str(self.root))
            if self.mount and mount and self.mount.point not in (mount.point, "/"):
                raise OutputError(_("The outbox {folder} is not mounted.").format(folder=here))
            self._identity, self.mount = identity, mount  # somebody made it anew
        try:
            free = self.free_bytes = free_bytes(self.root)
        except OSError as error:
            raise self._trouble(error) from error
        if free < self._keep_free:
            raise OutputError(
                _("The outbox {folder} is nearly full: {free} MB are free, {kept} MB are kept free.").format(
                    folder=here, free=round(free / 1e6), kept=round(self._keep_free / 1e6)
                ),
                hint=_("Free some space there, or lower output.keep_free."),
            )

    def measure(self) -> None:
        """Note how much is free; where that cannot be told, the former figure goes."""
        try:
            self.free_bytes = free_bytes(self.root)
        except OSError:
            self.free_bytes = None

    def probe(self) -> None:
        """Check, and write, flush and remove a staged file of a common size. Raises OutputError."""
        self.check()
        file = self.stage()
        try:
            os.posix_fallocate(file.descriptor, 0, _PROBE_BYTES)
            flush(file.descriptor)
        except OSError as error:
            raise self._trouble(error) from error
        finally:
            file.discard()

    def stage(self, folder: str = "") -> StagedFile:
        """Make an empty staged file for an output in `folder` (relative to the root, "" for itself).

        It lies in the deepest part of that path that exists, so that publishing stays inside one
        file system. It is locked for as long as a descriptor of it is open: `sweep` leaves it alone.
        """
        place = self.root / folder
        while place != self.root and not os.path.isdir(place):
            if os.path.lexists(place):
                raise self._trouble(NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(place)))
            place = place.parent
        while True:
            path = place / f"{_PREFIX}{secrets.token_hex(8)}{_SUFFIX}"
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            except OSError as error:
                raise self._trouble(error) from error
            with contextlib.suppress(OSError):  # no locks on this file system: then nothing is swept there either
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_nlink:
                crash.point("staged")
                return StagedFile(path, descriptor)
            os.close(descriptor)  # swept away by another daemon, before it was locked

    def staged(self) -> list[Path]:
        """Return every staged file, whoever works on it. Raises OSError."""
        return [found for found in self._files() if _is_staged(found.name)]

    def _files(self) -> Iterator[Path]:
        for folder, _folders, names in os.walk(self.root):
            for name in names:
                yield Path(folder, name)

    def seal(self, file: StagedFile, staged: Staged) -> None:
        """Check a staged file against the worker's report and bring it to the disk. Raises OutputError."""
        try:
            found = _inspect(file.descriptor, staged.size_bytes)
        except png.DamagedPng as error:
            raise OutputError(_("The cut-out was damaged on its way to disk: {why}.").format(why=error)) from None
        except OSError as error:
            raise self._trouble(error) from error
        is_its_own = found.tag.get("source_sha256") == staged.source_sha256
        if (found.size_bytes, found.sha256) != (staged.size_bytes, staged.sha256) or not is_its_own:
            raise OutputError(_("The cut-out on disk is not the one that was written."))
        crash.point("verified")
        try:
            os.fchmod(file.descriptor, 0o666 & ~self._umask)
            flush(file.descriptor)
        except OSError as error:
            raise self._trouble(error) from error
        crash.point("flushed")

    def publish(self, file: StagedFile, rel: str, *, may_replace: bool) -> bool:
        """Give a sealed file its name below the root. Returns False where the name is somebody else's.

        With `may_replace` what is there is replaced in one step. The folder is brought to the disk too.
        Raises OutputError; the staged file is then still there.
        """
        target = self.root / rel
        if os.pardir in target.parts:
            raise OutputError(_("{place} is not in the outbox.").format(place=display(target)))
        try:
            self._make(target.parent)
            with contextlib.suppress(OSError):  # not a member of that group, or no groups here
                os.fchown(file.descriptor, -1, os.stat(target.parent).st_gid)
            if may_replace:
                os.replace(file.path, target)
                crash.point("replaced")
            elif not without_replacing(file.path, target):
                return False
            fsync_folder(target.parent)
        except OSError as error:
            raise self._trouble(error) from error
        crash.point("folder-flushed")
        return True

    def follow(self, old: str, new: str) -> bool:
        """Rename an output as its photo was renamed; both paths are below the root. Raises OutputError."""
        try:
            self._make((self.root / new).parent)
            done = in_one_step(self.root / old, self.root / new)
            for folder in {(self.root / old).parent, (self.root / new).parent}:
                fsync_folder(folder)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise self._trouble(error) from error
        return done

    def remove(self, rel: str) -> None:
        """Remove an output; one that is gone is fine. Raises OutputError."""
        try:
            (self.root / rel).unlink(missing_ok=True)
            fsync_folder((self.root / rel).parent)
        except OSError as error:
            raise self._trouble(error) from error

    def _make(self, folder: Path) -> None:
        """Make a mirrored sub-folder, durably. The root itself is never made: it may be a lost mount."""
        missing = []
        while folder != self.root and not os.path.isdir(folder):
            missing.append(folder)
            folder = folder.parent
        for new in reversed(missing):
            new.mkdir(exist_ok=True)
            with contextlib.suppress(OSError):
                os.chown(new, -1, os.stat(new.parent).st_gid)
            fsync_folder(new.parent)

    def _trouble(self, error: OSError) -> OutputError:
        place = error.filename if isinstance(error.filename, str) else None
        folder = place if place and place.startswith(f"{self.root}{os.sep}") else self.root
        return OutputError(
            _("{folder} in the outbox cannot be written: {why}.").format(folder=display(folder), why=error.strerror)
            if folder != self.root and not os.path.basename(folder).startswith(_PREFIX)
            else _("The outbox {folder} cannot be written: {why}.").format(
                folder=display(self.root), why=error.strerror or error
            ),
            hint=_("Free some space, mount it again or correct its permissions; it is tried again by itself."),
        )


def _is_staged(name: str) -> bool:
    return name.startswith(_PREFIX) and name.endswith(_SUFFIX)


def _inspect(descriptor: int, size_bytes: int) -> png.Inspection:
    """Read a staged file of the length that was told: another one may be holes without end."""
    if os.fstat(descriptor).st_size != size_bytes:
        raise png.DamagedPng("its length is not the one that was told")
    return png.inspect(descriptor)
