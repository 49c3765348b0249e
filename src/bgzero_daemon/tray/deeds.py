"""What the menu can do: most of it is asking the daemon, which may take its time, so nobody waits for it here."""

import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Concatenate, ParamSpec

from bgzero_daemon import client
from bgzero_daemon.core import paths
from bgzero_daemon.core.errors import BgzeroError, Exit, NoDaemon
from bgzero_daemon.core.texts import _
from bgzero_daemon.install import autostart, here, program
from bgzero_daemon.tray import children, opening
from bgzero_daemon.tray.hands import Hands

log = logging.getLogger(__name__)

_START_SECONDS = 20.0
_LOG_LINES = "500"
_COMMAND_SECONDS = 30.0  # for commands of ours that only read and write a file

P = ParamSpec("P")


def _away(deed: "Callable[Concatenate[Deeds, P], None]") -> "Callable[Concatenate[Deeds, P], None]":
    """Have a deed done in a thread of its own."""

    def begin(deeds: "Deeds", /, *args: P.args, **kwargs: P.kwargs) -> None:
        deeds.hands.do(partial(deed, deeds, *args, **kwargs))

    return begin


class Deeds:
    """`tell` shows a title and a sentence to the user. `look_again` has the feed try at once, `reload_models` has it
    ask for models. `refresh` is called when something has been done, `end` closes the tray.
    """

    def __init__(
        self, tell: Callable[[str, str], None], look_again: Callable[[], None], reload_models: Callable[[], None],
        refresh: Callable[[], None], end: Callable[[], None],
    ) -> None:  # fmt: skip
        self._tell, self._look_again, self._reload_models, self._end = tell, look_again, reload_models, end
        self.hands = Hands(tell, refresh)
        self._starting = threading.Lock()
        self._pulling = threading.Lock()
        self._pulls: set[str] = set()

    @_away
    def toggle_pause(self) -> None:
        """Pause where it works, go on where it is paused: as it is now, not as a menu has shown it."""
        client.ask("resume" if client.ask("status").get("paused") else "pause")

    @_away
    def pause(self, seconds: float) -> None:
        """Begin with no more photos for a while."""
        client.ask("pause", seconds=seconds)

    @_away
    def use_model(self, name: str) -> None:
        """Cut the next photo with another model."""
        client.ask("set_model", name=name)

    @_away
    def use_provider(self, name: str) -> None:
        """Run the network elsewhere."""
        client.ask("set_provider", name=name)

    @_away
    def redo(self, path: str, model: str) -> None:
        """Cut a photo again with a model."""
        client.ask("redo", paths=[path], model=model)

    @_away
    def retry(self, *paths: str) -> None:
        """Try failed photos again; without paths all."""
        client.ask("retry", paths=list(paths))

    @_away
    def accept(self, *paths: str) -> None:
        """Accept cut-outs that want a look; without paths all."""
        client.ask("accept", paths=list(paths))

    @_away
    def dismiss(self, *paths: str) -> None:
        """Take failed photos off the list; without paths all."""
        client.ask("dismiss", paths=list(paths))

    @_away
    def answer_card(self, path: str, answer: str) -> None:
        """Say what becomes of a card: import, day or no."""
        client.ask("card", path=path, answer=answer)

    @_away
    def notifications(self, *, on: bool, seconds: float = 0.0) -> None:
        """Let notifications through, or not, for a while or for good."""
        client.ask("set_notifications", on=on, **({"seconds": float(seconds)} if seconds else {}))

    @_away
    def pull(self, name: str, *, accept: bool) -> None:
        """Have `bgzero model pull` fetch a model: the one command that uses a network; and then use it."""
        with self._pulling:
            if name in self._pulls:
                return
            self._pulls.add(name)
        try:
            self._pull(name, accept=accept)
        finally:
            self._pulls.discard(name)

    def _pull(self, name: str, *, accept: bool) -> None:
        command = [*_program(), "model", "pull", name, *(["--accept-licence"] if accept else [])]
        self._tell(_("Fetching {name}").format(name=name), _("It goes on in the background."))
        # a file takes what it says: it would be ended by a pipe that nobody reads any more, and goes on without us
        with tempfile.TemporaryFile() as heard:
            nowhere = subprocess.DEVNULL
            status = subprocess.run(command, stdin=nowhere, stdout=nowhere, stderr=heard, check=False).returncode
            heard.seek(0)
            said = heard.read().decode(errors="replace").strip().splitlines()
        if status:
            self._tell(_("{name} was not fetched").format(name=name), " ".join(said[-2:]).removeprefix("bgzero: "))
            return
        self._reload_models()
        client.ask("set_model", name=name)
        self._tell(_("{name} is here").format(name=name), _("The next photo is cut with it."))

    @_away
    def open(self, path: str) -> None:
        """Open a picture or a folder with what the desktop has for it."""
        if why := opening.open_path(path):
            self._tell(_("It cannot be opened"), why)

    @_away
    def show(self, path: str) -> None:
        """Show a file in its folder."""
        if why := opening.show_in_folder(path):
            self._tell(_("It cannot be shown"), why)

    def starts_at_login(self) -> bool | None:
        """Say whether this icon comes by itself at the next login, None where that cannot be told or changed."""
        try:
            return autostart.is_enabled()
        except BgzeroError:
            return None

    @_away
    def toggle_login(self) -> None:
        """Have this icon come by itself at the next login, or not any more."""
        if autostart.is_enabled():
            autostart.disable()
        else:
            autostart.enable()

    @_away
    def edit_settings(self) -> None:
        """Open the configuration in an editor; the commented file is written first where there is none."""
        file = paths.config_file()
        if file is None:
            raise BgzeroError(_("This account has no home, and so no place for settings."))
        if not file.exists():
            _asked("config", "init")
        self.open(str(file))

    @_away
    def show_log(self) -> None:
        """Open what was logged last as a text."""
        said = _asked("logs", "-n", _LOG_LINES)
        folder = paths.runtime_dir()
        assert folder  # the tray's own lock lies there
        file = os.path.join(folder, "log.txt")
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as text:
            text.write(said.stdout or said.stderr)
        self.open(file)

    @_away
    def start(self) -> None:
        """Start the daemon: as a service where one is installed, as a process of its own otherwise."""
        if not self._starting.acquire(blocking=False):
            return
        try:
            if why := start_daemon():
                self._tell(_("It cannot be started"), why)
        finally:
            self._starting.release()
        self._look_again()

    @_away
    def quit(self) -> None:
        """End the daemon and this icon."""
        with suppress(NoDaemon):
            client.stop()
        self._end()

    def close(self) -> None:
        """End this icon alone."""
        self._end()


