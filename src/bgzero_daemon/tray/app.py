"""`bgzero tray`: an icon that says how the daemon is, and a menu to steer it by. A process of its own."""

import argparse
import fcntl
import logging
import os
import signal
import threading
from types import FrameType
from typing import Protocol

from bgzero_daemon import client
from bgzero_daemon.core import paths
from bgzero_daemon.core.errors import AlreadyRunning, BgzeroError, Exit, NoDaemon
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _
from bgzero_daemon.tray import backends, icons, notices
from bgzero_daemon.tray.backends import Way
from bgzero_daemon.tray.deeds import Deeds
from bgzero_daemon.tray.entries import Menu
from bgzero_daemon.tray.feed import Feed, Picture
from bgzero_daemon.tray.icons import State
from bgzero_daemon.tray.menu import TrayMenu, headline
from bgzero_daemon.tray.notices import Notice, Notices

log = logging.getLogger(__name__)

NAME = "bgzero"
_LOCK = "tray.lock"
_GREETED = "greeted"
_LARGE = 64  # pixels, for panels that take one picture and scale it


class Shown(Protocol):
    """An icon in a panel, whatever draws it."""

    def refresh(self) -> None:
        """Look at title, picture and menu anew, soon. From any thread."""

    def stop(self) -> None:
        """End. From any thread."""

    def say(self, notice: Notice) -> None:
        """Show a notice, where that is possible. From any thread."""


class Tray:
    """Holds the parts together: what the daemon says, the icon, the menu, the notices.

    `starts`: a daemon is started where none answers.
    """

    def __init__(self, way: Way, *, starts: bool) -> None:
        self._way, self._starts = way, starts
        self._feed = Feed(self._on_picture)
        self._deeds = Deeds(self._tell, self._feed.look_again, self._feed.reload_models, self._refresh, self.stop)
        self._menu = TrayMenu(self._deeds)
        self._notices = Notices(self._deeds.answer_card)
        self._news = threading.Event()
        self._burst_from = -1
        self._icon: Shown | None = None
        self._is_over = False

    @property
    def _picture(self) -> Picture:
        return self._feed.picture

    def run(self) -> None:
        """Show the icon until somebody closes it. Raises BgzeroError where it cannot be shown any more."""
        try:
            self._run()
        finally:
            self._feed.stop()

    def _run(self) -> None:
        menu = Menu(lambda: self._menu.entries(self._picture))
        if self._way.name == "sni":
            from bgzero_daemon.tray.sni import Icon

            icon = Icon(
                NAME, menu=menu, title=lambda: headline(self._picture), draw=self._argb, on_open=self._deeds.open
            )
            self._icon = icon
            if not self._is_over:
                icon.run(lambda _icon: self._begin())
        else:
            from bgzero_daemon.tray.foreign import ForeignIcon

            foreign = ForeignIcon(
                self._way.name, NAME, lambda: headline(self._picture), menu, self._image, self._deeds.open
            )
            self._icon = foreign
            if not self._is_over:
                foreign.run(self._begin)

    def _begin(self) -> None:
        self._feed.start()
        threading.Thread(target=self._speak, name="tray-notices", daemon=True).start()
        if self._starts:
            threading.Thread(target=self._start, name="tray-start", daemon=True).start()

    def _start(self) -> None:
        """Start the daemon where none answers."""
        try:
            client.ask("hello")
        except NoDaemon:
            self._deeds.start()
        except BgzeroError as error:
            log.warning("%s", error)

    def stop(self) -> None:
        """End `run`. From any thread, and from a signal, also before it has begun."""
        self._is_over = True
        if self._icon:
            self._icon.stop()

    def _refresh(self) -> None:
        if self._icon:
            self._icon.refresh()

    def _on_picture(self, picture: Picture) -> None:
        snapshot = picture.snapshot
        if snapshot is None or not (snapshot.waiting + snapshot.running):
            self._burst_from = snapshot.done if snapshot else -1
        self._refresh()
        self._news.set()

    def _look(self) -> tuple[State, float]:
        """Return what the icon shows: a state, and how much of the present burst is done."""
        snapshot = self._picture.snapshot
        if snapshot is None:
            return (State.ERROR if self._picture.why else State.OFFLINE), 0.0
        if snapshot.state == "trouble":
            return State.ERROR, 0.0
        if snapshot.paused:
            return State.PAUSED, 0.0
        if snapshot.state in ("working", "switching"):
            done = max(0, snapshot.done - self._burst_from) if self._burst_from >= 0 else 0
            left = snapshot.waiting + snapshot.running
            return State.WORKING, done / (done + left) if left else 0.0
        return (State.ATTENTION if snapshot.failed else State.WATCHING), 0.0

    def _argb(self, size: int) -> bytes:
        state, progress = self._look()
        return icons.argb(state, size, progress)

    def _image(self) -> tuple[object, object]:
        state, progress = self._look()
        image = icons.draw(state, _LARGE, progress)
        return (state, round(progress * 16)), image

    def _tell(self, title: str, text: str) -> None:
        """Tell the user what came of a click."""
        if self._icon:
            self._icon.say(Notice(title, text))

    def _speak(self) -> None:
        """Say what is worth it, as pictures come, and once more when a burst has been over for a moment."""
        wait: float | None = None
        while True:
            self._news.wait(wait)
            self._news.clear()
            picture, now = self._picture, notices.now()
            for notice in [*self._greeting(picture), *self._notices.look(picture, now)]:
                if self._icon:
                    self._icon.say(notice)
            wait = self._notices.next_look(notices.now())

    def _greeting(self, picture: Picture) -> list[Notice]:
        """Return the first notice of all, once in an account's life."""
        snapshot, folder = picture.snapshot, paths.state_dir()
        if snapshot is None or folder is None or os.path.exists(folder / _GREETED):
            return []
        try:
            paths.make_private(folder)
            (folder / _GREETED).touch()
        except OSError:
            return []
        is_new = not (snapshot.done or snapshot.failed or snapshot.skipped or snapshot.waiting)
        return [notices.greeting(snapshot)] if is_new else []


def run(arguments: argparse.Namespace) -> int:
    """Show the icon until it is closed."""
    backends.hush()
    way = Way(arguments.backend, _("You asked for it.")) if arguments.backend else backends.choose(os.environ)
    lock = _lock()
    tray = Tray(way, starts=arguments.start)

    def leave(_number: int, _frame: FrameType | None) -> None:
        tray.stop()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if number == signal.SIGTERM or signal.getsignal(number) is not signal.SIG_IGN:  # as `nohup` wants it
            signal.signal(number, leave)
    log.info("%s (%s)", way.why, way.name)
    try:
        tray.run()
    except BgzeroError:
        raise
    except Exception as error:
        log.debug("the icon failed", exc_info=True)
        raise backends.NoTray(
            _("The icon cannot be shown ({name}: {why}).").format(name=way.name, why=error),
            hint=_("The daemon goes on without it."),
        ) from error
    finally:
        os.close(lock)
    return Exit.OK


def _lock() -> int:
    """Be the only icon of this account. Returns the descriptor that holds the lock.

    Raises AlreadyRunning, and BgzeroError where there is no place for a lock.
    """
    folder = paths.runtime_dir()
    if folder is None:
        raise BgzeroError(_("This account has no place for a daemon's socket."))
    try:
        paths.make_private(folder)
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise AlreadyRunning(_("The icon is in the panel already.")) from None
    except OSError as error:
        raise BgzeroError(
            _("Nothing can be written into {folder}: {why}.").format(folder=display(folder), why=error.strerror)
        ) from error
    return descriptor
