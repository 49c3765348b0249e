"""What a menu is made of: pystray's own items, each with a key that stays the same whatever it says.

A panel knows items by a number. One that is shown and clicked a moment later has to be the same one, however many
photos flew by in between, so numbers are given to keys and not to places.
"""

import importlib
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:

    class PystrayItem:
        """As pystray has it."""

        text: str
        checked: bool | None
        radio: bool
        default: bool
        visible: bool
        enabled: bool
        submenu: "PystrayMenu | None"

        def __init__(self, text: object, action: object, **options: object) -> None: ...
        def __call__(self, icon: object) -> None: ...

    class PystrayMenu:
        """As pystray has it."""

        SEPARATOR: PystrayItem

        def __init__(self, *items: object) -> None: ...
        def __iter__(self) -> Any: ...

    class PystrayIcon:
        """As pystray has it."""

        HAS_MENU: bool
        HAS_NOTIFICATION: bool
        menu: PystrayMenu | None
        name: str
        title: str
        icon: Any
        visible: bool
        _running: bool

        def __init__(self, name: str, icon: Any = None, title: str = "", menu: object = None) -> None: ...
        def run(self, setup: object = None) -> None: ...
        def stop(self) -> None: ...
        def update_menu(self) -> None: ...
        def notify(self, message: str, title: str | None = None) -> None: ...
        def __call__(self) -> None: ...

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

Action = Callable[[], None]


class Entry(PystrayItem):
    """One item. `key` is its name among its neighbours; without an `action` it only says something.

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
            text, chosen, checked=state, radio=radio, default=default, enabled=enabled and action is not None
        )


class Menu(PystrayMenu):
    """Entries in their order, or a function that returns them: it is asked anew whenever the menu is looked at."""

    def __init__(self, entries: "Iterable[PystrayItem] | Callable[[], Iterable[PystrayItem]]") -> None:
        if callable(entries):
            super().__init__(entries)
        else:
            super().__init__(*entries)


SEPARATOR = PystrayMenu.SEPARATOR
