"""pystray's own back-ends, told of changes only where there are some, and on the right thread.

They build a menu anew at every change, so it is built once a second at most, and not at all while it says the same.
"""

import importlib
import logging
import sys
import threading
import time
from collections.abc import Callable

from bgzero_daemon.core.texts import _
from bgzero_daemon.tray.backends import NoTray
from bgzero_daemon.tray.entries import PystrayItem, PystrayMenu
from bgzero_daemon.tray.herald import Herald
from bgzero_daemon.tray.notices import Notice
from bgzero_daemon.tray.tamed import tamed

log = logging.getLogger(__name__)

_LEAST_SECONDS = 1.0


class ForeignIcon:
    """An icon of the back-end `way`. `picture` returns what differs where the picture does, and the PIL image.

    `on_open` is called with what a clicked notice opens.
    """

    def __init__(
        self, way: str, name: str, title: Callable[[], str], menu: PystrayMenu,
        picture: Callable[[], tuple[object, object]], on_open: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._title, self._menu, self._picture = title, menu, picture
        self._drawn, image = picture()
        self._icon = tamed(way, self._act)(name, image, title(), menu)
        self._said = ""
        self._wanted, self._over = threading.Event(), threading.Event()
        self._herald = None if way == "darwin" else Herald(lambda path: self._act(lambda: on_open(path)))

    def run(self, setup: Callable[[], None]) -> None:
        """Serve until `stop`; from the main thread. Raises NoTray when the display goes away."""

        def begin(_icon: object) -> None:
            self._icon.visible = True
            threading.Thread(target=self._follow, name="tray-icon", daemon=True).start()
            setup()
            if self._over.is_set():  # asked to end before there was an icon that hears of it
                self._marshal(self._icon.stop)

        self._icon.run(begin)
        if not self._over.is_set():
            raise NoTray(_("The display went away."))

    def _follow(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            self._marshal(self._update)
            time.sleep(_LEAST_SECONDS)

    def _act(self, action: Callable[[], object]) -> None:
        def run() -> None:
            try:
                action()
            except Exception:
                log.exception("an action of the menu failed")
            self.refresh()

        threading.Thread(target=run, name="tray-action", daemon=True).start()  # a download takes minutes

    def refresh(self) -> None:
        """Look at title, picture and menu anew, soon. From any thread."""
        self._wanted.set()

    def _update(self) -> None:
        self._icon.title = self._title()
        drawn, image = self._picture()
        if drawn != self._drawn:
            self._drawn = drawn
            self._icon.icon = image
        if (said := _said(self._menu)) != self._said:
            self._said = said
            self._icon.update_menu()

    def _marshal(self, call: Callable[[], None]) -> None:
        """Call it where AppKit wants to be called; elsewhere pystray marshals by itself."""
        if sys.platform == "darwin":
            importlib.import_module("PyObjCTools.AppHelper").callAfter(call)
        else:
            call()

    def stop(self) -> None:
        """End `run`. From any thread, and from a signal: pystray waits here for the thread that draws."""
        self._over.set()
        threading.Thread(target=lambda: self._marshal(self._icon.stop), name="tray-stop", daemon=True).start()

    def say(self, notice: Notice) -> None:
        """Show a notice, where that is possible. From any thread."""
        if self._herald:
            self._herald.say(notice)
        else:
            self._marshal(lambda: self._icon.notify(notice.text or " ", notice.title))


def _said(menu: PystrayMenu) -> str:
    """Return everything that a menu says, to see whether it says something else."""

    def lines(items: PystrayMenu, depth: int) -> list[str]:
        found = []
        for item in items:
            found.append(_line(item, depth))
            if item.submenu:
                found += lines(item.submenu, depth + 1)
        return found

    return "\n".join(lines(menu, 0))


def _line(item: PystrayItem, depth: int) -> str:
    return f"{depth} {item.text} {item.checked} {item.enabled} {item.radio}"
