"""pystray's icon on X11 without GTK. It forgets to ask for clicks, docks anew at every change, and loses its panel."""

import os
import select
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from threading import Timer
from typing import Any

from PIL import Image
from Xlib import X
from Xlib.error import CatchError, XError

_PIXEL_BITS = 24  # of a window that pictures can be mixed with; python-xlib draws no others
_CALM_SECONDS = 1.0  # from a panel's coming to asking it
_UNLIKELY, _UNLIKELY_RGB = 0xFD02FB, (0xFD, 0x02, 0xFB)


def on_x11(original: type[Any]) -> type[Any]:  # noqa: C901 - a class that is known only when it runs
    """Return pystray's class with that put right: a click is heard, and a panel that restarts shows the icon again."""

    class OnX11(original):  # type: ignore[misc]  # a class of Any: pystray has no types
        _title: str
        _icon_data: Image.Image | None
        _systray_manager: Any  # None where no panel has us

        def _create_window(self) -> Any:  # noqa: ANN401 - python-xlib's
            told, self._title = self._title, self.name  # python-xlib puts Latin-1 there only
            window = super()._create_window()
            self._title = told
            mask = X.ExposureMask | X.StructureNotifyMask | X.ButtonPressMask
            window.change_attributes(event_mask=mask)
            return window

        def _rewrite_implementation(self, *methods: Callable[[], None]) -> None:
            """Have them called in the thread of the loop: python-xlib locks itself up when several ask at once."""
            self._calls: SimpleQueue[Callable[[], None]] = SimpleQueue()
            self._asleep, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
            self._is_over = self._is_waiting = False
            for method in methods:
                setattr(self, method.__name__, partial(self._call_soon, method))

        def _call_soon(self, method: Callable[[], None]) -> None:
            self._calls.put(method)
            with suppress(BlockingIOError):  # enough is in it
                os.write(self._waker, b"!")

        def _mainloop(self) -> None:
            root, manager = self._display.screen().root, self._display.intern_atom("MANAGER")
            root.change_attributes(event_mask=X.StructureNotifyMask)  # a panel that comes tells the root window so

            def hear(event: Any) -> None:  # noqa: ANN401
                is_panel = event.client_type == manager and event.data[1][1] == self._net_system_tray_sx
                if is_panel:
                    self._dock_later()

            self._message_handlers |= {X.ClientMessage: hear, X.MapNotify: self._on_map}
            self._calls.put(self._name_window)
            while not self._is_over:
                with suppress(XError):  # of a window that is gone meanwhile
                    while self._display.pending_events():
                        event = self._display.next_event()
                        self._message_handlers.get(event.type, lambda _event: None)(event)
                    while not self._calls.empty():
                        self._calls.get()()
                    self._display.flush()
                    if not (self._is_over or self._display.pending_events()):
                        select.select([self._display, self._asleep], [], [])
                with suppress(BlockingIOError):
                    os.read(self._asleep, 4096)

        def _stop(self) -> None:
            self._is_over = True

        def _update_title(self) -> None:
            self._name_window()

        def _name_window(self) -> None:
            name, utf8 = map(self._display.intern_atom, ("_NET_WM_NAME", "UTF8_STRING"))
            self._window.change_property(name, utf8, 8, self.title.encode())

        def _dock_later(self) -> None:
            """Leave a panel that has only just come a moment to begin in; one request, not several, reaches it."""
            self._is_waiting = True
            timer = Timer(_CALM_SECONDS, self._call_soon, [self._dock_after_all])
            timer.daemon = True
            timer.start()

        def _dock_after_all(self) -> None:
            self._is_waiting = False
            self._assert_docked()

        def _assert_docked(self) -> None:
            if self._systray_manager is None and not self._is_waiting:
                self._dock_window()

        def _on_destroy_notify(self, event: Any) -> None:  # noqa: ANN401
            if self._systray_manager is not None and event.window.id == self._systray_manager.id:
                self._systray_manager = None
                self._window.unmap()  # the server has put it on the desktop
                self._dock_later()

        def _on_map(self, _event: object) -> None:
            self._icon_data = None  # what is behind it can be seen only now
            self._draw()

        def _assert_icon_data(self, width: int, height: int) -> None:
            if self._icon_data is None or self._icon_data.size != (width, height):
                side = min(width, height)
                picture = self.icon.convert("RGBA").resize((side, side), Image.Resampling.LANCZOS)
                shown = self._behind(width, height)
                shown.alpha_composite(picture, ((width - side) // 2, (height - side) // 2))
                self._icon_data = shown.convert("RGB")

        def _behind(self, width: int, height: int) -> Image.Image:
            """Return what the panel has painted there; the panel's colour beside it where that is nothing."""
            caught = CatchError()
            for background in ({"background_pixel": _UNLIKELY}, {"background_pixmap": X.ParentRelative}):
                self._window.change_attributes(**background, onerror=caught)
                self._window.clear_area(onerror=caught)
            try:
                seen = self._picture_of(self._window, 0, 0, width, height)
                if seen.getpixel((0, 0)) == _UNLIKELY_RGB:  # GTK 3 paints over windows, and gives them no background
                    at = self._display.screen().root.translate_coords(self._window, 0, 0)
                    y = at.y - 1 if at.y > 0 else at.y + height
                    pixel = self._picture_of(self._display.screen().root, at.x + width // 2, y, 1, 1)
                    seen = pixel.resize((width, height))
            except (XError, ValueError):  # it cannot be seen, or has other colours
                seen = Image.new("RGB", (width, height), "black")
            return seen.convert("RGBA")

        def _picture_of(self, window: Any, x: int, y: int, width: int, height: int) -> Image.Image:  # noqa: ANN401
            seen = window.get_image(x, y, width, height, X.ZPixmap, 0xFFFFFFFF)
            order = "RGBX" if self._display.display.info.image_byte_order else "BGRX"
            if seen.depth != _PIXEL_BITS:
                raise ValueError(seen.depth)
            return Image.frombytes("RGB", (width, height), seen.data, "raw", order)

    return OnX11
