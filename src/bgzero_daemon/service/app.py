"""The composition root of `bgzero run`: builds the service from a configuration and keeps it going.

One thread (the main one) owns gate, ledger and scheduler. Everything else leaves a message and wakes it.
"""

import logging
import os
import signal
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

from bgzero_daemon.catalog import shelf
from bgzero_daemon.catalog.card import Model
from bgzero_daemon.core import paths
from bgzero_daemon.core.errors import BgzeroError, ConfigError, Exit, ModelError
from bgzero_daemon.core.formats import HEAD_BYTES, Kind, has_photo_suffix, has_raw_suffix, sniff
from bgzero_daemon.core.job import Fingerprint, Outcome, PhotoKey
from bgzero_daemon.core.names import display
from bgzero_daemon.core.recipe import Recipe
from bgzero_daemon.core.texts import _
from bgzero_daemon.service import existing
from bgzero_daemon.service.gate import Gate, Patience
from bgzero_daemon.service.inbox import Inbox
from bgzero_daemon.service.ledger import Entry, Ledger
from bgzero_daemon.service.lock import lock_inbox
from bgzero_daemon.service.outbox import Outbox, read_umask
from bgzero_daemon.service.place import Place
from bgzero_daemon.service.pool import LocalWorkforce
from bgzero_daemon.service.scheduler import Scheduler, Tally
from bgzero_daemon.service.sight import ignore_lease_breaks, look_inside, open_below
from bgzero_daemon.service.watcher import Watcher
from bgzero_daemon.settings.schema import Config, Folder

log = logging.getLogger(__name__)

_STOP_SECONDS = 30.0
_TROUBLE_SECONDS = 5.0
_MOST_ADMITTED = 200  # files in one turn, so that results and signals are not kept waiting
_ONCE_TRIES = 3


def models_of(config: Config) -> dict[str, Model]:
    """Find every model the configuration names. Raises ConfigError where one cannot be used."""
    names = {folder.model or config.model.name for folder in config.folder} | {config.model.name}
    try:
        return {name: shelf.installed(name) for name in sorted(names)}
    except ModelError as error:
        raise ConfigError(str(error), hint=error.hint) from error


