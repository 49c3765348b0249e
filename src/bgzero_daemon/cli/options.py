"""Options that several commands have."""

import argparse
from typing import TypeAlias

from bgzero_daemon.cli.words import Parser
from bgzero_daemon.core.recipe import Depth, Edges, Metadata, Png
from bgzero_daemon.core.texts import _

Verbs: TypeAlias = "argparse._SubParsersAction[Parser]"  # noqa: SLF001 - argparse has no public one


def add_json(verb: Parser, *, default: bool | str = False) -> None:
    """Add --json; with SUPPRESS as its default, it may stand before the action that this is the parser of, too."""
    verb.add_argument("--json", action="store_true", default=default, help=_("as JSON"))


def add_licence(verb: Parser) -> None:
    """Add the option by which somebody accepts a licence."""
    verb.add_argument(
        "--accept-licence", action="store_true", help=_("accept its licence where that does not allow commercial use")
    )


def add_edges(verb: Parser) -> None:
    """Add --edges."""
    verb.add_argument(
        "--edges", choices=[edges.value for edges in Edges],
        help=_("what is done for edges and colours: nothing, one look, or a second look at the mirror image"),
    )  # fmt: skip


def add_recipe(verb: Parser) -> None:
    """Add what may be said of one cut-out: its size, edges, metadata and depth."""
    verb.add_argument(
        "--png", choices=[png.value for png in Png],
        help=_("how much time the file may take for fewer bytes; the pixels are the same"),
    )  # fmt: skip
    add_edges(verb)
    verb.add_argument(
        "--metadata", choices=[policy.value for policy in Metadata],
        help=_("what is kept of the photo's metadata: what is useful, place and serials too, or nothing"),
    )  # fmt: skip
    verb.add_argument(
        "--depth", choices=[depth.value for depth in Depth],
        help=_("bits of a channel: as many as the photo has, 8, or 16"),
    )  # fmt: skip


def add_wishes(redo: Parser) -> None:
    """Add what may be wished for photos that are cut again."""
    redo.add_argument("--model", metavar="NAME", default="", help=_("with this model, these photos alone"))
    add_edges(redo)


def add_log_options(logs: Parser) -> None:
    """Add the options of `bgzero logs`."""
    logs.add_argument("-f", "--follow", action="store_true", help=_("go on showing what is added"))
    logs.add_argument("-n", "--lines", type=int, default=100, metavar="N", help=_("this many at first (default 100)"))
    logs.add_argument("--json", action="store_true", help=_("an object a line"))
    logs.set_defaults(serve="bgzero_daemon.cli.logs:show")
