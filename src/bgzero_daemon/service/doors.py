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

from bgzero_daemon.catalog.card import Model
from bgzero_daemon.core.errors import WorkforceLost
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _

log = logging.getLogger(__name__)

_PATIENCE_SECONDS = 20.0


@dataclass(slots=True)
class _Door:
    opened: "Future[int]"
    due: float
    is_left: bool = False


class Doors:
    """Called from the pool's thread alone; `ring` is called from others when a file is open.

    One that hangs is left to its thread, and no second thread tries the same file meanwhile.
    """

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._doors: dict[str, _Door] = {}

    def open(self, model: Model) -> int | None:
        """Return a descriptor of a model's weights, which is the caller's; None where they are not open yet: ask again.

        Raises WorkforceLost where they cannot be had, or have not been for long.
        """
        if model.weights is None:
            raise WorkforceLost(_("The weights of {name} are not installed.").format(name=model.name))
        place, now = str(model.weights), time.monotonic()
        door = self._doors.get(place) or self._begin(place, now)
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
        try:
            return door.opened.result()
        except OSError as error:
            raise WorkforceLost(
                _("The weights of {name} cannot be read: {why}.").format(name=model.name, why=error.strerror)
            ) from error

    def _begin(self, place: str, now: float) -> _Door:
        door = self._doors[place] = _Door(Future(), now + _PATIENCE_SECONDS)
        threading.Thread(target=partial(self._open, place, door.opened), name="bgzero-weights", daemon=True).start()
        return door

    def _open(self, place: str, opened: "Future[int]") -> None:
        try:
            opened.set_result(os.open(place, os.O_RDONLY | os.O_CLOEXEC))
        except OSError as error:
            opened.set_exception(error)
        self._ring()

    def next_due(self) -> float:
        """Return when somebody has waited long enough, infinity for never."""
        waiting = (door.due for door in self._doors.values() if not (door.is_left or door.opened.done()))
        return min(waiting, default=math.inf)

    def close(self) -> None:
        """Let go of what nobody has taken."""
        for door in self._doors.values():
            door.opened.add_done_callback(_let_go)


def _let_go(opened: "Future[int]") -> None:
    if not opened.exception():
        os.close(opened.result())
