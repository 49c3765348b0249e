"""What a menu is made of: pystray's own items, each with a key that stays the same whatever it says.

A panel knows items by a number. One that is shown and clicked a moment later has to be the same one, however many
photos flew by in between, so numbers are given to keys and not to places.
"""

import importlib
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from bgzero_daemon.core.names import display_line

if TYPE_CHECKING:
    from bgzero_daemon.tray.pystray_types import PystrayIcon, PystrayItem, PystrayMenu
else:
    # its other back-ends look for a display when they are imported, and raise what they like where there is none
    _former = os.environ.get("PYSTRAY_BACKEND")
    os.environ["PYSTRAY_BACKEND"] = "dummy"
    try:
        _base = importlib.import_module("pystray._base")
    finally:
        if _former is None:
            del os.environ["PYSTRAY_BACKEND"]
        else:
            os.environ["PYSTRAY_BACKEND"] = _former
    PystrayItem, PystrayMenu, PystrayIcon = _base.MenuItem, _base.Menu, _base.Icon

__all__ = ["SEPARATOR", "Action", "Entry", "Menu", "PystrayIcon", "PystrayItem", "PystrayMenu"]

Action = Callable[[], None]


class Entry(PystrayItem):
    """One item. `key` is its name among its neighbours; without an `action` it only says something.

    `text` is shown on one line whatever it holds: a NUL or half a character would cost the connection to the bus.

    `checked`: None where it is no switch; `radio`: one of several. `default`: what a click on the icon does.
    """

    def __init__(
        self, key: str, text: str, action: "Action | Menu | None" = None, *, checked: bool | None = None,
        radio: bool = False, default: bool = False, enabled: bool = True,
    ) -> None:  # fmt: skip
        self.key = key
        is_menu = isinstance(action, Menu)
        chosen: object = action if is_menu else (lambda _icon, _item: action()) if callable(action) else None
        state = None if checked is None else (lambda _item: checked)
        super().__init__(
            display_line(text),
            chosen,
            checked=state,
            radio=radio,
            default=default,
            enabled=enabled and action is not None,
        )


class Menu(PystrayMenu):
    """Entries in their order, or a function that returns them: it is asked anew whenever the menu is looked at."""

    def __init__(self, entries: "Iterable[PystrayItem] | Callable[[], Iterable[PystrayItem]]") -> None:
        if callable(entries):
            super().__init__(entries)
        else:
            super().__init__(*entries)


SEPARATOR = PystrayMenu.SEPARATOR
