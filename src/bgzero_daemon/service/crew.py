"""The workers that are there, from their beginning to their end."""

import contextlib
import logging
import selectors
import time
from collections.abc import Callable
from functools import partial

from bgzero_daemon.catalog.runtime import runs_on_cpu
from bgzero_daemon.core import crash
from bgzero_daemon.core.errors import WorkforceLost
from bgzero_daemon.core.texts import _
from bgzero_daemon.service.child import Child
from bgzero_daemon.service.doors import Doors
from bgzero_daemon.service.plan import Plan
from bgzero_daemon.service.trials import Trials
from bgzero_daemon.settings.schema import Config

log = logging.getLogger(__name__)


class Crew:
    """Called from the pool's thread; `told` and `served` are read from any.

    `told` describes each worker, `served` names the models that photos may be given to. `on_failed_start` is told of
    a model and why no worker came to be; `on_change` that `told` says something new.
    """

    def __init__(
        self, selector: selectors.BaseSelector, trials: Trials, doors: Doors, *,
        on_failed_start: Callable[[str, WorkforceLost], None], on_change: Callable[[], None],
    ) -> None:  # fmt: skip
        self._selector, self._trials, self._doors = selector, trials, doors
        self._on_failed_start, self._on_change = on_failed_start, on_change
        self.children: list[Child] = []
        self.served: frozenset[str] = frozenset()
        self.told: list[dict[str, object]] = []
        self._said: set[str] = set()

    def begin(self, name: str, plan: Plan) -> Child | None:
        """Start a worker; None where its weights are not open yet. Raises WorkforceLost where that is impossible."""
        model = plan.models[name]
        weights = self._doors.open(model, may_be_prepared=_may_be_prepared(plan.config))
        if weights is None:
            return None
        crash.point("begins-worker")
        self._warn(plan.sizes.check(model))
        child = Child.start(name, model, plan, weights)
        self.children.append(child)
        self._selector.register(child.sock, selectors.EVENT_READ, partial(self._listen, child))
        self._selector.register(child.murmur.pipe, selectors.EVENT_READ, partial(self._hear, child))
        return child

    def _listen(self, child: Child) -> None:
        if child.process.is_leaving:  # sent away earlier in this turn
            return
        was_ready = child.is_ready
        if not child.listen():
            self.part(child)
        if child.is_ready and not was_ready:
            if child.plan == self._trials.plan.number:
                self._trials.plan.backoffs[child.name].clear()
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

    def look_after(self) -> None:
        """Send away who hangs, has grown or has served, and bury who has ended."""
        now = time.monotonic()
        plan, trying = self._trials.plan, self._trials.child
        for child in list(self.children):
            child.is_retiring = child.is_retiring or (child.plan != plan.number and child is not trying)
            child.look_after(now)
            # who is tried out has nothing to do yet, which is no rest
            if child.process.is_leaving or (child is not trying and child.has_served(now, plan.config.worker)):
                self.part(child)
                if child.process.is_over(now):
                    self._bury(child)

    def part(self, child: Child, *, kill: bool = False) -> None:
        """Let a worker end, or see that it has; it is buried when its process is over. May be called again."""
        child.is_dismissed = child.is_dismissed or kill or not (child.held or child.process.is_leaving)
        for end in (child.sock, child.murmur.pipe):
            with contextlib.suppress(KeyError, ValueError):  # already done
                self._selector.unregister(end)
        child.leave(kill=kill)

    def _bury(self, child: Child) -> None:
        child.note_failed_proof()
        if child is self._trials.child:
            self._trials.fail(child.lost)
        elif not (child.is_proven or child.is_dismissed):
            self._on_failed_start(child.name, child.lost)  # before anybody hears of it and submits again
        child.bury()
        self.children.remove(child)

    def tell(self) -> None:
        """Leave a description of the workers for whoever asks, from any thread."""
        present = [child for child in self.children if not child.process.is_leaving]
        mine = [child for child in present if child.plan == self._trials.plan.number]
        self.served = frozenset(child.name for child in mine if child.is_ready and not child.is_retiring)
        former, self.told = (
            self.told,
            [child.description() | {"on_trial": child is self._trials.child} for child in present],
        )
        if [_news(one) for one in former] != [_news(one) for one in self.told]:
            self._on_change()


def _may_be_prepared(config: Config) -> bool:
    """Say whether workers may load a prepared graph: where the CPU is what they run on, and the card's word counts."""
    return not config.model.allow_unverified and runs_on_cpu(config.model.provider)


def _news(told: dict[str, object]) -> dict[str, object]:
    """Return what is worth telling somebody of a worker: its memory changes all the time."""
    return {key: value for key, value in told.items() if key != "memory_mb"}
