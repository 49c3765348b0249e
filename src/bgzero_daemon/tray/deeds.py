"""What the menu can do: most of it is asking the daemon. Called from the thread of the menu's actions."""

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable

from bgzero_daemon import client
from bgzero_daemon.core import paths
from bgzero_daemon.core.errors import BgzeroError, Exit, NoDaemon
from bgzero_daemon.core.texts import _
from bgzero_daemon.install import autostart, here, program
from bgzero_daemon.tray import opening

log = logging.getLogger(__name__)

_START_SECONDS = 20.0
_LOG_LINES = "500"


class Deeds:
    """`tell` shows a title and a sentence to the user. `look_again` has the feed try at once, `reload_models` has it
    ask for models. `end` closes the tray.
    """

    def __init__(
        self, tell: Callable[[str, str], None], look_again: Callable[[], None], reload_models: Callable[[], None],
        end: Callable[[], None],
    ) -> None:  # fmt: skip
        self._tell, self._look_again, self._reload_models, self._end = tell, look_again, reload_models, end
        self._pulls: dict[str, subprocess.Popen[str]] = {}

    def _ask(self, verb: str, **arguments: object) -> bool:
        """Ask the daemon; tell the user where it says no."""
        try:
            client.ask(verb, **arguments)
        except BgzeroError as error:
            self._tell(error.title, f"{error} {error.hint}".strip())
            return False
        return True

    def toggle_pause(self) -> None:
        """Pause where it works, go on where it is paused: as it is now, not as a menu has shown it."""
        try:
            is_paused = bool(client.ask("status")["paused"])
        except BgzeroError as error:
            self._tell(error.title, str(error))
            return
        self._ask("resume" if is_paused else "pause")

    def pause(self, seconds: float) -> None:
        """Begin with no more photos for a while."""
        self._ask("pause", seconds=seconds)

    def use_model(self, name: str) -> None:
        """Cut the next photo with another model."""
        self._ask("set_model", name=name)

    def use_provider(self, name: str) -> None:
        """Run the network elsewhere."""
        self._ask("set_provider", name=name)

    def redo(self, path: str, model: str) -> None:
        """Cut a photo again with a model."""
        self._ask("redo", paths=[path], model=model)

    def retry(self, *paths: str) -> None:
        """Try failed photos again; without paths all."""
        self._ask("retry", paths=list(paths))

    def dismiss(self, *paths: str) -> None:
        """Take failed photos off the list; without paths all."""
        self._ask("dismiss", paths=list(paths))

    def notifications(self, *, on: bool, seconds: float = 0.0) -> None:
        """Let notifications through, or not, for a while or for good."""
        self._ask("set_notifications", on=on, **({"seconds": float(seconds)} if seconds else {}))

    def pull(self, name: str, *, accept: bool) -> None:
        """Have `bgzero model pull` fetch a model: the one command that uses a network; and then use it."""
        running = self._pulls.get(name)
        if running and running.poll() is None:
            return
        command = [*_program(), "model", "pull", name, *(["--accept-licence"] if accept else [])]
        self._tell(_("Fetching {name}").format(name=name), _("It goes on in the background."))
        self._pulls[name] = process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        said = process.communicate()[1].strip().splitlines()
        if process.returncode:
            self._tell(_("{name} was not fetched").format(name=name), " ".join(said[-2:]).removeprefix("bgzero: "))
            return
        self._reload_models()
        if self._ask("set_model", name=name):
            self._tell(_("{name} is here").format(name=name), _("The next photo is cut with it."))

    def open(self, path: str) -> None:
        """Open a picture or a folder with what the desktop has for it."""
        if why := opening.open_path(path):
            self._tell(_("It cannot be opened"), why)

    def show(self, path: str) -> None:
        """Show a file in its folder."""
        if why := opening.show_in_folder(path):
            self._tell(_("It cannot be shown"), why)

    def starts_at_login(self) -> bool:
        """Say whether this icon comes by itself at the next login."""
        return autostart.is_enabled()

    def toggle_login(self) -> None:
        """Have this icon come by itself at the next login, or not any more."""
        try:
            (autostart.disable if autostart.is_enabled() else autostart.enable)()
        except BgzeroError as error:
            self._tell(_("It cannot be changed"), str(error))

    def edit_settings(self) -> None:
        """Open the configuration in an editor; the commented file is written first where there is none."""
        file = paths.config_file()
        if file and not file.exists():
            subprocess.run([*_program(), "config", "init"], check=False, capture_output=True)
        self.open(str(file))

    def show_log(self) -> None:
        """Open what was logged last as a text."""
        said = subprocess.run(
            [*_program(), "logs", "-n", _LOG_LINES], check=False, capture_output=True, text=True, errors="replace"
        )
        folder = paths.runtime_dir()
        assert folder  # the tray's own lock lies there
        file = os.path.join(folder, "log.txt")
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as text:
            text.write(said.stdout or said.stderr)
        self.open(file)

    def start(self) -> None:
        """Start the daemon: as a service where one is installed, as a process of its own otherwise."""
        why = start_daemon()
        if why:
            self._tell(_("It cannot be started"), why)
        self._look_again()

    def quit(self) -> None:
        """End the daemon and this icon."""
        try:
            client.stop()
        except NoDaemon:
            pass
        except BgzeroError as error:
            self._tell(error.title, str(error))
            return
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
            return ""
        except BgzeroError:
            time.sleep(0.1)
    if process.poll() == Exit.BAD_CONFIG:
        checked = subprocess.run([*_program(), "config", "check"], capture_output=True, text=True, check=False)
        return " ".join(checked.stderr.split())
    return _("It ended at once; the log says why.") if process.poll() is not None else _("It does not answer.")


def _program() -> list[str]:
    try:
        return [str(program.find())]
    except BgzeroError:
        return [sys.executable, "-m", "bgzero_daemon"]
