"""`bgzero integrate`: "Remove background" in file managers, an entry in the desktop's menu, the start at login."""

import argparse
import difflib
import sys
from collections.abc import Sequence

from bgzero_daemon.cli.steer import print_json
from bgzero_daemon.core.errors import BgzeroError, Exit, UsageError
from bgzero_daemon.core.names import display, display_line
from bgzero_daemon.core.texts import _
from bgzero_daemon.install import autostart as login
from bgzero_daemon.install import desktop, integrate
from bgzero_daemon.install.integrate import MANAGERS, Examined
from bgzero_daemon.install.marks import Standing


def install(arguments: argparse.Namespace) -> int:
    """Install what is asked for, or what fits this machine; one that fails does not keep back the others."""
    _check(arguments.managers)
    program = desktop.own_program()
    chosen = integrate.wanted(arguments.managers)
    failed = 0
    for part in chosen:
        try:
            is_new, found = part.install(program), part.look()
        except BgzeroError as error:
            failed += 1
            _complain(error)
            continue
        if found.standing is Standing.OURS:  # there may be no icons
            sentence = _("Wrote {file}.") if is_new else _("{file} is up to date.")
            print(sentence.format(file=display(found.file)))
        if is_new and part.name == "thunar":
            print(_("Thunar shows it when it was started anew: thunar -q"))
    if not any(part.name in MANAGERS for part in chosen):
        names = ", ".join(MANAGERS)
        print(_("No file manager that is known was found here. One can be named: {names}.").format(names=names))
    return Exit.FAILURE if failed else Exit.OK


def remove(arguments: argparse.Namespace) -> int:
    """Take away what this program has installed; what others wrote or edited stays, and is named."""
    _check(arguments.managers)
    failed = 0
    for part in integrate.parts():
        if arguments.managers and part.name not in arguments.managers:
            continue
        try:
            file = part.look().file
            if part.remove():
                print(_("Removed from {file}.").format(file=display(file)))
        except BgzeroError as error:
            failed += 1
            _complain(error)
    if not arguments.managers and login.is_enabled():
        print(_("The tray still starts at every login; to end that: bgzero integrate autostart off"))
    return Exit.FAILURE if failed else Exit.OK


def status(arguments: argparse.Namespace) -> int:
    """Say what is installed, and what is wrong with it. Exit 1: something is."""
    examined = integrate.examine()
    if arguments.json:
        print_json({"parts": [_as_json(part) for part in examined]})
    else:
        for part in examined:
            print(f"{part.name:<10} {_sentence(part)}")
            if part.diagnosis.remedy:
                print(f"  {_('remedy')}: {display_line(part.diagnosis.remedy)}")
    return Exit.FAILURE if any(part.diagnosis.sentence for part in examined) else Exit.OK


def _sentence(part: Examined) -> str:
    if part.diagnosis.sentence:
        return display_line(part.diagnosis.sentence)
    if part.found is None or not part.is_installed:
        return _("not installed")
    return display(part.found.file)


def _as_json(part: Examined) -> dict[str, object]:
    found = part.found
    return {
        "name": part.name, "installed": part.is_installed, "file": display(found.file) if found else None,
        "written_by": found.standing.value if found else None,
        "program": display(found.program) if found and found.program else None,
        "wrong": display_line(part.diagnosis.sentence), "remedy": part.diagnosis.remedy,
    }  # fmt: skip


def autostart(arguments: argparse.Namespace) -> int:
    """Have the tray started at every login, or no more."""
    if arguments.mode == "on":
        file = login.enable()
        print(_("The tray starts at every login: {file}").format(file=display(file)))
    else:
        login.disable()
        print(_("The tray does not start at login."))
    return Exit.OK


def _check(names: Sequence[str]) -> None:
    for name in names:
        if name not in MANAGERS:
            nearest = difflib.get_close_matches(name, MANAGERS, n=1)
            hint = _("Did you mean {name}?").format(name=nearest[0]) if nearest else ", ".join(MANAGERS)
            raise UsageError(_("No file manager {name} is known.").format(name=display_line(name)), hint=hint)


def _complain(error: BgzeroError) -> None:
    print(f"bgzero: {error}", *([error.hint] if error.hint else []), sep="\n", file=sys.stderr)
