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
from functools import partial

from bgzero_daemon.catalog.card import Model
from bgzero_daemon.core.errors import WorkforceLost
from bgzero_daemon.core.job import Staged, Task
from bgzero_daemon.core.texts import _
from bgzero_daemon.service.bell import Bell
from bgzero_daemon.service.child import Child
from bgzero_daemon.service.counter import Counter
from bgzero_daemon.service.plan import Plan, Trial
from bgzero_daemon.settings.schema import Config

log = logging.getLogger(__name__)

_GAP_SECONDS = 1.0  # in which this thread did not run: it was stopped, or busy
_CLOSING_SECONDS = 10.0


class LocalWorkforce:
    """Cuts photos in child processes. Its futures end in Staged, or fail as `service.workforce` says.

    A task for another model than those that are loaded waits until a worker is empty; then a new
    worker takes over. `models` holds every model that a recipe may name. `on_change` is called from the
    pool's thread when `told` says something new, and when there are places again after workers could not be
    started. `nice` is the workers' niceness. Raises ModelError for a model that needs more memory than it may have.
    """

    def __init__(
        self,
        config: Config,
        models: Mapping[str, Model],
        *,
        on_change: Callable[[], None] = lambda: None,
        nice: int = 0,
    ) -> None:
        self._plan = Plan.of(config, models, nice=nice)
        self._trial: Trial | None = None
        self._wanted: Trial | None = None
        self._on_change = on_change
        self._counter = Counter()
        self._is_closing = self._is_killing = False
        self._children: list[Child] = []
        self._heard = self._asked = time.monotonic()
        self._served: frozenset[str] = frozenset()
        self._said: set[str] = set()
        self.told: list[dict[str, object]] = []
        self._bell = Bell()
        self._selector = selectors.DefaultSelector()
        self._thread = threading.Thread(target=self._live, name="bgzero-pool", daemon=True)
        self._thread.start()

    def try_out(self, config: Config, models: Mapping[str, Model], name: str, *, nice: int = 0) -> "Future[None]":
        """Start a worker as this configuration wants it, beside those at work, and have it prove a model.

        The future ends when it has, or fails with WorkforceLost; then `told` describes it. Nothing else changes
        before `adopt`. Where memory is short the present workers end first. One at a time: a new trial ends the
        former one. Raises ModelError for a model that needs more memory than it may have.
        """
        trial = Trial(Plan.of(config, models, nice=nice, former=self._plan.models), name)
        self._wanted = trial
        self._bell.ring()
        return trial.future

    def adopt(self) -> None:
        """Work by the plan that was tried out from now on. Workers of the former one finish what they have and end."""
        if self._wanted:
            self._plan, self._wanted = self._wanted.plan.knowing(self._plan.models), None
            self._bell.ring()

    def learn(self, name: str, model: Model) -> None:
        """Let recipes name one model more. Raises ModelError where it needs more memory than it may have."""
        self._plan.sizes.check(model)
        self._plan = self._plan.knowing({name: model})

    def abandon(self) -> None:
        """Let a worker go that was tried out."""
        self._wanted = None
        self._bell.ring()

    def failing(self, times: int = 1) -> frozenset[str]:
        """Return the models for which no worker could be had, so many times in a row."""
        return self._plan.backoffs.failing(times)

    @property
    def trouble(self) -> str:
        """Why workers cannot be had, in a sentence for each reason; "" while they can."""
        return self._plan.backoffs.trouble

    def places(self, model: str) -> int:
        """Return how many more tasks may be submitted now: one for each lane and one more, less those at work.

        0 while no worker can be started for the model: then there is a pause before the next try.
        """
        if self._is_pausing(model):
            return 0
        return max(0, self._plan.sizes.workers * (self._plan.sizes.lanes + 1) - self._counter.outstanding)

    def _is_pausing(self, model: str) -> bool:
        return model not in self._served and time.monotonic() < self._plan.backoffs[model].until

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
        self._selector.close()
        self._bell.close()

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
            for child in self._children:
                self._part(child, kill=self._is_killing)
            while self._children:
                self._look_after()
                time.sleep(0.01)
        except Exception:
            log.exception("the workers are given up")
            self._give_up()

    def _give_up(self) -> None:
        """Answer for everything that was submitted, whatever state this is in."""
        lost = WorkforceLost(_("The worker could not be used."))
        for name in self._plan.models:
            self._note_failure(name, lost)
        for child in list(self._children):
            with contextlib.suppress(Exception):
                self._part(child, kill=True)
                child.process.popen.wait(1.0)
            with contextlib.suppress(Exception):
                child.murmur.close()
            self._children.remove(child)
            for held in child.held.values():
                if not held.future.done():
                    held.future.set_exception(lost)
        self._served = frozenset()
        self._counter.refuse(lost)

    def _turn(self) -> None:
        self._try()
        self._deal()
        self._tell()
        if self._trial and self._trial.child and self._trial.child.is_ready:
            self._trial.end()
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
            for child in self._children:
                child.forgive(deaf)
        return ready

    def _is_over(self) -> bool:
        idle = not self._counter.waiting and not any(child.held for child in self._children)
        return self._is_killing or (self._is_closing and idle)

    def _patience(self) -> float | None:
        """Return how long nothing happens by itself, in seconds; None: for as long as nobody calls."""
        now = time.monotonic()
        looks = [child.next_look(now, self._plan.config.worker) for child in self._children]
        first = min([self._plan.backoffs.next_due(), *looks])
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
        name = task.recipe.model
        present = self._present
        fit = [child for child in present if child.name == name and child.has_room_for(task)]
        best = min(fit, key=lambda child: len(child.held), default=None)
        is_pausing = time.monotonic() < self._plan.backoffs[name].until
        if best and (not best.held or self._is_full or is_pausing):
            return best
        if is_pausing:
            return None
        if not self._is_full:
            return self._begin(name, self._plan)
        # one that is on its way out still has its memory: the next one begins when it is gone
        is_somebody_leaving = any(child.process.is_leaving for child in self._children)
        idle = next((child for child in present if not child.held), None)
        if idle and not is_somebody_leaving:
            self._part(idle)
        return None

    @property
    def _present(self) -> list[Child]:
        """The workers that photos may be given to."""
        return [child for child in self._children if child.plan == self._plan.number]

    @property
    def _is_full(self) -> bool:
        """Say whether there are as many workers as there may be; one that is tried out does not count."""
        on_trial = bool(self._trial and self._trial.child)
        return len(self._children) - on_trial >= self._plan.sizes.workers

    def _try(self) -> None:
        """Go on with a trial: begin with the one that is wanted, end the one that is not."""
        former = self._trial
        if former is not self._wanted:
            self._trial = self._wanted
            if former and former.child and former.plan.number != self._plan.number:
                former.end(WorkforceLost(_("Something else was asked for meanwhile.")))
                self._part(former.child)
        trial = self._trial
        if not trial or trial.child or trial.future.done():
            return
        if self._children and not trial.has_room:
            for child in self._children:
                child.is_retiring = True
                if not (child.held or child.process.is_leaving):
                    self._part(child)
            return
        try:
            trial.child = self._begin(trial.name, trial.plan)
        except WorkforceLost as error:
            trial.end(error)

    def _begin(self, name: str, plan: Plan) -> Child:
        model = plan.models[name]
        self._warn(plan.sizes.check(model))
        child = Child.start(name, model, plan.config, plan.sizes, plan.allowances[name], nice=plan.nice)
        child.plan = plan.number
        self._children.append(child)
        self._selector.register(child.sock, selectors.EVENT_READ, partial(self._listen, child))
        self._selector.register(child.murmur.pipe, selectors.EVENT_READ, partial(self._hear, child))
        return child

    def _listen(self, child: Child) -> None:
        if child.process.is_leaving:  # sent away earlier in this turn
            return
        was_ready = child.is_ready
        if not child.listen():
            self._part(child)
        if child.is_ready and not was_ready:
            if child.plan == self._plan.number:
                self._plan.backoffs[child.name].clear()
            if child.sandbox not in ("closed", "off"):
                self._warn(_("The worker's sandbox is not closed: {what}.").format(what=child.sandbox))

    def _hear(self, child: Child) -> None:
        if not child.process.is_leaving and not child.murmur.hear():
            self._selector.unregister(child.murmur.pipe)

    def _warn(self, sentence: str) -> None:
        """Say something once, not at every start of a worker."""
        if sentence and sentence not in self._said:
            self._said.add(sentence)
            log.warning("%s", sentence)

    def _look_after(self) -> None:
        now = time.monotonic()
        trying = self._trial.child if self._trial else None
        for child in list(self._children):
            child.is_retiring = child.is_retiring or (child.plan != self._plan.number and child is not trying)
            child.look_after(now)
            if child.process.is_leaving or child.has_served(now, self._plan.config.worker):
                self._part(child)
                if child.process.is_over(now):
                    self._bury(child)
        if self._plan.backoffs.have_ended(now):
            self._on_change()

    def _note_failure(self, model: str, error: WorkforceLost) -> None:
        """Let some time pass before the next try to start a worker, and say why."""
        self._plan.backoffs[model].pause(time.monotonic())
        self._plan.backoffs[model].say(error)

    def _fail_start(self, model: str, error: WorkforceLost) -> None:
        self._note_failure(model, error)
        if model not in self._served:
            self._counter.refuse(error, model)

    def _part(self, child: Child, *, kill: bool = False) -> None:
        """Let a worker end, or see that it has; it is buried when its process is over. May be called again."""
        child.is_dismissed = child.is_dismissed or kill or not (child.held or child.process.is_leaving)
        for end in (child.sock, child.murmur.pipe):
            with contextlib.suppress(KeyError, ValueError):  # already done
                self._selector.unregister(end)
        child.leave(kill=kill)

    def _bury(self, child: Child) -> None:
        if self._trial and child is self._trial.child:
            self._trial.end(child.lost)
            self._trial.child = None
        elif not (child.is_proven or child.is_dismissed):
            self._fail_start(child.name, child.lost)  # before anybody hears of it and submits again
        child.bury()
        self._children.remove(child)

    def _tell(self) -> None:
        """Leave a description of the workers for whoever asks, from any thread."""
        present = [child for child in self._children if not child.process.is_leaving]
        self._served = frozenset(child.name for child in present if child.is_ready and not child.is_retiring)
        former, self.told = self.told, [child.description() for child in present]
        if [_news(one) for one in former] != [_news(one) for one in self.told]:
            self._on_change()


def _news(told: dict[str, object]) -> dict[str, object]:
    """Return what is worth telling somebody of a worker: its memory changes all the time."""
    return {key: value for key, value in told.items() if key != "memory_mb"}
