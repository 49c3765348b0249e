"""The user unit that is installed: whether it starts this program, and as it is meant to."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bgzero_daemon.core import paths
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _
from bgzero_daemon.doctor.findings import Finding, note, ok, skipped, wrong
from bgzero_daemon.doctor.ground import Ground
from bgzero_daemon.doctor.remedies import quoted

NAME = "bgzero.service"
_PLACES = {"XDG_CONFIG_HOME": ".config", "XDG_DATA_HOME": ".local/share", "XDG_STATE_HOME": ".local/state"}
_TARGETS = ("default", "graphical-session", "multi-user")
_ASK_SECONDS = 5.0
_RELOAD = "systemctl --user daemon-reload"
_INSTALL = "bgzero service install"


@dataclass(frozen=True, slots=True)
class Unit:
    """An installed unit: its file, its own lines, and those that drop-ins add."""

    file: Path
    text: str
    added: str

    @property
    def program(self) -> str:
        """The program that it starts, "" where no line says; %h is the home folder (systemd.unit(5), specifiers)."""
        lines = re.findall(r"^ExecStart=(.+)$", f"{self.text}\n{self.added}", re.MULTILINE)
        word = lines[-1].split()[0].lstrip("@-:+!").strip('"') if lines else ""
        return str(word.replace("%h", str(paths.home() or "~")).replace("%%", "%"))

    def environment(self) -> dict[str, str]:
        """Return the variables that it sets."""
        found: dict[str, str] = {}
        for line in re.findall(r"^Environment=(.+)$", f"{self.text}\n{self.added}", re.MULTILINE):
            for word in shlex.split(line):
                name, _equals, found[name] = word.partition("=")
        return found

    @property
    def is_enabled(self) -> bool:
        """Say whether it starts by itself."""
        return any(os.path.lexists(self.file.parent / f"{target}.target.wants" / NAME) for target in _TARGETS)


def installed() -> Unit | None:
    """Return this account's unit, if there is one. Raises OSError where it cannot be read."""
    config = paths.config_file()
    file = config.parent.parent / "systemd" / "user" / NAME if config else None
    if file is None or not os.path.isfile(file):
        return None
    drop_ins = sorted(Path(f"{file}.d").glob("*.conf"))
    return Unit(file, file.read_text("utf-8"), "\n".join(part.read_text("utf-8") for part in drop_ins))


def own_program() -> Path:
    """Return the program that runs here, as a unit would name it."""
    called = Path(sys.argv[0])
    return called.absolute() if called.name == "bgzero" else Path(sys.executable).with_name("bgzero")


def check(ground: Ground) -> list[Finding]:
    """Compare the installed unit with this program and with what was shipped."""
    unit = installed()
    if unit is None:
        return [skipped(_("No unit is installed here; `{command}` installs one.").format(command=_INSTALL))]
    own = own_program()
    renamed = f"sed -i 's|^ExecStart=.*|ExecStart={own} run|' {quoted(unit.file)}; {_RELOAD}"
    if not os.access(unit.program, os.X_OK):
        sentence = _("The unit starts {program}, which is not there.")
        return [wrong(sentence.format(program=display(unit.program or "?")), renamed)]
    if os.path.realpath(unit.program) != os.path.realpath(own):
        sentence = _("The unit starts {program}, and this is {own}.")
        return [note(sentence.format(program=display(unit.program), own=display(own)), renamed)]
    if elsewhere := _elsewhere(unit, ground.environ):
        sentence = _("The service looks elsewhere for its files: {names} differ.")
        return [
            note(
                sentence.format(names=", ".join(elsewhere)),
                f"{_told(elsewhere, ground.environ)} && systemctl --user try-restart bgzero",
                _("That holds until the next login; ~/.config/environment.d/ makes it last."),
            )
        ]
    shipped = paths.shipped("systemd", NAME).read_text("utf-8")
    if _essence(unit.text) != _essence(shipped):
        sentence = _("The unit {file} is not the one of this version: it was edited, or is of another version.")
        return [note(sentence.format(file=display(unit.file)), _INSTALL, _("A drop-in keeps changes of your own."))]
    return [ok(_("The unit starts this program."))]


def _elsewhere(unit: Unit, ours: Mapping[str, str]) -> list[str]:
    """Return the variables that name folders and are others for the service manager than for this process."""
    try:
        told = subprocess.run(
            ["systemctl", "--user", "show-environment"],  # noqa: S607 - the account's own
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_ASK_SECONDS, check=False,
        )  # fmt: skip
    except OSError:
        return []
    if told.returncode:  # no service manager here
        return []
    theirs = dict(line.split("=", 1) for line in told.stdout.splitlines() if "=" in line) | unit.environment()
    home = paths.home() or Path("/")
    return [
        name
        for name, usual in _PLACES.items()
        if Path(ours.get(name) or home / usual) != Path(theirs.get(name) or home / usual)
    ]


def _told(names: list[str], ours: Mapping[str, str]) -> str:
    """Return the command that gives the service manager this process's values, or takes its own away."""
    verbs = {"import-environment": [name for name in names if ours.get(name)]}
    verbs["unset-environment"] = [name for name in names if not ours.get(name)]
    return " && ".join(f"systemctl --user {verb} {' '.join(words)}" for verb, words in verbs.items() if words)


def _essence(text: str) -> list[str]:
    """Return the lines that do something, without those that an installation or a person adapts."""
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith(("#", ";", "ExecStart=", "Environment="))]
