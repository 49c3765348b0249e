"""Notices for icons that have no session bus of their own: connected when there is something to say, and not before."""

import asyncio
import logging
import threading
from collections.abc import Callable

from dbus_fast.aio import MessageBus

from bgzero_daemon.tray import sessionbus
from bgzero_daemon.tray.bubbles import Bubbles
from bgzero_daemon.tray.notices import Notice

log = logging.getLogger(__name__)


class Herald:
    """`on_open` is called with what a clicked notice opens. Without a bus nothing is said, and nothing lost."""

    def __init__(self, on_open: Callable[[str], None]) -> None:
        self._on_open = on_open
        self._loop = asyncio.new_event_loop()
        self._bus: MessageBus | None = None
        self._bubbles: Bubbles | None = None
        self._one = asyncio.Lock()
        threading.Thread(target=self._loop.run_forever, name="tray-herald", daemon=True).start()

    def say(self, notice: Notice) -> None:
        """Show a notice. From any thread."""
        asyncio.run_coroutine_threadsafe(self._say(notice), self._loop)

    async def _say(self, notice: Notice) -> None:
        async with self._one:
            if not (self._bus and self._bubbles and self._bus.connected):
                try:
                    self._bus = await sessionbus.connect()
                except sessionbus.NoBus as error:
                    log.debug("%s", error)
                    return
                self._bubbles = Bubbles(self._bus, self._on_open)
                await self._bubbles.listen()
            await self._bubbles.show(notice)
