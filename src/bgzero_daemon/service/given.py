"""A task that was given to a worker, and how far the worker is with it."""

import math
from concurrent.futures import Future
from dataclasses import dataclass

from bgzero_daemon.core.job import Staged, Task
from bgzero_daemon.wire import work


@dataclass(slots=True)
class Given:
    """`sha256` is what the worker says of the source, `due` when it has to be done with this step."""

    task: Task
    future: "Future[Staged]"
    has_begun: bool = False
    sha256: str = ""
    due: float = math.inf

    @property
    def order(self) -> work.Cut:
        """What the worker is told of it."""
        task, recipe = self.task, self.task.recipe
        return work.Cut(
            job=task.job, name=task.name, metadata=recipe.metadata, product=recipe.product, png=recipe.png,
            edges=recipe.edges, depth=recipe.depth,
        )  # fmt: skip

    @property
    def step(self) -> str:
        """Return what the worker does with it, in a word."""
        return "cutting" if self.sha256 else "reading" if self.has_begun else "waiting"
