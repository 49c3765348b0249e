"""The part of the command line that measures."""

from pathlib import Path

from bgzero_daemon.cli.options import Verbs, add_json
from bgzero_daemon.cli.words import Parser
from bgzero_daemon.core.texts import _


def add_speed(verbs: Verbs, common: Parser, configured: Parser) -> None:
    """Add what measures photos on this machine."""
    bench = verbs.add_parser("bench", parents=[common, configured], help=_("measure how fast photos are cut here"))
    photos = bench.add_mutually_exclusive_group()
    photos.add_argument(
        "--photos", nargs="+", default=[], metavar="FILE_OR_DIR", help=_("measure with these photos, as they are")
    )
    photos.add_argument(
        "--megapixels", default="1,12,24,45", metavar="SIZES",
        help=_("sizes of the pictures that are drawn for it otherwise, with commas (default 1,12,24,45)"),
    )  # fmt: skip
    bench.add_argument(
        "--photos-each", type=int, default=6, metavar="N", help=_("this many photos of each size (default 6)")
    )
    bench.add_argument("--model", default="", metavar="NAME", help=_("name of a model; without, the one in use"))
    _add_provider(bench)
    bench.add_argument("--svg", metavar="FILE", help=_("draw a plot into this file, too"))
    add_json(bench)
    bench.set_defaults(serve="bgzero_daemon.cli.speed:bench")


def add_model_bench(actions: Verbs, common: Parser) -> None:
    """Add what measures a model."""
    bench = actions.add_parser(
        "bench", parents=[common], help=_("measure a model here, and see which provider runs it, and why")
    )
    bench.add_argument(
        "name", nargs="?", default="", metavar="NAME", help=_("name of a model; without, the one in use")
    )
    _add_provider(bench)
    bench.add_argument("--config", type=Path, metavar="FILE", help=_("configuration file to use"))
    add_json(bench)
    bench.set_defaults(serve="bgzero_daemon.cli.bench:bench")


def _add_provider(bench: Parser) -> None:
    bench.add_argument(
        "--provider", default="", metavar="NAME", help=_("ask for this provider, or for some, with commas")
    )
