"""pystray's own back-ends, made to behave like ours: told of changes only where there are some, and on the right thread.

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


class ForeignIcon:
    """An icon of the back-end `way`. `picture` returns a PIL image and something that differs where the image does."""

    def __init__(
        self, way: str, name: str, title: Callable[[], str], menu: PystrayMenu, picture: Callable[[], tuple[object, Any]]
    ) -> None:  # fmt: skip
        module = importlib.import_module(f"pystray._{way}")
        self._way, self._title, self._menu, self._picture = way, title, menu, picture
        self._drawn, image = picture()
        self._icon = module.Icon(name, image, title(), menu)
        self._said = ""
        self._wanted = threading.Event()

    def run(self, setup: Callable[[], None]) -> None:
        """Serve until `stop`; from the main thread."""

        def begin(icon: Any) -> None:
            icon.visible = True
            if self._way == "xorg":
                self._ask_for_clicks()
            setup()
            while True:
                self._wanted.wait()
                self._wanted.clear()
                self._marshal(self._update)
                time.sleep(_LEAST_SECONDS)

        # pystray waits for its own setup thread before it ends, and for ever where `run` fails
        self._icon._start_setup = lambda _setup: threading.Thread(target=self._begin, args=(begin,), daemon=True).start()  # noqa: SLF001
        self._ready = threading.Event()
        former = self._icon._mark_ready  # noqa: SLF001

        def mark_ready() -> None:
            former()
            self._ready.set()

        self._icon._mark_ready = mark_ready  # noqa: SLF001
        self._icon._setup_thread = threading.current_thread()  # noqa: SLF001
        self._icon.run()

    def _begin(self, begin: Callable[[Any], None]) -> None:
        self._ready.wait()
        begin(self._icon)

    def _ask_for_clicks(self) -> None:
        """Have the X server tell of clicks: pystray forgets to."""
        constants = importlib.import_module("Xlib.X")
        window = self._icon._window  # noqa: SLF001
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
