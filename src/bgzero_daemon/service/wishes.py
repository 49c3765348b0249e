"""Changes that were asked for, one after another: none is lost, and everybody gets an answer."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from bgzero_daemon.core.errors import BgzeroError
from bgzero_daemon.core.texts import _
from bgzero_daemon.service.change import Change
from bgzero_daemon.service.replies import Reply


@dataclass(slots=True)
class _Wish:
    kind: str
    begin: Callable[[], Change]
    reply: "Future[Reply]" = field(default_factory=Future)
    former: "_Wish | None" = None  # which it takes along

    def end(self, answer: Reply | BgzeroError) -> None:
        if isinstance(answer, BgzeroError):
            self.reply.set_exception(answer)
        else:
            self.reply.set_result(answer)
        if self.former:
            self.former.end(answer)


class Wishes:
    """Main thread only. A later wish of the same kind takes the place of one that is not under way yet.

    Under way is a change whose folders and models were found: it is seen through.
    """

    def __init__(self) -> None:
        self._waiting: deque[_Wish] = deque()
        self._wish: _Wish | None = None
        self._change: Change | None = None

    def add(self, kind: str, begin: Callable[[], Change]) -> "Future[Reply]":
        """Ask for a change; `begin` makes it once its turn has come, and may raise BgzeroError.

        All who ask for a reload want what the file says now: who asks while one waits gets the answer of that one, and
        one whose place is taken is answered with the later one.
        """
        later = BgzeroError(_("Something else was asked for meanwhile."))
        for former in [wish for wish in self._waiting if wish.kind == kind]:
            if kind == "reload":
                return former.reply
            self._waiting.remove(former)
            former.end(later)
        wish = _Wish(kind, begin)
        if self._wish and self._wish.kind == kind and not (self._change and self._change.holds_back):
            if kind == "reload":
                wish.former, self._wish, self._change = self._wish, None, None
            else:
                self.end(later)
        self._waiting.append(wish)
        return wish.reply

    @property
    def current(self) -> Change | None:
        """The change that is under way; the next one is begun where none is."""
        while self._change is None and self._waiting:
            self._wish = self._waiting.popleft()
            try:
                self._change = self._wish.begin()
                self._change.begin()
            except BgzeroError as error:
                self.end(error)
        return self._change

    def end(self, answer: Reply | BgzeroError) -> None:
        """Tell whoever asked for the change that is under way how it ended."""
        wish, self._wish, self._change = self._wish, None, None
        if wish:
            wish.end(answer)

    def give_up(self, error: BgzeroError) -> None:
        """Tell everybody that it comes to nothing."""
        self.end(error)
        while self._waiting:
            self._waiting.popleft().end(error)
