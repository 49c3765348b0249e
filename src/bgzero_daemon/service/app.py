"""The composition root of `bgzero run`: builds the service from a configuration and keeps it going.

The main thread owns the scheduler. Inboxes, outboxes, workers and the control socket have threads of
their own, which leave a message and wake it.
"""

import logging
import math
import queue
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import FrameType

from bgzero_daemon.catalog import shelf
from bgzero_daemon.catalog.card import Model
from bgzero_daemon.core import crash
from bgzero_daemon.core.errors import BgzeroError, Code, ConfigError, Exit, ModelError, PhotoSkipped, WorkforceLost
from bgzero_daemon.core.formats import Kind
from bgzero_daemon.core.job import JobState, PhotoKey
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _
from bgzero_daemon.service import existing, recovery
from bgzero_daemon.service.backlog import Backlog
from bgzero_daemon.service.control import ControlServer
from bgzero_daemon.service.decisions import Tally
from bgzero_daemon.service.desk import Desk
from bgzero_daemon.service.house import House
from bgzero_daemon.service.intake import Arrival, Intake
from bgzero_daemon.service.last_steps import LastSteps
from bgzero_daemon.service.pool import LocalWorkforce
from bgzero_daemon.service.record import Record
from bgzero_daemon.service.scheduler import Scheduler
from bgzero_daemon.service.sight import ignore_lease_breaks
from bgzero_daemon.service.supervise import Supervisor
from bgzero_daemon.service.sweeper import sweep_all
from bgzero_daemon.settings.schema import Config

log = logging.getLogger(__name__)

_STOP_SECONDS = 30.0
_TROUBLE_SECONDS = 5.0
_MOST_ADMITTED = 200  # files in one turn and one commit, so that results and signals are not kept waiting
_ONCE_TRIES = 3
_ROUND_SECONDS = 30.0
_SAY_AGAIN_SECONDS = 600.0


def models_of(config: Config) -> dict[str, Model]:
    """Find every model the configuration names. Raises ConfigError where one cannot be used."""
    names = {folder.model or config.model.name for folder in config.folder} | {config.model.name}
    try:
        return {name: shelf.installed(name) for name in sorted(names)}
    except ModelError as error:
        raise ConfigError(str(error), hint=error.hint) from error


