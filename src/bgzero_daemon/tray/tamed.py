"""pystray's own icons, with what they forget put right: each lets the process end, none does a click's work itself."""

import importlib
import logging
import os
import signal
import threading
from collections.abc import Callable
from typing import Any


def tamed(way: str, act: Callable[[Callable[[], object]], None]) -> type[Any]:
    """Return the Icon of the back-end `way`. `act` is given what a click does. Raises what the back-end raises."""
    if way in ("gtk", "appindicator"):
        os.environ["GDK_BACKEND"] = "x11"  # GTK prefers Wayland, where it can show no icon
    logging.getLogger("pystray").setLevel(logging.CRITICAL)  # it logs tracebacks where a panel has gone for a moment
    icon = _prompt(importlib.import_module(f"pystray._{way}").Icon, act)
    if way == "xorg":
        return importlib.import_module("bgzero_daemon.tray.xwindow").on_x11(icon)  # type: ignore[no-any-return]
    return {"gtk": _with_gtk, "appindicator": _without_its_notices}.get(way, lambda same: same)(icon)


def _prompt(original: type[Any], act: Callable[[Callable[[], object]], None]) -> type[Any]:
    """Every back-end: its setup may be left alone, and a click's work is not done in the thread that draws."""

    class Prompt(original):  # type: ignore[misc]  # a class of Any: pystray has no types
        def _start_setup(self, setup: Callable[[object], None]) -> None:
            def wait_and_begin() -> None:
                self._Icon__queue.get()
                setup(self)

            self._setup_thread = threading.Thread(target=wait_and_begin, daemon=True)
            self._setup_thread.start()

        def __call__(self) -> None:
            act(super().__call__)

        def _handler(self, callback: Callable[[object], object]) -> Callable[..., None]:
            return lambda *_event: act(lambda: callback(self))

        def __del__(self) -> None:
            """The process ends: nothing is left to hide, and the display may be gone."""

    return Prompt


def _without_its_notices(original: type[Any]) -> type[Any]:
    """GTK, both ways: needs no session bus, since somebody else shows notices; Ctrl-C is left to the program."""
    module = importlib.import_module("pystray._util.gtk")

    class Silent:
        def hide(self) -> None:
            """Nothing is shown."""

    class WithoutNotices(original):  # type: ignore[misc]
        def _initialize(self) -> None:
            former = signal.getsignal(signal.SIGINT)
            super()._initialize()
            signal.signal(signal.SIGINT, former)

    module.notify_dbus.Notifier = Silent
    return WithoutNotices


def _with_gtk(original: type[Any]) -> type[Any]:
    """GTK's icon: its menu is made when it is opened, so that it stays open while photos fly by; it has a tooltip."""
    glib = importlib.import_module("gi.repository.GLib")

    class WithGtk(_without_its_notices(original)):  # type: ignore[misc]
        def _update_menu(self) -> None:
            """It is made when it is opened."""

        def _on_status_icon_popup_menu(self, *event: object) -> None:
            self._menu_handle = self._create_menu(self.menu)
            super()._on_status_icon_popup_menu(*event)

        def _update_title(self) -> None:
            super()._update_title()
            glib.idle_add(self._status_icon.set_tooltip_text, self.title)

    return WithGtk
