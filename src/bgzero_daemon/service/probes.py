"""Looking after outboxes in trouble, each in its place's errand thread."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial

from bgzero_daemon.core.errors import OutputError
from bgzero_daemon.service.place import Place


class Probes:
    """Begins the probes that are due; `tell` takes a call back into the main thread, with the time."""

    def __init__(self, places: Sequence[Place], tell: Callable[[Callable[[float], None]], None]) -> None:
        self._places = {id(place.breaker): place for place in places}.values()
        self._tell = tell

    def next_due(self) -> float | None:
        """Return when the next outbox is to be probed, in seconds of a monotonic clock."""
        breakers = [place.breaker for place in self._places]
        return min((breaker.due for breaker in breakers if breaker.is_open and not breaker.is_probing), default=None)

    def begin(self, now: float) -> None:
        """Begin every probe that is due."""
        for place in self._places:
            breaker = place.breaker
            if breaker.is_open and not breaker.is_probing and breaker.due <= now:
                breaker.is_probing = True
                place.errands.submit(place.outbox.probe).add_done_callback(partial(self._on_answer, place))

    def _on_answer(self, place: Place, done: "Future[None]") -> None:
        self._tell(partial(_judge, place, done))


def _judge(place: Place, done: "Future[None]", now: float) -> None:
    try:
        done.result()
    except OutputError as error:
        place.breaker.fail(str(error), now)
    else:
        place.breaker.close()
