"""Following the daemon: what it last said, whether it is there, and what else the menu needs."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bgzero_daemon import client
from bgzero_daemon.core.errors import BgzeroError, NoDaemon
from bgzero_daemon.core.texts import _
from bgzero_daemon.wire import snapshot as snapshots
from bgzero_daemon.wire.snapshot import Snapshot

log = logging.getLogger(__name__)

_AGAIN_SECONDS = 0.5  # after a daemon has gone; then longer and longer: nobody may come for days
_MOST_AGAIN_SECONDS = 1.9
_PATIENCE_SECONDS = 10.0
MOST_FAILED = 8
# What the menu reads of a list's entries. Whoever answers may be of another version.
_MODEL = {
    "name": str, "title": str, "good_for": str, "size_bytes": int | None, "licence": str, "commercial": str,
    "installed": bool, "accepted": bool, "can_be_pulled": bool,
}  # fmt: skip
_FAILED = {"path": str, "sentence": str}
_DOUBTFUL = {"path": str, "output": str, "look": str}

Told = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Picture:
    """What the tray knows. `snapshot` is None while no daemon answers; `why` says what is wrong with one that does.

    `models`, `failed` and `doubtful` (cut-outs that want a look) are as the control socket tells of them.
    """

    snapshot: Snapshot | None = None
    why: str = ""
    models: Sequence[Told] = field(default=())
    failed: Sequence[Told] = field(default=())
    doubtful: Sequence[Told] = field(default=())


class Feed:
    """Threads that listen. `on_change` is called from them with every new Picture, `picture` is the latest one.

    Lists are asked for apart: models may lie on a disk that takes its time, and the daemon is followed meanwhile.
    """

    def __init__(self, on_change: Callable[[Picture], None]) -> None:
        self._on_change = on_change
        self.picture = Picture()
        self._changing = threading.Lock()
        self._again = threading.Event()
        self._is_over = False
        self._pause = _AGAIN_SECONDS
        self._models = _List("models", "models", _MODEL, lambda models: self._show(models=models))
        self._failed = _List("failed", "photos", _FAILED, lambda failed: self._show(failed=failed), limit=MOST_FAILED)
        self._doubtful = _List(
            "review", "photos", _DOUBTFUL, lambda doubtful: self._show(doubtful=doubtful), limit=MOST_FAILED
        )

    def start(self) -> None:
        """Begin to listen, until `stop` or the end of the process."""
        for name, target in (
            ("feed", self._live), ("models", self._models.live), ("failed", self._failed.live),
            ("doubtful", self._doubtful.live),
        ):  # fmt: skip
            threading.Thread(target=target, name=f"tray-{name}", daemon=True).start()

    def stop(self) -> None:
        """Listen no more, and wait for nobody: what has been asked may still be answered."""
        self._is_over = True
        self._again.set()
        self._models.stop()
        self._failed.stop()
        self._doubtful.stop()

    def look_again(self) -> None:
        """Try at once, where no daemon answered a moment ago. From any thread."""
        self._again.set()

    def reload_models(self) -> None:
        """Ask anew which models there are, soon. From any thread."""
        self._models.wanted.set()

    def _live(self) -> None:
        while not self._is_over:
            why = ""
            try:
                self._listen()
            except NoDaemon:
                pass
            except BgzeroError as error:
                why = str(error)
            except ValueError as error:
                log.debug("%s", error)
                why = _("The daemon is of another version than this icon: restart both.")
            except OSError:
                pass
            if self.picture.snapshot or self.picture.why != why:
                self._show(snapshot=None, why=why, failed=(), doubtful=())
            self._again.wait(self._pause)
            self._again.clear()
            self._pause = min(self._pause * 1.5, _MOST_AGAIN_SECONDS)

    def _listen(self) -> None:
        former: Snapshot | None = None
        for told in client.watch(_PATIENCE_SECONDS):
            if self._is_over:
                return
            now = snapshots.read(told)
            self._pause = _AGAIN_SECONDS
            self._show(snapshot=now, why="")
            if former is None or former.failed != now.failed or (now.failed and former.latest != now.latest):
                self._failed.wanted.set()
            known = former.wanting_look if former else 0
            if known != now.wanting_look or (former and now.wanting_look and former.latest != now.latest):
                self._doubtful.wanted.set()
            if former is None or former.model != now.model:
                self._models.wanted.set()
            former = now

    def _show(self, **changes: object) -> None:
        with self._changing:
            self.picture = replace(self.picture, **changes)  # type: ignore[arg-type]
            self._on_change(self.picture)


class _List:
    """A list that the daemon has. Whenever it is `wanted`, it is asked for and goes to `show`; `live` does that."""

    def __init__(
        self, verb: str, key: str, form: Mapping[str, Any], show: Callable[[Sequence[Told]], None], **arguments: object
    ) -> None:
        self._verb, self._key, self._form, self._show, self._arguments = verb, key, form, show, arguments
        self.wanted = threading.Event()
        self._is_over = False

    def stop(self) -> None:
        self._is_over = True
        self.wanted.set()

    def live(self) -> None:
        while self.wanted.wait() and not self._is_over:
            self.wanted.clear()
            try:
                told = client.ask(self._verb, **self._arguments).get(self._key)
            except BgzeroError as error:  # gone meanwhile, or of a version that has no such list
                log.debug("%s: %s", self._verb, error)
                continue
            found = told if isinstance(told, list) else ()
            self._show([one for one in found if self._is_sound(one)])

    def _is_sound(self, one: object) -> bool:
        return isinstance(one, dict) and all(isinstance(one.get(key), kind) for key, kind in self._form.items())
