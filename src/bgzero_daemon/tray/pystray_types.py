"""What of pystray is used here, for the type checker: it has no types of its own. Never imported while running."""

from collections.abc import Iterator


class PystrayItem:
    """`pystray.MenuItem`. `checked` is None where it is no switch."""

    text: str
    checked: bool | None
    radio: bool
    default: bool
    visible: bool
    enabled: bool
    submenu: "PystrayMenu | None"

    def __init__(self, text: object, action: object, **options: object) -> None:
        """Takes values, and functions that return them."""

    def __call__(self, icon: object) -> None:
        """Do what it says."""


class PystrayMenu:
    """`pystray.Menu`: iterating gives what is visible, without separators that separate nothing."""

    SEPARATOR: PystrayItem

    def __init__(self, *items: object) -> None:
        """Takes items, or one function that returns them."""

    def __iter__(self) -> Iterator[PystrayItem]:
        """Yield items as they are now."""
        return iter(())


class PystrayIcon:
    """`pystray.Icon`."""

    HAS_MENU: bool
    HAS_NOTIFICATION: bool
    menu: PystrayMenu | None
    name: str
    title: str
    visible: bool
    _running: bool

    def __init__(self, name: str, icon: object = None, title: str = "", menu: object = None) -> None:
        """Takes a PIL image, or nothing yet."""

    def __call__(self) -> None:
        """Do what a click on the icon does."""
