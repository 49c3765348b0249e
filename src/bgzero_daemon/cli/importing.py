"""The options of `bgzero import`."""

from pathlib import Path

from bgzero_daemon.cli.options import Verbs, add_json
from bgzero_daemon.cli.words import Parser
from bgzero_daemon.core.shots import Pair
from bgzero_daemon.core.texts import _


def add_import(verbs: Verbs, common: Parser, configured: Parser) -> None:
    """Add what brings photos of a card or a folder into an inbox."""
    bring = verbs.add_parser(
        "import", parents=[common, configured], help=_("copy the new photos of a card or folder into the inbox")
    )
    bring.add_argument("source", type=Path, metavar="DIR", help=_("card or folder; it is read, and never changed"))
    bring.add_argument("--to", type=Path, metavar="DIR", help=_("inbox to bring them to; without, the configured one"))
    bring.add_argument(
        "--pair", choices=[pair.value for pair in Pair],
        help=_("which files of a shot that has a RAW and a JPEG are copied; unset: what the inbox is to cut"),
    )  # fmt: skip
    bring.add_argument(
        "--since", metavar="TIME",
        help=_("only photos from then on: 2026-11-24, 1d for the last day, last for those after the last import"),
    )  # fmt: skip
    bring.add_argument("--dry-run", action="store_true", help=_("count only"))
    bring.add_argument("--again", action="store_true", help=_("also what was imported before"))
    add_json(bring)
    bring.set_defaults(serve="bgzero_daemon.cli.card:bring")
