"""Configuration files of other versions: older ones are brought forward while they are read, newer ones are refused.

A file without a version is one that somebody wrote by hand, or one from before versions: each step changes only what it
finds. Files are never written here; `bgzero config migrate` does that.
"""

from collections.abc import Callable
from pathlib import Path

from bgzero_daemon.core.errors import ConfigError
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _
from bgzero_daemon.settings.schema import VERSION

Tree = dict[str, object]

# (table, former key, key) of what was renamed in the step to a version
RENAMED: dict[int, tuple[tuple[str, str, str], ...]] = {
    # there were two keys of that name, and this one is not about which photos are refused
    2: (("worker", "megapixels", "megapixels_in_work"),),
}


def bring_forward(raw: Tree, file: Path | None, on_rename: Callable[[str, str], None]) -> None:
    """Change a file's tree to the present version. `on_rename` is told the dotted keys, former and new.

    Raises ConfigError for a version that is newer, or none.
    """
    version = raw.get("version", 1)
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ConfigError(
            _("{file}: version: this is no version of a configuration.").format(file=display(file or "")),
            hint=_("Take the line away, or write version = {version}.").format(version=VERSION),
        )
    if version > VERSION:
        raise ConfigError(
            _("{file} was written for a newer version of this program.").format(file=display(file or "")),
            hint=_("Install that version again, or move the file away and begin with `bgzero config init`."),
        )
    for step in range(version + 1, VERSION + 1):
        for table, former, new in RENAMED[step]:
            keys = raw.get(table)
            if isinstance(keys, dict) and former in keys and new not in keys:
                keys[new] = keys.pop(former)
                on_rename(f"{table}.{former}", f"{table}.{new}")
    raw["version"] = VERSION
