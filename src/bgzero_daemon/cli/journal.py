"""Where the log of `bgzero run` goes, and in which form.

Under systemd standard error is the journal, which has time stamps of its own and wants a priority in front of each
line. Where it is nobody's (/dev/null: launchd, a desktop's autostart) the log goes into a small rotated file.
Anything else was chosen by somebody who reads it there: a terminal, a pipe, a redirect.
"""

import logging
import os
import stat
import sys
import threading

from bgzero_daemon.cli.forms import JournalForm, JsonForm, TextForm
from bgzero_daemon.cli.logfile import LogFile, log_file
from bgzero_daemon.core.errors import BgzeroError
from bgzero_daemon.core.texts import _
from bgzero_daemon.settings.schema import Log

log = logging.getLogger(__name__)


def settle(wanted: Log, *, verbose: bool) -> None:
    """Send the log of this process where it belongs, from now on. May be called again with another wish."""
    root = logging.getLogger()
    handler = _handler(wanted)
    for former in list(root.handlers):
        root.removeHandler(former)
        former.close()
    root.addHandler(handler)
    show_from(wanted, verbose=verbose)
    threading.excepthook = _tell_of_thread


def show_from(wanted: Log, *, verbose: bool) -> None:
    """Show messages from this level on. Less important ones are still made: some are listened to inside."""
    level = logging.DEBUG if verbose else logging.getLevelNamesMapping()[wanted.level.upper()]
    root = logging.getLogger()
    root.setLevel(min(logging.INFO, level))
    for handler in root.handlers:
        handler.setLevel(level)


def tell(error: BgzeroError) -> bool:
    """Log why this process ends, where its log is a file or for programs. Returns False where people are still to read.

    A line for each mistake of a configuration, and one for the hint.
    """
    is_file = any(isinstance(handler, LogFile) for handler in logging.getLogger().handlers)
    is_for_people = any(isinstance(handler.formatter, TextForm) for handler in logging.getLogger().handlers)
    if is_file or not is_for_people:
        for line in [*str(error).splitlines(), *([error.hint] if error.hint else [])]:
            log.error("%s", line)
    return not is_file and not is_for_people


def is_journal() -> bool:
    """Say whether standard error is the journal: systemd.exec(5), JOURNAL_STREAM."""
    try:
        found = os.fstat(2)
    except OSError:
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def _is_nobodys() -> bool:
    try:
        found = os.fstat(2)
        return stat.S_ISCHR(found.st_mode) and found.st_rdev == os.stat(os.devnull).st_rdev
    except OSError:
        return True


def _handler(wanted: Log) -> logging.Handler:
    into_file = wanted.to == "file" or (wanted.to == "auto" and _is_nobodys())
    file = log_file() if into_file else None
    if file:
        handler: logging.Handler = LogFile(file)
        handler.setFormatter(_form(wanted, "%(asctime)s %(levelname)-7s %(message)s", "%Y-%m-%d %H:%M:%S"))
        return handler
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JournalForm(_form(wanted, "%(message)s"))
        if is_journal()
        else _form(wanted, "%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")
    )
    return handler


def _form(wanted: Log, text: str, moment: str | None = None) -> logging.Formatter:
    return JsonForm() if wanted.format == "json" else TextForm(text, moment)


def _tell_of_thread(hook: threading.ExceptHookArgs) -> None:
    """Log a mistake of ours that ended a thread: Python would write it to standard error, whatever that is."""
    if hook.exc_value is not None and hook.exc_type is not SystemExit:
        log.error(_("The thread %s ended."), hook.thread.name if hook.thread else "?", exc_info=hook.exc_value)
