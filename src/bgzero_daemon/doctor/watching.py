"""Whether the kernel will tell of every photo that arrives: limits of inotify, and file systems that tell nothing."""

import os
from itertools import islice
from pathlib import Path

from bgzero_daemon.core import paths
from bgzero_daemon.core.mounts import mount_of
from bgzero_daemon.core.names import display, quoted
from bgzero_daemon.core.texts import _, n_
from bgzero_daemon.doctor.findings import CannotLook, Finding, note, ok
from bgzero_daemon.doctor.ground import Ground
from bgzero_daemon.settings.schema import Folder

# The machine's limits, and those of a user namespace, which a container may have: the smaller one holds.
_LIMITS = {
    "watches": (("fs.inotify.max_user_watches", 524288), ("user.max_inotify_watches", 524288)),
    "instances": (("fs.inotify.max_user_instances", 512), ("user.max_inotify_instances", 512)),
}
_MOST_FOLDERS = 2_000_000
_SYSCTL = Path("/proc/sys")
_DESKTOP = {"watches": 64, "instances": 8}  # what other programs of an account take at the very least


def watches(ground: Ground) -> list[Finding]:
    """Compare the kernel's limits with the folders that are to be watched."""
    if not (_SYSCTL / "fs" / "inotify").is_dir():
        raise CannotLook(_("This system has no inotify."))
    watched = [folder for folder in ground.config.folder if _is_watched(folder)]
    wanted = {"watches": sum(map(_folders_in, watched)), "instances": len(watched)}
    found = []
    for what, limits in _LIMITS.items():
        needed = wanted[what] + _DESKTOP[what]
        for key, usual in limits:
            if (limit := _read(key)) is not None and limit < needed:
                sentence = _("{key} is {limit}, and {needed} are needed: an inbox is scanned often instead of watched.")
                found.append(
                    note(
                        sentence.format(key=key, limit=limit, needed=needed),
                        f"sudo sysctl {key}={max(usual, 2 * needed)}",
                        _("A line in /etc/sysctl.d/ makes it last."),
                    )
                )
    count = wanted["watches"]
    return found or [ok(n_("{count} folder can be watched.", "{count} folders can be watched.", count))]


def _is_watched(folder: Folder) -> bool:
    mount = mount_of(str(folder.inbox))
    return folder.watch != "poll" and not (mount and mount.is_remote) and os.path.isdir(folder.inbox)


def _folders_in(folder: Folder) -> int:
    """Return how many watches an inbox takes: one for each folder in it."""
    if not folder.recursive:
        return 1
    return sum(1 for _entry in islice(os.walk(folder.inbox), _MOST_FOLDERS))


def _read(key: str) -> int | None:
    try:
        return int((_SYSCTL / key.replace(".", "/")).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def filesystems(ground: Ground) -> list[Finding]:
    """Say which folders lie where no events come from, and a ledger that lies where it must not."""
    found = []
    for number, folder in enumerate(ground.config.folder):
        mount = mount_of(str(folder.inbox))
        if mount and mount.is_remote and folder.watch != "poll":
            sentence = _("The inbox {folder} is on {kind}: it is scanned, and writers of other machines go unseen.")
            found.append(
                note(
                    sentence.format(folder=display(folder.inbox), kind=display(mount.kind)),
                    ground.setting(f"folder.{number}.watch", "poll"),
                    _("This says that it is meant so. A photo has to be quiet for watch.unsure_settle_seconds there."),
                )
            )
    state = paths.state_dir()
    mount = mount_of(str(state)) if state else None
    if state and mount and mount.is_remote:
        local = f"/var/tmp/bgzero-{os.getuid()}-state"  # noqa: S108 - for a person to type
        sentence = _("The state folder {folder} is on {kind}: the ledger is kept in /var/tmp instead.")
        found.append(
            note(
                sentence.format(folder=display(state), kind=display(mount.kind)),
                f"mkdir -p -m 700 {quoted(local)} && export XDG_STATE_HOME={quoted(local)}",
                _("SQLite needs memory that all users of a file share, which no network mount has."),
            )
        )
    return found or [ok(_("Inboxes and state folder are on file systems of this machine."))]
