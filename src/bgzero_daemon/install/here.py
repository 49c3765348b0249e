"""The service manager of this platform, and what is wrong with an installed service."""

import sys

from bgzero_daemon.core.errors import BgzeroError
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _
from bgzero_daemon.install import launchd, systemd
from bgzero_daemon.install.agent import Examined, Manager
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


def diagnose(found: Examined) -> tuple[str, str]:
    """Return what is wrong with an installed service and the command that mends it; two empty texts: nothing."""
    again = "bgzero service install" + (f" --config {display(found.config)}" if found.config else "")
    by_force = f"{again} --force"
    shown = display(found.program or "")
    checks = (
        (found.standing is Standing.FOREIGN, _("somebody else wrote this file"), by_force),
        (found.standing is Standing.EDITED, _("this file was edited"), by_force),
        (not found.program_exists, _("it starts {program}, which is not there").format(program=shown), again),
        (bool(found.trouble), found.trouble, _("another way of installing the program")),
        (
            not found.is_this_program,
            _("it starts {program}, which is another installation").format(program=shown),
            again,
        ),
        (
            bool(found.environment),
            _("its daemon has other values of {names} than this shell").format(names=", ".join(found.environment)),
            again,
        ),
        (not found.is_current, _("this file is of another version"), again),
    )
    if not found.is_installed:
        return _("the service is not installed"), again
    return next(((sentence, remedy) for is_so, sentence, remedy in checks if is_so), ("", ""))