class Service:
    """The watched folders of one configuration, from a photo's arrival to its cut-out."""

    def __init__(
        self, config: Config, models: Mapping[str, Model], *, once: bool, ask: existing.Ask | None = None
    ) -> None:
        """Take the locks and open the ledger. Raises BgzeroError where the service cannot start."""
        self._config, self._once, self._ask = config, once, ask
        self._wake = threading.Event()
        self._stops = 0
        state = _state_dir(config)
        self._locks = [lock_inbox(state, folder.inbox) for folder in config.folder]
        self._ledger = Ledger(state / "ledger.db")
        umask = read_umask()
        self._places = [self._place(folder, umask) for folder in config.folder]
        self._inboxes = [Inbox(number, folder, self._wake.set) for number, folder in enumerate(config.folder)]
        self._watcher = Watcher(self._inboxes, config.watch)
        watch = config.watch
        most = 0.0 if once else watch.max_wait_seconds  # "what is there now" is decided now
        patience = Patience(watch.settle_seconds, watch.unsure_settle_seconds, most)
        self._gate = Gate(
            patience,
            look=lambda key: self._inboxes[key.folder].look(key),
            look_inside=lambda key: look_inside(self._inboxes[key.folder].root, key.rel),
        )
        self._workforce = LocalWorkforce(config, models)
        self._scheduler = Scheduler(
            self._workforce, self._ledger, self._places, config.worker.queue, self._wake.set,
            most_tries=_ONCE_TRIES if once else None,
        )  # fmt: skip

    def _place(self, folder: Folder, umask: int) -> Place:
        recipe = Recipe(folder.model or self._config.model.name, folder.metadata or self._config.output.metadata)
        return Place(folder.inbox, folder.outbox, Outbox(folder.outbox, umask=umask), recipe)

    def run(self) -> Tally:
        """Work until told to stop, or with `once` until everything that was there is decided."""
        ignore_lease_breaks()
        # before the signals are ours: whoever is asked may answer with Ctrl-C
        existing.settle_existing(self._inboxes, self._ledger, self._config.watch.existing, self._ask)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        for place in self._places:
            if swept := place.outbox.sweep():
                log.info("%d unfinished files of an earlier run removed from %s", swept, display(place.outbox_root))
        try:
            if not self._once:
                self._watcher.arm()
            for place in self._places:
                log.info(
                    _("Drop photos into %s; the cut-outs appear in %s."),
                    display(place.inbox),
                    display(place.outbox_root),
                )
            while not self._is_over():
                self._turn_safely()
            self._finish()
        finally:
            self._close()
        return self._scheduler.tally

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stops += 1
        self._wake.set()

    def _is_over(self) -> bool:
        nothing_left = (
            self._watcher.is_scanned and not len(self._gate) and self._scheduler.is_idle and not self._scheduler.changed
        )
        return self._stops > 0 or (self._once and nothing_left)

    def _turn_safely(self) -> None:
        """A file system or a ledger in trouble costs time, never the daemon: say so and go on."""
        try:
            self._turn()
        except (BgzeroError, OSError) as error:
            if self._once:
                raise
            log.error("%s", error)  # noqa: TRY400 - a sentence for a person
            self._wake.wait(_TROUBLE_SECONDS)

    def _turn(self) -> None:
        now = time.monotonic()
        self._scheduler.collect(now)
        self._notice(now)
        self._admit(now)
        self._scheduler.pump(now)
        if not self._is_over():
            self._wake.wait(self._patience())
            self._wake.clear()

    def _patience(self) -> float | None:
        """Return how long there is certainly nothing to do, in seconds; None: until something wakes us."""
        due = [None if self._once else self._watcher.next_due(), self._scheduler.next_due()]
        if self._scheduler.room() > 0:  # else the gate has to wait for a photo to end
            due.append(self._gate.next_due())
        moments = [moment for moment in due if moment is not None]
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def _notice(self, now: float) -> None:
        """Bring what events and scans found before the gate."""
        if not (self._once and self._watcher.is_scanned):
            for key in self._watcher.findings(now):
                self._consider(key, now)
        changed, self._scheduler.changed = self._scheduler.changed, []
        for key in changed:
            self._consider(key, now)

    def _consider(self, key: PhotoKey, now: float) -> None:
        if self._scheduler.holds(key):
            self._scheduler.look_again(key)
            return
        known = self._ledger.get(str(self._places[key.folder].inbox), key.rel)
        decided = known.fingerprint if known else self._scheduler.unreadable.get(key)
        try:
            if decided and Fingerprint.of(os.lstat(self._places[key.folder].inbox / key.rel)) == decided:
                return
        except OSError:
            return
        self._gate.notice(key, now)

    def _admit(self, now: float) -> None:
        """Let ready files through the gate for as long as there is room."""
        ready = self._gate.ready(now)
        for _file in range(_MOST_ADMITTED):
            if self._scheduler.room() <= 0 or not (passed := next(ready, None)):
                return
            key, fingerprint = passed
            kind, word = _judge(self._places[key.folder].inbox, key.rel)
            if kind is Kind.PHOTO:
                self._scheduler.add(key, fingerprint)
            elif kind is Kind.LATER:
                sentence = _("{word} photos are not cut by this version.").format(word=word)
                log.info("%s: skipped. %s", display(key.rel), sentence)
                self._scheduler.decide(key, Entry(fingerprint, Outcome.SKIPPED, sentence=sentence))
            else:  # remembered, so that it is not opened at every scan, but nobody's business
                sentence = _("Not a photo ({word}).").format(word=word)
                log.debug("%s: %s", display(key.rel), sentence)
                inbox = str(self._places[key.folder].inbox)
                self._ledger.put(inbox, key.rel, Entry(fingerprint, Outcome.SKIPPED, sentence=sentence))

    def _finish(self) -> None:
        """Finish the photos in work; those that take too long, and all after a second signal, are put back."""
        deadline = time.monotonic() + _STOP_SECONDS
        while self._scheduler.in_work and self._stops < 2 and (left := deadline - time.monotonic()) > 0:
            self._wake.wait(left)
            self._wake.clear()
            self._scheduler.collect(time.monotonic())

    def _close(self) -> None:
        self._watcher.close()
        self._workforce.close(kill=self._scheduler.in_work > 0)
        self._scheduler.close()
        self._ledger.close()
        for lock in self._locks:
            os.close(lock)


def _state_dir(config: Config) -> Path:
    """Return the folder of ledger and locks, made private. An account without a home keeps it beside its outputs."""
    folder = paths.state_dir() or config.folder[0].outbox / ".bgzero"
    try:
        return paths.make_private(folder)
    except OSError as error:
        raise ConfigError(
            _("The state folder {folder} cannot be used: {why}.").format(folder=display(folder), why=error.strerror),
            hint=_("Correct its permissions, or set XDG_STATE_HOME."),
        ) from error


def _judge(inbox: Path, rel: str) -> tuple[Kind, str]:
    """Judge a file by its content, and by its name where that says RAW.

    What is called like a photo counts as one: the worker then says what it is instead.
    """
    if has_raw_suffix(rel):
        return Kind.LATER, "RAW"
    try:
        descriptor = open_below(inbox, rel)
    except OSError:
        return Kind.PHOTO, ""  # the scheduler meets the same trouble and knows what to do
    try:
        kind, word = sniff(os.pread(descriptor, HEAD_BYTES, 0))
    except OSError:
        return Kind.PHOTO, ""
    finally:
        os.close(descriptor)
    is_called_a_photo = kind in (Kind.OTHER, Kind.UNKNOWN) and has_photo_suffix(rel)
    return (Kind.PHOTO, word) if is_called_a_photo else (kind, word)


def run(config: Config, *, once: bool, ask: existing.Ask | None = None) -> Exit:
    """Run the service in this process. Raises BgzeroError where it cannot start."""
    tally = Service(config, models_of(config), once=once, ask=ask).run()
    log.info(_("%d cut, %d failed, %d skipped."), tally.done, tally.failed + tally.given_up, tally.skipped)
    return Exit.SOME_FAILED if once and tally.failed + tally.given_up else Exit.OK
