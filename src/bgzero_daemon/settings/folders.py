"""Whether the configured folders can be used together, and making the default ones on first run."""

import os
from pathlib import Path

from bgzero_daemon.core import paths
from bgzero_daemon.core.errors import ConfigError
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _
from bgzero_daemon.settings.load import Loaded
from bgzero_daemon.settings.schema import Folder


def prepare(loaded: Loaded) -> list[Path]:
    """Make what a first run needs and check what is there. Returns what was made.

    The default folders are made where they are missing; a folder that somebody named is not: a
    missing mount point must never be re-created on the disk below it. Where the default folders are
    used and no configuration file exists, the commented one is written. Raises ConfigError with one
    sentence for the first thing wrong.
    """
    made = []
    by_default = loaded.has_default_folders
    for folder in loaded.config.folder:
        for path in (folder.inbox, folder.outbox):
            if by_default and not os.path.exists(path):
                _make(path)
                made.append(path)
    for folder in loaded.config.folder:
        done = done_folder(folder)
        is_wanted = folder.originals == "move" and folder.done is None and os.path.isdir(folder.inbox)
        if is_wanted and not os.path.isdir(done):
            _make(done)
            made.append(done)
    check(loaded.config.folder)
    if by_default and loaded.file is None and (written := write_commented_file(paths.config_file())):
        made.append(written)
    return made


def write_commented_file(target: Path | None) -> Path | None:
    """Write the commented configuration file if there is none. Returns its path if it was written.

    A home that cannot be written is no reason not to run: the defaults hold without the file.
    """
    if target is None:
        return None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8") as file:
            file.write(paths.shipped("config", "config.toml").read_text(encoding="utf-8"))
    except OSError:
        return None
    return target


def _make(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            _("{folder} cannot be made: {why}.").format(folder=display(path), why=error.strerror)
        ) from None


def done_folder(folder: Folder) -> Path:
    """Return where a folder's originals move to, if they move."""
    return folder.done or folder.inbox.parent / "Done"


def check(folders: tuple[Folder, ...]) -> None:
    """Raise ConfigError unless every folder exists, can be used, and none feeds on another."""
    if not folders:
        raise ConfigError(
            _("This account has no home folder, so the inbox and the outbox have to be named."),
            hint=_("Use --inbox and --outbox, or BGZERO_FOLDER__INBOX and BGZERO_FOLDER__OUTBOX."),
        )
    for folder in folders:
        _check_usable(folder.inbox, "inbox", os.R_OK | os.X_OK, _("read"))
        _check_usable(folder.outbox, "outbox", os.R_OK | os.W_OK | os.X_OK, _("written"))
    for one, first in enumerate(folders):
        for other, second in enumerate(folders):
            _check_apart(first.inbox, second.outbox)
            if second.originals == "move":
                _check_done(first.inbox, done_folder(second), is_own=first is second)
            if one < other:
                _check_inboxes_apart(first.inbox, second.inbox)


def _check_usable(path: Path, key: str, mode: int, verb: str) -> None:
    if not path.is_absolute():
        raise ConfigError(
            _("The {key} {folder} has to be a full path.").format(key=key, folder=display(path)),
            hint=_("Begin it with / or ~."),
        )
    if not os.path.isdir(path):
        raise ConfigError(
            _("The {key} {folder} does not exist.").format(key=key, folder=display(path))
            if not os.path.exists(path)
            else _("The {key} {folder} is not a folder.").format(key=key, folder=display(path)),
            hint=_("Make it, or name another in the configuration."),
        )
    if not os.access(path, mode):
        raise ConfigError(
            _("The {key} {folder} cannot be {verb} by this account.").format(key=key, folder=display(path), verb=verb),
            hint=_("Change its permissions, or name another in the configuration."),
        )


def _identity(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_dev, stat.st_ino


def _contains(outer: Path, inner: Path) -> bool:
    """Say whether `inner` lies in `outer` or is it, through links and bind mounts too."""
    wanted = _identity(outer)
    return any(_identity(place) == wanted for place in (inner.resolve(), *inner.resolve().parents))


def _check_apart(inbox: Path, outbox: Path) -> None:
    if _identity(inbox) == _identity(outbox):
        raise ConfigError(
            _("{folder} is inbox and outbox at once: every cut-out would be cut again.").format(folder=display(inbox)),
            hint=_("Name two different folders."),
        )
    for outer, inner in ((inbox, outbox), (outbox, inbox)):
        if _contains(outer, inner):
            raise ConfigError(
                _("{inner} lies inside {outer}: an inbox and an outbox have to be apart.").format(
                    inner=display(inner), outer=display(outer)
                ),
                hint=_("Move one of them, for example side by side."),
            )


def _check_done(inbox: Path, done: Path, *, is_own: bool) -> None:
    if is_own:
        _check_usable(done, _("folder of done photos"), os.W_OK | os.X_OK, _("written"))
        if done.stat().st_dev != inbox.stat().st_dev:
            raise ConfigError(
                _("{done} and {inbox} are on different file systems, so originals cannot move there safely.").format(
                    done=display(done), inbox=display(inbox)
                ),
                hint=_("Name a folder on the inbox's file system as `done`."),
            )
    if _contains(inbox, done) or _contains(done, inbox):
        raise ConfigError(
            _("{done} and the inbox {inbox} overlap: moved photos would be cut again.").format(
                done=display(done), inbox=display(inbox)
            ),
            hint=_("Name a folder outside every inbox as `done`."),
        )


def _check_inboxes_apart(first: Path, second: Path) -> None:
    if _contains(first, second) or _contains(second, first):
        raise ConfigError(
            _("The inboxes {first} and {second} overlap: their photos would be cut twice.").format(
                first=display(first), second=display(second)
            ),
            hint=_("Keep one of the two."),
        )
