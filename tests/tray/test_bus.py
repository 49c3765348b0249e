"""The icon among peers on the bus that are slow, wrong, hostile or gone: nobody is waited for without an end."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from bgzero_daemon.core.errors import BgzeroError
from bgzero_daemon.tray import backends, bubbles, dbusmenu, sessionbus, sni
from bgzero_daemon.tray.app import Tray
from bgzero_daemon.tray.entries import Entry, Menu
from bgzero_daemon.tray.hands import Hands
from bgzero_daemon.tray.notices import Answer, Notice
from tests.home import until
from tests.tray.panel import ITEM, MENU, NOTIFICATIONS, Panel, session_bus


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A session bus for all of them."""
    with session_bus() as found:
        yield found


@pytest.fixture
def panel(address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Panel]:
    """A panel that has not come yet."""
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
    found = Panel(address)
    try:
        yield found
    finally:
        found.close()


class Shown:
    """An icon that runs in a thread, and what was made of it."""

    def __init__(self) -> None:
        self.built, self.clicks, self.lines = 0, 0, ["a", "b"]
        self.opened: list[str] = []
        self.failed: BaseException | None = None
        self.icon = sni.Icon("test", lambda: "Title", Menu(self._look), lambda size: bytes(4 * size * size), self._open)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        until(lambda: self.icon._running or self.failed, "it begins")

    def _open(self, path: str) -> None:
        self.opened.append(path)

    def _look(self) -> list[Entry]:
        self.built += 1
        return [Entry(name, name, self._click) for name in self.lines]

    def _click(self) -> None:
        self.clicks += 1

    def _run(self) -> None:
        try:
            self.icon.run()
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.failed = error

    def ended(self) -> bool:
        """Say whether `run` has returned."""
        self._thread.join(20)
        return not self._thread.is_alive()


@contextmanager
def shown() -> Iterator[Shown]:
    """An icon for the length of the block; it has to end when it is told to."""
    found = Shown()
    try:
        yield found
    finally:
        found.icon.stop()
        assert found.ended()


