"""`bgzero service`: have the daemon started at every login, look at it, steer it. Taking it away: `cli.uninstall`."""

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from bgzero_daemon.cli.steer import print_json
from bgzero_daemon.core.errors import AlreadyRunning, BgzeroError, Exit
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import VARIABLE as LANGUAGE
from bgzero_daemon.core.texts import _
from bgzero_daemon.doctor.peer import find_peer
from bgzero_daemon.install import here, marks, systemd
from bgzero_daemon.install.agent import Diagnosis, Examined, Manager, Running
from bgzero_daemon.install.marks import Standing
from bgzero_daemon.service.change import models_of
from bgzero_daemon.settings import folders
from bgzero_daemon.settings.load import CONFIG_VARIABLE, PREFIX, Loaded, load

_LOG = "bgzero.log"
_UNKNOWN = "unknown"  # no service manager answers


def install(arguments: argparse.Namespace) -> int:
    """Write the service's file where it differs, have it started, and wait until it watches."""
    manager = here.manager()
    config = Path(named) if (named := arguments.config or os.environ.get(CONFIG_VARIABLE)) else None
    loaded = _check(config, manager.environment)
    text = manager.render(config)
    was = manager.look()
    if not was.pid and find_peer():
        raise AlreadyRunning(
            _("A daemon of this account runs already, outside the service."),
            hint=_("Stop it (Ctrl-C where it was started), then: bgzero service install"),
        )
    is_new = _write(manager.file, text, force=arguments.force)
    if is_new or was.is_outdated or not (was.is_active and was.is_enabled):
        manager.start(afresh=bool(was.pid) and (is_new or was.is_outdated))
    if not is_new:
        print(_("{file} is up to date, and the service runs.").format(file=display(manager.file)))
    else:
        print(_("Wrote {file}; the service runs.").format(file=display(manager.file)))
    for folder in loaded.config.folder:
        print(
            _("Drop photos into {inbox}; the cut-outs appear in {outbox}.").format(
                inbox=display(folder.inbox), outbox=display(folder.outbox)
            )
        )
    print(_("Next: `bgzero status`, `bgzero service logs -f`."))
    _tell_the_rest(manager.environment)
    return Exit.OK


def _check(config: Path | None, given: Mapping[str, str]) -> Loaded:
    """Read and check the configuration as the daemon will, with the manager's variables. Raises ConfigError."""
    loaded = load(config, environ=given)
    models_of(loaded.config)
    for made in folders.prepare(loaded):
        print(_("Made {path}.").format(path=display(made)), file=sys.stderr)
    return loaded


def _write(file: Path, text: str, *, force: bool) -> bool:
    """Write the file unless it is right already, which is returned as False. Somebody else's is never lost."""
    try:
        standing, found = marks.judge(file)
        if standing is Standing.OURS and found == text:
            return False
        if standing in (Standing.EDITED, Standing.FOREIGN):
            if not force:
                raise BgzeroError(
                    _("{file} was edited, and is left as it is.").format(file=display(file))
                    if standing is Standing.EDITED
                    else _("{file} was written by somebody else, and is left as it is.").format(file=display(file)),
                    hint=_("--force replaces it and keeps a copy. Own lines belong into {folder}.").format(
                        folder=display(f"{file}.d/")
                    ),
                )
            aside = marks.set_aside(file)
            print(_("What was there is now {file}.").format(file=display(aside)), file=sys.stderr)
        marks.write(file, text)
    except OSError as error:
        raise BgzeroError(
            _("{file} cannot be written: {why}.").format(file=display(file), why=error.strerror)
        ) from error
    return True


def _tell_the_rest(given: Mapping[str, str]) -> None:
    """Say what else somebody may want to know."""
    left = [name for name in _lost(given) if name not in (CONFIG_VARIABLE, LANGUAGE)]
    if left:
        print(
            _("Not carried over from this shell, since configuration belongs in the file: {names}.").format(
                names=display(", ".join(left))
            ),
            file=sys.stderr,
        )
    if sys.platform == "linux" and not systemd.lingers():
        print(
            _("It ends when you log out. To keep it running: loginctl enable-linger {account}").format(
                account=display(systemd.account())
            ),
            file=sys.stderr,
        )


def _lost(given: Mapping[str, str]) -> list[str]:
    return sorted(
        name for name, value in os.environ.items() if name.startswith(PREFIX) and given.get(name) != value and value
    )


def status(arguments: argparse.Namespace) -> int:
    """Say whether the service is installed, how it is, and what `install` would mend. Exit 3: it does not run."""
    found = here.examine()
    try:
        running, unknown = here.manager().look(), None
    except BgzeroError as error:
        running, unknown = Running(state=_UNKNOWN), error
    diagnosis = here.diagnose(found)
    if arguments.json:
        print_json(_as_json(found, running, diagnosis))
    else:
        _print_status(found, running, diagnosis)
    if unknown and not arguments.json:
        print(unknown, unknown.hint, sep="\n", file=sys.stderr)
    return Exit.OK if running.is_active else Exit.NO_DAEMON


def _as_json(found: Examined, running: Running, diagnosis: Diagnosis) -> dict[str, object]:
    return {
        "installed": found.is_installed,
        "enabled": running.is_enabled,
        "state": running.state,
        "since": running.since,
        "pid": running.pid or None,
        "status": running.text,
        "unit": display(found.file),
        "written_by": found.standing.value,
        "drop_ins": [display(file) for file in running.drop_ins],
        "program": display(found.program) if found.program else None,
        "program_exists": found.program_exists,
        "program_is_this": found.is_this_program,
        "current": found.is_current,
        "environment": list(found.environment),
        "trouble": diagnosis.sentence,
        "remedy": diagnosis.remedy,
    }


def _print_status(found: Examined, running: Running, diagnosis: Diagnosis) -> None:
    if found.is_installed and running.state != _UNKNOWN:
        print(
            _("{state}, {enabled}").format(
                state=running.state,
                enabled=_("started at every login") if running.is_enabled else _("not started at a login"),
            )
        )
        if running.is_active:
            print(_("since {since}, process {pid}").format(since=running.since or "?", pid=running.pid))
        if running.text:
            print(running.text)
    if found.is_installed:
        print(_("file: {file}").format(file=display(found.file)))
        for file in running.drop_ins:
            print(_("with your own lines in {file}").format(file=display(file)))
    if diagnosis.sentence:
        print(_("{trouble} Mended by: {remedy}").format(trouble=diagnosis.sentence, remedy=diagnosis.remedy))


def _installed() -> Manager:
    manager = here.manager()
    if not os.path.lexists(manager.file):
        raise BgzeroError(_("The service is not installed."), hint=_("Install it: bgzero service install"))
    return manager


def start(_arguments: argparse.Namespace) -> int:
    """Start the installed service and wait until it watches."""
    _installed().start(afresh=False)
    return Exit.OK


def stop(_arguments: argparse.Namespace) -> int:
    """Stop the service and wait for its end."""
    _installed().stop()
    return Exit.OK
