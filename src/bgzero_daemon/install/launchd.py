"""The launch agent of macOS, by `launchctl`. Never run on a Mac: only its text was tested (launchd.plist(5))."""

import os
import plistlib
import re
import subprocess
import threading
import time
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path

from bgzero_daemon.core import paths
from bgzero_daemon.core.errors import BgzeroError
from bgzero_daemon.core.names import display_line
from bgzero_daemon.core.texts import _
from bgzero_daemon.install import marks, program, unit
from bgzero_daemon.install.agent import Examined, Running, StartFailed, compare

LABEL = "bgzero"
KEYS = frozenset(
    ("Label", "ProgramArguments", "EnvironmentVariables", "RunAtLoad", "KeepAlive", "ProcessType", "ThrottleInterval",
     "ExitTimeOut", "LowPriorityBackgroundIO", "Nice")
)  # fmt: skip
_HEAD_LINES = 2  # <?xml ...>, <!DOCTYPE ...>
_SECONDS = 60.0


def render(wish: unit.Wish) -> str:
    """Return the sealed text of the agent: the template that ships, with this program. It has no keys but `KEYS`."""
    agent = plistlib.loads(paths.shipped("systemd", "launchd", "bgzero.plist").read_bytes())
    arguments = [str(wish.program), "run", *(["--config", os.path.abspath(wish.config)] if wish.config else [])]
    agent["ProgramArguments"] = arguments
    given = {name: value for name, value in (wish.environment or {}).items() if value is not None}
    agent["EnvironmentVariables"] |= given
    # XML has no form for some characters, and plistlib turns \r into \n without a word
    if any(unicodedata.category(char) in {"Cc", "Cs", "Cn"} for word in [*arguments, *given.values()] for char in word):
        raise BgzeroError(
            _("launchd cannot be told of a path with control characters or bytes that are no text."),
            hint=_("Install the program, or put its configuration, into another folder."),
        )
    body = plistlib.dumps(agent, sort_keys=False).decode()
    return marks.seal(body, comment="<!-- {} -->", after=_HEAD_LINES)


def read(text: str) -> unit.Wish | None:
    """Return what an agent's text starts, None where that is no `bgzero run`."""
    try:
        agent = plistlib.loads(text.encode("utf-8", "surrogateescape"))
        words, environment = agent["ProgramArguments"], agent.get("EnvironmentVariables", {})
        if words[1] != "run":
            return None
        config = Path(words[3]) if words[2:3] == ["--config"] else None
        moved = {name: value for name, value in environment.items() if name in paths.MOVERS}
        return unit.Wish(Path(words[0]), config, moved)
    except (plistlib.InvalidFileException, ValueError, LookupError, TypeError, AttributeError):
        return None


def _file() -> Path:
    return (paths.home() or Path("/")) / "Library" / "LaunchAgents" / f"{LABEL}.plist"


class Launchd:
    """The launchd domain of the account's desktop session. Never run on a Mac."""

    def __init__(self) -> None:
        if os.geteuid() == 0:
            raise BgzeroError(
                _("A launch agent is an account's own, and this is root."),
                hint=_("Type it as the account whose photos are cut."),
            )
        self._domain = f"gui/{os.getuid()}"
        self._target = f"{self._domain}/{LABEL}"

    @property
    def environment(self) -> Mapping[str, str]:
        """An agent gets next to nothing, and no XDG variables."""
        return {}

    @property
    def file(self) -> Path:
        """Where the agent has to be."""
        return _file()

    def render(self, config: Path | None) -> str:
        """Return the text of the agent for this program. Raises BgzeroError where there can be none."""
        return render(unit.Wish(program.find(), config, paths.moved()))

    def look(self) -> Running:
        """Say how the agent is."""
        done = _launchctl("print", self._target)
        if done.returncode:
            return Running(is_enabled=self.file.exists())
        fields = dict(re.findall(r"^\t(state|pid|last exit code) = (.*)$", done.stdout, re.MULTILINE))
        is_up = fields.get("state") == "running"
        status = re.match(r"\d+", fields.get("last exit code", ""))
        return Running(
            is_enabled=True,
            state="active" if is_up else "inactive",
            pid=int(fields.get("pid", "0")),
            exit_status=int(status[0]) if status else 0,
        )

    def start(self, *, afresh: bool) -> None:
        """Load the agent and start it; with `afresh`, or where it is not loaded, from its file. Raises StartFailed."""
        if afresh:
            _launchctl("bootout", self._target)
        if _launchctl("print", self._target).returncode:
            done = _launchctl("bootstrap", self._domain, str(self.file))
        else:
            done = _launchctl("kickstart", "-k", self._target)
        if done.returncode or not _wait(lambda: self.look().is_active):
            why = display_line(done.stderr.strip())
            raise StartFailed(
                _("The service did not start. {why}").format(why=why).strip(),
                hint=_("`bgzero service logs` shows what it said."),
                status=self.look().exit_status,
            )

    def stop(self) -> None:
        """Stop it and wait for its end; an end without a mistake is not followed by a start."""
        _launchctl("kill", "SIGTERM", self._target)
        if not _wait(lambda: not self.look().pid):
            raise BgzeroError(_("The service did not end within {seconds:.0f} seconds.").format(seconds=_SECONDS))

    def remove(self) -> None:
        """Unload the agent, wait for its end, and remove its file."""
        _launchctl("bootout", self._target)
        _wait(lambda: not self.look().pid)
        marks.remove(self.file)


def examine() -> Examined:
    """Look at the installed agent without changing anything: see `systemd.examine`. Raises BgzeroError."""
    return compare(_file(), dict(paths.moved()), read=read, render=render)


def _wait(is_so: Callable[[], bool]) -> bool:
    end, never = time.monotonic() + _SECONDS, threading.Event()
    while not (so := is_so()) and time.monotonic() < end:
        never.wait(0.2)
    return so


def _launchctl(*words: str) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(["launchctl", *words], capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BgzeroError(_("launchd does not answer: {why}.").format(why=error)) from error
