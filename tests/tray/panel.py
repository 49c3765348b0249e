"""A panel for tests: owns the watcher on a private session bus, reads the whole menu, clicks like a user."""

import asyncio
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import pytest
from dbus_fast import DBusError, Message, MessageType, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.annotations import DBusBool, DBusInt32, DBusSignature, DBusStr, DBusUInt32
from dbus_fast.constants import PropertyAccess
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property, dbus_signal

from tests.home import until

WATCHER = "org.kde.StatusNotifierWatcher"
ITEM, MENU = "org.kde.StatusNotifierItem", "com.canonical.dbusmenu"
NOTIFICATIONS = "org.freedesktop.Notifications"
T = TypeVar("T")


class Watcher(ServiceInterface):
    """Remembers who has registered. As many as `refuses` says are turned down first, `is_deaf` answers nobody."""

    def __init__(self) -> None:
        super().__init__(WATCHER)
        self.items: list[str] = []
        self.asked = self.refuses = 0
        self.is_deaf = False

    @dbus_method()
    async def RegisterStatusNotifierItem(self, service: DBusStr) -> None:  # noqa: N802
        self.asked += 1
        if self.is_deaf:
            await asyncio.Event().wait()
        if self.asked <= self.refuses:
            raise DBusError("org.example.NotYet", "not yet")
        self.items.append(service)

    @dbus_property(access=PropertyAccess.READ)
    def IsStatusNotifierHostRegistered(self) -> DBusBool:  # noqa: N802
        return True

    @dbus_property(access=PropertyAccess.READ)
    def ProtocolVersion(self) -> DBusInt32:  # noqa: N802
        return 0


class Notifications(ServiceInterface):
    """Remembers what was shown; `breaks` answers every notice with an error, `is_deaf` answers nothing at all."""

    def __init__(self) -> None:
        super().__init__(NOTIFICATIONS)
        self.shown: list[dict[str, Any]] = []
        self.asked = self.broken = 0
        self.breaks = self.is_deaf = False

    async def _hear(self) -> None:
        self.asked += 1
        if self.is_deaf:
            await asyncio.Event().wait()

    @dbus_method()
    async def GetServerInformation(self) -> Annotated[list[str], DBusSignature("ssss")]:  # noqa: N802
        await self._hear()
        return ["Test", "-", "1", "1.2"]

    @dbus_method()
    async def GetCapabilities(self) -> Annotated[list[str], DBusSignature("as")]:  # noqa: N802
        await self._hear()
        return ["body", "body-markup", "actions"]

    @dbus_method()
    def Notify(  # noqa: N802
        self, app: DBusStr, replaces: DBusUInt32, icon: DBusStr, title: DBusStr, text: DBusStr,
        actions: Annotated[list[str], DBusSignature("as")],
        hints: Annotated[dict[str, Variant], DBusSignature("a{sv}")], timeout: DBusInt32,
    ) -> DBusUInt32:  # fmt: skip
        if self.breaks:
            self.broken += 1
            raise DBusError("org.example.Broken", "broken")
        told = {"title": title, "text": text, "actions": actions, "replaces": replaces, "icon": icon}
        self.shown.append(told | {"hints": {key: value.value for key, value in hints.items()}})
        return len(self.shown)

    @dbus_signal()
    def ActionInvoked(self, key: str) -> Annotated[list[object], DBusSignature("us")]:  # noqa: N802
        return [len(self.shown), key]


@dataclass(frozen=True)
class Line:
    """One item of the menu as it is on the wire."""

    number: int
    told: dict[str, Any]


