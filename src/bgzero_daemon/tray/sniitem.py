"""org.kde.StatusNotifierItem on the session bus: an icon that panels draw.

Source: freedesktop.org's StatusNotifierItem specification, and what panels really ask for: accessible descriptions are
there, as GNOME's extension wants them; properties of Ayatana's are not, as MATE's panel shows no icon with them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

from dbus_fast.annotations import DBusBool, DBusInt32, DBusObjectPath, DBusSignature, DBusStr
from dbus_fast.constants import PropertyAccess
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property, dbus_signal

PATH = "/StatusNotifierItem"

Pixmaps = Annotated[list[list[object]], DBusSignature("a(iiay)")]
ToolTipForm = Annotated[list[object], DBusSignature("(sa(iiay)ss)")]


@dataclass(frozen=True, slots=True)
class Look:
    """What the icon says: `pixmaps` are (width, height, ARGB32 in network byte order), smallest first."""

    title: str
    pixmaps: Sequence[tuple[int, int, bytes]] = ()


class SniItem(ServiceInterface):
    """Serves the icon. `on_activate` is called at a click."""

    def __init__(self, name: str, look: Look, menu_path: str, on_activate: Callable[[], None]) -> None:
        super().__init__("org.kde.StatusNotifierItem")
        self._name, self._look, self._menu_path, self._on_activate = name, look, menu_path, on_activate

    def show(self, look: Look) -> None:
        """Show something else, and tell panels what of it is new."""
        former, self._look = self._look, look
        if former.pixmaps != look.pixmaps:
            self.NewIcon()
        if former.title != look.title:
            self.NewTitle()
            self.NewToolTip()

    @dbus_property(access=PropertyAccess.READ)
    def Category(self) -> DBusStr:  # noqa: N802, D102 - the names are the interface's
        return "ApplicationStatus"

    @dbus_property(access=PropertyAccess.READ)
    def Id(self) -> DBusStr:  # noqa: N802, D102
        return self._name

    @dbus_property(access=PropertyAccess.READ)
    def Title(self) -> DBusStr:  # noqa: N802, D102
        return self._look.title

    @dbus_property(access=PropertyAccess.READ)
    def Status(self) -> DBusStr:  # noqa: N802, D102
        return "Active"  # always: GNOME hides a passive one, and MATE does not hear that it is no longer passive

    @dbus_property(access=PropertyAccess.READ)
    def WindowId(self) -> DBusInt32:  # noqa: N802, D102
        return 0

    @dbus_property(access=PropertyAccess.READ)
    def IconName(self) -> DBusStr:  # noqa: N802, D102
        return ""

    @dbus_property(access=PropertyAccess.READ)
    def IconPixmap(self) -> Pixmaps:  # noqa: N802, D102
        return [list(pixmap) for pixmap in self._look.pixmaps]

    @dbus_property(access=PropertyAccess.READ)
    def IconAccessibleDesc(self) -> DBusStr:  # noqa: N802, D102
        return self._look.title

    @dbus_property(access=PropertyAccess.READ)
    def OverlayIconName(self) -> DBusStr:  # noqa: N802, D102
        return ""

    @dbus_property(access=PropertyAccess.READ)
    def OverlayIconPixmap(self) -> Pixmaps:  # noqa: N802, D102
        return []

    @dbus_property(access=PropertyAccess.READ)
    def AttentionIconName(self) -> DBusStr:  # noqa: N802, D102
        return ""

    @dbus_property(access=PropertyAccess.READ)
    def AttentionIconPixmap(self) -> Pixmaps:  # noqa: N802, D102
        return []

    @dbus_property(access=PropertyAccess.READ)
    def AttentionMovieName(self) -> DBusStr:  # noqa: N802, D102
        return ""

    @dbus_property(access=PropertyAccess.READ)
    def AttentionAccessibleDesc(self) -> DBusStr:  # noqa: N802, D102
        return self._look.title

    @dbus_property(access=PropertyAccess.READ)
    def IconThemePath(self) -> DBusStr:  # noqa: N802, D102
        return ""

    @dbus_property(access=PropertyAccess.READ)
    def ToolTip(self) -> ToolTipForm:  # noqa: N802, D102
        return ["", [], self._look.title, ""]

    @dbus_property(access=PropertyAccess.READ)
    def ItemIsMenu(self) -> DBusBool:  # noqa: N802, D102
        return False

    @dbus_property(access=PropertyAccess.READ)
    def Menu(self) -> DBusObjectPath:  # noqa: N802, D102
        return self._menu_path

    @dbus_method()
    def Activate(self, _x: DBusInt32, _y: DBusInt32) -> None:  # noqa: N802, D102
        self._on_activate()

    @dbus_method()
    def SecondaryActivate(self, _x: DBusInt32, _y: DBusInt32) -> None:  # noqa: N802, D102
        self._on_activate()

    @dbus_method()
    def ContextMenu(self, _x: DBusInt32, _y: DBusInt32) -> None:  # noqa: N802
        """Panels draw the menu themselves."""

    @dbus_method()
    def Scroll(self, _delta: DBusInt32, _orientation: DBusStr) -> None:  # noqa: N802
        """Nothing is scrolled."""

    @dbus_signal()
    def NewTitle(self) -> None:  # noqa: N802, D102
        return

    @dbus_signal()
    def NewIcon(self) -> None:  # noqa: N802, D102
        return

    @dbus_signal()
    def NewToolTip(self) -> None:  # noqa: N802, D102
        return

    @dbus_signal()
    def NewStatus(self) -> DBusStr:  # noqa: N802, D102
        return "Active"
