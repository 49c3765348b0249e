"""The options of `bgzero review`."""

import argparse

from bgzero_daemon.cli.options import Verbs, add_json, add_wishes
from bgzero_daemon.cli.words import Parser
from bgzero_daemon.core.texts import _


def add_review(verbs: Verbs, common: Parser) -> None:
    """Add the commands about cut-outs that want a look."""
    review = verbs.add_parser("review", parents=[common], help=_("cut-outs that want a look"))
    add_json(review)
    review.set_defaults(serve="bgzero_daemon.cli.review:listing")
    actions = review.add_subparsers(dest="action", metavar="ACTION")
    listing = actions.add_parser("list", parents=[common], help=_("list them, with the reasons"))
    add_json(listing, default=argparse.SUPPRESS)
    for action, text in (
        ("accept", _("they are well: take them off the list, and out of the review folder")),
        ("redo", _("cut their photos again")),
    ):
        verb = actions.add_parser(action, parents=[common], help=text)
        verb.add_argument("paths", nargs="*", metavar="PHOTO", help=_("photo in an inbox, its cut-out, or a folder"))
        verb.add_argument("--all", action="store_true", help=_("all of them"))
        if action == "redo":
            add_wishes(verb)
        verb.set_defaults(serve=f"bgzero_daemon.cli.review:{action}")
