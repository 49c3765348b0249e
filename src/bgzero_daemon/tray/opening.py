"""Showing files with what the desktop has for it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _

_SECONDS = 20.0
_MANAGER = "org.freedesktop.FileManager1"


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
    """Run a program that comes back soon. Returns "" or what it says."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=_SECONDS,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return ""  # some openers stay as long as what they have opened
    except OSError as error:
        return str(error.strerror)
    said = done.stderr.strip().splitlines() or [_("{program} failed.").format(program=command[0])]
    return said[-1] if done.returncode else ""
