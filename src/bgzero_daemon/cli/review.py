"""`bgzero review`: cut-outs that want a look."""

import argparse

from bgzero_daemon import client
from bgzero_daemon.cli.photos import chosen, count_of, wished
from bgzero_daemon.cli.steer import print_json
from bgzero_daemon.core.texts import _

_MOST = 1_000_000


def listing(arguments: argparse.Namespace) -> int:
    """List them, with the reasons."""
    reply = client.ask("review")
    if arguments.json:
        return print_json(reply)
    for photo in reply["photos"]:
        print(f"{photo['photo']}  {photo['cutout']}  {photo['look']}")
    if (more := reply["count"] - len(reply["photos"])) > 0:
        print(_("and {count} more").format(count=more))
    return 0


def accept(arguments: argparse.Namespace) -> int:
    """Take them off the list, and out of the review folder."""
    print(_("{count} cut-outs are accepted.").format(count=count_of("accept", chosen(arguments))))
    return 0


def redo(arguments: argparse.Namespace) -> int:
    """Cut their photos again."""
    paths = chosen(arguments) or [photo["path"] for photo in client.ask("review", limit=_MOST)["photos"]]
    count = count_of("redo", paths, **wished(arguments)) if paths else 0
    print(_("{count} photos are cut again.").format(count=count))
    return 0
