"""The local workforce: worker processes, started when there is work, watched while they work, ended when there is none.

One thread does everything that concerns workers: it spawns them, reads their sockets, kills them, and ends
futures. It lives as long as the pool: a worker dies with the thread that started it.
"""

import contextlib
import logging
import math
import selectors
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future

from bgzero_daemon.catalog.card import Model
from bgzero_daemon.core.errors import WorkforceLost
from bgzero_daemon.core.job import Staged, Task
from bgzero_daemon.core.texts import _
from bgzero_daemon.service.bell import Bell
from bgzero_daemon.service.child import Child
from bgzero_daemon.service.counter import Counter
from bgzero_daemon.service.crew import Crew
from bgzero_daemon.service.dealing import deal
from bgzero_daemon.service.doors import Doors
from bgzero_daemon.service.plan import Plan
from bgzero_daemon.service.proofs import Proofs
from bgzero_daemon.service.trials import Trials
from bgzero_daemon.settings.schema import Config

log = logging.getLogger(__name__)

_GAP_SECONDS = 1.0  # in which this thread did not run: it was stopped, or busy
_CLOSING_SECONDS = 10.0


class LocalWorkforce:
    """Cuts photos in child processes. Its futures end in Staged, or fail as `service.workforce` says.

    A task for another model than those that are loaded waits until a worker is empty; then a new
    worker takes over. `models` holds every model that a recipe may name. `on_change` is called from the
    pool's thread when `told` says something new, and when there are places again after workers could not be
    started. `nice` is the workers' niceness, `proofs` what providers have proved before,
    those of the account without. Raises ModelError for a model that needs more memory than it may have.
    """

    def __init__(
        self,
        config: Config,
        models: Mapping[str, Model],
        *,
        on_change: Callable[[], None] = lambda: None,
        nice: int = 0,
        proofs: Proofs | None = None,
    ) -> None:
        self._trials = Trials(Plan.of(config, models, nice=nice, proofs=proofs or Proofs.of_account()))
        self._on_change = on_change
        self._counter = Counter()
        self._is_closing = self._is_killing = False
        self._heard = self._asked = time.monotonic()
        self._bell = Bell()
        self._doors = Doors(self._ring)
        self._selector = selectors.DefaultSelector()
        self._crew = Crew(
            self._selector, self._trials, self._doors, on_failed_start=self._fail_start, on_change=on_change
        )
        self._thread = threading.Thread(target=self._live, name="bgzero-pool", daemon=True)
        self._thread.start()

    def try_out(self, config: Config, models: Mapping[str, Model], name: str, *, nice: int = 0) -> "Future[None]":
        """Start a worker as this configuration wants it, beside those at work, and have it prove a model.

        The future ends when it has, or fails with WorkforceLost; then `told` describes it. Nothing else changes
        before `adopt`. Where memory is short the present workers end first. One at a time: a new trial ends the
        former one. Raises ModelError for a model that needs more memory than it may have.
        """
        future = self._trials.wish(config, models, name, nice=nice)
        self._bell.ring()
        return future

    def adopt(self) -> None:
        """Work by the plan that was tried out from now on. Workers of the former one finish what they have and end."""
        self._trials.adopt()
        self._bell.ring()

    def abandon(self) -> None:
        """Let a worker go that was tried out."""
        self._trials.abandon()
        self._bell.ring()

    def forget_rejected(self) -> None:
        """Let providers that were turned down prove themselves anew, in workers that start from now on."""
        self._trials.plan.proofs.forget_rejected()

    def learn(self, name: str, model: Model) -> None:
        """Let recipes name one model more. Raises ModelError where it needs more memory than it may have."""
        self._trials.learn(name, model)

    @property
    def told(self) -> list[dict[str, object]]:
        """Describe the workers, as `Child.description` does."""
        return self._crew.told

    def failing(self, times: int = 1) -> frozenset[str]:
        """Return the models for which no worker could be had, so many times in a row."""
        return self._trials.plan.backoffs.failing(times)

    def forgive(self, model: str) -> None:
        """Forget that no worker could be had for a model: nobody waits for it any more."""
        self._trials.plan.backoffs[model].clear()

    @property
    def trouble(self) -> str:
        """Why workers cannot be had, in a sentence for each reason; "" while they can."""
        return self._trials.plan.backoffs.trouble

    def places(self, model: str) -> int:
        """Return how many more tasks may be submitted now: one for each lane and one more, less those at work.

        0 while no worker can be started for the model: then there is a pause before the next try.
        """
        if self._is_pausing(model):
            return 0
        return max(0, self._trials.plan.sizes.workers * (self._trials.plan.sizes.lanes + 1) - self._counter.outstanding)

    def _is_pausing(self, model: str) -> bool:
        return model not in self._crew.served and time.monotonic() < self._trials.plan.backoffs[model].until

    def prove_life(self) -> bool:
        """Say whether the pool's thread has had a turn since this was asked last, and have it take another one."""
        lives, self._asked = self._heard >= self._asked, time.monotonic()
        self._bell.ring()
        return lives and self._thread.is_alive()

    def submit(self, task: Task) -> "Future[Staged]":
        """Take a task. The descriptors in it have to stay open until the future has ended."""
        future = self._counter.hand_in(task)
        self._bell.ring()
        return future

    def close(self, *, kill: bool = False) -> None:
        """End the workers. Without `kill` what was submitted is finished first.

        A thread that hangs in a dead mount, where the weights are, is left behind.
        """
        self._is_closing, self._is_killing = True, kill
        self._bell.ring()
        while self._thread.is_alive():
            self._thread.join(_CLOSING_SECONDS)
            if self._thread.is_alive() and (kill or not self._counter.outstanding):
                log.warning(_("The workers could not be ended: a mount or a device does not answer."))
                return
        self._doors.close()
        self._selector.close()
        self._bell.close()

    def _ring(self) -> None:
        """From a thread that may outlive the bell."""
        with contextlib.suppress(OSError):
            self._bell.ring()

    def _live(self) -> None:
        self._selector.register(self._bell.reader, selectors.EVENT_READ, self._bell.hear)
        while not self._is_over():
            try:
                self._turn()
            except Exception:  # a mistake of ours may cost these workers; the thread has to go on
                log.exception("the workers are given up")
                self._give_up()
        self._counter.refuse(WorkforceLost(_("The worker is being shut down.")))
        try:
            for child in self._crew.children:
                self._crew.part(child, kill=self._is_killing)
            while self._crew.children:
                self._look_after()
                time.sleep(0.01)
        except Exception:
            log.exception("the workers are given up")
            self._give_up()

    def _give_up(self) -> None:
        """Answer for everything that was submitted, whatever state this is in."""
        lost = WorkforceLost(_("The worker could not be used."))
        self._trials.fail(lost)
        for name in self._trials.plan.models:
            self._note_failure(name, lost)
        for child in list(self._crew.children):
            with contextlib.suppress(Exception):
                self._crew.part(child, kill=True)
                child.process.popen.wait(1.0)
            with contextlib.suppress(Exception):
                child.murmur.close()
            self._crew.children.remove(child)
            for held in child.held.values():
                if not held.future.done():
                    held.future.set_exception(lost)
        self._crew.served = frozenset()
        self._counter.refuse(lost)

    def _turn(self) -> None:
        self._try()
        self._deal()
        self._crew.tell()
        self._trials.note_proof()
        for key, _events in self._wait():
            key.data()
        self._look_after()

    def _wait(self) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait until somebody calls or something is due.

        Time in which this thread did not get to hear the workers, because it was busy or the whole service was
        stopped (Ctrl-Z, a frozen control group), is none in which they hang: their deadlines move.
        """
        patience, began = self._patience(), time.monotonic()
        ready = self._selector.select(patience)
        now = time.monotonic()
        late = 0.0 if patience is None else max(0.0, now - began - patience)
        deaf, self._heard = began - self._heard + late, now
        if deaf > _GAP_SECONDS:
            for child in self._crew.children:
                child.forgive(deaf)
        return ready

    def _is_over(self) -> bool:
        idle = not self._counter.waiting and not any(child.held for child in self._crew.children)
        return self._is_killing or (self._is_closing and idle)

    def _patience(self) -> float | None:
        """Return how long nothing happens by itself, in seconds; None: for as long as nobody calls."""
        now = time.monotonic()
        looks = [child.next_look(now, self._trials.plan.config.worker) for child in self._crew.children]
        first = min([self._trials.plan.backoffs.next_due(), self._doors.next_due(), *looks])
        return None if first == math.inf else max(0.0, first - now)

    def _deal(self) -> None:
        """Hand waiting tasks to workers in their order, starting or replacing workers first; none overtakes another
        but those whose model has to wait for a pause to end.
        """
        for entry in self._counter.waiting:
            task, future = entry
            if future.done() or self._is_pausing(task.recipe.model):
                continue
            try:
                child = self._worker_for(task)
            except WorkforceLost as error:
                self._fail_start(task.recipe.model, error)
                continue
            if child is None:
                return
            self._counter.take(entry)
            with contextlib.suppress(OSError):  # it just died: what it said before is heard, then it is buried
                child.give(task, future)

    def _worker_for(self, task: Task) -> Child | None:
        """Find the worker that gets a task, or start one; None where it has to wait."""
        name, trying = task.recipe.model, self._trials.child
        present = [child for child in self._crew.children if child.plan == self._trials.plan.number]
        leaving = len(self._crew.children) - len(present) - (trying in self._crew.children and trying not in present)
        is_pausing = time.monotonic() < self._trials.plan.backoffs[name].until
        choice = deal(task, present, leaving, self._trials.plan.sizes.workers, is_pausing=is_pausing)
        if choice.idle:
            self._crew.part(choice.idle)
        return choice.child or (self._crew.begin(name, self._trials.plan) if choice.begins else None)

    def _try(self) -> None:
        """Go on with a trial: begin with the one that is wanted, end the one that is not."""
        if given_up := self._trials.follow():
            self._crew.part(given_up)
        if not (trial := self._trials.pending):
            return
        plans = (self._trials.plan.number, trial.plan.number)
        if any(child.plan not in plans for child in self._crew.children):
            return  # a former trial's or plan's model is still in memory: two are enough
        if self._crew.children and not trial.has_room:
            for child in self._crew.children:
                child.is_retiring = True
                if not (child.held or child.process.is_leaving):
                    self._crew.part(child)
            return
        try:
            trial.child = self._crew.begin(trial.name, trial.plan)
        except WorkforceLost as error:
            trial.end(error)

    def _look_after(self) -> None:
        self._crew.look_after()
        if self._trials.plan.backoffs.have_ended(time.monotonic()):
            self._on_change()

    def _note_failure(self, model: str, error: WorkforceLost) -> None:
        """Let some time pass before the next try to start a worker, and say why."""
        self._trials.plan.backoffs[model].pause(time.monotonic())
        self._trials.plan.backoffs[model].say(error)

    def _fail_start(self, model: str, error: WorkforceLost) -> None:
        self._note_failure(model, error)
        if model not in self._crew.served:
            self._counter.refuse(error, model)
