"""`bgzero service uninstall`: take the service away, and with --purge everything that is not the user's."""

import argparse
import os
import sys
from pathlib import Path

from bgzero_daemon.core import paths
from bgzero_daemon.core.errors import BgzeroError, ConfigError, Exit
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _, n_
from bgzero_daemon.doctor.peer import find_peer
from bgzero_daemon.install import autostart, here, integrate, program, purge
from bgzero_daemon.install.marks import Standing
from bgzero_daemon.settings.load import Loaded, load


def uninstall(arguments: argparse.Namespace) -> int:
    """Stop the service and remove it; with --purge, all that this program has written too, but no picture."""
    found = here.examine()
    if arguments.purge and found.environment:
        print(
            _("The daemon had other values of {names} than this shell; what it kept there stays.").format(
                names=", ".join(found.environment)
            ),
            file=sys.stderr,
        )
    # before anything goes: where the configuration cannot be read nobody knows which folders are the user's
    loaded = _load_for_purge(found.config) if arguments.purge else None
    if not found.is_installed:
        print(_("The service is not installed."))
    elif found.standing is not Standing.OURS:
        raise BgzeroError(
            _("{file} was written or edited by somebody else, and is left as it is.").format(file=display(found.file)),
            hint=_("`bgzero service install --force` keeps a copy of it and makes it ours."),
        )
    else:
        manager = here.manager()
        print(_("Stopping the service, and removing {file}.").format(file=display(found.file)))
        manager.remove()
        if os.path.lexists(own := f"{found.file}.d"):
            print(_("Your own lines stay: {folder}").format(folder=display(own)))
    return _purge(loaded, found.config) if loaded else Exit.OK


def _load_for_purge(config: Path | None) -> Loaded:
    try:
        return load(config)
    except ConfigError as error:
        raise ConfigError(
            str(error),
            hint=_("Nothing was removed: only a configuration without mistakes tells which folders are yours."),
        ) from error


def _purge(loaded: Loaded, config: Path | None) -> int:
    """Remove what is ours, saying so before; return whether all of it went."""
    if find_peer() or purge.is_in_use(paths.state_dir()):
        raise BgzeroError(
            _("A daemon runs outside the service, so nothing else was removed."),
            hint=_("Stop it (Ctrl-C where it was started), then: bgzero service uninstall --purge"),
        )
    plan = purge.make_plan(loaded.config.folder)
    for place in plan.places:
        print(_("Removing {path}").format(path=display(place)))
    stays = [(kept.path, kept.why) for kept in purge.foresee(plan)]
    if config and not any(config.is_relative_to(place) for place in plan.places):
        stays.append((config, _("you put this configuration there")))
    for folder in loaded.config.folder:
        stays.append((folder.inbox, _("your photos")))
        count = purge.count_cutouts(folder.outbox)
        stays.append((folder.outbox, n_("{count} cut-out", "{count} cut-outs", count)))
    for path, why in stays:
        if os.path.exists(path):
            print(_("{path} stays: {why}").format(path=display(path), why=why))
    trouble = _leave_the_desktop()
    print(_("The program stays. To remove it: {command}").format(command=program.removal()), flush=True)
    kept = [kept for kept in purge.carry_out(plan) if kept.is_trouble]
    trouble += [_("{path} cannot be removed: {why}").format(path=display(one.path), why=one.why) for one in kept]
    for sentence in trouble:
        print(sentence, file=sys.stderr)
    return Exit.FAILURE if trouble else Exit.OK


def _leave_the_desktop() -> list[str]:
    """Take away what `bgzero integrate` has installed, saying so before; return what went wrong."""
    trouble = []
    try:
        parts = [] if sys.platform != "linux" else integrate.parts()
        if parts and autostart.is_enabled():
            print(_("Removing {path}").format(path=display(autostart.place())))
            autostart.disable()
    except BgzeroError as error:  # without a home there is no desktop either
        return [str(error)] if paths.home() else []
    for part in parts:
        try:
            found = part.look()
            if found.standing is Standing.OURS:
                print(_("Removing what was added to {path}").format(path=display(found.file)))
                part.remove()
        except BgzeroError as error:
            trouble.append(str(error))
    return trouble
