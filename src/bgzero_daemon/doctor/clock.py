"""Whether the clock can be right: dates of cut-outs and of the log hang on it, nothing else."""

import os
import subprocess
import time

from bgzero_daemon.core import paths
from bgzero_daemon.core.texts import _
from bgzero_daemon.doctor.findings import Finding, note, ok, wrong
from bgzero_daemon.doctor.ground import Ground
from bgzero_daemon.service.house import LEDGER

# Before this line was written: 2026-01-01.
_WRITTEN = 1767225600.0
_SLACK_SECONDS = 86400.0
_ASK_SECONDS = 5.0
_SET = "sudo timedatectl set-ntp true"


def check(_ground: Ground) -> list[Finding]:
    """Compare the clock with this program's age, with the ledger's, and with what the system says of it."""
    now = time.time()
    shown = time.strftime("%Y-%m-%d", time.localtime(now))
    if now < _WRITTEN:
        return [wrong(_("The clock says {date}, which is before this program was written.").format(date=shown), _SET)]
    if now + _SLACK_SECONDS < _newest():
        sentence = _("The clock says {date}, which is before the ledger was written last.")
        return [wrong(sentence.format(date=shown), _SET)]
    if _says("NTP") == "no" or _says("NTPSynchronized") == "no":
        return [note(_("The clock is kept right by nobody."), _SET)]
    return [ok(_("The clock says {date}.").format(date=shown))]


def _newest() -> float:
    state = paths.state_dir()
    try:
        return os.stat(state / LEDGER).st_mtime if state else 0.0
    except OSError:
        return 0.0


def _says(name: str) -> str:
    """Ask timedatectl(1); "" where there is none, or nobody answers it."""
    try:
        done = subprocess.run(
            ["timedatectl", "show", "--value", "-p", name],  # noqa: S607 - the system's
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_ASK_SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if not done.returncode else ""
