"""The `bgzero` command: the one place where an error becomes a sentence and an exit code."""

import argparse
import importlib
import io
import os
import sys
from collections.abc import Sequence

from bgzero_daemon.cli.parser import build_parser
from bgzero_daemon.core import texts
from bgzero_daemon.core.errors import BgzeroError, Exit
from bgzero_daemon.core.texts import _

# Commands that log nothing, and are given once for each photo of a camera's: they cost a start of Python and no more.
_SILENT = ("bgzero_daemon.cli.steer", "bgzero_daemon.cli.photos")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    _open_standard_streams()
    arguments = build_parser().parse_args(argv)
    module, _colon, function = arguments.serve.partition(":")
    if arguments.verbose or module not in _SILENT:
        _listen(verbose=arguments.verbose)
    try:
        status = int(getattr(importlib.import_module(module), function)(arguments))
        sys.stdout.flush()  # here, where a reader that went away is caught, not at the interpreter's end
        return status
    except BgzeroError as error:
        return _report(error, arguments)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output went away: `bgzero model list | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK
    except Exception as error:  # noqa: BLE001 - a mistake of ours: still one sentence, and the way to more
        return _report(
            BgzeroError(f"{type(error).__name__}: {error}", hint=_("This is a bug. -v shows where it happened.")),
            arguments,
        )


def _listen(*, verbose: bool) -> None:
    """Show on standard error what modules have to say."""
    import logging

    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)-7s %(message)s",
        datefmt="%H:%M:%S",
        stream=sys.stderr,
    )
    if texts.trouble:
        logging.getLogger(__name__).debug("%s", texts.trouble)


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
    if isinstance(sys.stdout, io.TextIOWrapper) and not (texts.is_english() or sys.stdout.encoding == "utf-8"):
        sys.stdout.reconfigure(errors="backslashreplace")  # as standard error does: it may not know the letters


def _report(error: BgzeroError, arguments: argparse.Namespace) -> int:
    if arguments.verbose:
        import logging

        logging.getLogger(__name__).error("bgzero", exc_info=error)
    if arguments.verb == "run":  # its log may be a file, or read by programs
        from bgzero_daemon.cli import journal

        if journal.tell(error):
            return error.exit_code
    print(f"bgzero: {error}", file=sys.stderr)
    if error.hint:
        print(error.hint, file=sys.stderr)
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
