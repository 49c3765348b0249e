"""The parts of the desktop integration: each knows its place, looks at what is there, and touches only what is ours."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from bgzero_daemon.core import paths
from bgzero_daemon.core.errors import BgzeroError
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _
from bgzero_daemon.install import icons, marks, thunar
from bgzero_daemon.install.marks import Standing

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Found:
    """What stands in a part's place. `program`: what it starts; None where it starts nothing, or is not to be told."""

    file: Path
    standing: Standing
    program: Path | None = None


class Part(Protocol):
    """One thing that can be installed. Every method raises BgzeroError."""

    @property
    def name(self) -> str:
        """What people type."""

    def look(self) -> Found:
        """Say what is there, and change nothing."""

    def install(self, program: Path) -> bool:
        """Put it there, or mend it; say whether anything had to be done. What is not ours is left, with an error."""

    def remove(self) -> bool:
        """Take away what is ours; say whether there was anything."""


def _refuse(file: Path) -> BgzeroError:
    return BgzeroError(
        _("{file} was written or edited by somebody else, and is left as it is.").format(file=display(file)),
        hint=_("Move it away, and try again."),
    )


def _cannot(sentence: str, file: Path, why: object) -> BgzeroError:
    return BgzeroError(sentence.format(file=display(file), why=why))


def _is_ours(file: Path) -> bool:
    try:
        return marks.judge(file)[0] is Standing.OURS
    except BgzeroError:  # what cannot be read was not written by us
        return False


@dataclass(frozen=True, slots=True)
class Sealed:
    """A file of its own, with our mark.

    `is_found_by_mark`: its name is what a menu shows, so in another language it was installed under another one.
    """

    name: str
    file: Path
    render: Callable[[Path], str]
    read: Callable[[str], Path | None]
    mode: int = 0o644
    is_found_by_mark: bool = False

    def look(self) -> Found:
        """Say whose the file is, and what it starts."""
        file = self._present()
        standing, text = marks.judge(file)
        return Found(file, standing, self.read(text) if standing in (Standing.OURS, Standing.EDITED) else None)

    def _present(self) -> Path:
        return self.file if os.path.lexists(self.file) else next(iter(self._renamed()), self.file)

    def _renamed(self) -> list[Path]:
        """Return our files of other names; an edited one is somebody's own by now."""
        if not self.is_found_by_mark or not self.file.parent.is_dir():
            return []
        try:
            there = sorted(self.file.parent.iterdir())
        except OSError as error:
            raise _cannot(_("{file} cannot be read: {why}."), self.file.parent, error.strerror) from error
        return [file for file in there if file != self.file and _is_ours(file)]

    def install(self, program: Path) -> bool:
        """Write the file."""
        was, wanted = self._present(), self.render(program)
        standing, text = marks.judge(was)
        if standing not in (Standing.MISSING, Standing.OURS):
            raise _refuse(was)
        is_as_wanted = was == self.file and text == wanted and (was.stat().st_mode & 0o111 == self.mode & 0o111)
        if standing is Standing.OURS and is_as_wanted:
            return False
        _write(self.file, wanted, self.mode)
        if was != self.file:
            marks.remove(was)
        return True

    def remove(self) -> bool:
        """Remove the file."""
        file = self._present()
        standing, _text = marks.judge(file)
        if standing is Standing.EDITED:
            raise _refuse(file)
        ours = [*([file] if standing is Standing.OURS else []), *(other for other in self._renamed() if other != file)]
        for one in ours:
            marks.remove(one)
        return bool(ours)


@dataclass(frozen=True, slots=True)
class Thunar:
    """Our action in the file of all of Thunar's actions."""

    file: Path
    name: str = "thunar"

    def look(self) -> Found:
        """Say whether our action is there."""
        raw = self._read(self.file)
        action = self._tried(lambda: thunar.find(raw)) if raw is not None and thunar.names_us(raw) else None
        return Found(self.file, Standing.OURS if action else Standing.MISSING, action.program if action else None)

    def install(self, program: Path) -> bool:
        """Add our action, or let it start this program.

        Thunar reads the account's file or the machine's, never both: where there is none yet it begins as the
        machine's, or that one's actions would be gone.
        """
        raw = self._read(self.file)
        old = self._general() if raw is None else raw
        new = self._tried(lambda: thunar.merge(old, program))
        if new != raw:
            self._write(new)
        return new != raw

    def remove(self) -> bool:
        """Take our action out. A file that is then what `install` began with goes, too."""
        raw = self._read(self.file)
        new = self._tried(lambda: thunar.drop(raw)) if raw is not None and thunar.names_us(raw) else None
        if new is None or new == raw:
            return False
        if new == self._general():
            marks.remove(self.file)
        else:
            self._write(new)
        return True

    def _general(self) -> bytes:
        found = (self._read(folder / "Thunar" / "uca.xml") for folder in paths.config_dirs())
        return next((raw for raw in found if raw is not None), thunar.EMPTY)

    def _read(self, file: Path) -> bytes | None:
        try:
            return file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _cannot(_("{file} cannot be read: {why}."), file, error.strerror) from error

    def _tried(self, ask: Callable[[], _T]) -> _T:
        try:
            return ask()
        except ValueError as error:
            sentence = _("{file} is not as Thunar writes it, and is left as it is: {why}.")
            raise _cannot(sentence, self.file, error) from error

    def _write(self, raw: bytes) -> None:
        """Write it where it really is, which a link may tell, and as readable as it was."""
        file = Path(os.path.realpath(self.file))
        _write(file, raw, file.stat().st_mode & 0o777 if file.exists() else 0o644)


@dataclass(frozen=True, slots=True)
class Icons:
    """All icons of ours in the account's theme."""

    file: Path
    name: str = "icons"

    def look(self) -> Found:
        """Say whether any is there."""
        return Found(self.file, Standing.OURS if self._ours() else Standing.MISSING)

    def install(self, _program: Path) -> bool:
        """Put there what is missing or of another version; what somebody else put in its place stays."""
        wanted, ours = icons.shipped(), set(self._ours())
        new = {self.file / place: icon for place, icon in wanted.items()}
        new = {
            file: icon
            for file, icon in new.items()
            if not os.path.lexists(file) or (file in ours and file.read_bytes() != icon)
        }
        old = [file for file in ours if file.relative_to(self.file) not in wanted]
        for file, icon in new.items():
            _write(file, icon, 0o644)
        for file in old:
            marks.remove(file)
        icons.renew(self.file)
        return bool(new or old)

    def remove(self) -> bool:
        """Remove those that are as we left them."""
        ours = self._ours()
        for file in ours:
            marks.remove(file)
        icons.renew(self.file)
        return bool(ours)

    def _ours(self) -> list[Path]:
        try:
            return list(icons.ours(self.file))
        except OSError as error:
            raise _cannot(_("{file} cannot be read: {why}."), self.file, error.strerror) from error


def _write(file: Path, content: str | bytes, mode: int) -> None:
    try:
        marks.write(file, content, mode=mode)
    except OSError as error:
        raise _cannot(_("{file} cannot be written: {why}."), file, error.strerror) from error
