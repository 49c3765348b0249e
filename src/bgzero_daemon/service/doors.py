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
from bgzero_daemon.core.errors import WorkforceLost
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _

log = logging.getLogger(__name__)

_PATIENCE_SECONDS = 20.0


class Weights(NamedTuple):
    """A descriptor of a model's weights; of a graph that was prepared from them, if `prepared_sha256` names one."""

    descriptor: int
    prepared_sha256: str = ""


@dataclass(slots=True)
class _Door:
    opened: "Future[Weights]"
    may_be_prepared: bool
    due: float
    is_left: bool = False


class Doors:
    """Called from the pool's thread alone; `ring` is called from others when a file is open.

    One that hangs is left to its thread, and no second thread tries the same file meanwhile.
    """

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._doors: dict[str, _Door] = {}

    def open(self, model: Model, *, may_be_prepared: bool = False) -> Weights | None:
        """Return a model's weights, whose descriptor is the caller's; None where they are not open yet: ask again.

        With `may_be_prepared` it is a graph that was prepared from them, where there is one and it is whole.

        Raises WorkforceLost where they cannot be had, or have not been for long.
        """
        if model.weights is None:
            raise WorkforceLost(_("The weights of {name} are not installed.").format(name=model.name))
        place, now = str(model.weights), time.monotonic()
        door = self._doors.get(place) or self._begin(model, place, now, may_be_prepared=may_be_prepared)
        if not door.opened.done():
            if now < door.due:
                return None
            door.is_left = True
            raise WorkforceLost(
                _("The weights of {name} cannot be read: {file} does not answer.").format(
                    name=model.name, file=display(place)
                ),
                hint=_("Look at the mount that they lie on."),
            )
        del self._doors[place]
        if door.may_be_prepared and not may_be_prepared:  # the provider has changed meanwhile
            door.opened.add_done_callback(_let_go)
            self._begin(model, place, now, may_be_prepared=False)
            return None
        try:
            return door.opened.result()
        except OSError as error:
            raise WorkforceLost(
                _("The weights of {name} cannot be read: {why}.").format(name=model.name, why=error.strerror)
            ) from error

    def _begin(self, model: Model, place: str, now: float, *, may_be_prepared: bool) -> _Door:
        door = self._doors[place] = _Door(Future(), may_be_prepared, now + _PATIENCE_SECONDS)
        threading.Thread(target=partial(self._open, model, place, door), name="bgzero-weights", daemon=True).start()
        return door

    def _open(self, model: Model, place: str, door: _Door) -> None:
        try:
            found = _prepared(model) if door.may_be_prepared else None
            door.opened.set_result(found or Weights(os.open(place, os.O_RDONLY | os.O_CLOEXEC)))
        except OSError as error:
            door.opened.set_exception(error)
        except Exception as error:  # a mistake of ours may cost this start, not all that follow
            log.exception("%s could not be opened", display(place))
            door.opened.set_exception(OSError(0, str(error)))
        self._ring()

    def next_due(self) -> float:
        """Return when somebody has waited long enough, infinity for never."""
        waiting = (door.due for door in self._doors.values() if not (door.is_left or door.opened.done()))
        return min(waiting, default=math.inf)

    def close(self) -> None:
        """Let go of what nobody has taken."""
        for door in self._doors.values():
            door.opened.add_done_callback(_let_go)


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


def _let_go(opened: "Future[Weights]") -> None:
    if not opened.exception():
        os.close(opened.result().descriptor)
