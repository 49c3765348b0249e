"""The `bgzero` command: the parser, and the one place where an error becomes a sentence and an exit code.

Nothing heavy is imported here: each verb names the module that serves it, imported when it is called.
"""

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from bgzero_daemon import __version__
from bgzero_daemon.core.errors import BgzeroError, Exit
from bgzero_daemon.core.texts import _


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of every verb."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("-v", "--verbose", action="store_true", help=_("say more, and show tracebacks"))
    configured = argparse.ArgumentParser(add_help=False)
    configured.add_argument("--config", type=Path, metavar="FILE", help=_("configuration file to use"))

    parser = argparse.ArgumentParser(
        prog="bgzero", description=_("Removes photo backgrounds. Nothing leaves this machine.")
    )
    parser.add_argument("--version", action="version", version=f"bgzero {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="COMMAND", required=True)

    run = verbs.add_parser("run", parents=[common, configured], help=_("watch the inbox and cut what arrives"))
    run.add_argument("--inbox", metavar="DIR", help=_("folder to watch"))
    run.add_argument("--outbox", metavar="DIR", help=_("folder for the cut-outs"))
    run.add_argument("--model", metavar="NAME", help=_("model to use, see `bgzero model list`"))
    run.add_argument("--once", action="store_true", help=_("cut what is there now, then end"))
    run.set_defaults(serve="bgzero_daemon.cli.run:run")

    cut = verbs.add_parser("cut", parents=[common, configured], help=_("cut single photos"))
    cut.add_argument("photos", nargs="+", metavar="PHOTO", help=_("photo to cut; - reads standard input"))
    cut.add_argument(
        "-o", "--output", metavar="FILE_OR_DIR", help=_("where to put the result; - writes standard output")
    )
    cut.add_argument("--model", metavar="NAME", help=_("model to use, see `bgzero model list`"))
    cut.add_argument("--mask-only", action="store_true", help=_("write the matte as a grey picture"))
    cut.set_defaults(serve="bgzero_daemon.cli.cut:cut")

    _add_steering(verbs, common)
    model = verbs.add_parser("model", help=_("see which models there are")).add_subparsers(
        dest="action", metavar="ACTION", required=True
    )
    listing = model.add_parser("list", parents=[common], help=_("list all models"))
    listing.add_argument("--json", action="store_true", help=_("as JSON"))
    listing.set_defaults(serve="bgzero_daemon.cli.models:list_models")
    info = model.add_parser("info", parents=[common], help=_("tell all about one model"))
    info.add_argument("name", metavar="NAME", help=_("name of a model, or path of a weight file"))
    form = info.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help=_("as JSON"))
    form.add_argument("--card", action="store_true", help=_("as a model card to start from"))
    info.set_defaults(serve="bgzero_daemon.cli.models:info")

    config = verbs.add_parser("config", help=_("see and check the configuration")).add_subparsers(
        dest="action", metavar="ACTION", required=True
    )
    for action, text in (
        ("init", _("write the commented configuration file")),
        ("show", _("print the configuration in use")),
        ("check", _("check the configuration and its folders")),
        ("path", _("print where the configuration file is")),
        ("schema", _("print the configuration's JSON Schema")),
    ):
        verb = config.add_parser(action, parents=[common, configured], help=text)
        verb.set_defaults(serve=f"bgzero_daemon.cli.settings:{action}")
        if action == "show":
            verb.add_argument("--origin", action="store_true", help=_("tell where each value comes from"))
            verb.add_argument("--json", action="store_true", help=_("as JSON"))
    return parser


def _add_steering(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser
) -> None:
    """Add the commands to a running daemon."""
    status = verbs.add_parser("status", parents=[common], help=_("what the running daemon is doing"))
    status.add_argument("--json", action="store_true", help=_("as JSON"))
    status.add_argument("--check", action="store_true", help=_("say only what is wrong: exit 0 where nothing is"))
    status.set_defaults(serve="bgzero_daemon.cli.steer:status")
    for name, text in (
        ("pause", _("cut nothing more for now; photos still arrive and wait")),
        ("resume", _("go on cutting")),
    ):
        verbs.add_parser(name, parents=[common], help=text).set_defaults(serve=f"bgzero_daemon.cli.steer:{name}")
    for name, text, what in (
        ("add", _("bring photos of an inbox to the front"), _("photo in an inbox")),
        ("redo", _("cut photos again, whatever was decided"), _("photo in an inbox, or a folder of them")),
    ):
        verb = verbs.add_parser(name, parents=[common], help=text)
        verb.add_argument("paths", nargs="+", metavar="PATH", help=what)
        verb.set_defaults(serve=f"bgzero_daemon.cli.steer:{name}")
    failed = verbs.add_parser("failed", parents=[common], help=_("photos that could not be cut"))
    failed.add_argument("--json", action="store_true", help=_("as JSON"))
    failed.set_defaults(serve="bgzero_daemon.cli.steer:failed")
    actions = failed.add_subparsers(dest="action", metavar="ACTION")
    listing = actions.add_parser("list", parents=[common], help=_("list them, with the reasons"))
    listing.add_argument("--json", action="store_true", help=_("as JSON"))
    for action, text in (("retry", _("try them again")), ("dismiss", _("take them off the list"))):
        verb = actions.add_parser(action, parents=[common], help=text)
        verb.add_argument("paths", nargs="*", metavar="PATH", help=_("photo in an inbox, or a folder of them"))
        verb.add_argument("--all", action="store_true", help=_("all of them"))
        verb.set_defaults(serve=f"bgzero_daemon.cli.steer:{action}")
    history = verbs.add_parser("history", parents=[common], help=_("what was decided, the latest first"))
    history.add_argument("--json", action="store_true", help=_("as JSON"))
    history.add_argument("--limit", type=int, default=100, metavar="N", help=_("this many at most (default 100)"))
    history.set_defaults(serve="bgzero_daemon.cli.steer:history")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    _open_standard_streams()
    arguments = build_parser().parse_args(argv)
    logging.basicConfig(
        level=logging.DEBUG if arguments.verbose else logging.INFO,
        format="%(asctime)s %(levelname)-7s %(message)s",
        datefmt="%H:%M:%S",
        stream=sys.stderr,
    )
    module, _colon, function = arguments.serve.partition(":")
    try:
        status = int(getattr(importlib.import_module(module), function)(arguments))
        sys.stdout.flush()  # here, where a reader that went away is caught, not at the interpreter's end
        return status
    except BgzeroError as error:
        return _report(error, arguments.verbose)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output went away: `bgzero model list | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK
    except Exception as error:  # noqa: BLE001 - a mistake of ours: still one sentence, and the way to more
        return _report(
            BgzeroError(f"{type(error).__name__}: {error}", hint=_("This is a bug. -v shows where it happened.")),
            arguments.verbose,
        )


def _open_standard_streams() -> None:
    """Put /dev/null where a standard stream was closed: the next file opened would be taken for it, and written to."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number: this one
            os.set_inheritable(number, True)
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - the process's
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def _report(error: BgzeroError, verbose: bool) -> int:
    if verbose:
        logging.getLogger(__name__).error("bgzero", exc_info=error)
    print(f"bgzero: {error}", file=sys.stderr)
    if error.hint:
        print(error.hint, file=sys.stderr)
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
