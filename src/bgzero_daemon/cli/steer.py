"""Commands to the running daemon."""

import argparse
import json
import os
import time
from typing import Any

from bgzero_daemon import client
from bgzero_daemon.core.errors import BgzeroError, Exit, UsageError
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _


def _print_json(reply: dict[str, Any]) -> int:
    print(json.dumps({key: value for key, value in reply.items() if key != "ok"}, indent=1, ensure_ascii=False))
    return 0


def _paths(arguments: argparse.Namespace) -> list[str]:
    for path in arguments.paths:
        if not os.path.lexists(path):
            raise BgzeroError(_("There is no {path}.").format(path=display(path)))
    return client.spots(arguments.paths)


def status(arguments: argparse.Namespace) -> int:
    """Say what the daemon is doing."""
    reply = client.ask("status")
    if arguments.check:
        return _check(reply)
    if arguments.json:
        return _print_json(reply)
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


def _count(verb: str, paths: list[str]) -> int:
    return sum(client.ask(verb, paths=batch)["count"] for batch in client.batches(paths))


def add(arguments: argparse.Namespace) -> int:
    """Bring photos of an inbox to the front."""
    for path in arguments.paths:
        if os.path.isdir(path):
            raise BgzeroError(_("{path} is a folder; name the photos.").format(path=display(path)))
    told = [photo for paths in client.batches(_paths(arguments)) for photo in client.ask("add", paths=paths)["photos"]]
    for photo in told:
        if photo["state"] == "done":
            print(_("It is done already; `bgzero redo` cuts it again."))
        elif photo["state"] in ("failed", "skipped"):
            print(_("It was turned down; `bgzero failed` says why, `bgzero redo` tries it again."))
    return 0


def redo(arguments: argparse.Namespace) -> int:
    """Cut photos again, whatever was decided."""
    print(_("{count} photos are cut again.").format(count=_count("redo", _paths(arguments))))
    return 0


def failed(arguments: argparse.Namespace) -> int:
    """List the photos that could not be cut."""
    reply = client.ask("failed")
    if arguments.json:
        return _print_json(reply)
    for photo in reply["photos"]:
        print(f"{photo['photo']}: {photo['sentence']} {photo['hint']}".rstrip())
    if (more := reply["count"] - len(reply["photos"])) > 0:
        print(_("and {count} more").format(count=more))
    return 0


def _chosen(arguments: argparse.Namespace) -> list[str]:
    if bool(arguments.paths) == arguments.all:
        raise UsageError(_("Name the photos, or say --all."))
    return client.spots(arguments.paths)


def retry(arguments: argparse.Namespace) -> int:
    """Try failed photos again."""
    print(_("{count} photos are tried again.").format(count=_count("retry", _chosen(arguments))))
    return 0


def dismiss(arguments: argparse.Namespace) -> int:
    """Take photos off the list of failures."""
    print(_("{count} photos are off the list.").format(count=_count("dismiss", _chosen(arguments))))
    return 0


def history(arguments: argparse.Namespace) -> int:
    """List what was decided, the latest first."""
    reply = client.ask("history", limit=arguments.limit)
    if arguments.json:
        return _print_json(reply)
    for photo in reply["photos"]:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(photo["decided_at"]))
        what = photo["cutout"] if photo["state"] in ("done", "published") else photo["sentence"]
        note = f" ({photo['sentence']})" if what == photo["cutout"] and photo["sentence"] else ""
        print(f"{when}  {photo['state']:8}  {photo['photo']}  {what}{note}")
    return 0
