"""org.freedesktop.Notifications: showing notices, and hearing which one was clicked. Without it nothing is lost."""

import asyncio
import html
import logging
from collections.abc import Callable
from pathlib import Path

from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from bgzero_daemon.core.texts import _
from bgzero_daemon.tray.notices import Notice

log = logging.getLogger(__name__)

_NAME = "org.freedesktop.Notifications"
_PLACE = "/" + _NAME.replace(".", "/")
_SECONDS = 5.0
_ICON = "io.github.bgzero.Daemon"
_MOST_REMEMBERED = 20


class Bubbles:
    """Of one connection to the session bus; every method is called from its loop.

    `on_open` is called with what a clicked notice opens.
    """

    def __init__(self, bus: MessageBus, on_open: Callable[[str], None]) -> None:
        self._bus, self._on_open = bus, on_open
        self._opens: dict[int, str] = {}
        self._last = 0

    async def listen(self) -> None:
        """Hear of clicks from now on."""
        self._bus.add_message_handler(self._hear)
        rule = f"type='signal',interface='{_NAME}',member='ActionInvoked'"
        await self._call(
            "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "AddMatch", "s", [rule]
        )

    async def show(self, notice: Notice) -> bool:
        """Show a notice in the place of the last one. Returns whether somebody took it."""
        can = await self._ask("GetCapabilities", "", [])
        abilities = can[0] if can and isinstance(can[0], list) else []
        text = html.escape(notice.text, quote=False) if "body-markup" in abilities else notice.text
        actions = ["default", _("Open")] if notice.opens and "actions" in abilities else []
        hints = {"desktop-entry": Variant("s", _ICON)}
        if notice.picture:
            hints["image-path"] = Variant("s", Path(notice.picture).as_uri())
        body = ["BGZero", self._last, _ICON, notice.title, text, actions, hints, -1]
        told = await self._ask("Notify", "susssasa{sv}i", body)
        if not told:
            return False
        self._last = int(str(told[0]))
        self._opens[self._last] = notice.opens
        while len(self._opens) > _MOST_REMEMBERED:
            del self._opens[next(iter(self._opens))]
        return True

    async def _ask(self, member: str, signature: str, body: list[object]) -> list[object]:
        return await self._call(_NAME, _PLACE, _NAME, member, signature, body)

    async def _call(
        self, destination: str, path: str, interface: str, member: str, signature: str, body: list[object]
    ) -> list[object]:
        """Return what is answered, nothing where nobody answers well in time."""
        message = Message(
            destination=destination, path=path, interface=interface, member=member, signature=signature, body=body
        )
        try:
            reply = await asyncio.wait_for(self._bus.call(message), _SECONDS)
        except (OSError, EOFError, TimeoutError) as error:
            log.debug("%s: %r", member, error)
            return []
        if reply is None or reply.message_type is MessageType.ERROR:
            log.debug("%s: %s", member, reply.body if reply else "no answer")
            return []
        return list(reply.body)

    def _hear(self, message: Message) -> None:
        if message.interface == _NAME and message.member == "ActionInvoked":
            number, _action = message.body
            if opens := self._opens.get(int(number)):
                self._on_open(opens)
