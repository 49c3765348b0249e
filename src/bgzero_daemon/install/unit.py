"""The text of the user unit: what ships in `systemd/bgzero.service`, with the program's own path."""

import os
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bgzero_daemon.core import paths
from bgzero_daemon.core.errors import BgzeroError
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _
from bgzero_daemon.install import marks
from bgzero_daemon.install.words import quote, split

NAME = "bgzero.service"
PLACEHOLDER = "%h/.local/bin/bgzero"
_HINTS = ("# User unit:", "# Adjust it where")  # for those who copy the file by hand


@dataclass(frozen=True, slots=True)
class Wish:
    """What a unit is to start: the program, with this configuration file (None: the usual one).

    `environment` holds the variables that it needs beyond those of the manager; None takes one away.
    """

    program: Path
    config: Path | None = None
    environment: Mapping[str, str | None] | None = None


def render(wish: Wish) -> str:
    """Return the sealed text of the unit. Raises BgzeroError where systemd cannot start a program of this path."""
    if not _is_startable(wish.program):
        raise BgzeroError(
            _("systemd starts no program whose path has quotes, backslashes or control characters: {program}.").format(
                program=display(wish.program)
            ),
            hint=_("Install it in another folder; then `bgzero service install`."),
        )
    template = paths.shipped("systemd", NAME).read_text(encoding="utf-8")
    lines = []
    for line in template.splitlines():
        if line.startswith(_HINTS):
            continue
        if line.startswith("ExecStart="):
            lines += [f"ExecStart={_command(wish)}", *_variables(wish.environment or {})]
        else:
            lines.append(line.replace(PLACEHOLDER, quote(str(wish.program))))
    return marks.seal("\n".join([*lines, ""]))


def _is_startable(program: Path) -> bool:
    """Say whether systemd takes this path (`string_is_safe` in its sources)."""
    return not any(char in "\"'\\" or unicodedata.category(char) == "Cc" for char in str(program))


def _command(wish: Wish) -> str:
    words = ["run", *(["--config", os.path.abspath(wish.config)] if wish.config else [])]
    return " ".join([quote(str(wish.program)), *(quote(word, dollar="$$") for word in words)])


def _variables(environment: Mapping[str, str | None]) -> list[str]:
    return [
        f"Environment={quote(f'{name}={value}')}" if value is not None else f"UnsetEnvironment={name}"
        for name, value in sorted(environment.items())
    ]


def read(text: str) -> Wish | None:
    """Return what a unit's text starts, None where that is no `bgzero run`. The reverse of `render`."""
    command: list[str] = []
    for line in text.splitlines():
        key, _equals, value = line.partition("=")
        if key == "ExecStart":
            command = split(value)
    if command[1:2] != ["run"]:
        return None
    program = "%".join(part.replace("%h", str(paths.home() or "")) for part in command[0].split("%%"))
    arguments = [word.replace("%%", "%").replace("$$", "$") for word in command[2:]]
    config = Path(arguments[1]) if len(arguments) == 2 and arguments[0] == "--config" else None
    return Wish(Path(program), config, {name: value for name, value in variables(text).items() if name in paths.MOVERS})


def variables(text: str) -> dict[str, str | None]:
    """Return what a unit's text sets and (None) takes away, which systemd does last."""
    given: dict[str, str] = {}
    taken: list[str] = []
    for line in text.splitlines():
        key, _equals, value = line.partition("=")
        if key == "Environment":
            pairs = (word.replace("%%", "%").partition("=") for word in split(value))
            given |= {name: value for name, _equals, value in pairs}
        elif key == "UnsetEnvironment":
            taken += split(value)
    return given | dict.fromkeys(taken)
