"""Whether the folders can be used together, by using them; and whether there is room in them."""

import os
from pathlib import Path

from bgzero_daemon.core import paths
from bgzero_daemon.core.errors import ConfigError, OutputError
from bgzero_daemon.core.names import display, quoted
from bgzero_daemon.core.texts import _, n_
from bgzero_daemon.doctor.findings import CannotLook, Finding, ok, wrong
from bgzero_daemon.doctor.ground import Ground
from bgzero_daemon.service.outbox import Outbox, free_bytes
from bgzero_daemon.settings import folders
from bgzero_daemon.settings.schema import Folder

_STATE_BYTES = 10_000_000  # for the ledger: a million photos take some 300 MB, a day's a fraction of this


def check(ground: Ground) -> list[Finding]:
    """List, stage and remove what the daemon would, in every folder."""
    config = ground.config
    places = [path for folder in config.folder for path in (folder.inbox, folder.outbox)]
    if ground.loaded.has_default_folders and places and not all(map(os.path.isdir, places)):
        return [ok(_("The default folders are made by the first `bgzero run`."))]
    found = [
        finding for number, folder in enumerate(config.folder) for finding in _usable(ground, number, folder)
    ] or _together(ground)
    return found or [
        ok(n_("{count} inbox can be read, its outbox written.", "{count} inboxes can be read, their outboxes written.",
              len(config.folder)))
    ]  # fmt: skip


def _usable(ground: Ground, number: int, folder: Folder) -> list[Finding]:
    """Return what is wrong with each folder of a pair by itself."""
    pairs = [(folder.inbox, "inbox", os.R_OK | os.X_OK), (folder.outbox, "outbox", os.R_OK | os.W_OK | os.X_OK)]
    if folder.originals == "move" and folder.done:
        pairs.append((folder.done, "done", os.R_OK | os.W_OK | os.X_OK))
    found = []
    for path, key, mode in pairs:
        if not path.is_absolute():
            sentence = _("The {key} {folder} has to be a full path.").format(key=key, folder=display(path))
            found.append(wrong(sentence, ground.setting(f"folder.{number}.{key}", Path.cwd() / path)))
        elif not os.path.isdir(path):
            sentence = _("The {key} {folder} is not there.").format(key=key, folder=display(path))
            where = _("If something ought to be mounted there, mount it instead.")
            found.append(wrong(sentence, f"mkdir -p {quoted(path)}", where))
        elif not os.access(path, mode):
            found.append(_without_rights(path, key))
    if not found and (trouble := _stage(folder.outbox)):
        found.append(trouble)
    return found


def _without_rights(path: Path, key: str) -> Finding:
    sentence = _("The {key} {folder} cannot be used by this account: its permissions are against it.").format(
        key=key, folder=display(path)
    )
    is_own = path.stat().st_uid == os.getuid()
    remedy = f"chmod u+rwx {quoted(path)}"
    if not is_own:
        remedy = f"sudo setfacl -m u:{os.getuid()}:rwx {quoted(path)}"
    elif path.stat().st_mode & 0o700 == 0o700:  # the file system's, not the folder's
        remedy = f'sudo mount -o remount,rw "$(stat -c %m {quoted(path)})"'
    return wrong(sentence, remedy)


def _stage(outbox: Path) -> Finding | None:
    """Make a staged file as a photo's would be, and remove it at once."""
    try:
        Outbox(outbox, umask=0o077).stage().discard()
    except OutputError as error:
        return wrong(str(error), f"df -h -i {quoted(outbox)}", error.hint)
    return None


def _together(ground: Ground) -> list[Finding]:
    """Return what is wrong between folders that can be used singly."""
    config = ground.config
    try:
        folders.check(config.folder)
    except ConfigError as error:
        if not config.folder:
            return [wrong(str(error), 'export BGZERO_FOLDER__INBOX="$PWD" BGZERO_FOLDER__OUTBOX=/var/tmp', error.hint)]
        return [wrong(str(error), _apart(ground), error.hint)]
    return []


def _apart(ground: Ground) -> str:
    """Return a command that gives the folder that is in another's way a place of its own."""
    config = ground.config
    for number, folder in enumerate(config.folder):
        others = config.folder[:number]
        moved = folder.originals == "move"
        for key, change in (("originals", "keep"), ("outbox", _beside(folder.inbox))):
            if key == "originals" and not moved:
                continue
            mended = folder.model_copy(update={key: change})
            if _is_fine((*others, mended)):
                make = f"mkdir -p {quoted(change)} && " if key == "outbox" else ""
                return make + ground.setting(f"folder.{number}.{key}", change)
    return "bgzero config check"


def _beside(inbox: Path) -> Path:
    return inbox.resolve().parent / f"{inbox.resolve().name}-cutouts"


def _is_fine(pairs: tuple[Folder, ...]) -> bool:
    """Say whether folders can be used together, of which the last outbox may have to be made first."""
    last = pairs[-1]
    if not os.path.isdir(last.outbox):
        others = [path for folder in pairs for path in (folder.inbox, *([folder.outbox] if folder != last else []))]
        return not any(last.outbox.is_relative_to(other) for other in others)
    try:
        folders.check(pairs)
    except ConfigError:
        return False
    return True


def space(ground: Ground) -> list[Finding]:
    """Compare what is free with what is to be left free."""
    keep = int(ground.config.output.keep_free * 1e9)
    outboxes = {folder.outbox for folder in ground.config.folder if os.path.isdir(folder.outbox)}
    found = []
    for outbox in sorted(outboxes):
        free = free_bytes(outbox)
        if free < keep:
            sentence = _("{folder} has {free} MB free, and {kept} MB are kept free: nothing is cut.").format(
                folder=display(outbox), free=free // 1_000_000, kept=keep // 1_000_000
            )
            less = max(0.0, (free // 2_000_000) / 1000)
            found.append(wrong(sentence, ground.setting("output.keep_free", less), _("Better: free some space there.")))
    state = paths.state_dir()
    if state and (free := free_bytes(_existing(state))) < _STATE_BYTES:
        sentence = _("The state folder {folder} has {free} MB free: what was done may not be written down.")
        where = quoted(_existing(state))
        found.append(
            wrong(sentence.format(folder=display(state), free=free // 1_000_000), f"du -xh -d 1 {where} | sort -h")
        )
    if not (found or outboxes or state):
        raise CannotLook(_("There is no folder yet."))
    return found or [ok(_("There is room for cut-outs and for the ledger."))]


def _existing(folder: Path) -> Path:
    """Return the deepest folder of a path that is there."""
    return next(place for place in (folder, *folder.parents) if os.path.isdir(place))
