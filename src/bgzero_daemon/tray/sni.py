"""A pystray back-end of our own: no GTK and no display, only a session bus.

A panel draws icon and menu (`tray.sniitem`, `tray.dbusmenu`). It may come later, end, and come again: the icon is
registered whenever there is one.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine, Sequence
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
_BUS = "org.freedesktop.DBus"
_LEAST_SECONDS = 0.25  # between two changes that panels hear of


class Icon(PystrayIcon):
    """pystray's Icon over D-Bus.

    `draw` returns the picture of a size in pixels, as ARGB32 in network byte order; it is asked for every size at every
    refresh. Call-backs of the menu run in threads of their own, never in the bus's, and keep nobody from leaving.
    `on_open` is called with what a clicked notice opens.
    """

    HAS_MENU = HAS_NOTIFICATION = True

    def __init__(
        self, name: str, title: Callable[[], str], menu: object, draw: Callable[[int], bytes],
        on_open: Callable[[str], None] = lambda _path: None,
    ) -> None:  # fmt: skip
        super().__init__(name, None, title(), menu)
        self._headline = title
        self._draw, self._open = draw, on_open
        self._wanted, self._done = asyncio.Event(), asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over = threading.Event()
        self._begun: set[asyncio.Future[object]] = set()
        self.is_shown = False
        self.bus: MessageBus | None = None

    def run(self, setup: object = None) -> None:
        """Serve until `stop`. Raises NoBus where that is impossible, or when the bus goes away."""
        asyncio.run(self._serve(setup))

    async def _serve(self, setup: object) -> None:
        self.bus = bus = await sessionbus.connect()
        self._loop = asyncio.get_running_loop()
        self._menu_side = dbusmenu.DbusMenu(lambda: self.menu, self._on_click)
        self._item = sniitem.SniItem(self.name, self._look(), dbusmenu.PATH, lambda: self._act(self.__call__))
        bus.export(dbusmenu.PATH, self._menu_side)
        bus.export(sniitem.PATH, self._item)
        bus.add_message_handler(self._hear)
        rule = f"type='signal',sender='{_BUS}',member='NameOwnerChanged',arg0='{WATCHER}'"
        await bus.call(_message(_BUS, "/org/freedesktop/DBus", _BUS, "AddMatch", "s", [rule]))
        self._bubbles = Bubbles(bus, self._on_open)
        await self._bubbles.listen()
        await self._register()
        self._running = True
        if callable(setup):
            self._act(lambda: setup(self))
        if self._over.is_set():
            return
        gone = bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
        tasks = [asyncio.ensure_future(work) for work in (self._refresh(), self._done.wait(), gone)]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            is_lost = not self._done.is_set()
            failed = next((task.exception() for task in tasks[:1] if task.done() and not task.cancelled()), None)
        finally:
            self._running = False
            for task in tasks:
                task.cancel()
            bus.disconnect()
        if failed:
            raise failed
        if is_lost:
            raise NoBus(_("The session bus went away."))

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
        """End `run`. From any thread, also before it has begun."""
        self._over.set()
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

    def _on_open(self, path: str) -> None:
        self._act(lambda: self._open(path))

    def _on_click(self, item: PystrayItem) -> None:
        self._act(lambda: item(self))

    def _act(self, action: Callable[[], object]) -> None:
        def run() -> None:
            try:
                action()
            except Exception:
                log.exception("an action of the menu failed")
            self.refresh()

        threading.Thread(target=run, name="tray-action", daemon=True).start()  # a download takes minutes

    def _hear(self, message: Message) -> None:
        if message.member == "NameOwnerChanged" and message.body[0] == WATCHER:
            self.is_shown = False
            if message.body[2]:  # a panel has come, or come again
                self._keep(self._register())

    async def _register(self) -> None:
        """Tell the panel of us by our unique name: with one of our own, GNOME's extension loses us now and then."""
        assert self.bus
        body = [self.bus.unique_name]
        reply = await self.bus.call(
            _message(WATCHER, f"/{WATCHER.rpartition('.')[2]}", WATCHER, "RegisterStatusNotifierItem", "s", body)
        )
        self.is_shown = reply is not None and reply.message_type is MessageType.METHOD_RETURN
        log.debug("registered" if self.is_shown else "there is no panel yet")

    def __del__(self) -> None:
        """Nothing is left to hide: pystray's own would try."""


def _message(
    destination: str, path: str, interface: str, member: str, signature: str, body: Sequence[object]
) -> Message:  # fmt: skip
    return Message(
        destination=destination, path=path, interface=interface, member=member, signature=signature, body=list(body)
    )
