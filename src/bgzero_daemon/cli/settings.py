"""`bgzero config`: see, check and begin a configuration."""

import argparse
import json
import os
import sys

import tomli_w

from bgzero_daemon.cli.steer import print_json
from bgzero_daemon.core.errors import BgzeroError, ConfigError, Exit
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _
from bgzero_daemon.settings import folders
from bgzero_daemon.settings.load import config_path, load
from bgzero_daemon.settings.schema import json_schema
from bgzero_daemon.settings.state import in_force


def init(arguments: argparse.Namespace) -> int:
    """Write the commented file; one that exists is left alone."""
    target, _named = config_path(arguments.config, os.environ)
    if target is None:
        raise ConfigError(
            _("This account has no home folder."), hint=_("Name the file: bgzero config init --config FILE")
        )
    if target.exists():
        raise BgzeroError(_("{file} exists already and is left as it is.").format(file=display(target)))
    if folders.write_commented_file(target) is None:
        raise BgzeroError(
            _("{file} cannot be written.").format(file=display(target)), hint=_("Check the folder's permissions.")
        )
    print(target)
    return Exit.OK


def show(arguments: argparse.Namespace) -> int:
    """Print the configuration in use as TOML, as JSON, or a line a value with its origin."""
    loaded = in_force(load(arguments.config))
    values = loaded.config.model_dump(mode="json", exclude_none=True)
    if arguments.origin:
        rows = [(key, value, loaded.origins.get(key, "default")) for key, value in flat(values)]
        if arguments.json:
            print_json({"values": {key: {"value": value, "origin": origin} for key, value, origin in rows}})
        else:
            for key, value, origin in rows:
                print(f"{key} = {json.dumps(value, ensure_ascii=False)}  # {origin}")
    elif arguments.json:
        print_json(values)
    else:
        sys.stdout.write(tomli_w.dumps(values))
    return Exit.OK


def flat(tree: object, at: str = "") -> list[tuple[str, object]]:
    """Return every value below its dotted key."""
    entries: list[tuple[str, object]] = []
    if isinstance(tree, dict):
        entries = [(str(key), value) for key, value in tree.items()]
    elif isinstance(tree, list) and tree and isinstance(tree[0], dict):
        entries = [(str(index), value) for index, value in enumerate(tree)]
    else:
        return [(at, tree)]
    return [leaf for key, value in entries for leaf in flat(value, f"{at}.{key}" if at else key)]


def check(arguments: argparse.Namespace) -> int:
    """Check file, environment and folders; exit 78 with a sentence where something is wrong."""
    loaded = load(arguments.config)
    if not loaded.has_default_folders:  # the default folders are made by the first run
        folders.check(loaded.config.folder)
    if arguments.json:
        print_json({"file": str(loaded.file or ""), "is_fine": True, "renamed": dict(loaded.renamed)})
        return Exit.OK
    print(
        _("{file} is fine.").format(file=display(loaded.file))
        if loaded.file
        else _("No configuration file; the defaults are fine.")
    )
    return Exit.OK


def path(arguments: argparse.Namespace) -> int:
    """Print where the configuration file is or would be."""
    target, _named = config_path(arguments.config, os.environ)
    if target is None:
        raise ConfigError(_("This account has no home folder, so there is no default place for a configuration."))
    print(target)
    return Exit.OK


def schema(_arguments: argparse.Namespace) -> int:
    """Print the JSON Schema that `config/config.schema.json` holds."""
    print(json.dumps(json_schema(), indent=2))
    return Exit.OK