def start_daemon() -> str:
    """Start the daemon, and wait until it answers. Returns "" or why it does not."""
    try:
        manager = here.manager()
        if manager.file.exists():
            manager.start(afresh=False)
            return ""
    except BgzeroError as error:
        log.debug("%s", error)  # no service manager: then as a process
    # nobody reads what it says, so its log goes into a file: a pipe would fill up
    nowhere = subprocess.DEVNULL
    process = subprocess.Popen(
        [*_program(), "run"], stdin=nowhere, stdout=nowhere, stderr=nowhere, start_new_session=True
    )
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            client.ask("hello")
            children.leave(process)
            return ""
        except BgzeroError:
            time.sleep(0.1)
    if process.poll() is None:
        children.leave(process)
    if process.returncode == Exit.ALREADY_RUNNING:  # somebody else was quicker
        return ""
    if process.returncode == Exit.BAD_CONFIG:
        return " ".join(_asked("config", "check").stderr.decode(errors="replace").split())
    return _("It ended at once; the log says why.") if process.returncode is not None else _("It does not answer.")


def _asked(*arguments: str) -> "subprocess.CompletedProcess[bytes]":
    """Run a command of ours to its end. Raises BgzeroError where it does not come to one."""
    try:
        return subprocess.run(
            [*_program(), *arguments], stdin=subprocess.DEVNULL, capture_output=True, check=False,
            timeout=_COMMAND_SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise BgzeroError(_("`bgzero {command}` does not come to an end.").format(command=arguments[0])) from error


def _program() -> list[str]:
    try:
        return [str(program.find())]
    except BgzeroError:
        return [sys.executable, "-P", "-m", "bgzero_daemon"]
