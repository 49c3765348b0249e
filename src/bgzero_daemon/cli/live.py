"""`bgzero status --watch`: a calm view of the daemon that changes when the daemon does."""

import json
import sys

from rich.console import Console
from rich.live import Live
from rich.text import Text

from bgzero_daemon import client
from bgzero_daemon.cli.picture import lines
from bgzero_daemon.cli.steer import read_snapshot
from bgzero_daemon.core.errors import Exit
from bgzero_daemon.core.texts import _


def watch(*, as_json: bool) -> int:
    """Show the Snapshot until Ctrl-C or the daemon's end; without a terminal a block of lines for each change."""
    console = Console()  # knows NO_COLOR, TERM=dumb and terminals that are none
    try:
        if as_json:
            for told in client.watch():
                print(json.dumps({key: value for key, value in told.items() if key != "event"}), flush=True)
        elif not console.is_terminal:
            for told in client.watch():
                print("\n".join(lines(read_snapshot(told))), end="\n\n", flush=True)
        else:
            _watch(console)
    except KeyboardInterrupt:
        return Exit.OK
    print(_("The daemon has ended."), file=sys.stderr)
    return Exit.OK


def _watch(console: Console) -> None:
    with Live(console=console, auto_refresh=False, screen=False, vertical_overflow="crop") as live:
        for told in client.watch():
            first, *rest = lines(read_snapshot(told))
            view = Text(first, style="bold red" if told["state"] == "trouble" else "bold")
            view.append("\n" + "\n".join(rest), style="not bold")
            live.update(view, refresh=True)
