"""By which path this program can be started again, also after an upgrade, and how it is removed."""

import os
import shlex
import shutil
import sys
from pathlib import Path

from bgzero_daemon.core import paths
from bgzero_daemon.core.errors import BgzeroError
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _

NAME = "bgzero"
_CACHES = {".cache", "Caches", "archive-v0"}  # the last one: uv's, whatever UV_CACHE_DIR says


def find() -> Path:
    """Return the path of this program as it was called or as the shell finds it, links as they are.

    A link's target may lie in a folder that has a version in its name, and the next upgrade removes it. Raises
    BgzeroError where the program is in a cache folder, or has no command of its own.
    """
    anchors = [Path(os.path.abspath(sys.argv[0])), Path(sys.executable).with_name(NAME)]
    anchors = [anchor for anchor in anchors if anchor.name == NAME and os.access(anchor, os.X_OK)]
    found = [*anchors[:1], *_elsewhere(anchors), *anchors[1:]]
    lasting = [path for path in found if not _is_cached(path)]
    if found and not lasting:
        raise BgzeroError(
            _("{program} is in a cache folder, which may be emptied any day: it cannot be a service.").format(
                program=display(found[0])
            ),
            hint=_("Install it first, for example `uv tool install bgzero-daemon`; then `bgzero service install`."),
        )
    if not lasting:
        raise BgzeroError(
            _("There is no command `bgzero` in this installation, so no service can start it."),
            hint=_("Install it with uv, pipx or pip; then `bgzero service install`."),
        )
    return min(lasting, key=_is_versioned)  # the first one that is not, if there is one


def _elsewhere(anchors: list[Path]) -> list[Path]:
    """Return other names of these very programs: in the shell's PATH, and in Homebrew's `bin`."""
    others = [Path(os.path.abspath(named))] if (named := shutil.which(NAME)) else []
    same = {os.path.realpath(anchor) for anchor in anchors}
    kegs = [keg for anchor in anchors for keg in (_keg(anchor), _keg(Path(os.path.realpath(anchor)))) if keg]
    others += [keg.parents[2] / "bin" / NAME for keg in kegs]
    return [
        other
        for other in others
        if os.access(other, os.X_OK)
        and (os.path.realpath(other) in same or _keg(Path(os.path.realpath(other))) in kegs)
    ]


def _keg(path: Path) -> Path | None:
    """Return Homebrew's folder of one version of one program, `PREFIX/Cellar/NAME/VERSION`, or None."""
    if "Cellar" not in path.parts:
        return None
    depth = path.parts.index("Cellar") + 3
    return Path(*path.parts[:depth])


def is_same(one: Path, other: Path) -> bool:
    """Say whether both names lead to the same program."""
    try:
        return one == other or one.samefile(other)
    except OSError:
        return False


def is_lasting(path: Path) -> bool:
    """Say whether a program has this name after an upgrade, too."""
    return not (_is_versioned(path) or _is_cached(path))


def _is_versioned(path: Path) -> bool:
    return "Cellar" in path.parts or path.is_relative_to("/nix/store") or path.is_relative_to("/gnu/store")


def _is_cached(path: Path) -> bool:
    places = {path, Path(os.path.realpath(path))}
    cache = paths.cache_home()
    return any(_CACHES & {*place.parts} or (cache and place.is_relative_to(cache)) for place in places)


def installation() -> str:
    """Return the command that installs this program where it lasts."""
    return "uv tool install bgzero-daemon" if shutil.which("uv") else "pipx install bgzero-daemon"


def removal() -> str:
    """Return the command that removes this program."""
    prefix = Path(sys.prefix)
    if (prefix / "uv-receipt.toml").is_file():
        return "uv tool uninstall bgzero-daemon"
    if (prefix / "pipx_metadata.json").is_file():
        return "pipx uninstall bgzero-daemon"
    if "Cellar" in prefix.parts:
        return "brew uninstall bgzero"
    return f"{shlex.quote(sys.executable)} -m pip uninstall bgzero-daemon"
