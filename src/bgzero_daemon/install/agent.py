"""What is the same of every service manager: how an installed service is looked at."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bgzero_daemon.core import paths
from bgzero_daemon.core.errors import BgzeroError, Exit
from bgzero_daemon.core.texts import _
from bgzero_daemon.install import marks, program
from bgzero_daemon.install.marks import Standing
from bgzero_daemon.install.unit import Wish


@dataclass(frozen=True, slots=True)
class Examined:
    """A service's file, beside what this program would write now.

    `program` is the one that it starts (None: no file, or not to be told), `config` the configuration file that it
    names. `is_current`: the text is what `bgzero service install` would write. `environment`: the variables by which
    its daemon would look at other places than the commands of this shell. `trouble`: why no service of this program
    can be written at all, "" where one can.
    """

    file: Path
    standing: Standing
    program: Path | None = None
    config: Path | None = None
    program_exists: bool = False
    config_exists: bool = True
    is_this_program: bool = False
    is_current: bool = False
    environment: tuple[str, ...] = ()
    trouble: str = ""

    @property
    def is_installed(self) -> bool:
        """Whether there is a file, whoever wrote it."""
        return self.standing is not Standing.MISSING


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is wrong with an installed service, and a line for a shell that mends it; both "" where nothing is.

    `is_grave`: it cannot start.
    """

    sentence: str = ""
    remedy: str = ""
    is_grave: bool = False


@dataclass(frozen=True, slots=True)
class Running:
    """What the service manager says of the service. `since` is its words; `exit_status` that of the last end."""

    is_enabled: bool = False
    state: str = "inactive"
    since: str = ""
    pid: int = 0
    text: str = ""
    exit_status: int = 0
    is_outdated: bool = False
    drop_ins: Sequence[str] = ()

    @property
    def is_active(self) -> bool:
        """Whether it is up and watches its folders."""
        return self.state in ("active", "reloading")


class StartFailed(BgzeroError):
    """The service did not start; the exit code is the daemon's where that tells more."""

    title = _("The service did not start")

    def __init__(self, sentence: str, *, hint: str, status: int = 0) -> None:
        super().__init__(sentence, hint=hint)
        self.exit_code = Exit(status) if status in (Exit.ALREADY_RUNNING, Exit.BAD_CONFIG) else Exit.FAILURE


class Manager(Protocol):
    """A service manager of this account."""

    @property
    def file(self) -> Path:
        """Where the service's file has to be."""

    @property
    def environment(self) -> Mapping[str, str]:
        """What it gives to its services."""

    def render(self, config: Path | None) -> str:
        """Return the text that this program wants there. Raises BgzeroError where there is none."""

    def look(self) -> Running:
        """Say how the service is."""

    def start(self, *, afresh: bool) -> None:
        """Take the file as it is now, have it started at every login, and wait until it runs. Raises StartFailed."""

    def stop(self) -> None:
        """Stop it and wait for its end. The next login starts it again."""

    def remove(self) -> None:
        """Stop it, remove the file and forget it."""


def differing(wanted: Mapping[str, str], given: Mapping[str, str], names: Sequence[str]) -> dict[str, str | None]:
    """Return what has to be set (or, with None, taken away) for `given` to become as `wanted` in these names."""
    return {name: wanted.get(name) for name in names if wanted.get(name) != given.get(name)}


def compare(
    file: Path,
    needs: Mapping[str, str | None] | None,
    *,
    read: Callable[[str], Wish | None],
    render: Callable[[Wish], str],
) -> Examined:
    """Describe what stands in a file beside what is to stand there.

    `needs` are the variables that are to be set or taken away there; None: not known, and taken as right. The
    program may have another name than it was called by now, if that lasts. Raises BgzeroError where the file cannot
    be read.
    """
    standing, text = marks.judge(file)
    found = read(text)
    if found is None:
        return Examined(file, standing)
    has = found.environment or {}
    needs = has if needs is None else needs
    is_this, wanted, trouble = False, "", ""
    try:
        own = program.find()
        is_this = program.is_same(found.program, own)
        start = found.program if is_this and program.is_lasting(found.program) else own
        wanted = render(Wish(start, found.config, needs))
    except BgzeroError as error:
        trouble = str(error)
    return Examined(
        file,
        standing,
        program=found.program,
        config=found.config,
        program_exists=found.program.is_file() and os.access(found.program, os.X_OK),
        config_exists=found.config is None or found.config.exists(),
        is_this_program=is_this,
        is_current=text == wanted,
        environment=tuple(sorted(name for name in paths.MOVERS if has.get(name, "") != needs.get(name, ""))),
        trouble=trouble,
    )
