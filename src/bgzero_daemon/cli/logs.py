"""`bgzero logs`: the daemon's log, wherever it keeps it."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import IO

from bgzero_daemon import client
from bgzero_daemon.cli.logfile import files, log_file
from bgzero_daemon.cli.steer import SCHEMA
from bgzero_daemon.core.errors import BgzeroError, Exit, UsageError
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _

UNIT = "bgzero"

_LOOK_SECONDS = 0.25
_JOURNAL_SECONDS = 20.0


def show(arguments: argparse.Namespace) -> int:
    """Show the last lines of the log, and with `follow` what is added, until Ctrl-C.

    Of the user unit's journal and the rotated file the one that was written last. Raises BgzeroError where there
    is neither.
    """
    if arguments.lines < 0:
        raise UsageError(_("A number of lines cannot be negative."))
    file = log_file()
    in_journal, in_file = journal_moment(), _moment(file)
    if max(in_journal, in_file) < 0:
        raise _nowhere(file)
    if in_journal >= in_file:
        return _show_journal(arguments.lines, follow=arguments.follow, as_json=arguments.json)
    assert file is not None
    _show_file(file, arguments.lines, follow=arguments.follow, write=_write_objects if arguments.json else _write)
    return Exit.OK


def _show_journal(lines: int, *, follow: bool, as_json: bool) -> int:
    command = [*_journalctl(lines), "--no-pager", *(["-f"] if follow else [])]
    sys.stdout.flush()
    if not as_json:
        return subprocess.run(command, check=False).returncode
    with subprocess.Popen([*command, "-o", "json"], stdout=subprocess.PIPE) as journal:
        assert journal.stdout
        for line in journal.stdout:
            _write_objects(line)
    return journal.returncode


def journal_moment() -> float:
    """Return when the user unit's journal got its latest entry, in seconds since 1970; -1 where it has none."""
    if not shutil.which("journalctl"):
        return -1.0
    try:
        command = [*_journalctl(1), "--no-pager", "-q", "-o", "short-unix"]
        said = subprocess.run(command, capture_output=True, timeout=_JOURNAL_SECONDS, check=False).stdout
        return float(said.split()[0])
    except (OSError, subprocess.TimeoutExpired, IndexError, ValueError):
        return -1.0


def journal_as_json(lines: int) -> str:
    """Return the last entries of the user unit's journal, a JSON object a line; nothing where it cannot be read."""
    command = [*_journalctl(lines), "--no-pager", "-q", "-o", "json", "--output-fields=MESSAGE,PRIORITY"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_JOURNAL_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace")


def _journalctl(lines: int) -> list[str]:
    return ["journalctl", "--user", "-u", UNIT, "-n", str(lines)]


def _moment(file: Path | None) -> float:
    try:
        return os.stat(file).st_mtime if file else -1.0
    except OSError:
        return -1.0


def _nowhere(file: Path | None) -> BgzeroError:
    """Say where the log is that cannot be shown."""
    way = _("`bgzero config set log.to file` makes the daemon keep it in {file}.").format(file=display(file or ""))
    hint = way if file else ""
    try:
        client.ask("status")
    except BgzeroError:
        return BgzeroError(_("No daemon of this account has kept a log."), hint=hint)
    return BgzeroError(
        _("The daemon writes its log where it was started: in that terminal, container or system unit, or that file."),
        hint=hint,
    )


def _show_file(file: Path, lines: int, *, follow: bool, write: Callable[[bytes], None]) -> None:
    """Print the end of the file; following goes on in the file that has the name after a rotation."""
    stream = open(file, "rb")  # noqa: SIM115 - it is changed for another one
    try:
        older = [line for part in files(file) if part != file for line in part.read_bytes().splitlines(keepends=True)]
        kept = deque([*older, *stream.readlines()], maxlen=lines)
        write(b"".join(kept))
        waiting = threading.Event()
        while follow:
            waiting.wait(_LOOK_SECONDS)
            write(stream.read())
            if not _has_name(stream, file):
                write(stream.read())  # written between the two looks
                stream.close()
                stream = open(file, "rb")  # noqa: SIM115
    finally:
        stream.close()


def _has_name(stream: IO[bytes], file: Path) -> bool:
    """Say whether the stream's file still has its name; yes where nothing else has it yet."""
    try:
        return os.path.samestat(os.stat(file), os.fstat(stream.fileno()))
    except FileNotFoundError:
        return True


def _write_objects(content: bytes) -> None:
    """Print each line as an object: what is one already, and what is text as its `line`."""
    for line in content.decode(errors="replace").splitlines():
        try:
            told = json.loads(line)
        except ValueError:
            told = None
        entry = told if isinstance(told, dict) else {"line": line}
        print(json.dumps({"schema": SCHEMA, **entry}, ensure_ascii=False), flush=True)


def _write(content: bytes) -> None:
    if content:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
