"""`bgzero config get|set|unset`: one key of the configuration, without opening an editor."""

import argparse
import difflib
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from bgzero_daemon.catalog import shelf
from bgzero_daemon.cli.steer import print_json
from bgzero_daemon.core.errors import BgzeroError, ConfigError, Exit, UsageError
from bgzero_daemon.core.names import display, display_line
from bgzero_daemon.core.texts import _
from bgzero_daemon.settings.load import check, config_path, load, loc_of, overriding, parse
from bgzero_daemon.settings.locate import table_at
from bgzero_daemon.settings.schema import VERSION, Config
from bgzero_daemon.settings.state import in_force
from bgzero_daemon.settings.store import Stored
from bgzero_daemon.settings.versions import bring_forward


def get(arguments: argparse.Namespace) -> int:
    """Print the value that is in force, wherever it comes from."""
    value = _value(in_force(load(arguments.config)).config, arguments.key)
    if arguments.json:
        print_json({"key": arguments.key, "value": value})
        return Exit.OK
    print("" if value is None else json.dumps(value) if isinstance(value, bool | int | float) else value)
    return Exit.OK


def put(arguments: argparse.Namespace) -> int:
    """Write values into the file once they were checked; everything else in it stays as it is."""
    if len(arguments.pairs) % 2:
        raise UsageError(_("Each key needs a value: bgzero config set KEY VALUE"))
    for text in arguments.pairs:
        _check_text(text)
    given = dict(zip(arguments.pairs[::2], arguments.pairs[1::2], strict=True))
    stored = _stored(arguments.config)
    config = check(stored.text, stored.path, given, "config set")
    for key, typed in given.items():
        names_model = key == "model.name" or (key.startswith("folder.") and key.endswith(".model"))
        if names_model and typed != shelf.AUTO:
            shelf.find(typed)  # whose weights may still be on their way
    from bgzero_daemon.settings.edit import put_in

    text = stored.text
    for key, typed in given.items():
        value = _value(config, key)
        # a number as a number; text as it was typed: ~ stays everybody's own home
        text = put_in(text, loc_of(key), value if isinstance(value, bool | int | float) else typed)
    check(text, stored.path, {}, "config set")
    _finish(stored, text, given)
    return Exit.OK


def unset(arguments: argparse.Namespace) -> int:
    """Take a key out of the file, so that its default holds again."""
    _check_text(arguments.key)
    stored = _stored(arguments.config)
    parse(stored.text, stored.path)
    from bgzero_daemon.settings.edit import take_out

    text = take_out(stored.text, loc_of(arguments.key)) if stored.raw is not None else None
    if text is None:
        raise BgzeroError(
            _("{key} is not set in {file}.").format(key=display(arguments.key), file=display(stored.path)),
            hint=_("`bgzero config show --origin` tells where each value comes from."),
        )
    check(text, stored.path, {}, "config unset")
    _finish(stored, text, [arguments.key])
    return Exit.OK


def migrate(arguments: argparse.Namespace) -> int:
    """Bring a file of an older version forward, keeping a copy of it; comments and order stay."""
    stored = _stored(arguments.config)
    raw = parse(stored.text, stored.path)
    former_version = raw.get("version", 1)
    renamed: dict[str, str] = {}
    bring_forward(raw, stored.path, renamed.__setitem__)
    if stored.raw is None or former_version == VERSION:
        print(_("{file} is of this version.").format(file=display(stored.path)))
        return Exit.OK
    from bgzero_daemon.settings.edit import put_in, rename

    text = stored.text
    for former, new in renamed.items():
        text = rename(text, loc_of(former), str(loc_of(new)[-1]))
    text = put_in(text, ("version",), VERSION)
    check(text, stored.path, {}, "config migrate")
    copy = stored.keep_copy(f"version-{former_version}")
    stored.replace(text)
    print(_("{file} is of version {version} now; the former one is kept as {copy}.").format(
        file=display(stored.path), version=VERSION, copy=display(copy.name)
    ))  # fmt: skip
    return Exit.OK


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError(
            _("{text} is not UTF-8, and a configuration holds nothing else.").format(text=display(text))
        ) from None


def _stored(flag: Path | None) -> Stored:
    file, _named = config_path(flag, os.environ)
    if file is None:
        raise ConfigError(
            _("This account has no home folder."), hint=_("Name the file: bgzero config set --config FILE KEY VALUE")
        )
    return Stored.read(file)


def _value(config: Config, key: str) -> object:
    """Return a value as the file would hold it, None where it is unset. Raises for a key that does not exist."""
    loc = loc_of(key)
    try:
        tree = config.model_dump(mode="json")
        node = table_at(tree, loc) if isinstance(loc[-1], int) else table_at(tree, loc[:-1])[loc[-1]]
    except LookupError:
        check("", Path(), {key: ""}, "bgzero config")  # names the nearest key that exists
        raise UsageError(_("There is no {key}.").format(key=display(key))) from None
    if isinstance(node, dict | list):
        raise UsageError(
            _("{key} is a table, not a key.").format(key=display(key)),
            hint=_("`bgzero config show` lists every key with its value."),
        )
    return node


def _finish(stored: Stored, text: str, keys: Iterable[str]) -> None:
    """Write the file, and say what that changes."""
    if text == stored.text and stored.raw is not None:
        print(_("It is set so already."), file=sys.stderr)
        return
    stored.replace(text)
    for line in difflib.ndiff(stored.text.splitlines(), text.splitlines()):
        if line.startswith(("- ", "+ ")) and line[2:].strip():
            print(display_line(line))
    for key in keys:
        if variable := overriding(key, os.environ):
            print(
                _("{variable} is set here and wins over the file for {key}.").format(
                    variable=display(variable), key=display(key)
                ),
                file=sys.stderr,
            )
    print(
        _("Written to {file}. A running daemon takes it over by itself.").format(file=display(stored.path)),
        file=sys.stderr,
    )
