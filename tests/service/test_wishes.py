"""Changes that are asked for while others are under way."""

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from bgzero_daemon.catalog.card import Model
from bgzero_daemon.core.errors import BgzeroError
from bgzero_daemon.service.change import Change
from bgzero_daemon.service.wishes import Wishes
from bgzero_daemon.settings.load import Loaded
from bgzero_daemon.settings.schema import Config, Folder
from bgzero_daemon.settings.state import State


@pytest.fixture
def go() -> Iterator[threading.Event]:
    """What all folders and models wait for that are looked at."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    """A configuration of one folder."""
    return Loaded(Config(folder=(Folder(inbox=tmp_path / "in", outbox=tmp_path / "out"),)), None)


def slow(loaded: Loaded, go: threading.Event) -> Change:
    """A change whose folders lie on what does not answer yet."""

    class Slow(Change):
        def _check(self) -> Mapping[str, Model]:
            go.wait(60)
            return {}

    return Slow(loaded, loaded, State(), loaded, 0.0, lambda: None)


def test_reload_that_is_under_way_is_answered_with_the_one_that_takes_its_place(
    loaded: Loaded, go: threading.Event
) -> None:
    """Whoever asked for it, or had it begin by a change of the file, wants what the file says now."""
    wishes = Wishes()
    replies = []
    for _time in range(3):
        replies.append(wishes.add("reload", lambda: slow(loaded, go)))
        assert wishes.current
    assert not any(reply.done() for reply in replies)
    wishes.end({"changed": []})
    assert [reply.result(0) for reply in replies] == [{"changed": []}] * 3


def test_reload_that_takes_anothers_place_in_vain_says_so_to_both(loaded: Loaded, go: threading.Event) -> None:
    """One mistake, two who hear of it."""
    wishes = Wishes()
    replies = []
    for _time in range(2):
        replies.append(wishes.add("reload", lambda: slow(loaded, go)))
        assert wishes.current
    wishes.give_up(BgzeroError("It ends."))
    assert [str(reply.exception(0)) for reply in replies] == ["It ends."] * 2


def test_choice_that_is_under_way_gives_way_to_a_later_one(loaded: Loaded, go: threading.Event) -> None:
    """Another model is another wish: who asked for the former one hears that it came to nothing."""
    wishes = Wishes()
    former = wishes.add("model", lambda: slow(loaded, go))
    assert wishes.current
    later = wishes.add("model", lambda: slow(loaded, go))
    assert "meanwhile" in str(former.exception(0))
    assert wishes.current
    wishes.end({})
    assert later.result(0) == {}
