"""The inboxes of one configuration and the photos that come from them. Built anew when folders change.

All methods are called from the service's main thread.
"""

import logging
import math
import queue
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

from bgzero_daemon.catalog import choice
from bgzero_daemon.catalog.card import Model
from bgzero_daemon.core import crash
from bgzero_daemon.core.errors import BgzeroError, Code, ModelError
from bgzero_daemon.core.extras import EXTRAS, lacking
from bgzero_daemon.core.formats import Kind
from bgzero_daemon.core.job import JobState, PhotoKey
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _
from bgzero_daemon.service import existing, recovery
from bgzero_daemon.service.backlog import Backlog
from bgzero_daemon.service.covering import Covering
from bgzero_daemon.service.desk import Desk
from bgzero_daemon.service.house import House
from bgzero_daemon.service.intake import Arrival, Intake
from bgzero_daemon.service.last_steps import LastSteps
from bgzero_daemon.service.ledger import Address
from bgzero_daemon.service.place import Place
from bgzero_daemon.service.pool import LocalWorkforce
from bgzero_daemon.service.record import Record
from bgzero_daemon.service.review import Review
from bgzero_daemon.service.scheduler import Scheduler
from bgzero_daemon.service.survey import Survey
from bgzero_daemon.service.sweeper import sweep_all
from bgzero_daemon.settings.schema import Config

log = logging.getLogger(__name__)

Second = Model | BgzeroError | None
"""A model for second tries, or why there is none that is asked for."""

_MOST_ADMITTED = 200  # files in one turn and one commit, so that results and signals are not kept waiting
_ONCE_TRIES = 3
_ROUND_SECONDS = 30.0


