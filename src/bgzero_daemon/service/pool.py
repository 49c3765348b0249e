"""The local workforce: worker processes, started when there is work, watched while they work, ended when there is none.

One thread does everything that concerns workers: it spawns them, reads their sockets, kills them, and ends
futures. It lives as long as the pool: a worker dies with the thread that started it.
"""

import contextlib
import logging
import math
import os
import selectors
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future

from bgzero_daemon.catalog.card import Model
from bgzero_daemon.core.errors import WorkforceLost
from bgzero_daemon.core.job import Staged, Task
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _
from bgzero_daemon.service.allowance import Allowance
from bgzero_daemon.service.child import Child
from bgzero_daemon.service.sizes import Sizes
from bgzero_daemon.settings.schema import Config

log = logging.getLogger(__name__)

_LONGEST_PAUSE_SECONDS = 60.0
_GAP_SECONDS = 1.0  # in which this thread did not run: it was stopped, or busy
_CLOSING_SECONDS = 10.0


class LocalWorkforce:
    """Cuts photos in child processes. Its futures end in Staged, or fail as `service.workforce` says.

    A task for another model than those that are loaded waits until a worker is empty; then a new
    worker takes over. `models` holds every model that a recipe may name. `on_room` is called from the
    pool's thread when there are places again after workers could not be started. `nice` is the
    workers' niceness. Raises ModelError for a model that needs more memory than it may have.
    """

    def __init__(
        self,
        config: Config,
        models: Mapping[str, Model],
        *,
        on_room: Callable[[], None] = lambda: None,
        nice: int = 0,
    ) -> None:
        self._config, self._models, self._on_room, self._nice = config, models, on_room, nice
        self.sizes = Sizes.of(config)
        for model in models.values():
            self.sizes.check(model)
        self._waiting: deque[tuple[Task, Future[Staged]]] = deque()
        self._lock = threading.Lock()
        self._outstanding = 0
        self._is_closing = self._is_killing = False
        self._children: list[Child] = []
        self._heard = time.monotonic()
        self._allowances = {
            name: Allowance(model.card.seconds, self.sizes.lanes, config.worker.deadline_seconds)
            for name, model in models.items()
        }
        self.failed_starts = 0
        self.trouble = self._open_sandbox = ""
        self._pause_ends = -math.inf
        self.told: list[dict[str, object]] = []
        self._bell, self._ringer = os.pipe()
        os.set_blocking(self._ringer, False)
        self._selector = selectors.DefaultSelector()
        self._thread = threading.Thread(target=self._live, name="bgzero-pool", daemon=True)
        self._thread.start()

    def places(self) -> int:
        """Return how many more tasks may be submitted now: one for each lane and one more, less those at work.

        None while workers cannot be started: then there is a pause before the next try.
        """
        with self._lock:
            if time.monotonic() < self._pause_ends:
                return 0
            return max(0, self.sizes.workers * (self.sizes.lanes + 1) - self._outstanding)

    def submit(self, task: Task) -> "Future[Staged]":
        """Take a task. The descriptors in it have to stay open until the future has ended."""
        future: Future[Staged] = Future()
        future.add_done_callback(self._count_down)
        with self._lock:
            self._outstanding += 1
            self._waiting.append((task, future))
        self._ring()
        return future

    def close(self, *, kill: bool = False) -> None:
        """End the workers. Without `kill` what was submitted is finished first.

        A thread that hangs in a dead mount, where the weights are, is left behind.
        """
        self._is_closing, self._is_killing = True, kill
        self._ring()
        while self._thread.is_alive():
            self._thread.join(_CLOSING_SECONDS)
            if self._thread.is_alive() and (kill or not self._outstanding):
                log.warning(_("The workers could not be ended: a mount or a device does not answer."))
                return
        self._selector.close()
        os.close(self._bell)
        os.close(self._ringer)

    def _count_down(self, _future: "Future[Staged]") -> None:
        with self._lock:
            self._outstanding -= 1

    def _ring(self) -> None:
        with contextlib.suppress(BlockingIOError):  # a full pipe rings as well
            os.write(self._ringer, b"!")

    def _live(self) -> None:
        self._selector.register(self._bell, selectors.EVENT_READ)
        while not self._is_over():
            try:
                self._turn()
            except Exception:  # a mistake of ours may cost these workers; the thread has to go on
                log.exception("the workers are given up")
                self._give_up()
        self._refuse_waiting(WorkforceLost(_("The worker is being shut down.")))
        for child in self._children:
            self._part(child, kill=self._is_killing)
        while self._children:
            self._look_after()
            time.sleep(0.01)

    def _give_up(self) -> None:
        """Answer for everything that was submitted, whatever state this is in."""
        lost = WorkforceLost(_("The worker could not be used."))
        self._pause()
        self.trouble = str(lost)
        for child in list(self._children):
            with contextlib.suppress(Exception):
                self._part(child, kill=True)
                child.process.popen.wait(1.0)
            self._children.remove(child)
            for held in child.held.values():
                if not held.future.done():
                    held.future.set_exception(lost)
        self._refuse_waiting(lost)

    def _refuse_waiting(self, error: WorkforceLost) -> None:
        while self._waiting:
            self._waiting.popleft()[1].set_exception(error)

    def _turn(self) -> None:
        self._deal()
        self._tell()
        for key, _events in self._wait():
            if key.fd == self._bell:
                os.read(self._bell, 4096)
            else:
                self._listen(key.data)
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
        idle = not self._waiting and not any(child.held for child in self._children)
        return self._is_killing or (self._is_closing and idle)

    def _patience(self) -> float | None:
        """Return how long nothing happens by itself, in seconds; None: for as long as nobody calls."""
        now = time.monotonic()
        moments = [self._pause_ends if self._pause_ends > 0 else math.inf]
        for child in self._children:
            moments.append(child.next_look(now))
            if not child.held and (idle := self._config.worker.idle_seconds):
                moments.append(child.rest_since + idle)
        first = min(moments)
        return None if first == math.inf else max(0.0, first - now)

    def _deal(self) -> None:
        """Hand waiting tasks to workers as long as they have room, starting or replacing one first."""
        while self._waiting and time.monotonic() >= self._pause_ends:
            task, future = self._waiting[0]
            try:
                child = self._worker_for(task)
            except WorkforceLost as error:
                self._pause()
                self._say(error)
                self._refuse_waiting(error)
                return
            if child is None:
                return
            self._waiting.popleft()
            try:
                child.give(task, future)
            except OSError:  # it just died; `bury` answers for this task too
                self._part(child)

    def _worker_for(self, task: Task) -> Child | None:
        """Find the worker that gets a task, or start one; None where it has to wait."""
        name = task.recipe.model
        model = self._models[name]
        fit = [child for child in self._children if child.model == model and child.has_room_for(task)]
        best = min(fit, key=lambda child: len(child.held), default=None)
        if best and (not best.held or len(self._children) == self.sizes.workers):
            return best
        if len(self._children) < self.sizes.workers:
            return self._begin(model, self._allowances[name])
        # one that is on its way out still has its memory: the next one begins when it is gone
        is_somebody_leaving = any(child.process.is_leaving for child in self._children)
        idle = next((child for child in self._children if not child.held), None)
        if idle and not is_somebody_leaving:
            self._part(idle)
        return None

    def _begin(self, model: Model, allowance: Allowance) -> Child:
        if sentence := self.sizes.check(model):
            log.warning("%s", sentence)
        child = Child.start(model, self._config, self.sizes, allowance, nice=self._nice)
        self._children.append(child)
        self._selector.register(child.sock, selectors.EVENT_READ, child)
        return child

    def _listen(self, child: Child) -> None:
        if child.process.is_leaving:  # sent away earlier in this turn
            return
        was_ready = child.is_ready
        if not child.listen():
            self._part(child)
        if child.is_ready and not was_ready:
            self._judge_sandbox(child.sandbox)
        if child.trouble:
            self._pause()
            self._say(child.trouble)
            child.trouble = None
        elif child.has_finished and self.failed_starts:
            self.failed_starts, self.trouble = 0, ""

    def _judge_sandbox(self, sandbox: str) -> None:
        """Say once for each reason that decoders run with more rights than they need."""
        if sandbox not in ("closed", "off", self._open_sandbox):
            self._open_sandbox = sandbox
            log.warning(_("The worker's sandbox is not closed: %s."), sandbox)

    def _look_after(self) -> None:
        now = time.monotonic()
        worker = self._config.worker
        for child in list(self._children):
            child.look_after(now)
            if child.process.is_leaving:
                self._part(child)
                if child.process.is_over(now):
                    self._bury(child)
                continue
            if child.meter.has_grown or (worker.renew_after and child.photos >= worker.renew_after):
                child.is_retiring = True
            is_idle = worker.idle_seconds and now >= child.rest_since + worker.idle_seconds
            if not child.held and (child.is_retiring or is_idle):
                log.debug("worker %d is %s", child.process.pid, "renewed" if child.is_retiring else "idle")
                self._part(child)
        if 0 < self._pause_ends <= now:
            self._pause_ends = -math.inf
            self._on_room()

    def _pause(self) -> None:
        """Let some time pass before the next try to start a worker, longer each time."""
        self.failed_starts += 1
        with self._lock:
            self._pause_ends = time.monotonic() + min(_LONGEST_PAUSE_SECONDS, 2.0 ** (self.failed_starts - 1))

    def _say(self, error: WorkforceLost) -> None:
        if str(error) != self.trouble:
            log.error("%s %s", error, error.hint)
        self.trouble = str(error)

    def _part(self, child: Child, *, kill: bool = False) -> None:
        """Let a worker end, or see that it has; it is buried when its process is over. May be called again."""
        child.is_dismissed = child.is_dismissed or not (child.held or child.process.is_leaving)
        with contextlib.suppress(KeyError, ValueError):  # already done
            self._selector.unregister(child.sock)
        child.leave(kill=kill)

    def _bury(self, child: Child) -> None:
        self._children.remove(child)
        is_failed_start = not (child.is_proven or child.is_dismissed or self._is_killing)
        if is_failed_start:
            self._pause()  # before anybody hears of it and submits again
        lost = child.bury()
        if is_failed_start:
            self._say(lost)

    def _tell(self) -> None:
        """Leave a description of the workers for whoever asks, from any thread."""
        self.told = [
            {
                "pid": child.process.pid, "model": display(child.model.name), "provider": child.provider,
                "note": display(child.note), "sandbox": display(child.sandbox), "photos": child.photos,
                "memory_mb": child.meter.resident_bytes // 1_000_000,
            }
            for child in self._children
            if not child.process.is_leaving
        ]  # fmt: skip