def _workforce(config: Config, models: Mapping[str, Model], on_room: Callable[[], None]) -> LocalWorkforce:
    """Make the workforce. Raises ConfigError for a model that needs more memory than it may have."""
    try:
        return LocalWorkforce(config, models, on_room=on_room, nice=config.worker.nice)
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
        self._stopping = threading.Event()
        self._said, self._said_at = "", 0.0
        self._next_round = 0.0
        self._house = House(config)
        self._ledger, self._places = self._house.ledger, self._house.places
        inboxes = self._house.inboxes
        self._intakes = [
            Intake(inbox, config.watch, self._ledger, self._wake.set, once=once, all_inboxes=inboxes)
            for inbox in inboxes
        ]
        self._workforce = _workforce(config, models, self._wake.set)
        self._queue = Backlog(self._ledger, self._places, config.worker.queue, newest=config.worker.order == "newest")
        self._scheduler = Scheduler(
            self._workforce, self._ledger, self._places, self._queue, self._wake.set,
            look_again=lambda key: self._intakes[key.folder].look_again(key),
            most_tries=_ONCE_TRIES if once else None,
        )  # fmt: skip
        self._desk = Desk(self._ledger, self._intakes, self._places, self._scheduler, self._queue, self._workforce)
        self._supervisor = Supervisor()
        self._control = None if once else ControlServer(self._house.control_socket(), self._wake.set)

    def run(self) -> Tally:
        """Work until told to stop, or with `once` until everything that was there is decided."""
        ignore_lease_breaks()
        self._catch_up()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        try:
            for intake in self._intakes:
                intake.start()
            crash.point("armed")
            if self._control:
                self._control.start()
            for place in self._places:
                log.info(
                    _("Drop photos into %s; the cut-outs appear in %s."),
                    display(place.inbox),
                    display(place.outbox.root),
                )
            self._supervisor.ready()
            while not self._is_over():
                self._turn_safely()
            self._supervisor.stopping()
            self._finish()
            if self._once and self._is_given_up():
                raise WorkforceLost(self._workforce.trouble, hint=_("The photos for it still wait."))
        finally:
            self._close()
        return self._scheduler.tally

    def _catch_up(self) -> None:
        """Do what an earlier run left undone, and decide about what was there before the first."""
        recovery.recover(self._places, self._ledger)
        # before the signals are ours: whoever is asked may answer with Ctrl-C
        existing.settle_existing(self._house.inboxes, self._ledger, self._config.watch.existing, self._ask)
        self._house.reopen()
        sweep_all([place.outbox for place in self._places])
        crash.point("caught-up")

    def _finish_published(self, now: float) -> None:
        """See to the originals of photos whose last steps were cut short, by a death or by the ledger."""
        if now < self._next_round:
            return
        self._next_round = now + _ROUND_SECONDS
        for address, record in self._ledger.of_state(JobState.PUBLISHED, _MOST_ADMITTED):
            for number, place in enumerate(self._places):
                if place.name == address.inbox and not self._scheduler.holds(PhotoKey(number, address.rel)):
                    place.errands.submit(LastSteps(place).see_to_original, address.rel, record)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stops += 1
        self._stopping.set()
        self._wake.set()

    def _is_over(self) -> bool:
        nothing_left = all(intake.is_at_rest for intake in self._intakes) and self._scheduler.is_idle
        return self._stops > 0 or (self._once and (nothing_left or self._is_given_up()))

    def _is_given_up(self) -> bool:
        """Say whether all that is left is for models that no worker can run, which --once does not wait for."""
        failing = self._workforce.failing(_ONCE_TRIES)
        at_rest = all(intake.is_at_rest for intake in self._intakes)
        return bool(failing) and at_rest and self._scheduler.is_idle_but_for(failing)

    def _turn_safely(self) -> None:
        """A file system or a ledger in trouble costs time, never the daemon: say so once and go on."""
        self._supervisor.beat(time.monotonic(), self._workforce.prove_life)
        try:
            self._turn()
        except (BgzeroError, OSError) as error:
            if self._once:
                raise
            if str(error) != self._said or time.monotonic() > self._said_at + _SAY_AGAIN_SECONDS:
                self._said, self._said_at = str(error), time.monotonic()
                log.error("%s", error)  # noqa: TRY400 - a sentence for a person
            self._stopping.wait(_TROUBLE_SECONDS)
        except Exception:
            if self._once:
                raise
            log.exception("a turn is given up")
            self._stopping.wait(_TROUBLE_SECONDS)

    def _turn(self) -> None:
        now = time.monotonic()
        self._scheduler.collect(now)
        self._admit()
        if self._control:
            self._control.answer(self._desk.answer)
        self._finish_published(now)
        self._scheduler.pump(now)
        self._supervisor.status(now, self._desk.in_a_line)
        if not self._is_over():
            self._wake.wait(self._patience())
            self._wake.clear()

    def _patience(self) -> float:
        """Return how long there is certainly nothing to do, in seconds, unless something wakes us."""
        if any(not intake.arrivals.empty() for intake in self._intakes):
            return 0.0
        due = self._scheduler.next_due()
        first = min(self._next_round, self._supervisor.next_due(), math.inf if due is None else due)
        return max(0.0, first - time.monotonic())

    def _admit(self) -> None:
        """Write down what passed the gates, many files in one commit."""
        batch: list[Arrival] = []
        for intake in self._intakes:
            while len(batch) < _MOST_ADMITTED:
                try:
                    batch.append(intake.arrivals.get_nowait())
                except queue.Empty:
                    break
        if not batch:
            return
        try:
            self._write_down(batch)
        except BgzeroError:
            self._write_down_one_by_one(batch)
        finally:
            for arrival in batch:
                self._intakes[arrival.key.folder].note_taken(arrival.key)
        crash.point("admitted")
        for arrival in batch:
            self._queue.note_arrival(arrival.key.folder, is_urgent=self._desk.is_urgent(arrival.key, forget=True))

    def _write_down(self, batch: Sequence[Arrival]) -> None:
        with self._ledger.together():
            for arrival in batch:
                self._take(arrival)

    def _write_down_one_by_one(self, batch: Sequence[Arrival]) -> None:
        """Let no file that cannot be written down keep the others out. What is left over is looked at again."""
        trouble: BgzeroError | None = None
        for arrival in batch:
            try:
                self._write_down([arrival])
            except BgzeroError as error:
                trouble = error
                self._intakes[arrival.key.folder].note_taken(arrival.key)
                self._intakes[arrival.key.folder].look_again(arrival.key)
        if trouble:
            raise trouble

    def _take(self, arrival: Arrival) -> None:
        key, fingerprint = arrival.key, arrival.fingerprint
        inbox = self._places[key.folder].name
        known = self._ledger.get(inbox, key.rel)
        was_unreadable = known and known.state is JobState.FAILED and known.code == Code.UNREADABLE
        if known and known.fingerprint == fingerprint and not was_unreadable:
            return  # decided, or waiting already
        if arrival.kind is Kind.PHOTO:
            self._ledger.arrive(
                inbox, key.rel, fingerprint, pixels=arrival.pixels, front=self._desk.is_urgent(key, forget=False)
            )
            return
        record = Record(fingerprint, JobState.SKIPPED)
        if arrival.kind is Kind.LATER:
            sentence = _("{word} photos are not cut by this version.").format(word=arrival.word)
            hint = _("Export the photo as JPEG, TIFF or PNG.")
            log.info("%s: skipped. %s", display(key.rel), sentence)
            error = PhotoSkipped(sentence, hint=hint, code=Code.LATER_KIND)
            self._scheduler.decisions.turn_down(key, record, error, JobState.SKIPPED)
        else:  # remembered, so that it is not opened at every scan, but nobody's business
            sentence = _("This is {what}, not a photo.").format(what=arrival.word)
            log.debug("%s: %s", display(key.rel), sentence)
            said = replace(record, decided=JobState.SKIPPED.value, code=Code.NOT_A_PHOTO, sentence=sentence)
            self._ledger.put(inbox, key.rel, said)

    def _finish(self) -> None:
        """Finish the photos in work; those that take too long, and all after a second signal, are put back."""
        deadline = time.monotonic() + _STOP_SECONDS
        while self._scheduler.in_work and self._stops < 2 and (left := deadline - time.monotonic()) > 0:
            self._wake.wait(left)
            self._wake.clear()
            try:
                self._scheduler.collect(time.monotonic())
            except BgzeroError as error:  # the ledger's disk is full: the rows still wait, the next start goes on
                log.error("%s", error)  # noqa: TRY400 - a sentence for a person

    def _close(self) -> None:
        if self._control:
            self._control.close()
        for intake in self._intakes:
            intake.close(5.0)
        self._workforce.close(kill=bool(self._scheduler.in_work))
        self._scheduler.close()
        self._house.close()


def run(config: Config, *, once: bool, ask: existing.Ask | None = None) -> Exit:
    """Run the service in this process. Raises BgzeroError where it cannot start."""
    tally = Service(config, models_of(config), once=once, ask=ask).run()
    log.info(_("%d cut, %d failed, %d skipped."), tally.done, tally.failed + tally.given_up, tally.skipped)
    return Exit.SOME_FAILED if once and tally.failed + tally.given_up else Exit.OK
