"""Where things live. The one reader of HOME, of the XDG variables and of systemd's STATE_DIRECTORY."""

import os
from pathlib import Path

APP = "bgzero"
# The variables that move what is asked for here; a service manager may have others than a shell.
MOVERS = ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_PICTURES_DIR", "XDG_STATE_HOME")


def home() -> Path | None:
    """Return the account's home folder, or None where it has none (service accounts, bare containers)."""
    try:
        folder = Path.home()
    except RuntimeError:
        return None
    return folder if folder != Path("/") and os.path.isdir(folder) else None


def _place(variable: str, find: str) -> Path | None:
    """Ask platformdirs, which needs a home to know any other place than the variable's."""
    if not (os.environ.get(variable) or home()):
        return None
    import platformdirs  # late: most commands need no more than the session's runtime folder

    return Path(str(getattr(platformdirs, find)(APP)))


def moved() -> dict[str, str]:
    """Return those of `MOVERS` that this process was given, with their values."""
    return {name: value for name in MOVERS if (value := os.environ.get(name))}


def cache_home() -> Path | None:
    """Return the folder that holds what may be deleted any day; None without a home."""
    import platformdirs

    return Path(platformdirs.user_cache_dir()) if os.environ.get("XDG_CACHE_HOME") or home() else None


def prepared_dir() -> Path | None:
    """Return the folder of graphs that were prepared from weights; None without a home."""
    cache = cache_home()
    return cache / APP / "prepared" if cache else None


def data_home() -> Path | None:
    """Return the folder of this account's data, of every program, such as icons; None without a home."""
    import platformdirs

    return Path(platformdirs.user_data_dir()) if os.environ.get("XDG_DATA_HOME") or home() else None


def config_home() -> Path | None:
    """Return the folder of this account's configuration, of every program; None without a home."""
    import platformdirs

    return Path(platformdirs.user_config_dir()) if os.environ.get("XDG_CONFIG_HOME") or home() else None


def config_dirs() -> list[Path]:
    """Return the folders of the machine's configuration, the most important first."""
    import platformdirs

    return [Path(folder) for folder in platformdirs.site_config_dir(multipath=True).split(os.pathsep)]


def config_file() -> Path | None:
    """Return the configuration file's place, whether it exists or not; None without a home."""
    folder = _place("XDG_CONFIG_HOME", "user_config_dir")
    return folder / "config.toml" if folder else None


def data_dir() -> Path | None:
    """Return the folder of the user's own models; None without a home."""
    return _place("XDG_DATA_HOME", "user_data_dir")


def state_dir() -> Path | None:
    """Return the folder of ledger and state; None without a home.

    A system unit names it through STATE_DIRECTORY. A user unit must not: systemd 252 points that
    variable elsewhere, and daemon and commands would see two ledgers.
    """
    given = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    if given and not os.environ.get("XDG_RUNTIME_DIR"):
        return Path(given)
    return _place("XDG_STATE_HOME", "user_state_dir")


def runtime_dir() -> Path | None:
    """Return the folder of the control socket: the session's runtime folder, else that of the state; None without.

    A session folder that others may enter is none (XDG base directory specification): it is passed over.
    """
    session = os.environ.get("XDG_RUNTIME_DIR")
    if session and _is_private(session):
        return Path(session) / APP
    given = os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0]
    return Path(given) if given else state_dir()


def _is_private(folder: str) -> bool:
    try:
        found = os.stat(folder)
    except OSError:
        return False
    return found.st_uid == os.getuid() and not found.st_mode & 0o077


def scratch_dir() -> Path:
    """Return the folder for large files that live for minutes: TMPDIR's, or /var/tmp, as /tmp may be memory."""
    import tempfile

    lasting = Path("/var/tmp")  # noqa: S108 - whoever makes something there makes it private
    if not os.environ.get("TMPDIR") and os.access(lasting, os.W_OK | os.X_OK):
        return lasting
    return Path(tempfile.gettempdir())


def make_private(folder: Path) -> Path:
    """Make a folder that only this account may enter, whatever the umask. Returns it."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    return folder


def pictures_dir() -> Path | None:
    """Return the user's pictures folder as the desktop knows it; None without a home."""
    import platformdirs

    return Path(platformdirs.user_pictures_dir()) if home() else None


def packaged(*parts: str) -> Path:
    """Return a path inside the package itself, whether something is there or not."""
    return Path(__file__).parents[1].joinpath(*parts)


def shipped(*parts: str) -> Path:
    """Find a file that travels with the program: in a wheel under `_data`, in a checkout at its root.

    Raises FileNotFoundError where neither has it.
    """
    from importlib import resources

    package = Path(str(resources.files("bgzero_daemon")))
    for root in (package / "_data", package.parents[1]):
        found = root.joinpath(*parts)
        if found.exists():
            return found
    raise FileNotFoundError(f"{'/'.join(parts)} is missing from this installation of bgzero-daemon")
