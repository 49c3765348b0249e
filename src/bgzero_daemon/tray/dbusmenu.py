"""com.canonical.dbusmenu on the session bus: a menu that panels draw.

Source: libdbusmenu's dbus-menu.xml, and what panels really ask for.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Annotated

from dbus_fast import DBusError, Variant
from dbus_fast.annotations import DBusBool, DBusInt32, DBusSignature, DBusStr, DBusUInt32, DBusVariant
from dbus_fast.constants import PropertyAccess
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property, dbus_signal

from bgzero_daemon.tray.entries import PystrayItem, PystrayMenu
from bgzero_daemon.tray.menutree import ROOT, MenuTree, Properties

PATH = "/MenuBar"
_DEEPEST = 20
_MOST_OFFERED = 20
_FORGOTTEN_SECONDS = 120.0  # after the last word about an open menu: a panel that has ended says nothing any more

Strings = Annotated[list[str], DBusSignature("as")]
Numbers = Annotated[list[int], DBusSignature("ai")]
Layout = Annotated[list[object], DBusSignature("u(ia{sv}av)")]
Groups = Annotated[list[list[object]], DBusSignature("a(ia{sv})")]
Events = Annotated[list[list[object]], DBusSignature("a(isvu)")]
TwoNumberLists = Annotated[list[list[int]], DBusSignature("aiai")]
Updates = Annotated[list[object], DBusSignature("a(ia{sv})a(ias)")]
NewLayout = Annotated[list[int], DBusSignature("ui")]


class DbusMenu(ServiceInterface):
    """Serves the menu that `look` returns. `on_click` is called with the item that was clicked.

    `wish` is to have `refresh` called soon: however often panels look, it is not done at their pace.
    """

    def __init__(
        self, look: Callable[[], PystrayMenu | None], on_click: Callable[[PystrayItem], None], wish: Callable[[], None]
    ) -> None:
        super().__init__("com.canonical.dbusmenu")
        self._look, self._on_click, self._wish = look, on_click, wish
        self._touched = 0.0
        self._tree = MenuTree()
        self._offered: dict[int, int] = {}  # the revision that a submenu was offered with
        self._tree.build(look())

    def refresh(self) -> None:
        """Tell panels what has changed, and nothing where nothing has."""
        if self._tree.is_open and time.monotonic() > self._touched + _FORGOTTEN_SECONDS:
            self._tree.is_open = False
        change = self._tree.build(self._look())
        if change.layout:
            self.LayoutUpdated(ROOT)
        if change.updated or change.removed:
            self._changed = [
                [[number, _variants(new)] for number, new in change.updated.items()],
                [[number, gone] for number, gone in change.removed.items()],
            ]
            self.ItemsPropertiesUpdated()

    def close(self) -> None:
        """Take the menu for closed: who has shown it is gone."""
        self._tree.is_open = False
        self._wish()

    @dbus_property(access=PropertyAccess.READ)
    def Version(self) -> DBusUInt32:  # noqa: N802, D102 - the names are the interface's
        return 3

    @dbus_property(access=PropertyAccess.READ)
    def TextDirection(self) -> DBusStr:  # noqa: N802, D102
        return "ltr"

    @dbus_property(access=PropertyAccess.READ)
    def Status(self) -> DBusStr:  # noqa: N802, D102
        return "normal"

    @dbus_property(access=PropertyAccess.READ)
    def IconThemePath(self) -> Strings:  # noqa: N802, D102
        return []

    @dbus_method()
    def GetLayout(self, parent: DBusInt32, depth: DBusInt32, names: Strings) -> Layout:  # noqa: N802, D102
        if parent not in self._tree.properties:
            raise DBusError("org.freedesktop.DBus.Error.InvalidArgs", "there is no such item")
        if depth == 1:
            asyncio.get_running_loop().call_soon(self._offer_below, parent)
        return [self._tree.revision, self._node(parent, depth if depth >= 0 else _DEEPEST, names)]

    def _offer_below(self, parent: int) -> None:
        """Have Plasma fetch submenus beforehand: it asks for one that is open, which then grows off the screen."""
        children = self._tree.children
        revision = self._tree.revision
        for child in children.get(parent, [])[:_MOST_OFFERED]:
            if children.get(child) and self._offered.get(child) != revision:
                self._offered[child] = revision
                self.LayoutUpdated(child)
        self._offered = {number: seen for number, seen in self._offered.items() if seen == revision}

    def _node(self, number: int, depth: int, names: list[str]) -> list[object]:
        below = self._tree.children[number] if depth else []
        nodes = [Variant("(ia{sv}av)", self._node(child, depth - 1, names)) for child in below]
        return [number, self._chosen(number, names), nodes]

    def _chosen(self, number: int, names: list[str]) -> dict[str, Variant]:
        told = self._tree.properties[number]
        return _variants({key: value for key, value in told.items() if not names or key in names})

    @dbus_method()
    def GetGroupProperties(self, numbers: Numbers, names: Strings) -> Groups:  # noqa: N802, D102
        known = self._tree.properties
        return [[number, self._chosen(number, names)] for number in dict.fromkeys(numbers or known) if number in known]

    @dbus_method()
    def GetProperty(self, number: DBusInt32, name: DBusStr) -> DBusVariant:  # noqa: N802, D102
        told = _variants(self._tree.properties.get(number, {}))
        if name not in told:
            raise DBusError("org.freedesktop.DBus.Error.InvalidArgs", "there is no such property")
        return told[name]

    @dbus_method()
    def Event(  # noqa: N802, D102
        self, number: DBusInt32, kind: DBusStr, _data: DBusVariant, _timestamp: DBusUInt32
    ) -> None:
        self._on_event(number, kind)

    @dbus_method()
    def EventGroup(self, events: Events) -> Numbers:  # noqa: N802, D102
        for number, kind, _data, _timestamp in events:
            if isinstance(number, int):
                self._on_event(number, str(kind))
        return []

    @dbus_method()
    def AboutToShow(self, _number: DBusInt32) -> DBusBool:  # noqa: N802, D102
        self._wish()
        return False

    @dbus_method()
    def AboutToShowGroup(self, _numbers: Numbers) -> TwoNumberLists:  # noqa: N802, D102
        self._wish()
        return [[], []]

    def _on_event(self, number: int, kind: str) -> None:
        self._touched = time.monotonic()
        if kind == "opened" and number == ROOT:
            self._tree.is_open = True
        elif kind == "closed" and number == ROOT:
            self.close()
        elif kind == "clicked" and (item := self._tree.item(number)) is not None:
            self._tree.is_open = False  # some panels do not say that a click closes it
            self._on_click(item)

    _changed: list[object]

    @dbus_signal()
    def ItemsPropertiesUpdated(self) -> Updates:  # noqa: N802, D102
        return self._changed

    @dbus_signal()
    def LayoutUpdated(self, parent: int) -> NewLayout:  # noqa: N802, D102
        return [self._tree.revision, parent]

    @dbus_signal()
    def ItemActivationRequested(self) -> NewLayout:  # noqa: N802, D102
        return [ROOT, 0]


def _variants(told: Properties) -> dict[str, Variant]:
    """Return properties with their types; a truth is a number to Python too."""
    return {
        key: Variant("b" if isinstance(value, bool) else "i" if isinstance(value, int) else "s", value)
        for key, value in told.items()
    }
