"""Who gets the next task, where more models are wanted than workers may be there."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import cast

import pytest

from bgzero_daemon.core.job import Task
from bgzero_daemon.core.recipe import Recipe
from bgzero_daemon.service.child import Child
from bgzero_daemon.service.dealing import Deal, deal


@dataclass
class Present:
    """As much of a worker as is looked at."""

    name: str
    held: list[int] = field(default_factory=list)
    is_leaving: bool = False

    @property
    def process(self) -> SimpleNamespace:
        """Its process."""
        return SimpleNamespace(is_leaving=self.is_leaving)

    def has_room_for(self, _task: Task) -> bool:
        """Say that one photo more fits."""
        return not self.is_leaving


def dealt(*present: Present, leaving: int = 0, most: int = 1) -> Deal:
    """Who gets a photo for the model "wanted"."""
    task = Task("1", "a", Recipe("wanted"), 0, 0)
    return deal(task, cast("list[Child]", present), leaving, most, is_pausing=False)


def test_other_model_goes_before_the_wanted_one_comes() -> None:
    """One at a time: who rests is sent away; what is on its way out still has its memory, and is waited for."""
    other = Present("other")
    assert dealt(other).idle is cast("Child", other)
    assert dealt(Present("other", is_leaving=True)) == Deal()
    assert dealt(Present("other"), Present("another", is_leaving=True), most=2) == Deal()
    assert dealt(Present("other"), leaving=1, most=2) == Deal()
    assert dealt(leaving=1) == Deal()
    assert dealt().begins


@pytest.mark.parametrize("held", [0, 1])
def test_model_that_is_loaded_is_not_loaded_again(held: int) -> None:
    """One session a model, where there may be one worker."""
    wanted = Present("wanted", held=[0] * held)
    assert dealt(wanted) == Deal(child=cast("Child", wanted))
