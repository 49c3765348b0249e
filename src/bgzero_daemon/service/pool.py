"""The local workforce: one worker process, started when there is work, started again when it dies.

One thread does everything that concerns workers: it spawns them, reads their sockets, and ends futures.
It lives as long as the pool.
"""

import contextlib
import logging
import os
import selectors
import threading
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future

from bgzero_daemon.catalog.card import Model
from bgzero_daemon.core.errors import WorkforceLost
from bgzero_daemon.core.job import Staged, Task
from bgzero_daemon.core.texts import _
from bgzero_daemon.service.child import Child, Sizes
from bgzero_daemon.settings.schema import Config

log = logging.getLogger(__name__)


class LocalWorkforce:
    """Cuts photos in a child process. Its futures end in Staged, or in WorkforceLost, PhotoCrashed or PhotoRefused.

    A task for another model than the one that is loaded waits until the worker is empty; then a new
    worker takes over. `models` holds every model that a recipe may name.
    """

    def __init__(self, config: Config, models: Mapping[str, Model]) -> None:
        self._config, self._models = config, models
        self._sizes = Sizes.of(config)
        self._waiting: deque[tuple[Task, Future[Staged]]] = deque()
        self._lock = threading.Lock()
        self._outstanding = 0
        self._is_closing = self._is_killing = False
        self._child: Child | None = None
        self._bell, self._ringer = os.pipe()
        os.set_blocking(self._ringer, False)
        self._thread = threading.Thread(target=self._live, name="bgzero-pool", daemon=True)
        self._thread.start()

    def places(self) -> int:
        """Return how many more tasks may be submitted now: one more than there are lanes, less those at work."""
        with self._lock:
            return max(0, self._sizes.lanes + 1 - self._outstanding)

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
        """End the worker. Without `kill` what was submitted is finished first."""
        self._is_closing, self._is_killing = True, kill
        self._ring()
        self._thread.join()
        os.close(self._bell)
        os.close(self._ringer)

    def _count_down(self, _future: "Future[Staged]") -> None:
        with self._lock:
            self._outstanding -= 1

    def _ring(self) -> None:
        with contextlib.suppress(BlockingIOError):  # a full pipe rings as well
            os.write(self._ringer, b"!")

    def _live(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._bell, selectors.EVENT_READ)
            while not self._is_over():
                try:
                    self._turn(selector)
                except Exception:  # a mistake of ours may cost this worker; the thread has to go on
                    log.exception("the worker is given up")
                    self._lose(selector)
                    self._refuse_waiting(_("The worker could not be used."))
            if self._child:
                self._child.end(kill=self._is_killing)
        self._refuse_waiting(_("The worker is being shut down."))

    def _refuse_waiting(self, sentence: str) -> None:
        while self._waiting:
            self._waiting.popleft()[1].set_exception(WorkforceLost(sentence))

    def _turn(self, selector: selectors.BaseSelector) -> None:
        self._deal(selector)
        for key, _events in selector.select():
            if key.fd == self._bell:
                os.read(self._bell, 4096)
            elif self._child and not self._child.listen():
                self._lose(selector)

    def _is_over(self) -> bool:
        idle = not self._waiting and not (self._child and self._child.held)
        return self._is_killing or (self._is_closing and idle)

    def _deal(self, selector: selectors.BaseSelector) -> None:
        """Hand waiting tasks to the worker as long as it has room, starting or changing it first."""
        while self._waiting:
            task, future = self._waiting[0]
            model = self._models[task.recipe.model]
            if self._child and self._child.model != model:
                if self._child.held:
                    return
                self._end(selector)
            if self._child and len(self._child.held) > self._sizes.lanes:
                return
            try:
                child = self._child or self._begin(model, selector)
            except WorkforceLost as error:
                self._waiting.popleft()
                future.set_exception(error)
                continue
            self._waiting.popleft()
            try:
                child.give(task, future)
            except OSError:  # it just died; `bury` answers for this task too
                self._lose(selector)

    def _begin(self, model: Model, selector: selectors.BaseSelector) -> Child:
        self._child = Child.start(model, self._config, self._sizes)
        selector.register(self._child.sock, selectors.EVENT_READ)
        return self._child

    def _lose(self, selector: selectors.BaseSelector) -> None:
        if self._child:
            selector.unregister(self._child.sock)
            self._child.bury()
            self._child = None

    def _end(self, selector: selectors.BaseSelector) -> None:
        if self._child:
            selector.unregister(self._child.sock)
            self._child.end()
            self._child = None
