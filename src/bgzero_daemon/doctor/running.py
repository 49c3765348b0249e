"""The running daemon: whether its socket is in order, and what it says of itself."""

import os
from pathlib import Path
from typing import Any

from bgzero_daemon import __version__
from bgzero_daemon.core import paths
from bgzero_daemon.core.errors import BgzeroError
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _
from bgzero_daemon.doctor import unit
from bgzero_daemon.doctor.findings import CannotLook, Finding, note, ok, skipped, wrong
from bgzero_daemon.doctor.ground import Ground
from bgzero_daemon.doctor.peer import find_peer
from bgzero_daemon.doctor.remedies import quoted
from bgzero_daemon.service.base import VERSION
from bgzero_daemon.service.house import LEDGER
from bgzero_daemon.wire.control import SOCKET

_LONGEST_ADDRESS = 100  # of 108, unix(7); longer ones go by way of /proc
_START = "systemctl --user restart bgzero"
_USER_VERSION_AT = 60  # of SQLite's file format, section 1.3


def control(ground: Ground) -> list[Finding]:
    """Look at the socket's folder and who is behind the socket."""
    folder = paths.runtime_dir()
    if folder is None:
        raise CannotLook(_("This account has no place for a daemon's socket."))
    if finding := _folder_trouble(ground.environ.get("XDG_RUNTIME_DIR", ""), folder):
        return [finding]
    file = folder / SOCKET
    if len(os.fsencode(file)) >= _LONGEST_ADDRESS and not os.path.isdir("/proc/self/fd"):
        shorter = f"/tmp/run-{os.getuid()}"  # noqa: S108 - for a person to type
        sentence = _("The path {file} is too long for a socket.")
        remedy = f"mkdir -p -m 700 {shorter} && export XDG_RUNTIME_DIR={shorter}"
        return [wrong(sentence.format(file=display(file)), remedy)]
    peer = find_peer()
    if peer is None:
        return [_nobody(file)]
    if peer.user not in (os.getuid(), 0):
        sentence = _("The socket {file} is answered by another account.")
        return [wrong(sentence.format(file=display(file)), f"ps -fp {peer.pid}")]
    try:
        ground.status()
    except BgzeroError as error:
        return [wrong(str(error), f"kill -CONT {peer.pid}" if peer.is_stopped else _restart(peer.pid))]
    return [ok(_("The daemon answers (process {pid}).").format(pid=peer.pid))]


def _folder_trouble(session: str, folder: Path) -> Finding | None:
    if session and folder.parent != Path(session):
        sentence = _("{session} is not this account's alone, so the socket is put into {folder}.")
        make = f"mkdir -p -m 700 {quoted(session)} && chmod 700 {quoted(session)}"
        return note(sentence.format(session=display(session), folder=display(folder)), make)
    if os.path.isdir(folder) and (folder.stat().st_mode & 0o077 or folder.stat().st_uid != os.getuid()):
        sentence = _("The socket's folder {folder} is open to others.")
        return wrong(sentence.format(folder=display(folder)), f"chmod 700 {quoted(folder)}")
    return None


def _nobody(file: Path) -> Finding:
    found = unit.installed()
    if found and found.is_enabled:
        return wrong(_("The unit is enabled, but no daemon answers."), _START,
                     _("`journalctl --user -u bgzero` tells why it ended."))  # fmt: skip
    if os.path.lexists(file):
        return note(_("A socket is left of a daemon that was killed."), f"rm -f {quoted(file)}",
                    _("The next daemon takes it away, too."))  # fmt: skip
    return ok(_("No daemon is running; `bgzero run` starts one."))


def _restart(pid: int) -> str:
    found = unit.installed()
    return _START if found and found.is_enabled else f"kill {pid}"


def daemon(ground: Ground) -> list[Finding]:
    """Pass on what the running daemon says of itself."""
    try:
        reply = ground.status()
    except BgzeroError:
        raise CannotLook(_("The daemon does not answer.")) from None
    if reply is None:
        return [skipped(_("No daemon is running."))]
    found = [*_own(reply), *_of_folders(reply)]
    if reply.get("paused"):
        found.append(note(_("It is paused."), "bgzero resume"))
    version = reply.get("version")
    if version and version != __version__:
        sentence = _("It is of version {theirs}, and this is {own}.")
        found.append(note(sentence.format(theirs=display(str(version)), own=__version__), _START))
    return found or [ok(_("It has no trouble."))]


def _own(reply: dict[str, Any]) -> list[Finding]:
    found = []
    if said := reply.get("config_error"):
        sentence = _("It goes on with the former configuration: {said}")
        found.append(wrong(sentence.format(said=display(str(said))), "bgzero config check"))
    if said := reply.get("trouble"):
        found.append(wrong(str(said), "bgzero status", _("It is tried again by itself.")))
    return found


def _of_folders(reply: dict[str, Any]) -> list[Finding]:
    found = []
    for folder in reply.get("folders", []):
        for said in folder.get("trouble", []):
            gone = [folder[key] for key in ("inbox", "outbox") if not os.path.isdir(folder[key])]
            remedy = f"mkdir -p {' '.join(map(quoted, gone))}" if gone else f"df -h {quoted(folder['outbox'])}"
            why = _("If something ought to be mounted there, mount it instead.") if gone else ""
            found.append(wrong(f"{folder['inbox']}: {said}", remedy, why))
    return found


def ledger(_ground: Ground) -> list[Finding]:
    """Say whether what was done before can be read by this version."""
    state = paths.state_dir()
    file = state / LEDGER if state else None
    if file is None or not os.path.exists(file):
        return [ok(_("There is no ledger yet."))]
    try:
        with file.open("rb") as stream:
            header = stream.read(100)
    except OSError as error:
        return [wrong(_("The ledger {file} cannot be read: {why}.").format(file=display(file), why=error.strerror),
                      f"chmod u+rw {quoted(file)}")]  # fmt: skip
    version = int.from_bytes(header[_USER_VERSION_AT : _USER_VERSION_AT + 4], "big")
    if version > VERSION:
        sentence = _("The ledger {file} was written by a newer version, and the daemon does not start.")
        better = _("Better: use the newer version. Without the ledger photos are hashed again, not cut again.")
        remedy = f"mv {quoted(file)} {quoted(f'{file}.newer')}"
        return [wrong(sentence.format(file=display(file)), remedy, better)]
    return [ok(_("The ledger is of this version."))]
