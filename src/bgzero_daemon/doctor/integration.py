"""What this program has put into file managers and the start at login: whether it still starts this program."""

from bgzero_daemon.core.errors import BgzeroError
from bgzero_daemon.core.texts import _
from bgzero_daemon.doctor.findings import CannotLook, Finding, note, ok, skipped, wrong
from bgzero_daemon.doctor.ground import Ground
from bgzero_daemon.install import integrate


def check(_ground: Ground) -> list[Finding]:
    """Pass on what is wrong with what is installed; a menu's entry that starts nothing is no mere note."""
    try:
        examined = integrate.examine()
    except BgzeroError as error:
        raise CannotLook(str(error)) from error
    told = [part.diagnosis for part in examined if part.diagnosis.sentence]
    if told:
        return [(wrong if one.is_grave else note)(one.sentence, one.remedy) for one in told]
    names = [part.name for part in examined if part.is_installed]
    if not names:
        return [skipped(_("No file manager knows this program here; `bgzero integrate install` tells them."))]
    return [ok(_("What is installed on the desktop starts this program: {names}.").format(names=", ".join(names)))]
