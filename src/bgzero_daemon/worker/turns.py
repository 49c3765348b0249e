"""Who may be in the network: one photo with all threads, or several beside each other with a share of them each.

One alone is done soonest with all threads. Several beside each other are done sooner by a share each: threads that wait
for one another at every layer waste what they wait.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class Turns:
    """Hands out turns. Photos that would go beside others wait for one that is alone, and the other way round."""

    def __init__(self) -> None:
        self._change = Condition()
        self._in_work = 0
        self._beside = 0
        self._is_one_alone = False

    @contextmanager
    def work(self) -> Iterator[None]:
        """Count a photo that is in work, in the network or not."""
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    @property
    def is_crowded(self) -> bool:
        """Whether more than one photo is in work."""
        return self._in_work > 1

    def _count(self, change: int) -> None:
        with self._change:
            self._in_work += change

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until nobody is in the network, and be there."""
        with self._change:
            self._change.wait_for(lambda: not self._is_one_alone and not self._beside)
            self._is_one_alone = True
        try:
            yield
        finally:
            with self._change:
                self._is_one_alone = False
                self._change.notify_all()

    @contextmanager
    def beside(self, most: int) -> Iterator[None]:
        """Wait until fewer than `most` are in the network, none of them alone, and be there."""
        with self._change:
            self._change.wait_for(lambda: not self._is_one_alone and self._beside < most)
            self._beside += 1
        try:
            yield
        finally:
            with self._change:
                self._beside -= 1
                self._change.notify_all()
