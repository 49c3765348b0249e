"""Who gets the next task: somebody who has its model, a new worker, or nobody for now."""

from collections.abc import Sequence
from dataclasses import dataclass

from bgzero_daemon.core.job import Task
from bgzero_daemon.service.child import Child


@dataclass(frozen=True, slots=True)
class Deal:
    """Give it to `child`; or begin with a new worker; or send `idle` away first; or, where nothing is said, wait."""

    child: Child | None = None
    begins: bool = False
    idle: Child | None = None


def deal(task: Task, present: Sequence[Child], leaving: int, most: int, *, is_pausing: bool) -> Deal:
    """Decide about a task.

    `present` are the workers of the plan in force; `leaving` others are there as well, which end soon; there may be
    `most` in all. While the task's model `is_pausing`, no new one is begun.
    """
    fit = [child for child in present if child.name == task.recipe.model and child.has_room_for(task)]
    best = min(fit, key=lambda child: len(child.held), default=None)
    is_full = len(present) + leaving >= most
    if best and (not best.held or is_full or is_pausing):
        return Deal(child=best)
    if is_pausing:
        return Deal()
    if not is_full:
        return Deal(begins=True)
    # one that is on its way out still has its memory: the next one begins when it is gone
    is_somebody_leaving = bool(leaving) or any(child.process.is_leaving for child in present)
    return Deal(idle=None if is_somebody_leaving else next((child for child in present if not child.held), None))
