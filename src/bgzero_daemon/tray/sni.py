"""A pystray back-end of our own: no GTK and no display, only a session bus.

A panel draws icon and menu (`tray.sniitem`, `tray.dbusmenu`). It may come later, end, and come again: the icon is
registered whenever there is one. Nobody on the bus is waited for without an end.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress

from dbus_fast import Message, MessageType
from dbus_fast.aio import MessageBus

from bgzero_daemon.core.texts import _
from bgzero_daemon.tray import dbusmenu, sessionbus, sniitem
from bgzero_daemon.tray.bubbles import Bubbles
from bgzero_daemon.tray.entries import PystrayIcon, PystrayItem
from bgzero_daemon.tray.notices import Notice
from bgzero_daemon.tray.sessionbus import NoBus
from bgzero_daemon.tray.sniitem import Look

log = logging.getLogger(__name__)

WATCHER = "org.kde.StatusNotifierWatcher"
SIZES = (16, 22, 24, 32, 44, 48, 64)  # pixels
_LEAST_SECONDS = 0.25  # between two changes that panels hear of, and between two times that one is told of us
_AGAIN_SECONDS = 1.0  # until a panel that has turned us down, or does not answer, is asked again; then longer
_MOST_AGAIN_SECONDS = 60.0
_NOBODY = (f"{sessionbus.BUS}.Error.ServiceUnknown", f"{sessionbus.BUS}.Error.NameHasNoOwner")


class Icon(PystrayIcon):
    """pystray's Icon over D-Bus.

    `draw` returns the picture of a size in pixels, as ARGB32 in network byte order; it is asked for every size at every
    refresh. Actions of the menu are called in the bus's thread, and have to return at once. `on_open` is called with
    what a clicked notice opens.
    """

    HAS_MENU = HAS_NOTIFICATION = True

    def __init__(
        self, name: str, title: Callable[[], str], menu: object, draw: Callable[[int], bytes],
        on_open: Callable[[str], None] = lambda _path: None,
    ) -> None:  # fmt: skip
        super().__init__(name, None, title(), menu)
        self._headline = title
        self._draw, self._open = draw, on_open
        self._wanted, self._done, self._called = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_over = False  # a lock could not be taken by a signal that comes while another one has it
        self._begun: set[asyncio.Future[object]] = set()
        self.is_shown = False
        self.bus: MessageBus | None = None

    def run(self, setup: object = None) -> None:
        """Serve until `stop`. Raises NoBus where that is impossible, or when the bus goes away."""
        asyncio.run(self._until_stopped(setup))

    async def _until_stopped(self, setup: object) -> None:
        self._loop = asyncio.get_running_loop()
        if self._is_over:
            return
        serving, leaving = asyncio.ensure_future(self._serve(setup)), asyncio.ensure_future(self._done.wait())
        try:
            await asyncio.wait((serving, leaving), return_when=asyncio.FIRST_COMPLETED)
            if serving.done() and not self._is_over:
                serving.result()
        finally:
            self._running = False
            for task in (serving, leaving):
                task.cancel()
            await asyncio.gather(serving, leaving, return_exceptions=True)

    async def _serve(self, setup: object) -> None:
        self.bus = bus = await sessionbus.connect()
        try:
            self._menu_side = dbusmenu.DbusMenu(lambda: self.menu, self._on_click, self._wanted.set)
            self._item = sniitem.SniItem(self.name, self._look(), dbusmenu.PATH, self.__call__)
            bus.export(dbusmenu.PATH, self._menu_side)
            bus.export(sniitem.PATH, self._item)
            bus.add_message_handler(self._hear)
            rule = f"type='signal',sender='{sessionbus.BUS}',member='NameOwnerChanged',arg0='{WATCHER}'"
            await sessionbus.hear_of(bus, rule)
            self._bubbles = Bubbles(bus, self._open)
            await self._bubbles.listen()
            self._running = True
            if callable(setup):
                setup(self)
            self._called.set()
            gone = bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
            tasks = [asyncio.ensure_future(work) for work in (self._refresh(), self._stay_registered(), gone)]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                endings = await asyncio.gather(*tasks, return_exceptions=True)
            for ending in endings[:2]:  # of our own work; the last one says how the bus went
                if isinstance(ending, Exception):
                    raise ending
            raise NoBus(_("The session bus went away."))
        finally:
            bus.disconnect()

    def _look(self) -> Look:
        return Look(self._headline(), tuple((size, size, self._draw(size)) for size in SIZES))

    async def _refresh(self) -> None:
        """Tell panels what is new, some times a second at most, and nothing while nothing is."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            self._item.show(self._look())
            self._menu_side.refresh()
            await asyncio.sleep(_LEAST_SECONDS)

    def refresh(self) -> None:
        """Look at title, picture and menu anew, soon. From any thread."""
        self._in_loop(self._wanted.set)

    def update_menu(self) -> None:
        """Do the same; pystray calls it so."""
        self.refresh()

    def stop(self) -> None:
        """End `run`. From any thread and any signal, also before it has begun."""
        self._is_over = True
        self._in_loop(self._done.set)

    def _in_loop(self, call: Callable[[], None]) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # it is closed
                self._loop.call_soon_threadsafe(call)

    def say(self, notice: Notice) -> None:
        """Show a notice. From any thread."""
        self._in_loop(lambda: self._keep(self._bubbles.show(notice)))

    def _keep(self, work: "Coroutine[object, object, object]") -> None:
        """Hold on to what was begun: the loop alone does not."""
        task = asyncio.ensure_future(work)
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)

    def _on_click(self, item: PystrayItem) -> None:
        item(self)

    def _hear(self, message: Message) -> None:
        if message.member == "NameOwnerChanged" and message.sender == sessionbus.BUS and message.body[0] == WATCHER:
            self.is_shown = False
            self._menu_side.close()
            if message.body[2]:  # a panel has come, or come again
                self._called.set()

    async def _stay_registered(self) -> None:
        """Tell every panel of us that comes, and one that does not take us in again and again, at longer intervals."""
        pause: float | None = None
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._called.wait()
                pause = None
            self._called.clear()
            longer = min(_MOST_AGAIN_SECONDS, 2 * pause) if pause else _AGAIN_SECONDS
            pause = None if await self._register() else longer
            await asyncio.sleep(_LEAST_SECONDS)

    async def _register(self) -> bool:
        """Tell the panel of us by our unique name: with one of our own, GNOME's extension loses us now and then.

        Returns whether that is done: it knows us, or there is none.
        """
        assert self.bus
        place, body = f"/{WATCHER.rpartition('.')[2]}", [self.bus.unique_name]
        reply = await sessionbus.call(self.bus, WATCHER, place, WATCHER, "RegisterStatusNotifierItem", "s", body)
        self.is_shown = reply is not None and reply.message_type is MessageType.METHOD_RETURN
        log.debug("registered" if self.is_shown else "no panel takes the icon in")
        return self.is_shown or (reply is not None and reply.error_name in _NOBODY)

    def __del__(self) -> None:
        """Nothing is left to hide: pystray's own would try."""
