"""`bgzero completion`: the command line as a script for a shell, so that Tab completes it."""

import argparse
import sys
from collections.abc import Iterator

import shtab

from bgzero_daemon.catalog import shelf
from bgzero_daemon.cli.parser import build_parser
from bgzero_daemon.core.errors import Exit
from bgzero_daemon.settings.schema import Config

# By what the help calls an argument.
_FILES = {"FILE", "FILE_OR_DIR", "PHOTO", "PATH"}
_FOLDERS = {"DIR"}
_MODELS = {"NAME"}
_KEYS = {"KEY", "KEY VALUE"}


def show(arguments: argparse.Namespace) -> int:
    """Print the script."""
    parser = build_parser()
    names = sorted(model.name for model in shelf.sound_models())
    keys = [
        f"{table}.{key}"
        for table, values in Config().model_dump(exclude={"folder", "version"}).items()
        for key in values
    ]
    for action in _actions(parser):
        if action.metavar in _FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif action.metavar in _FOLDERS:
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
        elif action.metavar in _MODELS:
            action.choices = names
        elif action.metavar in _KEYS:
            action.choices = keys
    sys.stdout.write(shtab.complete(parser, arguments.shell) + "\n")
    return Exit.OK


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:  # noqa: SLF001 - argparse has no public way, shtab does the same
        yield action
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for verb in action.choices.values():
                yield from _actions(verb)
