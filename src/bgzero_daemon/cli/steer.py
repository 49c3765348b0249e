"""Commands to the running daemon."""

import argparse
import json
from typing import Any

from bgzero_daemon import client
from bgzero_daemon.core.errors import Exit
from bgzero_daemon.core.texts import _


def print_json(reply: dict[str, Any]) -> int:
    """Print what was answered."""
    print(json.dumps({key: value for key, value in reply.items() if key != "ok"}, indent=1, ensure_ascii=False))
    return 0


def status(arguments: argparse.Namespace) -> int:
    """Say what the daemon is doing."""
    reply = client.ask("status")
    if arguments.check:
        return _check(reply)
    if arguments.json:
        return print_json(reply)
    counts = _(
        "{waiting} waiting, {running} in work, {arriving} arriving, {done} done, {failed} failed, {skipped} skipped"
    )
    print(counts.format(**reply))
    if reply["paused"]:
        print(_("paused; `bgzero resume` goes on"))
    elif (left := reply["seconds_left"]) and reply["waiting"]:
        print(_("about {time} left").format(time=_length(left)))
    if reply["trouble"]:
        print(reply["trouble"])
    for worker in reply["workers"]:
        print(
            _("worker {pid}: {model} on {provider}, {photos} photos, {memory_mb} MB, sandbox {sandbox}").format(
                **worker | {key: worker[key] or "…" for key in ("provider", "sandbox")}
            ),
            *([f"({worker['note']})"] if worker["note"] else []),
            *([] if worker["verified"] else [_("(unverified model)")]),
        )
    for folder in reply["folders"]:
        print(f"{folder['inbox']} -> {folder['outbox']}")
        for sentence in folder["trouble"]:
            print(f"  {sentence}")
    return 0


def _check(reply: dict[str, Any]) -> int:
    """Say what is wrong, for service managers and containers that ask now and then."""
    wrong = [f"{folder['inbox']}: {sentence}" for folder in reply["folders"] for sentence in folder["trouble"]]
    wrong += [reply["trouble"]] if reply["trouble"] else []
    print("\n".join(wrong or [_("ok")]))
    return Exit.FAILURE if wrong else Exit.OK


def _length(seconds: float) -> str:
    if seconds < 90:
        return _("{count} seconds").format(count=round(seconds))
    if seconds < 5400:
        return _("{count} minutes").format(count=round(seconds / 60))
    return _("{count} hours").format(count=round(seconds / 3600))


def pause(_arguments: argparse.Namespace) -> int:
    """Cut nothing more for now."""
    client.ask("pause")
    return 0


def resume(_arguments: argparse.Namespace) -> int:
    """Go on cutting."""
    client.ask("resume")
    return 0
