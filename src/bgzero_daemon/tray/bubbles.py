"""org.freedesktop.Notifications: showing notices, and hearing which one was clicked. Without it nothing is lost."""

import html
import logging
from collections.abc import Callable
from pathlib import Path

from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from bgzero_daemon.core.names import display_line
from bgzero_daemon.core.texts import _
from bgzero_daemon.tray import sessionbus
from bgzero_daemon.tray.notices import Answer, Notice

log = logging.getLogger(__name__)

_NAME = "org.freedesktop.Notifications"
_PLACE = "/" + _NAME.replace(".", "/")
_ICON = "io.github.bgzero.Daemon"
_MOST_REMEMBERED = 20
_MOST_WAITING = 10  # notices for a server that does not answer; more are given up


class Bubbles:
    """Of one connection to the session bus; every method is called from its loop.

    `on_open` is called with what a clicked notice opens.
    """

    def __init__(self, bus: MessageBus, on_open: Callable[[str], None]) -> None:
        self._bus, self._on_open = bus, on_open
        self._opens: dict[int, str] = {}
        self._answers: dict[int, tuple[Answer, ...]] = {}
        self._last: dict[str, int] = {}  # by kind
        self._waiting = 0

    async def listen(self) -> None:
        """Hear of clicks from now on."""
        self._bus.add_message_handler(self._hear)
        rule = f"type='signal',interface='{_NAME}',member='ActionInvoked'"
        await sessionbus.hear_of(self._bus, rule)

    async def show(self, notice: Notice) -> bool:
        """Show a notice in the place of the last one of its kind. Returns whether somebody took it."""
        if self._waiting >= _MOST_WAITING:
            return False
        self._waiting += 1
        try:
            return await self._show(notice)
        finally:
            self._waiting -= 1

    async def _show(self, notice: Notice) -> bool:
        can = await self._ask("GetCapabilities", "", [])
        abilities = can[0] if can and isinstance(can[0], list) else []
        title, text = display_line(notice.title), "\n".join(map(display_line, notice.text.split("\n")))
        if "body-markup" in abilities:
            text = html.escape(text, quote=False)
        buttons = [("default", _("Open"))] if notice.opens else []
        buttons += [(answer.key, answer.label) for answer in notice.answers]
        actions = [word for button in buttons for word in button] if "actions" in abilities else []
        hints = {"desktop-entry": Variant("s", _ICON)}
        if notice.picture:
            hints["image-path"] = Variant("s", Path(notice.picture).as_uri())
        body = ["BGZero", self._last.get(notice.kind, 0), _ICON, title, text, actions, hints, -1]
        told = await self._ask("Notify", "susssasa{sv}i", body)
        if not told or not isinstance(number := told[0], int):
            return False
        self._last[notice.kind] = number
        self._opens.pop(number, None)  # the latest last
        self._opens[number] = notice.opens
        self._answers[number] = notice.answers
        while len(self._opens) > _MOST_REMEMBERED:
            oldest = next(iter(self._opens))
            del self._opens[oldest], self._answers[oldest]
        return True

    async def _ask(self, member: str, signature: str, body: list[object]) -> list[object]:
        """Return what is answered, nothing where nobody answers well in time."""
        reply = await sessionbus.call(self._bus, _NAME, _PLACE, _NAME, member, signature, body)
        if reply is None or reply.message_type is MessageType.ERROR:
            log.debug("%s: %s", member, reply.body if reply else "no answer")
            return []
        return list(reply.body)

    def _hear(self, message: Message) -> None:
        is_meant = message.interface == _NAME and message.member == "ActionInvoked" and message.signature == "us"
        if not is_meant:
            return
        number, clicked = message.body
        answer = next((answer for answer in self._answers.get(number, ()) if answer.key == clicked), None)
        if answer:
            answer.deed()
        elif opens := self._opens.get(number):
            self._on_open(opens)
