"""Who is on the session bus, asked once and without starting anybody."""

import asyncio
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bgzero_daemon.core.errors import BgzeroError
from bgzero_daemon.core.texts import _

if TYPE_CHECKING:
    from dbus_fast import Message
    from dbus_fast.aio import MessageBus

log = logging.getLogger(__name__)

BUS = "org.freedesktop.DBus"
NOTIFICATIONS = "org.freedesktop.Notifications"
_SECONDS = 5.0
ANSWER_SECONDS = 5.0  # for whoever is on the bus
_NAME_SECONDS = 1.0  # for the notification server, which need not be well for an icon to be shown


class NoBus(BgzeroError):
    """There is no session bus, or it does not let us in."""

    title = _("There is no session bus")


@dataclass(frozen=True, slots=True)
class Bus:
    """Names that somebody has, names that somebody would be started for, and the notification server's own name."""

    owned: frozenset[str]
    startable: frozenset[str]
    server: str


def address_of(environ: Mapping[str, str]) -> str:
    """Return the session bus's address, "" where there is none on this machine."""
    if given := environ.get("DBUS_SESSION_BUS_ADDRESS"):
        return given if given.startswith("unix:") else ""
    runtime = environ.get("XDG_RUNTIME_DIR")
    return f"unix:path={runtime}/bus" if runtime else ""


def look_around(address: str) -> Bus:
    """Ask the bus. Raises BgzeroError where it does not answer. Nothing is started by asking."""
    if sys.platform != "linux" or not address:
        raise BgzeroError(_("There is no session bus."))
    try:
        return asyncio.run(asyncio.wait_for(_ask(address), _SECONDS))
    except (OSError, EOFError, ValueError, TimeoutError) as error:
        raise BgzeroError(_("The session bus does not answer: {why}.").format(why=error or _("too slow"))) from error


async def _ask(address: str) -> Bus:
    from dbus_fast import Message, MessageFlag
    from dbus_fast.aio import MessageBus
    from dbus_fast.constants import MessageType

    bus = await MessageBus(bus_address=address).connect()

    async def call(destination: str, path: str, interface: str, member: str) -> list[object]:
        reply = await bus.call(
            Message(
                destination=destination,
                path=path,
                interface=interface,
                member=member,
                flags=MessageFlag.NO_AUTOSTART,
            )
        )
        if reply is None or reply.message_type is MessageType.ERROR:
            return []
        return list(reply.body)

    async def names(member: str) -> frozenset[str]:
        service = "org.freedesktop.DBus"
        (found,) = await call(service, "/org/freedesktop/DBus", service, member) or ([],)
        return frozenset(map(str, found)) if isinstance(found, list) else frozenset()

    try:
        owned, startable = await names("ListNames"), await names("ListActivatableNames")
        told: list[object] = []
        if NOTIFICATIONS in owned:
            path = "/" + NOTIFICATIONS.replace(".", "/")
            with suppress(TimeoutError):
                async with asyncio.timeout(_NAME_SECONDS):
                    told = await call(NOTIFICATIONS, path, NOTIFICATIONS, "GetServerInformation")
        return Bus(owned, startable, str(told[0]) if told else "")
    finally:
        bus.disconnect()


async def connect() -> "MessageBus":
    """Return a connection of this process's own. Raises NoBus."""
    from dbus_fast.aio import MessageBus

    address = address_of(os.environ)
    if not address:
        raise NoBus(_("There is no session bus."))
    try:
        return await asyncio.wait_for(MessageBus(bus_address=address).connect(), _SECONDS)
    except (OSError, EOFError, ValueError, TimeoutError) as error:
        raise NoBus(_("There is no session bus: {why}.").format(why=error or _("it does not answer"))) from error


async def call(
    bus: "MessageBus", destination: str, path: str, interface: str, member: str, signature: str, body: Sequence[object]
) -> "Message | None":  # fmt: skip
    """Call a method of somebody on the bus. Returns what is answered, an error too; None where nobody does in time."""
    from dbus_fast import Message

    message = Message(
        destination=destination, path=path, interface=interface, member=member, signature=signature, body=list(body)
    )
    try:
        async with asyncio.timeout(ANSWER_SECONDS):  # wait_for of Python 3.11 may lose that we are to leave
            return await bus.call(message)
    except (OSError, EOFError, TimeoutError) as error:
        log.debug("%s: %r", member, error)
        return None


async def hear_of(bus: "MessageBus", rule: str) -> None:
    """Have the bus tell of signals that a match rule describes (D-Bus specification, match rules)."""
    await call(bus, BUS, "/org/freedesktop/DBus", BUS, "AddMatch", "s", [rule])
