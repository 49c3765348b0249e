"""The user unit and the service manager of this account, by `systemctl --user`."""

import os
import pwd
import subprocess
from collections.abc import Mapping
from pathlib import Path

from bgzero_daemon.core import paths
from bgzero_daemon.core.errors import BgzeroError, Exit
from bgzero_daemon.core.names import display_line
from bgzero_daemon.core.texts import _
from bgzero_daemon.install import marks, program, unit
from bgzero_daemon.install.agent import Examined, Running, StartFailed, compare, differing
from bgzero_daemon.install.words import split

_ASK_SECONDS = 30.0
_PROPERTIES = (
    "UnitFileState", "ActiveState", "ActiveEnterTimestamp", "MainPID", "StatusText", "ExecMainStatus",
    "NeedDaemonReload", "DropInPaths",
)  # fmt: skip


class Systemd:
    """The service manager of this account. Raises BgzeroError where none answers."""

    def __init__(self) -> None:
        if os.geteuid() == 0:
            raise BgzeroError(
                _("A user unit is an account's own, and this is root."),
                hint=_("For a server there is {unit}; its first lines say how to set it up.").format(
                    unit=paths.shipped("systemd", "bgzero@.service")
                ),
            )
        self._environment = _parse(_asked("show-environment"))

    @property
    def environment(self) -> Mapping[str, str]:
        """What the manager gives to its services: not what a shell has."""
        return self._environment

    @property
    def file(self) -> Path:
        """Where the unit has to be: where the manager looks, whatever this shell's XDG_CONFIG_HOME says."""
        return _folder(self._environment) / unit.NAME

    def render(self, config: Path | None) -> str:
        """Return the text of the unit for this program. Raises BgzeroError where there can be none."""
        missing = differing(paths.moved(), self._environment, paths.MOVERS)
        return unit.render(unit.Wish(program.find(), config, missing))

    def look(self) -> Running:
        """Say how the service is."""
        lines = _asked("show", unit.NAME, *(f"--property={name}" for name in _PROPERTIES)).splitlines()
        found = {key: value for key, _equals, value in (line.partition("=") for line in lines)}
        return Running(
            is_enabled=found["UnitFileState"] in ("enabled", "linked", "enabled-runtime"),
            state=found["ActiveState"],
            since=found["ActiveEnterTimestamp"] if found["ActiveState"] == "active" else "",
            pid=int(found["MainPID"]),
            text=found["StatusText"],
            exit_status=int(found["ExecMainStatus"]),
            is_outdated=found["NeedDaemonReload"] == "yes",
            drop_ins=split(found["DropInPaths"]),
        )

    def start(self, *, afresh: bool) -> None:
        """Have it started at every login, and wait until it watches its folders (READY=1). Raises StartFailed."""
        _asked("daemon-reload")
        _asked("enable", "--quiet", unit.NAME)
        # after five failures it would not be tried again so soon
        _systemctl("reset-failed", unit.NAME)
        done = _systemctl("restart" if afresh else "start", unit.NAME, patience=None)
        if done.returncode:
            status = self.look().exit_status
            raise StartFailed(_reason(status), hint=_("`bgzero service logs` shows what it said."), status=status)

    def stop(self) -> None:
        """Stop it and wait for its end: the photo in work is finished first."""
        _asked("stop", unit.NAME, patience=None)

    def remove(self) -> None:
        """Stop it, remove the unit and forget it. Drop-ins are the user's, and stay."""
        _asked("disable", "--now", "--quiet", unit.NAME, patience=None)
        marks.remove(self.file)
        _asked("daemon-reload")
        _systemctl("reset-failed", unit.NAME)  # fails where nothing had failed


def examine() -> Examined:
    """Look at the installed user unit without changing anything; works where no service manager answers, too.

    The result says whether a unit is installed and whose it is, which program it names, whether that exists and is
    this very one, whether the text is what `bgzero service install` would write now, and the names of the variables
    by which its daemon would look at other places than this shell's commands. Its configuration file is taken as
    intended. Where the manager does not answer, its environment is unknown and taken as right. Raises BgzeroError
    where the unit cannot be read.
    """
    given: dict[str, str] | None = None
    try:
        given = _parse(_asked("show-environment"))
    except BgzeroError:
        file = _folder(paths.moved()) / unit.NAME
    else:
        file = _folder(given) / unit.NAME
    needs = None if given is None else differing(paths.moved(), given, paths.MOVERS)
    return compare(file, needs, read=unit.read, render=unit.render)


def account() -> str:
    """Return this account's name; its number where it has none."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def lingers() -> bool:
    """Say whether this account's services run while nobody is logged in (loginctl(1))."""
    try:
        asked = ["loginctl", "show-user", account(), "--property=Linger", "--value"]
        done = subprocess.run(asked, capture_output=True, text=True, timeout=_ASK_SECONDS, check=False)
        if not done.returncode:
            return done.stdout.strip() == "yes"
    except (OSError, subprocess.TimeoutExpired):
        pass
    return os.path.exists(f"/var/lib/systemd/linger/{account()}")


def _folder(environment: Mapping[str, str]) -> Path:
    home = environment.get("HOME") or paths.home() or "/nonexistent"
    return Path(environment.get("XDG_CONFIG_HOME") or f"{home}/.config") / "systemd" / "user"


def _parse(listing: str) -> dict[str, str]:
    """Read `systemctl show-environment`, which writes odd values as $'...'."""
    environment = {}
    for line in listing.splitlines():
        name, _equals, value = line.partition("=")
        environment[name] = "".join(split(value[1:])) if value.startswith("$'") else value
    return environment


def _reason(status: int) -> str:
    if status == Exit.ALREADY_RUNNING:
        return _("The service did not start: another daemon watches its inbox. Stop that one first.")
    if status == Exit.BAD_CONFIG:
        return _("The service did not start: its configuration has a mistake.")
    return _("The service did not start; its exit status was {status}.").format(status=status)


def _asked(*words: str, patience: float | None = _ASK_SECONDS) -> str:
    """Return what `systemctl --user` printed. Raises BgzeroError where it failed."""
    done = _systemctl(*words, patience=patience)
    if not done.returncode:
        return done.stdout
    why = display_line(done.stderr.strip() or f"systemctl {words[0]}: {done.returncode}")
    if words[0] == "show-environment":
        raise BgzeroError(
            _("The service manager of this account does not answer: {why}").format(why=why),
            hint=_("Log in as this account itself, not by su or sudo. A container has none: start `bgzero run` there."),
        )
    raise BgzeroError(_("The service manager refused: {why}").format(why=why))


def _systemctl(*words: str, patience: float | None = _ASK_SECONDS) -> "subprocess.CompletedProcess[str]":
    command = ["systemctl", "--user", "--no-pager", *words]
    try:
        return subprocess.run(
            command, capture_output=True, text=True, errors="surrogateescape", timeout=patience, check=False
        )
    except FileNotFoundError:
        raise BgzeroError(
            _("This machine has no systemd, so there is no service to install."),
            hint=_("Let whatever starts programs here start `bgzero run`."),
        ) from None
    except subprocess.TimeoutExpired:
        raise BgzeroError(
            _("The service manager does not answer within {seconds:.0f} seconds.").format(seconds=patience)
        ) from None
