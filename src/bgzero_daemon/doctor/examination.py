"""All checks, each in a thread of its own with a deadline: what raises or hangs is that check's finding alone."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NoAnswer

from bgzero_daemon.core.errors import BgzeroError
from bgzero_daemon.core.texts import _
from bgzero_daemon.doctor import (
    clock,
    configuration,
    desktop,
    folders,
    integration,
    models,
    packages,
    running,
    unit,
    watching,
    worker,
)
from bgzero_daemon.doctor.findings import NAMES, CannotLook, Entry, Finding, skipped, wrong
from bgzero_daemon.doctor.ground import Ground

log = logging.getLogger(__name__)

Check = Callable[[Ground], list[Finding]]

_SECONDS = 15.0
_WORKER_SECONDS = 150.0  # a large model from a slow disk
_ANSWER_SECONDS = 40.0  # the daemon takes 25 s to say that it is too busy
_PATIENCE = {
    **dict.fromkeys(("models", "runtime", "provider", "sandbox", "network"), _WORKER_SECONDS),
    **dict.fromkeys(("socket", "daemon"), _ANSWER_SECONDS),
}
_CHECKS: Mapping[str, Check] = {
    "configuration": configuration.check,
    "folders": folders.check,
    "space": folders.space,
    "watches": watching.watches,
    "filesystems": watching.filesystems,
    "models": models.check,
    "memory": models.memory,
    "runtime": packages.runtime,
    "packages": packages.versions,
    "extras": packages.extras,
    "provider": worker.provider,
    "sandbox": worker.sandbox,
    "network": worker.network,
    "unit": unit.check,
    "socket": running.control,
    "daemon": running.daemon,
    "ledger": running.ledger,
    "tray": desktop.tray,
    "notifications": desktop.notifications,
    "integration": integration.check,
    "clock": clock.check,
}


def examine(ground: Ground, names: Sequence[str] = NAMES) -> list[Entry]:
    """Run the checks of these names, all at once; return what they found in the order of the names."""
    began = time.monotonic()
    answers = {name: _begin(name, _CHECKS[name], ground) for name in names}
    entries = []
    for name, answer in answers.items():
        allowed = _PATIENCE.get(name, _SECONDS)
        entries += [Entry(name, finding) for finding in _wait(answer, began + allowed - time.monotonic(), allowed)]
    return entries


def _begin(name: str, check: Check, ground: Ground) -> "Future[list[Finding]]":
    answer: Future[list[Finding]] = Future()

    def look() -> None:
        try:
            answer.set_result(check(ground))
        except CannotLook as reason:
            answer.set_result([skipped(str(reason))])
        except BgzeroError as error:  # such as that no worker starts
            answer.set_result([wrong(str(error), f"bgzero doctor -v --only {name}", error.hint)])
        except Exception as error:
            log.debug("the check %s", name, exc_info=error)
            sentence = _("This could not be looked at: {why}.").format(why=f"{type(error).__name__}: {error}")
            answer.set_result([wrong(sentence, f"bgzero doctor -v --only {name}")])

    # a daemon thread: one that hangs in a dead mount is left behind
    threading.Thread(target=look, name=f"bgzero-doctor-{name}", daemon=True).start()
    return answer


def _wait(answer: "Future[list[Finding]]", seconds: float, allowed: float) -> list[Finding]:
    try:
        return answer.result(max(0.0, seconds))
    except NoAnswer:
        sentence = _("There was no answer within {seconds} s: a mount, a disk or a program hangs.")
        return [wrong(sentence.format(seconds=round(allowed)), "timeout 5 df -h")]