@contextmanager
def session_bus(**env: str) -> Iterator[str]:
    """A session bus of its own; its address. Who is started by it gets `env`."""
    if not shutil.which("dbus-daemon"):
        pytest.skip("dbus-daemon is not installed here")
    process = subprocess.Popen(
        ["dbus-daemon", "--session", "--nofork", "--print-address=1"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=os.environ | env,
    )  # fmt: skip
    try:
        assert process.stdout
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


class Panel:
    """One connection to the bus, with a loop in a thread of its own. Every method is called from the test's thread."""

    def __init__(self, address: str) -> None:
        self.watcher, self.notifications = Watcher(), Notifications()
        self.signals: list[tuple[float, str, list[Any]]] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._bus = self._do(self._connect(address))

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    async def _connect(self, address: str) -> MessageBus:
        bus = await MessageBus(bus_address=address).connect()
        bus.export("/StatusNotifierWatcher", self.watcher)
        bus.export("/" + NOTIFICATIONS.replace(".", "/"), self.notifications)
        for interface in (ITEM, MENU):
            rule = f"type='signal',interface='{interface}'"
            place = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")
            await bus.call(Message(*place, member="AddMatch", signature="s", body=[rule]))
        bus.add_message_handler(self._hear)
        return bus

    def _hear(self, message: Message) -> None:
        if message.message_type is MessageType.SIGNAL and message.interface in (ITEM, MENU):
            self.signals.append((time.monotonic(), str(message.member), list(message.body)))

    def come(self) -> None:
        """Be the panel."""
        self._do(self._bus.request_name(WATCHER))

    def go(self) -> None:
        """Be it no more."""
        self._do(self._bus.release_name(WATCHER))
        self.watcher.items.clear()

    def show_notices(self) -> None:
        """Be the one who shows notices."""
        self._do(self._bus.request_name(NOTIFICATIONS))

    def send(self, message: Message) -> None:
        """Send whatever it is, and wait until the bus has taken it."""

        async def send() -> None:
            await self._bus.send(message)

        self._do(send())

    def click_notice(self, key: str = "default") -> None:
        """Click the latest notice, or a button on it, when its number is known to whom it came from."""
        if self.watcher.items:
            self.properties()
        self._loop.call_soon_threadsafe(self.notifications.ActionInvoked, key)

    def close(self) -> None:
        """End."""
        self._do(self._leave())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _leave(self) -> None:
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()  # who never answers
        await asyncio.sleep(0)
        self._bus.disconnect()
        await self._bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
        assert self._bus._sock
        self._bus._sock.close()

    @property
    def item(self) -> str:
        """Who has registered last."""
        until(lambda: self.watcher.items, "nobody registers")
        return self.watcher.items[-1]

    def call(self, interface: str, member: str, signature: str = "", *body: object) -> list[Any]:
        """Call a method of the icon or its menu; raises AssertionError with the error's text."""
        path = "/MenuBar" if interface == MENU else "/StatusNotifierItem"
        message = Message(
            destination=self.item, path=path, interface=interface, member=member, signature=signature, body=list(body)
        )
        reply = self._do(self._bus.call(message))
        assert reply is not None
        assert reply.message_type is MessageType.METHOD_RETURN, reply.body
        return list(reply.body)

    def properties(self) -> dict[str, Any]:
        """Return what the icon says of itself."""
        message = Message(
            destination=self.item, path="/StatusNotifierItem", interface="org.freedesktop.DBus.Properties",
            member="GetAll", signature="s", body=[ITEM],
        )  # fmt: skip
        reply = self._do(self._bus.call(message))
        assert reply is not None
        assert reply.message_type is MessageType.METHOD_RETURN, reply.body
        return {key: variant.value for key, variant in reply.body[0].items()}

    def menu(self) -> dict[str, Line]:
        """Return the whole menu: "Model: x/Automatic" and so on, as a person reads it."""
        _revision, root = self.call(MENU, "GetLayout", "iias", 0, -1, [])
        return dict(_lines(root, ""))

    def find(self, *words: str) -> Line:
        """Return the one line whose path has parts that begin so, once it is there."""
        until(lambda: len(found(self.menu(), *words)) == 1, lambda: f"{words}: {list(self.menu())}", 20)
        return found(self.menu(), *words)[0]

    def event(self, number: int, kind: str) -> None:
        """Tell the menu of something."""
        self.call(MENU, "Event", "isvu", number, kind, Variant("i", 0), 0)

    def click(self, *words: str) -> None:
        """Click the line whose path has parts that begin so."""
        self.event(self.find(*words).number, "clicked")

    def pixmaps(self) -> dict[int, bytes]:
        """Return the icon's picture for each size."""
        return {int(width): bytes(argb) for width, _height, argb in self.properties()["IconPixmap"]}


def _lines(node: list[Any], above: str) -> Iterator[tuple[str, Line]]:
    for variant in node[2]:
        number, told, _children = variant.value
        plain = {key: value.value for key, value in told.items()}
        label = str(plain.get("label", "--")).replace("__", "_")
        yield above + label, Line(number, plain)
        yield from _lines(variant.value, f"{above}{label}/")


def found(menu: dict[str, Line], *words: str) -> list[Line]:
    """Return the lines whose path has these parts, or, where there are none, parts that begin so."""
    exact = [line for path, line in menu.items() if path.split("/") == list(words)]
    return exact or [
        line
        for path, line in menu.items()
        if len(parts := path.split("/")) == len(words)
        and all(part.startswith(word) for part, word in zip(parts, words, strict=True))
    ]


@contextmanager
def panel_on(address: str) -> Iterator[Panel]:
    """A panel for the length of the block."""
    panel = Panel(address)
    try:
        panel.come()
        panel.show_notices()
        yield panel
    finally:
        panel.close()
