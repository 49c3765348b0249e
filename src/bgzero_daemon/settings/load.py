"""From flag, environment and file to one Config that knows where each value came from.

The order is flag, then environment, then file, then default. Every mistake in the file or in the
environment is found in one go and reported with its line, its key and the nearest key that exists.
"""

import difflib
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import get_args

from pydantic import BaseModel, ValidationError

from bgzero_daemon.core import paths
from bgzero_daemon.core.errors import ConfigError
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _
from bgzero_daemon.settings.locate import Loc, line_of
from bgzero_daemon.settings.schema import Config, Folder
from bgzero_daemon.settings.versions import bring_forward

PREFIX = "BGZERO_"
_DEEPEST = 20
CONFIG_VARIABLE = "BGZERO_CONFIG"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration, the file it was read from (None: no file), and the origin of each value.

    `origins` maps a dotted key ("folder.0.inbox") to "file:LINE", a variable's name or a flag; a key
    that is not in it has its default. `renamed` maps keys of an older version in the file to those of this one.
    """

    config: Config
    file: Path | None
    origins: Mapping[str, str] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_default_folders(self) -> bool:
        """Whether nobody has named a folder: the first run makes the default ones."""
        return not any(key.startswith("folder.") for key in self.origins)


def default_folders() -> tuple[Folder, ...]:
    """Return what is used where no folder is configured: Inbox and Cutouts in the pictures folder.

    Empty for an account without a home; `settings.folders.prepare` refuses that.
    """
    pictures = paths.pictures_dir()
    return (Folder(inbox=pictures / "Inbox", outbox=pictures / "Cutouts"),) if pictures else ()


def config_path(flag: Path | None, environ: Mapping[str, str]) -> tuple[Path | None, bool]:
    """Return the configuration file's path, and whether somebody named it (then it has to exist)."""
    if flag is not None:
        return flag, True
    if named := environ.get(CONFIG_VARIABLE):
        return Path(named), True
    return paths.config_file(), False


