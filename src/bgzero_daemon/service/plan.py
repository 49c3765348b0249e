"""How workers are to be: a configuration, its models, and what follows from both."""

import itertools
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from bgzero_daemon.catalog.card import Model
from bgzero_daemon.service import machine
from bgzero_daemon.service.allowance import Allowance
from bgzero_daemon.service.backoff import Backoffs
from bgzero_daemon.service.child import Child
from bgzero_daemon.service.sizes import Sizes
from bgzero_daemon.settings.schema import Config

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Plan:
    """What the pool starts workers by. `models` holds every model that a recipe may name."""

    config: Config
    models: Mapping[str, Model]
    sizes: Sizes
    allowances: Mapping[str, Allowance]
    backoffs: Backoffs
    nice: int
    number: int = field(default_factory=lambda: next(_numbers))

    @classmethod
    def of(
        cls, config: Config, models: Mapping[str, Model], *, nice: int, former: Mapping[str, Model] | None = None
    ) -> "Plan":
        """Plan for `models`, and keep `former` ones for photos that are on their way.

        Raises ModelError for a model that needs more memory than it may have.
        """
        sizes = Sizes.of(config)
        for model in models.values():
            sizes.check(model)
        return cls(config, {}, sizes, {}, Backoffs(()), nice).knowing({**(former or {}), **models})

    def knowing(self, models: Mapping[str, Model]) -> "Plan":
        """Return the same plan with more models; what it knows already stays as it is."""
        more = {name: model for name, model in models.items() if name not in self.models}
        deadline = self.config.worker.deadline_seconds
        allowances = {name: Allowance(one.card.seconds, self.sizes.lanes, deadline) for name, one in more.items()}
        self.backoffs.know(more)
        return replace(self, models={**self.models, **more}, allowances={**self.allowances, **allowances})


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
