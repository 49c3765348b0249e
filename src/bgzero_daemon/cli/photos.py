"""Commands about photos of the running daemon: those that wait, that are done, that failed."""

import argparse
import os
import time

from bgzero_daemon import client
from bgzero_daemon.cli.steer import print_json
from bgzero_daemon.core.errors import BgzeroError, UsageError
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _


def _paths(arguments: argparse.Namespace) -> list[str]:
    for path in arguments.paths:
        if not os.path.lexists(path):
            raise BgzeroError(_("There is no {path}.").format(path=display(path)))
    return client.spots(arguments.paths)


def count_of(verb: str, paths: list[str], **arguments: object) -> int:
    """Ask for something about photos, in requests that are not too long. Returns how many it was done to."""
    return sum(client.ask(verb, paths=batch, **arguments)["count"] for batch in client.batches(paths))


def add(arguments: argparse.Namespace) -> int:
    """Bring photos of an inbox to the front."""
    for path in arguments.paths:
        if os.path.isdir(path):
            raise BgzeroError(_("{path} is a folder; name the photos.").format(path=display(path)))
    told = [photo for paths in client.batches(_paths(arguments)) for photo in client.ask("add", paths=paths)["photos"]]
    for photo in told:
        if photo["state"] == "done":
            print(_("It is done already; `bgzero redo` cuts it again."))
        elif photo["state"] == "failed":
            print(_("It was turned down; `bgzero failed` says why, `bgzero redo` tries it again."))
        elif photo["state"] == "skipped":
            print(_("It was skipped; `bgzero history` says why, `bgzero redo` tries it again."))
    return 0


def redo(arguments: argparse.Namespace) -> int:
    """Cut photos again, whatever was decided."""
    count = count_of("redo", _paths(arguments), **wished(arguments))
    print(_("{count} photos are cut again.").format(count=count))
    return 0


def wished(arguments: argparse.Namespace) -> dict[str, str]:
    """Return what is wished for photos that are cut again, as far as anything is."""
    named = {"model": arguments.model, "edges": arguments.edges}
    return {name: value for name, value in named.items() if value}


def failed(arguments: argparse.Namespace) -> int:
    """List the photos that could not be cut."""
    reply = client.ask("failed")
    if arguments.json:
        return print_json(reply)
    for photo in reply["photos"]:
        print(f"{photo['photo']}: {photo['sentence']} {photo['hint']}".rstrip())
    if (more := reply["count"] - len(reply["photos"])) > 0:
        print(_("and {count} more").format(count=more))
    return 0


def chosen(arguments: argparse.Namespace) -> list[str]:
    """Return the photos that were named, none for all of them. Raises UsageError for neither or both."""
    if bool(arguments.paths) == arguments.all:
        raise UsageError(_("Name the photos, or say --all."))
    return client.spots(arguments.paths)


def retry(arguments: argparse.Namespace) -> int:
    """Try failed photos again."""
    print(_("{count} photos are tried again.").format(count=count_of("retry", chosen(arguments))))
    return 0


def dismiss(arguments: argparse.Namespace) -> int:
    """Take photos off the list of failures."""
    print(_("{count} photos are off the list.").format(count=count_of("dismiss", chosen(arguments))))
    return 0


def history(arguments: argparse.Namespace) -> int:
    """List what was decided, the latest first."""
    wanted = {"confidence": arguments.confidence} if arguments.confidence else {}
    reply = client.ask("history", limit=arguments.limit, **wanted)
    if arguments.json:
        return print_json(reply)
    for photo in reply["photos"]:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(photo["decided_at"]))
        what = photo["cutout"] if photo["state"] in ("done", "published") else photo["sentence"]
        is_cut = what == photo["cutout"]
        notes = [photo["sentence"] if is_cut else "", photo.get("look", "") if is_cut else ""]
        note = "".join(f" ({said})" for said in notes if said)
        print(f"{when}  {photo['state']:8}  {photo['photo']}  {what}{note}")
    return 0
