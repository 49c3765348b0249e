"""This program on a desktop: an entry in its menu, icons, "Remove background" in file managers, the start at login."""

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bgzero_daemon.core import paths
from bgzero_daemon.core.errors import BgzeroError
from bgzero_daemon.core.names import display, quoted
from bgzero_daemon.core.texts import _
from bgzero_daemon.install import autostart, desktop, marks, program, scripts
from bgzero_daemon.install.agent import Diagnosis
from bgzero_daemon.install.marks import Standing
from bgzero_daemon.install.parts import Found, Icons, Part, Sealed, Thunar

MANAGERS = ("nautilus", "dolphin", "thunar", "nemo", "caja")
AUTOSTART = "autostart"


@dataclass(frozen=True, slots=True)
class Examined:
    """A part as it stands, and what is wrong with it. `found` is None where it could not be looked at."""

    name: str
    found: Found | None
    diagnosis: Diagnosis

    @property
    def is_installed(self) -> bool:
        """Whether something of ours is there, as we left it or edited."""
        return self.found is not None and self.found.standing in (Standing.OURS, Standing.EDITED)


def _homes() -> tuple[Path, Path]:
    """Return the folders of data and configuration. Raises BgzeroError where no desktop reads them."""
    data, config = paths.data_home(), paths.config_home()
    if sys.platform != "linux" or data is None or config is None:
        raise BgzeroError(_("There is no desktop here whose file managers this program knows."))
    return data, config


def parts() -> list[Part]:
    """Return all parts but the start at login: the desktop's own first, then the file managers'. Raises BgzeroError."""
    data, config = _homes()
    entry = data / "applications" / f"{desktop.APP_ID}.desktop"
    menu = data / "kio" / "servicemenus" / f"{desktop.APP_ID}.desktop"
    return [
        Sealed("menu", entry, desktop.application, desktop.read_program),
        Icons(data / "icons" / "hicolor"),
        _script("nautilus", data),
        # KDE runs only what is executable there
        Sealed("dolphin", menu, desktop.service_menu, desktop.read_program, mode=0o755),
        Thunar(config / "Thunar" / "uca.xml"),
        _script("nemo", data),
        _script("caja", config),
    ]


def _script(name: str, home: Path) -> Sealed:
    variable = f"{name.upper()}_SCRIPT_SELECTED_URIS"
    file = home / name / "scripts" / desktop.label()
    return Sealed(
        name, file, lambda path: scripts.render(path, variable), scripts.read_program, mode=0o755, is_found_by_mark=True
    )


def examine() -> list[Examined]:
    """Look at every part and at the start at login; change nothing. Raises BgzeroError where there is no desktop."""
    return [*(_examine(part) for part in parts()), _examine_autostart()]


def _examine(part: Part) -> Examined:
    try:
        found = part.look()
    except BgzeroError as error:
        return Examined(part.name, None, Diagnosis(str(error), ""))
    again = "bgzero integrate install" + (f" {part.name}" if part.name in MANAGERS else "")
    if found.standing is Standing.EDITED:
        file = quoted(found.file)
        again = f"mv -- {file} {quoted(f'{found.file}.old')} && {again}"
    return Examined(part.name, found, _diagnose(found, again))


def _examine_autostart() -> Examined:
    try:
        file, is_on = autostart.place(), autostart.is_enabled()
        standing, text = marks.judge(file)
    except BgzeroError as error:
        return Examined(AUTOSTART, None, Diagnosis(str(error), ""))
    if not is_on or standing is Standing.MISSING:  # or the machine's, which is not ours to mend
        return Examined(AUTOSTART, Found(file, Standing.MISSING), Diagnosis())
    found = Found(file, standing, desktop.read_program(text))
    told = _diagnose(found, "bgzero integrate autostart on")
    return Examined(AUTOSTART, replace(found, standing=Standing.OURS), told)


def _diagnose(found: Found, again: str) -> Diagnosis:
    """Say what is wrong with the program that something starts, and the command that mends it."""
    if found.program is None:
        return Diagnosis()
    told = {"file": display(found.file), "program": display(found.program)}
    if not (found.program.is_file() and os.access(found.program, os.X_OK)):
        sentence = _("{file} starts {program}, and there is no such program.").format(**told)
        return Diagnosis(sentence, again, is_grave=True)
    try:
        own = desktop.own_program()
    except BgzeroError:  # what is there works; this one could not take its place
        return Diagnosis()
    if program.is_same(found.program, own):
        return Diagnosis()
    return Diagnosis(_("{file} starts {program}, which is another installation.").format(**told), again)


def wanted(names: Sequence[str]) -> list[Part]:
    """Return the parts to install: the desktop's own, and the file managers of these names.

    Without names, the file managers that are on this machine, and those for which something is installed already.
    """
    chosen = []
    for part in parts():
        is_manager = part.name in MANAGERS
        if not is_manager or part.name in names or (not names and (shutil.which(part.name) or _is_there(part))):
            chosen.append(part)
    return chosen


def _is_there(part: Part) -> bool:
    return _examine(part).is_installed
