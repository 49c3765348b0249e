"""Opening weight files where the pool need not wait for it: what they lie on may take its time, or never answer."""

import logging
import math
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from bgzero_daemon.catalog import prepared
from bgzero_daemon.catalog.card import Model
from bgzero_daemon.core import paths
from bgzero_daemon.core.errors import WorkforceLost
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _

log = logging.getLogger(__name__)

_PATIENCE_SECONDS = 20.0
_PREPARED_PATIENCE_SECONDS = 10.0  # a gigabyte is read and hashed in that from an old disk


class Weights(NamedTuple):
    """A descriptor of a model's weights; of a graph that was prepared from them, if `prepared_sha256` names one."""

    descriptor: int
    prepared_sha256: str = ""

    @property
    def is_prepared(self) -> bool:
        """Say whether it is a graph that was prepared."""
        return bool(self.prepared_sha256)


class _Key(NamedTuple):
    """Which file, and for a prepared graph what it was made of: the card may change while its door hangs."""

    place: str
    card: str = ""


@dataclass(slots=True)
class _Door:
    """`opened` ends in None where there is nothing that can be used.

    `is_left`: it has been given up; `is_told`: `next_due` has said that it is due.
    """

    opened: "Future[Weights | None]"
    due: float
    is_left: bool = False
    is_told: bool = False


class Doors:
    """Called from the pool's thread alone; `ring` is called from others when a file is open.

    One that hangs is left to its thread, and no second thread tries the same file meanwhile. A prepared graph has a
    door of its own beside that of the weights, so that a cache which hangs takes none of their time.
    """

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._doors: dict[_Key, _Door] = {}
        self._graphs: dict[_Key, _Door] = {}

    def open(self, model: Model, *, may_be_prepared: bool = False) -> Weights | None:
        """Return a model's weights, whose descriptor is the caller's; None where they are not open yet: ask again.

        With `may_be_prepared` it is a graph that was prepared from them, where there is one, it is whole, and it
        answers in its time.

        Raises WorkforceLost where they cannot be had, or have not been for long.
        """
        if model.weights is None:
            raise WorkforceLost(_("The weights of {name} are not installed.").format(name=model.name))
        place, now = str(model.weights), time.monotonic()
        key, card = _Key(place), model.card
        graph_key = _Key(place, f"{card.sha256} {card.output.output}") if may_be_prepared else key
        self._let_go_of_graphs(graph_key)
        if may_be_prepared and key not in self._doors:
            graph = self._graphs.get(graph_key) or self._begin(
                self._graphs, graph_key, _PREPARED_PATIENCE_SECONDS, partial(_prepared, model)
            )
            if not _is_over(graph, now):
                return None
            if found := self._take_graph(model, graph_key):
                return found
        door = self._doors.get(key) or self._begin(self._doors, key, _PATIENCE_SECONDS, partial(_published, place))
        if not _is_over(door, now):
            return None
        if not door.opened.done():
            door.is_left = True
            raise WorkforceLost(
                _("The weights of {name} cannot be read: {file} does not answer.").format(
                    name=model.name, file=display(place)
                ),
                hint=_("Look at the mount that they lie on."),
            )
        del self._doors[key]
        try:
            return door.opened.result()
        except OSError as error:
            raise WorkforceLost(
                _("The weights of {name} cannot be read: {why}.").format(name=model.name, why=error.strerror)
            ) from error

    def _take_graph(self, model: Model, key: _Key) -> Weights | None:
        """Return the prepared graph; None where there is none that can be used, or it has not answered in time."""
        graph = self._graphs[key]
        if graph.opened.done():
            del self._graphs[key]
            return None if graph.opened.exception() else graph.opened.result()
        if not graph.is_left:
            graph.is_left = True
            log.warning(
                "%s",
                _(
                    "The prepared graph of {name} does not answer, and is passed over until it does. Look at the mount"
                    " that {folder} lies on."
                ).format(name=display(model.name), folder=display(paths.prepared_dir() or "")),
            )
        return None

    def _let_go_of_graphs(self, wanted: _Key) -> None:
        """Close what was opened for another card, or before the provider changed."""
        for key, graph in list(self._graphs.items()):
            if key.place == wanted.place and key != wanted and graph.opened.done():
                del self._graphs[key]
                _let_go(graph.opened)

    def _begin(self, doors: dict[_Key, _Door], key: _Key, seconds: float, find: Callable[[], Weights | None]) -> _Door:
        door = doors[key] = _Door(Future(), time.monotonic() + seconds)
        threading.Thread(target=partial(self._open, find, door, key.place), name="bgzero-weights", daemon=True).start()
        return door

    def _open(self, find: Callable[[], Weights | None], door: _Door, place: str) -> None:
        try:
            door.opened.set_result(find())
        except OSError as error:
            door.opened.set_exception(error)
        except Exception as error:  # a mistake of ours may cost this start, not all that follow
            log.exception("%s could not be opened", display(place))
            door.opened.set_exception(OSError(0, str(error)))
        self._ring()

    def next_due(self) -> float:
        """Return when somebody has waited long enough, infinity for never. What is due already is told once.

        Whoever has asked for it asks again then; else nobody wants it any more, and there is nothing to wake up for.
        """
        waiting = [door for door in self._all() if not (door.is_left or door.is_told or door.opened.done())]
        now = time.monotonic()
        for door in waiting:
            door.is_told = now >= door.due
        return min((door.due for door in waiting), default=math.inf)

    def close(self) -> None:
        """Let go of what nobody has taken."""
        for door in self._all():
            door.opened.add_done_callback(_let_go)

    def _all(self) -> list[_Door]:
        return [*self._doors.values(), *self._graphs.values()]


def _is_over(door: _Door, now: float) -> bool:
    """Say whether there is nothing more to wait for: it has answered, or its time is over."""
    return door.opened.done() or now >= door.due


def _published(place: str) -> Weights:
    return Weights(os.open(place, os.O_RDONLY | os.O_CLOEXEC))


def _prepared(model: Model) -> Weights | None:
    """Open the graph that was prepared from a model's weights; None where there is none that can be used."""
    try:
        found = prepared.open_graph(model.card)
    except prepared.NotPrepared as why:
        log.warning(
            "%s",
            _(
                "The prepared graph of {name} is passed over: {why}. `bgzero model prepare {name}` makes it anew."
            ).format(name=display(model.name), why=why),
        )
        return None
    if found is None:
        return None
    log.info("%s", _("{name} is loaded as it was prepared for the CPU.").format(name=display(model.name)))
    return Weights(found.descriptor, found.sha256)


def _let_go(opened: "Future[Weights | None]") -> None:
    if not opened.exception() and (found := opened.result()):
        os.close(found.descriptor)