def load(
    flag: Path | None = None,
    flags: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Loaded:
    """Read the configuration. `flags` maps dotted keys to values given on the command line.

    Raises ConfigError with every mistake found, one a line.
    """
    environ = os.environ if environ is None else environ
    file, named = config_path(flag, environ)
    text = _read(file, named) if file else None
    raw = parse(text, file) if text is not None else {}
    origins = {".".join(map(str, loc)): f"file:{line_of(text or '', loc) or 1}" for loc in _leaves(raw)}
    renamed: dict[str, str] = {}
    if text is not None:
        bring_forward(raw, file, renamed.__setitem__)
    for former, new in renamed.items():
        origins[new] = origins.pop(former)
    origins.pop("version", None)
    misfits = []
    for loc, value, origin in [*_from_environment(environ), *_from_flags(flags or {})]:
        if put(raw, loc, value):
            origins[".".join(map(str, loc))] = origin
        else:
            misfits.append(_("{origin}: there is no place for this.").format(origin=origin))
    config = _validate(raw, origins, text, file, misfits)
    if not config.folder:
        config = config.model_copy(update={"folder": default_folders()})
    return Loaded(config, file if text is not None else None, origins, renamed)


def check(text: str, file: Path, given: Mapping[str, str], origin: str) -> Config:
    """Judge a file's text with values laid over it. Raises ConfigError, which calls those values by their origin."""
    raw = parse(text, file)
    bring_forward(raw, file, lambda _former, _new: None)
    origins, misfits = {}, []
    for key, value in given.items():
        if put(raw, loc_of(key), value):
            origins[key] = origin
        else:
            misfits.append(_("{origin}: there is no place for {key}.").format(origin=origin, key=display(key)))
    return _validate(raw, origins, text, file, misfits)


def loc_of(dotted: str) -> Loc:
    """Return where a dotted key ("folder.0.inbox") leads."""
    return tuple(int(part) if part.isdecimal() else part for part in dotted.split("."))


def overriding(key: str, environ: Mapping[str, str]) -> str | None:
    """Return the variable that wins over what the file says of this key, or None."""
    return next((variable for loc, _value, variable in _from_environment(environ) if loc == loc_of(key)), None)


def _read(file: Path, named: bool) -> str | None:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        if named:
            raise ConfigError(
                _("There is no configuration file {file}.").format(file=display(file)),
                hint=_("`bgzero config init --config FILE` writes one with every key explained."),
            ) from None
        return None
    except UnicodeDecodeError as error:
        raise ConfigError(
            _("{file} is not UTF-8 text (byte {at}).").format(file=display(file), at=error.start)
        ) from None
    except OSError as error:
        raise ConfigError(_("{file} cannot be read: {why}.").format(file=display(file), why=error.strerror)) from None


def parse(text: str, file: Path | None) -> dict[str, object]:
    """Read TOML. Raises ConfigError where it is none."""
    try:
        tree = tomllib.loads(text)
        if _depth(tree) > _DEEPEST:
            raise ValueError(_("it is nested too deeply"))  # noqa: TRY301 - told as every other mistake is
        return tree
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits, brackets in brackets
        raise ConfigError(
            _("{file} is not valid TOML: {why}.").format(file=display(file or ""), why=display(str(error))),
            hint=_('Text needs quotation marks: name = "u2net".'),
        ) from None


def _depth(tree: object) -> int:
    """Return how deeply tables and lists are nested, without descending by calls."""
    level, depth = [tree], 0
    while level:
        depth += 1
        level = [
            inner
            for node in level
            if isinstance(node, dict | list)
            for inner in (node.values() if isinstance(node, dict) else node)
        ]
    return depth


def _leaves(tree: object, at: Loc = ()) -> list[Loc]:
    if isinstance(tree, dict):
        return [leaf for key, value in tree.items() for leaf in _leaves(value, (*at, key))]
    if isinstance(tree, list) and tree and all(isinstance(entry, dict) for entry in tree):
        return [leaf for index, entry in enumerate(tree) for leaf in _leaves(entry, (*at, index))]
    return [at]


def _from_environment(environ: Mapping[str, str]) -> list[tuple[Loc, str, str]]:
    """Read BGZERO_TABLE__KEY; BGZERO_FOLDER__INBOX is the first folder, BGZERO_FOLDER__1__INBOX the second."""
    found: list[tuple[Loc, str, str]] = []
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or "__" not in variable:
            continue
        parts: list[int | str] = [
            int(part) if part.isdecimal() else part.lower() for part in variable.removeprefix(PREFIX).split("__")
        ]
        if parts[0] == "folder" and len(parts) == 2:
            parts.insert(1, 0)
        found.append((tuple(parts), environ[variable], variable))
    # numbers as numbers: the tenth folder comes after the second
    return sorted(found, key=lambda entry: [(isinstance(part, str), part) for part in entry[0]])


def _from_flags(flags: Mapping[str, str]) -> list[tuple[Loc, str, str]]:
    found: list[tuple[Loc, str, str]] = []
    for dotted, value in flags.items():
        loc = loc_of(dotted)
        found.append((loc, value, f"--{loc[-1] if loc[0] == 'folder' else loc[0]}"))
    return found


def put(tree: dict[str, object], loc: Loc, value: object) -> bool:
    """Lay `value` over the tree. Returns False where the tree's shape has no place for it."""
    node: object = tree
    for part, following in pairwise(loc):
        empty: object = [] if isinstance(following, int) else {}
        if isinstance(node, dict):
            node = node.setdefault(str(part), empty)
        elif isinstance(node, list) and isinstance(part, int) and part <= len(node):
            if part == len(node):
                node.append({})
            node = node[part]
        else:
            return False
    if not isinstance(node, dict):
        return False
    node[str(loc[-1])] = value
    return True


def _validate(
    raw: dict[str, object],
    origins: Mapping[str, str],
    text: str | None,
    file: Path | None,
    misfits: Sequence[str],
) -> Config:
    lines = []
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        for mistake in error.errors():
            loc = mistake["loc"]
            key = ".".join(map(str, loc))
            given = [
                origin
                for at, origin in origins.items()
                if f"{at}.".startswith(f"{key}.") and not origin.startswith("file:")
            ]
            if given:
                where = given[0]
            else:
                number = line_of(text or "", loc)
                where = f"{display(file or '')}:{number}" if number else display(file or _("configuration"))
            lines.append(f"{where}: {key}: {_complaint(mistake['type'], mistake['msg'], mistake['input'], loc)}")
    lines += misfits
    if lines:
        raise ConfigError(
            "\n".join(lines), hint=_("`bgzero config schema` and the file `bgzero config init` writes list every key.")
        )
    return config


def _complaint(kind: str, message: str, given: object, loc: Sequence[int | str]) -> str:
    if kind == "extra_forbidden":
        nearest = difflib.get_close_matches(str(loc[-1]), _keys_beside(loc), n=1, cutoff=0.5)
        return _("unknown key. Did you mean {key}?").format(key=nearest[0]) if nearest else _("unknown key.")
    if kind == "missing":
        return _("this key is needed here.")
    shown = display(repr(given)) if not isinstance(given, dict | list) else _("a table or list")
    return _("{what}, not {given}.").format(what=f"{message[:1].lower()}{message[1:]}", given=shown)


def _keys_beside(loc: Sequence[int | str]) -> list[str]:
    """Return the keys that exist where `loc` points to one that does not."""
    table: type[BaseModel] = Config
    for part in loc[:-1]:
        if isinstance(part, int):
            continue
        annotation = table.model_fields[part].annotation
        inner = [arg for arg in get_args(annotation) if isinstance(arg, type) and issubclass(arg, BaseModel)]
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            table = annotation
        elif inner:
            table = inner[0]
    return list(table.model_fields)
