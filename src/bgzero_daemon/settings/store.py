"""The configuration file on the disk: read once, replaced in one step, and only if it is still what was read."""

import contextlib
import errno
import itertools
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from bgzero_daemon.core import crash, paths
from bgzero_daemon.core.errors import BgzeroError, ConfigError
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _

_LARGEST_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Stored:
    """A file's text as it was read. `path` is where it really is, through links; `raw` is None where it is to be made.

    Where there is none the text is the commented file's.
    """

    path: Path
    raw: bytes | None
    text: str

    @classmethod
    def read(cls, file: Path) -> "Stored":
        """Read a file. Raises ConfigError where that is impossible."""
        path = Path(os.path.realpath(file))
        try:
            raw = _content(path)
        except OSError as error:
            why = error.strerror
            raise ConfigError(_("{file} cannot be read: {why}.").format(file=display(path), why=why)) from None
        if raw is None:
            return cls(path, None, paths.shipped("config", "config.toml").read_text(encoding="utf-8"))
        try:
            return cls(path, raw, raw.decode())
        except UnicodeDecodeError as error:
            raise ConfigError(
                _("{file} is not UTF-8 text (byte {at}).").format(file=display(path), at=error.start)
            ) from None

    def replace(self, text: str) -> None:
        """Put another text in its place, whole or not at all; mode and owner stay.

        Raises BgzeroError where somebody changed the file meanwhile, or where it cannot be written.
        """
        half = self.path.with_name(f".{self.path.name[:200]}.{secrets.token_hex(4)}.tmp")
        try:
            if self.raw is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            self._write(half, text.encode())
            crash.point("config-written")
            if _content(self.path) != self.raw:
                raise BgzeroError(
                    _("{file} was changed by somebody else meanwhile and is left as it is.").format(
                        file=display(self.path)
                    ),
                    hint=_("Give the command once more."),
                )
            os.replace(half, self.path)
            _sync_folder(self.path.parent)
        except OSError as error:
            raise BgzeroError(
                _("{file} cannot be written: {why}.").format(file=display(self.path), why=error.strerror),
                hint=_("Check the permissions of the file and of its folder, and the space there."),
            ) from None
        finally:
            with contextlib.suppress(OSError):
                os.unlink(half)

    def keep_copy(self, ending: str) -> Path:
        """Write what was read into a new file beside it, whose name ends so, or so and a number.

        Raises BgzeroError where that is impossible.
        """
        plain = self.path.with_name(f"{self.path.name}.{ending}")
        others = (plain.with_name(f"{plain.name}-{number}") for number in itertools.count(2))
        copy = next(place for place in (plain, *itertools.islice(others, 1000)) if not place.exists())
        try:
            self._write(copy, self.raw or b"")
        except OSError as error:
            raise BgzeroError(
                _("{file} cannot be written: {why}.").format(file=display(copy), why=error.strerror)
            ) from None
        return copy

    def _write(self, half: Path, content: bytes) -> None:
        with open(half, "xb") as file:
            if self.raw is not None:
                former = os.stat(self.path)
                made = os.fstat(file.fileno())
                if (former.st_uid, former.st_gid) != (made.st_uid, made.st_gid):
                    os.fchown(file.fileno(), former.st_uid, former.st_gid)
                os.fchmod(file.fileno(), former.st_mode & 0o7777)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())


def _content(path: Path) -> bytes | None:
    """Return the whole file, None where there is none. Raises OSError, EFBIG for what is no configuration."""
    try:
        with open(path, "rb") as file:
            content = file.read(_LARGEST_BYTES + 1)
            if len(content) > _LARGEST_BYTES:
                raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
            return content
    except FileNotFoundError:
        return None


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
