"""How workers are to be: a configuration, its models, and what follows from both."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from bgzero_daemon.catalog.card import Model
from bgzero_daemon.service.allowance import Allowance
from bgzero_daemon.service.backoff import Backoffs
from bgzero_daemon.service.mending import Mending
from bgzero_daemon.service.proofs import Proofs
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
    proofs: Proofs
    mendings: Mapping[str, Mending]
    number: int = field(default_factory=lambda: next(_numbers))

    @classmethod
    def of(
        cls,
        config: Config,
        models: Mapping[str, Model],
        *,
        nice: int,
        proofs: Proofs,
        former: Mapping[str, Model] | None = None,
    ) -> "Plan":
        """Plan for `models`, and keep `former` ones for photos that are on their way.

        Raises ModelError for a model that needs more memory than it may have.
        """
        sizes = Sizes.of(config)
        for model in models.values():
            sizes.check(model)
        return cls(config, {}, sizes, {}, Backoffs(()), nice, proofs, {}).knowing({**(former or {}), **models})

    def knowing(self, models: Mapping[str, Model]) -> "Plan":
        """Return the same plan with more models; what it knows already stays as it is."""
        more = {name: model for name, model in models.items() if name not in self.models}
        deadline = self.config.worker.deadline_seconds
        allowances = {name: Allowance(one.card.seconds, self.sizes.lanes, deadline) for name, one in more.items()}
        self.backoffs.know(more)
        mendings = {name: Mending() for name in more}
        return replace(
            self,
            mendings={**self.mendings, **mendings},
            models={**self.models, **more},
            allowances={**self.allowances, **allowances},
        )
