"""Showing files with what the desktop has for it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _
from bgzero_daemon.tray import children

_SECONDS = 8.0
_MANAGER = "org.freedesktop.FileManager1"
_NO_PROGRAM = 3  # xdg-open's status where it has found nothing to open a file with


def open_path(path: str) -> str:
    """Open a file or folder. Returns "" or why not."""
    if not os.path.lexists(path):
        return _("There is no {path} any more.").format(path=display(path))
    opener = "open" if sys.platform == "darwin" else "xdg-open"
    if not shutil.which(opener):
        return _("{program} is not installed.").format(program=opener)
    return _run(opener, path)


def show_in_folder(path: str) -> str:
    """Show a file marked in its folder, or open the folder where nobody can do that. Returns "" or why not."""
    if not os.path.lexists(path):
        return open_path(os.path.dirname(path))
    if sys.platform == "darwin":
        return _run("open", "-R", path)
    if shutil.which("gdbus"):
        address = f"['{Path(path).as_uri()}']"
        place = "/" + _MANAGER.replace(".", "/")
        command = ("gdbus", "call", "--session", "--timeout", "5", "--dest", _MANAGER, "--object-path", place,
                   "--method", f"{_MANAGER}.ShowItems", address, "")  # fmt: skip
        if not _run(*command):
            return ""
    return open_path(os.path.dirname(path))


def _run(*command: str) -> str:
    """Run a program that comes back soon, or stays as long as what it has opened. Returns "" or what went wrong.

    It has no pipe of ours: a viewer that writes into one when we are gone is ended by that. Nor is it ended with us.
    """
    nowhere = subprocess.DEVNULL
    try:
        process = subprocess.Popen(command, stdin=nowhere, stdout=nowhere, stderr=nowhere, start_new_session=True)
    except OSError as error:
        return str(error.strerror)
    try:
        status = process.wait(_SECONDS)
    except subprocess.TimeoutExpired:
        children.leave(process)
        return ""
    if status == _NO_PROGRAM and command[0] == "xdg-open":
        return _("No program is there that could open it.")
    return _("{program} failed.").format(program=command[0]) if status else ""
