"""`bgzero cut --notify`: for file managers, where whoever clicked sees no terminal."""

import argparse
import contextlib
import html
import os
import subprocess
import sys
from collections.abc import Sequence

from bgzero_daemon.cli import cut as plain
from bgzero_daemon.core.errors import BgzeroError, Exit
from bgzero_daemon.core.names import display, from_wire
from bgzero_daemon.core.texts import _, n_
from bgzero_daemon.install.desktop import APP_ID, NAME

_LINES = 5
_SECONDS = 10.0


def cut(arguments: argparse.Namespace) -> int:
    """Cut the photos named; tell the desktop, too, what could not be cut."""
    told: list[str] = []
    photos = [_path(named, told) for named in arguments.photos]
    arguments.photos = [photo for photo in photos if photo]
    elsewhere = len(told)
    for line in told:
        print(line, file=sys.stderr)
    try:
        status = plain.cut(arguments, told) if arguments.photos else Exit.SOME_FAILED
    except BgzeroError as error:
        _show(error.title, [f"{error} {error.hint}".strip()])
        raise
    except Exception as error:
        _show(_("Something went wrong"), [f"{type(error).__name__}: {error}"])
        raise
    if told:
        title = n_("{count} photo was not cut", "{count} photos were not cut", len(told))
        more = [_("… and more")] if len(told) > _LINES else []
        _show(title, [*told[:_LINES], *more])
    return Exit.SOME_FAILED if elsewhere else status


def _path(named: str, told: list[str]) -> str:
    """Return the path that a path or URI means; "" where it is none of this machine's, which is told."""
    scheme, mark, rest = named.partition("://")
    if not mark or "/" in scheme:
        return os.path.join(os.curdir, named)  # "-" is a photo here, not standard input
    if scheme == "file" and rest.startswith("/"):
        return from_wire(rest)
    told.append(_("{photo}: it is not in a folder of this computer.").format(photo=display(named)))
    return ""


def _show(title: str, lines: Sequence[str]) -> None:
    """Show a notification where something can; names of photos are no markup."""
    body = html.escape("\n".join(lines), quote=False)
    words = ["notify-send", f"--app-name={NAME}", f"--icon={APP_ID}", "--", title, body]
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=False)
