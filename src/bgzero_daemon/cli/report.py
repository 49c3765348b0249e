"""`bgzero report`: one text that helps to find a mistake, to be read before it is sent. Nothing is sent.

One text and no archive: whoever reports can read all of it first and paste it, whoever helps can answer in it.
What can be built from values is; only sentences and lines of the log go through the veil.
"""

import argparse
import json
import os
import platform
import pwd
import re
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

from bgzero_daemon import __version__, client
from bgzero_daemon.cli import loglines, logs
from bgzero_daemon.cli.logfile import last_lines, log_file
from bgzero_daemon.cli.settings import flat
from bgzero_daemon.cli.veil import Veil, without_person
from bgzero_daemon.core import paths
from bgzero_daemon.core.errors import BgzeroError, ConfigError, Exit
from bgzero_daemon.core.names import display, from_wire
from bgzero_daemon.core.texts import _
from bgzero_daemon.service.failures import FOLDER
from bgzero_daemon.settings.folders import done_folder
from bgzero_daemon.settings.load import Loaded, load

_LINES = 1000
_MOST_NAMES = 20_000
_DOCTOR_SECONDS = 120.0


def report(arguments: argparse.Namespace) -> int:
    """Write the text, and say where it is."""
    text = _text(arguments.config)
    if arguments.output == "-":
        sys.stdout.write(text)
        return Exit.OK
    file = Path(arguments.output or time.strftime("bgzero-report-%Y%m%d-%H%M%S.txt"))
    try:
        with open(file, "x", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as stream:
            stream.write(text)
    except FileExistsError:
        raise BgzeroError(_("{file} exists already and is left as it is.").format(file=display(file))) from None
    except OSError as error:
        raise BgzeroError(
            _("{file} cannot be written: {why}.").format(file=display(file), why=error.strerror),
            hint=_("Name another place: bgzero report -o FILE"),
        ) from None
    print(file)
    print(
        _("Nothing was sent. Names of photos, account and machine were taken out; read it before you send it."),
        file=sys.stderr,
    )
    return Exit.OK


def _text(flag: Path | None) -> str:
    """Return the report."""
    veil = Veil()
    configuration = _configuration(flag, veil)
    status = _status(veil)
    where, entries = _log()
    loglines.learn(entries, veil)
    doctor = _doctor()
    sections = (
        ("Program", _program()),
        ("Configuration", veil.cover(configuration)),
        ("Status", json.dumps(_covered(status, veil), indent=1, ensure_ascii=False).splitlines()),
        ("Doctor", json.dumps(_covered(doctor, veil), indent=1, ensure_ascii=False).splitlines()),
        (f"Log ({where})", loglines.cover(entries, veil)),
    )
    head = f"BGZero Daemon report, {time.strftime('%Y-%m-%d %H:%M:%S %z')}\n"
    text = head + "".join(f"\n== {title}\n" + "".join(f"{line}\n" for line in lines) for title, lines in sections)
    return without_person(text, home=str(paths.home() or ""), people=_people(), hosts=_hosts())


def _program() -> list[str]:
    """Return what runs where."""
    wanted = [re.split(r"[^\w.-]", line)[0] for line in metadata.requires("bgzero-daemon") or [] if "extra" not in line]
    packages = []
    for name in sorted(wanted):
        try:
            packages.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            packages.append(f"{name} is missing")
    try:
        system = platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        system = ""
    return [
        f"bgzero {__version__}",
        f"{platform.python_implementation()} {platform.python_version()}",
        f"{platform.platform()} {platform.machine()} {system}".rstrip(),
        ", ".join(packages),
    ]


def _configuration(flag: Path | None, veil: Veil) -> list[str]:
    """Return a line a value with its origin, or what is wrong; take note of the folders and what is in them."""
    try:
        loaded = load(flag)
    except ConfigError as error:
        return str(error).splitlines()
    _learn_folders(loaded, veil)
    for model in loaded.config.models:
        if "/" in model:  # a weight file by its path
            veil.know_path(model)
    return [
        f"{key} = {json.dumps(value, ensure_ascii=False)}  # {loaded.origins.get(key, 'default')}"
        for key, value in flat(loaded.config.model_dump(mode="json", exclude_none=True))
    ]


def _learn_folders(loaded: Loaded, veil: Veil) -> None:
    for folder in loaded.config.folder:
        for root in (folder.inbox, folder.outbox, done_folder(folder)):
            veil.know_root(str(root))
            _learn_tree(str(root), veil)


def _learn_tree(root: str, veil: Veil) -> None:
    left = _MOST_NAMES
    for at, folders, files in os.walk(root):
        if FOLDER in folders:
            folders.remove(FOLDER)  # our own
        rel = os.path.relpath(at, root)
        for name in files:
            veil.know(os.path.normpath(os.path.join(rel, name)))
        left -= len(files) + len(folders)
        if left < 0:
            return


def _status(veil: Veil) -> object:
    """Return what the daemon says of itself but the photos it has in work; take note of all names it knows."""
    try:
        status = client.ask("status")
        for folder in status["folders"]:
            for root in (str(folder["inbox"]), str(folder["outbox"])):
                veil.know_root(root)
                _learn_tree(root, veil)
        for verb in ("history", "failed"):
            for photo in client.ask(verb, limit=_MOST_NAMES)["photos"]:
                veil.know_path(from_wire(photo["path"]))
                for key in ("output", "original"):
                    if name := photo.get(key):
                        veil.know_path(from_wire(name) if key == "output" else str(name))
        for photo in status.pop("at_work", []):
            veil.know(str(photo["photo"]))
    except BgzeroError as error:
        return str(error)
    return status


def _doctor() -> object:
    """Return what `bgzero doctor` finds."""
    command = [sys.executable, "-m", "bgzero_daemon", "doctor", "--json"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_DOCTOR_SECONDS, check=False
        )
        found: object = json.loads(done.stdout)
        return found
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return "it gave no answer"


def _log() -> tuple[str, list[loglines.Entry]]:
    """Return the last lines of the log and where they are from: the journal or the file, whichever is newer."""
    file = log_file()
    moment = file.stat().st_mtime if file and file.is_file() else -1.0
    in_journal = logs.journal_moment()
    if file and moment > in_journal:
        return _("file"), loglines.read(last_lines(file, _LINES))
    if in_journal >= 0:
        return _("journal"), loglines.of_journal(logs.journal_as_json(_LINES))
    return _("none was kept where this command could find it"), []


def _covered(tree: object, veil: Veil) -> object:
    """Return values with every text in them covered."""
    if isinstance(tree, dict):
        return {key: _covered(value, veil) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_covered(value, veil) for value in tree]
    return veil.cover([tree])[0] if isinstance(tree, str) else tree


def _people() -> list[str]:
    """Return the names of this account, and of the person behind it."""
    found = [os.environ.get(name, "") for name in ("USER", "LOGNAME", "SUDO_USER")]
    try:
        entry = pwd.getpwuid(os.getuid())
        found += [entry.pw_name, entry.pw_gecos.split(",")[0]]
    except KeyError:
        pass
    home = paths.home()
    return [*found, home.name if home else ""]


def _hosts() -> list[str]:
    name = platform.node()
    return [name, name.partition(".")[0]]