class Workshop:
    """From a photo's arrival to its cut-out. `wake` is called from any thread when there is something to do."""

    def __init__(
        self, config: Config, house: House, workforce: LocalWorkforce, wake: Callable[[], None], *, once: bool = False
    ) -> None:
        self.config, self.house, self._workforce, self._once = config, house, workforce, once
        self.ledger, self.places = house.ledger, house.places
        self.intakes = [
            Intake(inbox, config.watch, self.ledger, wake, once=once, all_inboxes=house.inboxes)
            for inbox in house.inboxes
        ]
        self.queue = Backlog(self.ledger, self.places, config.worker.queue, newest=config.worker.order == "newest")
        self.scheduler = Scheduler(
            workforce, self.ledger, self.places, self.queue, wake,
            look_again=lambda key: self.intakes[key.folder].look_again(key),
            most_tries=_ONCE_TRIES if once else None,
        )  # fmt: skip
        self._covering = Covering(
            self.ledger, self.places, [intake.pairing for intake in self.intakes], self.scheduler.holds,
            lambda folder: self.queue.note_arrival(folder, is_urgent=True),
        )  # fmt: skip
        self.desk = Desk(self.ledger, self.intakes, self.places, self.scheduler, self.queue, workforce, self.config)
        self._next_round = 0.0
        self._last_reviewed: Address | None = None

    def catch_up(self, ask: existing.Ask | None, second: Second, known: Collection[Path] = ()) -> None:
        """Do what an earlier run left undone, and decide about what was there before the first.

        Doubtful photos are cut once more with `second`. In outboxes that are `known` this very process works already:
        nothing is left there.
        """
        recovery.recover(self.places, self.ledger)
        existing.settle_existing(self.house.inboxes, self.ledger, self.config.watch.existing, ask)
        self.cook_by(self.config, second)
        self._find_wanted_models()
        sweep_all([place.outbox for place in self.places if place.outbox.root not in known])
        crash.point("caught-up")

    def _find_wanted_models(self) -> None:
        for name in self.ledger.wanted_models():
            try:
                self._workforce.learn(name, choice.usable(name))
            except ModelError as error:
                log.warning(_("Photos that were to be cut again with %s are cut with their folder's model: %s"),
                            display(name), error)  # fmt: skip
                self.ledger.forget_wanted(name)

    def cook_by(self, config: Config, second: Second) -> None:
        """Cut the next photos as this configuration says, which has the same folders, and doubtful ones once more."""
        self.config = config
        if isinstance(second, Model):
            try:
                self._workforce.learn(second.name, second)
            except ModelError as error:
                second = error
        self._say_why_not(second)
        self._try_again_with(second.name if isinstance(second, Model) else "")
        self.house.reopen()

    def _say_why_not(self, second: "Second | str") -> None:
        """Say, once, why doubtful photos are not cut again."""
        why = "" if second is None or isinstance(second, Model) else str(second)
        if why and why != self.house.why_no_second:
            log.warning(
                _("Doubtful photos are not cut again with %s: %s"), display(self.config.model.second_model), why
            )
        self.house.why_no_second = why

    def _try_again_with(self, second: str) -> None:
        self.house.cook_by(self.config, second=second)
        self.ledger.forget_second_tries(but_for=second)
        self.queue.forget()

    def _mind_second_model(self) -> None:
        """Leave doubtful photos as they are where the model for second tries cannot be had; a reload tries it again."""
        name = self.house.second
        if name in self._workforce.failing(_ONCE_TRIES) - self.config.models:
            self._say_why_not(self._workforce.trouble)
            self._try_again_with("")
            self._forgive()

    def _forgive(self) -> None:
        """Let models be no trouble that nobody waits for any more."""
        if failing := self._workforce.failing() - self.config.models:
            for name in failing - set(self.ledger.wanted_models()):
                self._workforce.forgive(name)

    def open(self) -> None:
        """Begin to watch; returns when every inbox is watched."""
        for intake in self.intakes:
            intake.start()
        crash.point("armed")
        for place in self.places:
            log.info(
                _("Drop photos into %s; the cut-outs appear in %s."),
                display(place.inbox),
                display(place.outbox.root),
            )

    def scan(self) -> None:
        """Look through all inboxes."""
        for intake in self.intakes:
            intake.scan()

    @property
    def is_at_rest(self) -> bool:
        """Say whether everything is through the gates, and nothing is in work or could be."""
        return self._is_all_through and self.scheduler.is_idle

    @property
    def _is_all_through(self) -> bool:
        return all(intake.is_at_rest for intake in self.intakes)

    @property
    def is_given_up(self) -> bool:
        """Say whether all that is left is for models that no worker can run, which --once does not wait for."""
        failing = self._workforce.failing(_ONCE_TRIES)
        return bool(failing) and self._is_all_through and self.scheduler.is_idle_but_for(failing)

    def begin_turn(self, now: float) -> None:
        """See what has ended, what has arrived, and what an earlier run left half done."""
        self.scheduler.collect(now)
        self._admit()
        self._mind_second_model()
        self._finish_published(now)

    def next_due(self) -> float:
        """Return until when there is certainly nothing to do, in seconds of the monotonic clock."""
        if any(not intake.arrivals.empty() for intake in self.intakes):
            return -math.inf
        due = self.scheduler.next_due()
        return min(self._next_round, math.inf if due is None else due)

    def _finish_published(self, now: float) -> None:
        """See to originals whose last steps were cut short, by a death or by the ledger, and to what is reviewed."""
        if now < self._next_round:
            return
        self._next_round = now + _ROUND_SECONDS
        self._forgive()
        self._notice_extras()
        for address, record in self.ledger.of_state(JobState.PUBLISHED, _MOST_ADMITTED):
            for place in self._at_rest(address):
                place.errands.submit(LastSteps(place).see_to_original, address.rel, record)
        survey = Survey(self.ledger)
        reviewed, self._last_reviewed = survey.reviewed(_MOST_ADMITTED, after=self._last_reviewed)
        for address in reviewed:
            for place in self._at_rest(address):
                place.errands.submit(Review(place).look_after, address.rel)

    def _notice_extras(self) -> None:
        """Cut what was skipped for want of an extra that has come."""
        if self.house.reopen_for_extras():
            self.scan()

    def _at_rest(self, address: Address) -> list[Place]:
        """Return the place of a photo, none while the photo is in work."""
        return [
            place
            for number, place in enumerate(self.places)
            if place.name == address.inbox and not self.scheduler.holds(PhotoKey(number, address.rel))
        ]

    def _admit(self) -> None:
        """Write down what passed the gates, many files in one commit."""
        batch: list[Arrival] = []
        for intake in self.intakes:
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
                self.intakes[arrival.key.folder].note_taken(arrival.key)
        crash.point("admitted")
        if any(arrival.kind is Kind.EXTRA for arrival in batch):
            self._notice_extras()
        for arrival in batch:
            self.queue.note_arrival(arrival.key.folder, is_urgent=self.desk.is_urgent(arrival.key, forget=True))

    def _write_down(self, batch: Sequence[Arrival]) -> None:
        with self.ledger.together():
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
                self.intakes[arrival.key.folder].note_taken(arrival.key)
                self.intakes[arrival.key.folder].look_again(arrival.key)
        if trouble:
            raise trouble

    def _take(self, arrival: Arrival) -> None:
        key, fingerprint = arrival.key, arrival.fingerprint
        inbox = self.places[key.folder].name
        known = self.ledger.get(inbox, key.rel)
        was_unreadable = known and known.state is JobState.FAILED and known.code == Code.UNREADABLE
        if known and known.fingerprint == fingerprint and not was_unreadable:
            return  # decided, or waiting already
        if self._covering.covers(key, fingerprint):
            return
        lacks = arrival.kind is Kind.EXTRA and not EXTRAS[arrival.word].is_there
        if arrival.kind is Kind.PHOTO or (arrival.kind is Kind.EXTRA and not lacks):
            self.ledger.arrive(
                inbox, key.rel, fingerprint, pixels=arrival.pixels, front=self.desk.is_urgent(key, forget=False)
            )
            return
        record = Record(fingerprint, JobState.SKIPPED, pixels=arrival.pixels)
        if lacks:
            error = lacking(arrival.word)
            log.info("%s: skipped. %s", display(key.rel), error)
            self.scheduler.decisions.turn_down(key, record, error, JobState.SKIPPED)
        else:  # remembered, so that it is not opened at every scan, but nobody's business
            sentence = _("This is {what}, not a photo.").format(what=arrival.word)
            log.debug("%s: %s", display(key.rel), sentence)
            said = replace(record, decided=JobState.SKIPPED.value, code=Code.NOT_A_PHOTO, sentence=sentence)
            self.ledger.put(inbox, key.rel, said)

    def finish(self, seconds: float, wait: Callable[[float], None], is_hurried: Callable[[], bool]) -> None:
        """Finish the photos in work; those that take longer, and all once it `is_hurried`, are put back."""
        deadline = time.monotonic() + seconds
        self._collect()  # first: the wake that told of it may be the one that ended the last turn
        while self.scheduler.in_work and not is_hurried() and (left := deadline - time.monotonic()) > 0:
            wait(left)
            self._collect()

    def _collect(self) -> None:
        try:
            self.scheduler.collect(time.monotonic())
        except BgzeroError as error:  # the ledger's disk is full: the rows still wait, the next start goes on
            log.error("%s", error)  # noqa: TRY400 - a sentence for a person

    def stop_watching(self) -> None:
        """Let nothing more in."""
        for intake in self.intakes:
            intake.close(5.0)
