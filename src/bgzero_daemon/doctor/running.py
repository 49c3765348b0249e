"""The running daemon: whether its socket is in order, and what it says of itself."""

import os
from pathlib import Path
from typing import Any

from bgzero_daemon import __version__
from bgzero_daemon.core import paths
from bgzero_daemon.core.errors import BgzeroError
from bgzero_daemon.core.names import display, quoted
from bgzero_daemon.core.texts import _
from bgzero_daemon.doctor.findings import CannotLook, Finding, note, ok, skipped, wrong
from bgzero_daemon.doctor.ground import Ground
from bgzero_daemon.install.here import diagnose
from bgzero_daemon.service.base import VERSION
from bgzero_daemon.service.house import LEDGER
from bgzero_daemon.wire.control import SOCKET

_USER_VERSION_AT = 60  # of SQLite's file format, section 1.3


def control(ground: Ground) -> list[Finding]:
    """Look at the socket's folder and who is behind the socket."""
    folder = paths.runtime_dir()
    if folder is None:
        raise CannotLook(_("This account has no place for a daemon's socket."))
    if finding := _folder_trouble(ground.environ.get("XDG_RUNTIME_DIR", ""), folder):
        return [finding]
    file = folder / SOCKET
    peer = ground.peer()
    if peer is None:
        return [_nobody(ground, file)]
    if peer.user not in (os.getuid(), 0):
        sentence = _("The socket {file} is answered by another account.")
        return [wrong(sentence.format(file=display(file)), f"ps -fp {peer.pid}")]
    try:
        ground.status()
    except BgzeroError as error:
        return [wrong(str(error), f"kill -CONT {peer.pid}" if peer.is_stopped else _end(ground, f"kill {peer.pid}"))]
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


def _nobody(ground: Ground, file: Path) -> Finding:
    if ground.service().is_enabled:
        if diagnose(ground.installed()).is_grave:
            raise CannotLook(_("This waits for a service that can be started."))
        ground.loaded  # noqa: B018 - with mistakes in it no daemon starts, and that is told elsewhere
        return wrong(_("The service is to run, but no daemon answers."), "bgzero service start",
                     _("`bgzero service logs` tells why it ended."))  # fmt: skip
    if os.path.lexists(file):
        return note(_("A socket is left of a daemon that was killed."), f"rm -f {quoted(file)}",
                    _("The next daemon takes it away, too."))  # fmt: skip
    return ok(_("No daemon is running; `bgzero run` starts one."))


def _end(ground: Ground, otherwise: str) -> str:
    """Return the command that starts the service's daemon anew; `otherwise` where another one runs."""
    peer = ground.peer()
    is_services = peer is not None and peer.pid == ground.service().pid
    return "bgzero service stop && bgzero service start" if is_services else otherwise


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
        remedy = _end(ground, "bgzero stop")
        about = "" if "service" in remedy else _("Start it again then.")
        found.append(note(sentence.format(theirs=display(str(version)), own=__version__), remedy, about))
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
