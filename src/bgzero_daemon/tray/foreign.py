"""pystray's own back-ends, made to behave: told of changes only where there are some, and on the right thread.

They build a menu anew at every change, so it is built once a second at most, and not at all while it says the same.
"""

import importlib
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from bgzero_daemon.tray.entries import PystrayItem, PystrayMenu
from bgzero_daemon.tray.notices import Notice

_LEAST_SECONDS = 1.0


def _tamed(way: str) -> type[Any]:
    """Return the Icon of one of pystray's back-ends, that lets the process end where it cannot be shown.

    pystray's own waits for ever in the thread that is to set it up.
    """
    original: type[Any] = importlib.import_module(f"pystray._{way}").Icon

    class Tamed(original):  # type: ignore[misc]  # a class of Any: pystray has no types
        def _start_setup(self, setup: Callable[[object], None]) -> None:
            def wait_and_begin() -> None:
                self._Icon__queue.get()
                setup(self)

            self._setup_thread = threading.Thread(target=wait_and_begin, daemon=True)
            self._setup_thread.start()

    return Tamed


class ForeignIcon:
    """An icon of the back-end `way`. `picture` returns what differs where the picture does, and the PIL image."""

    def __init__(
        self, way: str, name: str, title: Callable[[], str], menu: PystrayMenu,
        picture: Callable[[], tuple[object, object]],
    ) -> None:  # fmt: skip
        self._way, self._title, self._menu, self._picture = way, title, menu, picture
        self._drawn, image = picture()
        self._icon = _tamed(way)(name, image, title(), menu)
        self._said = ""
        self._wanted = threading.Event()

    def run(self, setup: Callable[[], None]) -> None:
        """Serve until `stop`; from the main thread."""

        def begin(_icon: object) -> None:
            self._icon.visible = True
            if self._way == "xorg":
                self._ask_for_clicks()
            threading.Thread(target=self._follow, name="tray-icon", daemon=True).start()
            setup()

        self._icon.run(begin)

    def _follow(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            self._marshal(self._update)
            time.sleep(_LEAST_SECONDS)

    def _ask_for_clicks(self) -> None:
        """Have the X server tell of clicks: pystray forgets to."""
        constants = importlib.import_module("Xlib.X")
        window = self._icon._window  # noqa: SLF001 - there is no other way to it
        mask = window.get_attributes().your_event_mask | constants.ButtonPressMask
        window.change_attributes(event_mask=mask)
        self._icon._display.flush()  # noqa: SLF001

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
        """End `run`. From any thread."""
        self._marshal(self._icon.stop)

    def say(self, notice: Notice) -> None:
        """Show a notice, where this back-end can."""
        if self._icon.HAS_NOTIFICATION:
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
