"""Following the daemon: what it last said, whether it is there, and what else the menu needs."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bgzero_daemon import client
from bgzero_daemon.core.errors import BgzeroError, NoDaemon
from bgzero_daemon.wire import snapshot as snapshots
from bgzero_daemon.wire.snapshot import Snapshot

_AGAIN_SECONDS = 0.5
MOST_FAILED = 8

Told = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Picture:
    """What the tray knows. `snapshot` is None while no daemon answers; `why` says what is wrong with one that does.

    `models` and `failed` are as the control socket tells of them.
    """

    snapshot: Snapshot | None = None
    why: str = ""
    models: Sequence[Told] = field(default=())
    failed: Sequence[Told] = field(default=())


class Feed:
    """A thread that listens. `on_change` is called from it with every new Picture, `picture` is the latest one."""

    def __init__(self, on_change: Callable[[Picture], None]) -> None:
        self._on_change = on_change
        self.picture = Picture()
        self._thread = threading.Thread(target=self._live, name="tray-feed", daemon=True)
        self._again = threading.Event()

    def start(self) -> None:
        """Begin to listen; it ends with the process."""
        self._thread.start()

    def look_again(self) -> None:
        """Try at once, where no daemon answered a moment ago. From any thread."""
        self._again.set()

    def reload_models(self) -> None:
        """Ask anew which models there are. From any thread; waits for the answer."""
        self._show(replace(self.picture, models=_asked("models", "models")))

    def _live(self) -> None:
        while True:
            why = ""
            try:
                self._listen()
            except (BgzeroError, ValueError) as error:
                why = "" if isinstance(error, NoDaemon) else str(error)
            except OSError:
                pass
            if self.picture.snapshot or self.picture.why != why:
                self._show(Picture(why=why, models=self.picture.models))
            self._again.wait(_AGAIN_SECONDS)
            self._again.clear()

    def _listen(self) -> None:
        is_first = True
        for told in client.watch():
            now, former = snapshots.read(told), self.picture.snapshot
            picture = replace(self.picture, snapshot=now, why="")
            if is_first or former is None or former.failed != now.failed:
                picture = replace(picture, failed=_asked("failed", "photos", limit=MOST_FAILED))
            if is_first or former is None or former.model != now.model:
                picture = replace(picture, models=_asked("models", "models"))
            is_first = False
            self._show(picture)

    def _show(self, picture: Picture) -> None:
        self.picture = picture
        self._on_change(picture)


def _asked(verb: str, key: str, **arguments: object) -> Sequence[Told]:
    """Return a list that the daemon has; nothing where it is of a version that has none."""
    try:
        found: Sequence[Told] = client.ask(verb, **arguments)[key]
        return found
    except NoDaemon:
        raise
    except (BgzeroError, KeyError):
        return ()