def test_panel_that_does_not_answer_or_says_no_is_asked_again(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it takes the icon in; and the icon can leave meanwhile."""
    monkeypatch.setattr(sni, "_AGAIN_SECONDS", 0.05)
    panel.watcher.is_deaf = True
    panel.come()
    with monkeypatch.context() as patch:
        patch.setattr(sessionbus, "ANSWER_SECONDS", 0.2)
        with shown():
            until(lambda: panel.watcher.asked >= 2, "it is asked again")
    panel.watcher.asked, panel.watcher.is_deaf, panel.watcher.refuses = 0, False, 2
    with shown() as found:
        until(lambda: panel.watcher.items and found.icon.is_shown, "it registers in the end")
        assert panel.watcher.asked == 3


def test_panel_that_comes_late_and_often_has_the_icon_once(panel: Panel) -> None:
    """Without one nobody is asked again and again."""
    with shown() as found:
        assert not found.icon.is_shown
        panel.come()
        until(lambda: found.icon.is_shown, "it registers")
        for _time in range(30):
            panel.go()
            panel.come()
        until(lambda: found.icon.is_shown and panel.watcher.items, "it registers again")
        assert panel.watcher.asked < 10


def test_forged_and_senseless_signals_are_passed_over(panel: Panel, caplog: pytest.LogCaptureFixture) -> None:
    """From another peer than the bus, of other types than they should have."""
    panel.come()
    with shown() as found:
        until(lambda: found.icon.is_shown, "it registers")
        for interface, member in (("org.freedesktop.DBus", "NameOwnerChanged"), (NOTIFICATIONS, "ActionInvoked")):
            bodies: tuple[tuple[str, list[Any]], ...] = (
                ("", []), ("i", [1]), ("sss", [sni.WATCHER, "", ":1.1"]), ("su", ["1", 1]), ("av", [[Variant("i", 1)]]),
            )  # fmt: skip
            for signature, body in bodies:
                panel.send(
                    Message(
                        destination=panel.item,
                        path="/x",
                        interface=interface,
                        member=member,
                        signature=signature,
                        body=body,
                        message_type=MessageType.SIGNAL,
                    )
                )
        assert panel.menu()
        assert found.icon.is_shown
        assert not found.opened
    assert not caplog.records


def test_storm_of_events_is_not_answered_at_its_pace(panel: Panel) -> None:
    """A menu that is opened and closed ten thousand times is built a few times; numbers that nobody has are nothing."""
    panel.come()
    with shown() as found:
        number = panel.find("a").number
        before = found.built
        storm = [[0, kind, Variant("i", 0), 0] for kind in ("opened", "closed") * 5000]
        panel.call(MENU, "EventGroup", "a(isvu)", storm)
        for strange in (2**31 - 1, -(2**31), -1, 999):
            panel.event(strange, "clicked")
            panel.call(MENU, "AboutToShow", "i", strange)
        for kind in ("", "hovered", "clicked\n", "x" * 10_000):
            panel.event(number, kind)
        panel.call(MENU, "AboutToShowGroup", "ai", [0] * 10_000)
        (told,) = panel.call(MENU, "GetGroupProperties", "aias", [number] * 10_000 + [-5, 2**31 - 1], [])
        assert [one[0] for one in told] == [number]
        (told,) = panel.call(MENU, "GetGroupProperties", "aias", [], [])
        assert len(told) == 3
        for member, signature, body in (
            ("GetLayout", "iias", [7777, -1, []]), ("GetProperty", "is", [number, "nothing"]),
            ("GetProperty", "is", [-1, "label"]), ("Event", "i", [number]),
        ):  # fmt: skip
            with pytest.raises(AssertionError):
                panel.call(MENU, member, signature, *body)
        assert panel.call(MENU, "GetProperty", "is", number, "label")[0].value == "a"
        (_revision, root) = panel.call(MENU, "GetLayout", "iias", 0, 0, ["label"])
        assert root[2] == []
        assert found.clicks == 0
        panel.call(ITEM, "SecondaryActivate", "ii", 2**31 - 1, -(2**31))
        panel.event(number, "clicked")
        assert found.clicks == 1
        assert found.built - before < 10


def test_menu_is_not_open_for_ever(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    """A panel that ends with a menu open, and those that never say that it is closed, after a click or at all."""
    panel.come()
    with shown() as found:
        panel.event(0, "opened")
        found.lines = ["c"]
        found.icon.refresh()
        panel.go()
        panel.come()
        until(lambda: list(panel.menu()) == ["c"], lambda: str(panel.menu()))
        panel.event(0, "opened")
        panel.click("c")
        found.lines = ["x"]
        found.icon.refresh()
        until(lambda: list(panel.menu()) == ["x"], lambda: str(panel.menu()))
        panel.event(0, "opened")
        found.lines = ["d"]
        monkeypatch.setattr(dbusmenu, "_FORGOTTEN_SECONDS", -1.0)
        found.icon.refresh()
        until(lambda: list(panel.menu()) == ["d"], lambda: str(panel.menu()))


def test_changed_menu_and_title_are_told(panel: Panel) -> None:
    """By the signals that panels wait for."""
    panel.come()
    with shown() as found:
        assert panel.find("a")
        panel.signals.clear()
        found.lines = ["a", "b", "c"]
        found.icon.refresh()
        until(lambda: "LayoutUpdated" in [member for _moment, member, _body in panel.signals], "it is told")
        for member, signature, whom in (("AboutToShow", "i", 0), ("AboutToShowGroup", "ai", [0])):
            found.lines = [*found.lines, member]
            panel.call(MENU, member, signature, whom)
            until(lambda: list(panel.menu()) == found.lines, lambda: str(panel.menu()))


def test_bus_is_found_where_only_the_runtime_folder_tells(
    panel: Panel, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As systemd makes it; a bus of another machine is none."""
    panel.come()
    (tmp_path / "bus").symlink_to(address.removeprefix("unix:path=").partition(",")[0])
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with shown() as found:
        until(lambda: found.icon.is_shown, lambda: str(found.failed))
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "tcp:host=127.0.0.1,port=1")
    failed = Shown()
    assert failed.ended()
    assert isinstance(failed.failed, sessionbus.NoBus)


