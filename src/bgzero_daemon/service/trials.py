"""Plans for workers: the one in force, and one whose worker has to prove itself before it is."""

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field

from bgzero_daemon.catalog.card import Model
from bgzero_daemon.core.errors import WorkforceLost
from bgzero_daemon.core.texts import _
from bgzero_daemon.service import machine
from bgzero_daemon.service.child import Child
from bgzero_daemon.service.plan import Plan
from bgzero_daemon.settings.schema import Config


@dataclass(slots=True)
class Trial:
    """Whether a worker can be had by another plan. `future` ends when it has proved its model, or says why not."""

    plan: Plan
    name: str
    future: "Future[None]" = field(default_factory=Future)
    child: Child | None = None

    @property
    def has_room(self) -> bool:
        """Say whether the machine has memory for its model beside those that are loaded."""
        return machine.free_bytes() > self.plan.sizes.expected_bytes(self.plan.models[self.name])

    def end(self, error: Exception | None = None) -> None:
        """Say how it ended, once."""
        if self.future.done():
            return
        if error:
            self.future.set_exception(error)
        else:
            self.future.set_result(None)


class Trials:
    """`plan` is the one in force. `wish`, `adopt`, `abandon` and `learn` are called from the service's main thread,
    all others from the pool's.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._wanted: Trial | None = None
        self._trial: Trial | None = None

    def wish(self, config: Config, models: Mapping[str, Model], name: str, *, nice: int) -> "Future[None]":
        """Have a worker tried out. Raises ModelError for a model that needs more memory than it may have."""
        self._wanted = Trial(Plan.of(config, models, nice=nice, proofs=self.plan.proofs, former=self.plan.models), name)
        return self._wanted.future

    def adopt(self) -> None:
        """Put the plan that was wished for in force."""
        if self._wanted:
            self.plan, self._wanted = self._wanted.plan.knowing(self.plan.models), None

    def abandon(self) -> None:
        """Wish for nothing any more."""
        self._wanted = None

    def learn(self, name: str, model: Model) -> None:
        """Let recipes name one model more. Raises ModelError where it needs more memory than it may have."""
        self.plan.sizes.check(model)
        self.plan = self.plan.knowing({name: model})

    @property
    def child(self) -> Child | None:
        """The worker that is tried out."""
        return self._trial.child if self._trial else None

    def follow(self) -> Child | None:
        """Turn to what is wished for now. Returns the worker of a trial that is given up."""
        former, self._trial = self._trial, self._wanted
        if former is None or former is self._trial or former.plan.number == self.plan.number:
            return None
        former.end(WorkforceLost(_("Something else was asked for meanwhile.")))
        return former.child

    @property
    def pending(self) -> Trial | None:
        """The trial whose worker is not begun yet."""
        trial = self._trial
        return trial if trial and not (trial.child or trial.future.done()) else None

    def note_proof(self) -> None:
        """Say so where the worker has proved itself."""
        if self._trial and self._trial.child and self._trial.child.is_ready:
            self._trial.end()

    def fail(self, error: WorkforceLost) -> None:
        """The worker that was tried out is no more."""
        if self._trial:
            self._trial.end(error)
            self._trial.child = None
