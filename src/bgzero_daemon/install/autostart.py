"""Starting the tray at login: one file in the account's autostart folder, which desktops and their tools edit, too."""

import re
import sys
from collections.abc import Mapping
from pathlib import Path

from bgzero_daemon.core import paths
from bgzero_daemon.core.errors import BgzeroError
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _
from bgzero_daemon.install import desktop, marks
from bgzero_daemon.install.marks import Standing

# How desktops switch an entry off instead of removing it: the specification's key, and those of GNOME and MATE.
_SWITCHES = re.compile(r"Hidden|X-\w+-Autostart-enabled")


def place() -> Path:
    """Return where the file has to be. Raises BgzeroError where nothing starts at login by such files."""
    folder = paths.config_home()
    if sys.platform != "linux" or folder is None:
        raise BgzeroError(_("On this system nothing starts at login by a desktop's files."))
    return folder / "autostart" / f"{desktop.APP_ID}.desktop"


def is_enabled() -> bool:
    """Say whether desktops start the tray at login. Raises BgzeroError where the file cannot be read."""
    text = _text(place()) or _of_the_machine()
    found = desktop.keys(text)
    is_off = found.get("Hidden", "").lower() == "true" or any(
        _SWITCHES.fullmatch(key) and key != "Hidden" and value.lower() == "false" for key, value in found.items()
    )
    return "Exec" in found and not is_off


def enable() -> Path:
    """Have the tray started at login; return the file. Raises BgzeroError.

    A file that a desktop or a person has changed keeps its other keys, such as a delay.
    """
    file, program = place(), desktop.own_program()
    standing, text = marks.judge(file)
    wanted = desktop.autostart(program)
    if standing not in (Standing.MISSING, Standing.OURS):
        given = desktop.keys(wanted)
        switches = dict.fromkeys(key for key in desktop.keys(text) if _SWITCHES.fullmatch(key))
        wanted = _changed(file, text, {**switches, "Exec": given["Exec"], "TryExec": given["TryExec"]})
    if wanted != text:
        _write(file, wanted)
    return file


def disable() -> None:
    """Have it started no more. A file that is not as we left it, or the machine's, is switched off. Raises BgzeroError.

    Nothing happens where it is not started anyway.
    """
    file = place()
    standing, text = marks.judge(file)
    general = _of_the_machine()
    if standing is Standing.OURS and not general:
        marks.remove(file)
    elif is_enabled():
        _write(file, _changed(file, text if standing is not Standing.MISSING else general, {"Hidden": "true"}))


def _changed(file: Path, text: str, changes: Mapping[str, str | None]) -> str:
    if f"[{desktop.GROUP}]" not in text:  # a link, or no desktop file at all
        raise BgzeroError(
            _("{file} was written by somebody else, and is left as it is.").format(file=display(file)),
            hint=_("Move it away, and try again."),
        )
    return desktop.with_keys(text, changes)


def _text(file: Path) -> str:
    """Return what a desktop reads there, through links, too; "" where there is nothing."""
    try:
        return file.read_text("utf-8", "surrogateescape")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise BgzeroError(
            _("{file} cannot be read: {why}.").format(file=display(file), why=error.strerror or error)
        ) from error


def _of_the_machine() -> str:
    """Return the machine's own file of this name, as a package installs one; "" where there is none."""
    texts = (_text(folder / "autostart" / f"{desktop.APP_ID}.desktop") for folder in paths.config_dirs())
    return next(filter(None, texts), "")


def _write(file: Path, text: str) -> None:
    try:
        marks.write(file, text)
    except OSError as error:
        raise BgzeroError(
            _("{file} cannot be written: {why}.").format(file=display(file), why=error.strerror)
        ) from error