def test_notification_server_that_never_answers_costs_nothing(
    panel: Panel, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the look around at the start nor the icon waits for it, and notices do not pile up."""
    panel.come()
    panel.show_notices()
    panel.notifications.is_deaf = True
    with monkeypatch.context() as patch:
        patch.setattr(sessionbus, "_NAME_SECONDS", 0.2)
        around = sessionbus.look_around(address)
        assert sni.WATCHER in around.owned
        assert around.server == ""
        panel.notifications.asked = 0
        with shown() as found:

            def say_many() -> None:
                for _time in range(99):
                    found.icon._keep(found.icon._bubbles.show(Notice("title", "text")))

            patch.setattr(sessionbus, "ANSWER_SECONDS", 0.2)
            found.icon._in_loop(say_many)
            until(lambda: panel.notifications.asked == 10, "some are tried")
            assert panel.menu()
            until(lambda: found.icon._bubbles._waiting == 0, "they are given up")
            assert panel.notifications.asked == 10
            patch.undo()
            panel.notifications.is_deaf = False
            found.icon.say(Notice("later", "text"))
            until(lambda: panel.notifications.shown, "it is there again")
    assert sessionbus.look_around(address).server == "Test"


def test_notices_are_plain_text_and_stand_beside_those_of_other_kinds(
    panel: Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A NUL or half a character would cost the connection; each kind has a place of its own."""
    panel.show_notices()
    told = panel.notifications.shown
    with shown() as found:
        for number, notice in enumerate((
            Notice("a\0b", "c\udcff\n<d>\x1b", kind="done"), Notice("2", "", kind="failed"),
            Notice("3", "", kind="done", opens="/x"),
        )):  # fmt: skip
            found.icon.say(notice)
            until(lambda number=number: len(told) == number + 1, "it is shown")  # type: ignore[misc]
        assert (told[0]["title"], told[0]["text"]) == ("a\\x00b", "c\\xff\n&lt;d&gt;\\x1b")
        assert [one["replaces"] for one in told] == [0, 0, 1]
        assert [one["actions"] for one in told] == [[], [], ["default", "Open"]]
        until(lambda: found.icon._bubbles._waiting == 0, "it has heard its number")
        panel.click_notice()
        until(lambda: found.opened == ["/x"], "it is opened")
        clicked: list[str] = []
        answers = [Answer(key, key.title(), partial(clicked.append, key)) for key in ("yes", "no")]
        found.icon.say(Notice("4", "", kind="card", answers=tuple(answers)))
        until(lambda: len(told) == 4 and found.icon._bubbles._waiting == 0, "it is shown")
        assert told[3]["actions"] == ["yes", "Yes", "no", "No"]
        for key in ("default", "maybe", "no"):
            panel.click_notice(key)
        until(lambda: clicked == ["no"], "it is answered")
        assert found.opened == ["/x"]
        monkeypatch.setattr(bubbles, "_MOST_REMEMBERED", 2)
        for number in range(3):
            found.icon.say(Notice("more", "", kind=f"{number}"))
        until(lambda: found.icon._bubbles._waiting == 0 and len(told) == 7, "they are shown")
        assert len(found.icon._bubbles._opens) == 2


def test_icon_that_is_stopped_before_it_begins_does_not_begin(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal may come at any moment of the start, and twice."""
    panel.come()
    monkeypatch.setattr(Tray, "_begin", lambda _tray: pytest.fail("it begins"))
    tray = Tray(backends.Way("sni", ""), starts=False)
    tray.stop()
    tray.stop()
    tray.run()
    icon = sni.Icon("test", lambda: "Title", Menu([]), lambda size: bytes(4 * size * size))
    begun: list[int] = []

    def begin(_icon: object) -> None:
        begun.append(1)
        icon.stop()

    icon.stop()
    icon.run(begin)
    assert not begun
    assert not panel.watcher.asked


def test_nobody_is_asked_again_and_again(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no panel, the bus says when one comes."""
    asked: list[int] = []
    register = sni.Icon._register

    async def counted(icon: sni.Icon) -> bool:
        asked.append(1)
        return await register(icon)

    monkeypatch.setattr(sni, "_AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(sni, "_LEAST_SECONDS", 0.01)
    monkeypatch.setattr(sni.Icon, "_register", counted)
    with shown() as found:
        until(lambda: asked, "it looks for one")
        time.sleep(0.3)
        assert len(asked) == 1
        panel.come()
        until(lambda: found.icon.is_shown, "it registers")


def test_icon_that_is_to_leave_does_not_overhear_it(panel: Panel, address: str) -> None:
    """Whatever is answered at that very moment."""

    async def lost(begin: Callable[[MessageBus], Coroutine[Any, Any, object]], turns: int) -> bool:
        """Cancel a call some turns of the loop after its answer has come; say whether the call did not notice."""
        bus, loop, asked = await MessageBus(bus_address=address).connect(), asyncio.get_running_loop(), list[bool]()
        task = asyncio.ensure_future(begin(bus))

        def cancel(left: int) -> None:
            if left:
                loop.call_soon(cancel, left - 1)
            else:
                asked.append(task.cancel())

        bus.add_message_handler(lambda _message: cancel(turns))
        await asyncio.wait((task,))
        bus.disconnect()
        return asked == [True] and not task.cancelled()

    def by_call(bus: MessageBus) -> Coroutine[Any, Any, object]:
        return sessionbus.call(bus, sessionbus.BUS, "/org/freedesktop/DBus", sessionbus.BUS, "GetId", "", [])

    def by_bubbles(bus: MessageBus) -> Coroutine[Any, Any, object]:
        return bubbles.Bubbles(bus, lambda _path: None)._ask("Nothing", "", [])

    assert not [turns for turns in range(6) for begin in (by_call, by_bubbles) if asyncio.run(lost(begin, turns))]


def test_clicks_do_not_pile_up(caplog: pytest.LogCaptureFixture) -> None:
    """Some at a time; the others are passed over; afterwards there is room again. What fails is told."""
    told: list[tuple[str, str]] = []
    over: list[int] = []
    hands = Hands(lambda title, text: told.append((title, text)), lambda: over.append(1))
    go, begun = threading.Event(), threading.Semaphore(0)

    def wait() -> None:
        begun.release()
        go.wait(20)

    for _time in range(1000):
        hands.do(wait)
    assert sum(thread.name == "tray-action" for thread in threading.enumerate()) <= 16
    go.set()
    until(lambda: len(over) == 16, "they end")

    def fail(error: BaseException) -> None:
        raise error

    for number, error in enumerate(
        (BgzeroError("No.", hint="Do that."), OSError(28, "No space left on device"), RuntimeError("bug"))
    ):
        hands.do(lambda error=error: fail(error))  # type: ignore[misc]
        until(lambda number=number: len(over) == 17 + number, "it is over")  # type: ignore[misc]
    assert told == [("Something went wrong", "No. Do that."), ("That did not work", "No space left on device")]
    assert [record.message for record in caplog.records] == ["an action of the menu failed"]
