"""The service manager of this platform, and what is wrong with an installed service."""

import sys

from bgzero_daemon.core.errors import BgzeroError
from bgzero_daemon.core.names import display, quoted
from bgzero_daemon.core.texts import _
from bgzero_daemon.install import launchd, program, systemd
from bgzero_daemon.install.agent import Diagnosis, Examined, Manager
from bgzero_daemon.install.marks import Standing


def manager() -> Manager:
    """Return this account's service manager. Raises BgzeroError where there is none."""
    if sys.platform == "linux":
        return systemd.Systemd()
    if sys.platform == "darwin":
        return launchd.Launchd()
    raise BgzeroError(
        _("On this system there is no service to install."),
        hint=_("Let whatever starts programs here start `bgzero run`."),
    )


def examine() -> Examined:
    """Look at the installed service without changing anything: see `systemd.examine`."""
    return launchd.examine() if sys.platform == "darwin" else systemd.examine()


def diagnose(found: Examined) -> Diagnosis:
    """Say what is wrong with an installed service; what keeps it from starting comes before all else."""
    named = quoted(found.config) if found.config else ""
    again = f"bgzero service install --config {named}" if named else "bgzero service install"
    by_force = f"{again} --force"
    shown = display(found.program or "")
    checks = (
        (not found.is_installed, Diagnosis(_("The service is not installed."), again)),
        (
            found.program is not None and not found.program_exists,
            Diagnosis(
                _("The service starts {program}, and there is no such program.").format(program=shown),
                again if found.standing is Standing.OURS else by_force,
                is_grave=True,
            ),
        ),
        (
            not found.config_exists,
            Diagnosis(
                _("The service reads {file}, which is not there.").format(file=display(found.config or "")),
                f"bgzero config init --config {named} && bgzero service start",
                is_grave=True,
            ),
        ),
        (found.standing is Standing.FOREIGN, Diagnosis(_("The service's file is somebody else's."), by_force)),
        (found.standing is Standing.EDITED, Diagnosis(_("The service's file was edited."), by_force)),
        (bool(found.trouble), Diagnosis(found.trouble, f"{program.installation()} && ~/.local/bin/{again}")),
        (
            not found.is_this_program,
            Diagnosis(_("The service starts {program}, which is another installation.").format(program=shown), again),
        ),
        (
            bool(found.environment),
            Diagnosis(
                _("The service has other values of {names} than this shell.").format(
                    names=", ".join(found.environment)
                ),
                again,
            ),
        ),
        (not found.is_current, Diagnosis(_("The service's file is of another version."), again)),
    )
    return next((told for is_so, told in checks if is_so), Diagnosis())
