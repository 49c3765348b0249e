"""`bgzero tray` as a process beside a real daemon, on a private session bus: what is clicked is looked up elsewhere."""

import fcntl
import os
import signal
import subprocess
import time
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest

from tests import tiny
from tests.fault.oracle import Oracle, tag_of
from tests.flow.test_models import shelve
from tests.flow.test_steer import QUICK
from tests.home import PROGRAM, Daemon, Home, is_alive, photo, until
from tests.tray.panel import ITEM, MENU, Panel, panel_on, session_bus


@pytest.fixture(scope="module")
def bus() -> Iterator[str]:
    """A session bus for all of them."""
    with session_bus() as address:
        yield address


@pytest.fixture
def panel(bus: str) -> Iterator[Panel]:
    """A panel, there from the start."""
    with panel_on(bus) as found:
        yield found


@pytest.fixture
def seated(home: Home, bus: str) -> Home:
    """An account in a session."""
    home.env["DBUS_SESSION_BUS_ADDRESS"] = bus
    home.env.pop("DISPLAY", None)
    (home.root / "state" / "bgzero").mkdir(parents=True)
    (home.root / "state" / "bgzero" / "greeted").touch()
    return home


@contextmanager
def tray(home: Home, *arguments: str, by: Sequence[str] = (), **env: str) -> "Iterator[subprocess.Popen[str]]":
    """The icon's process for the length of the block, started `by` another program."""
    with (home.root / "tray.log").open("w") as log:
        command = [*by, *PROGRAM, "tray", *arguments]
        process = subprocess.Popen(command, env=home.env | env, stdin=subprocess.DEVNULL, stderr=log, text=True)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def state(home: Home) -> dict[str, object]:
    """What is kept of what was chosen."""
    file = home.root / "state" / "bgzero" / "state.toml"
    return tomllib.loads(file.read_text()) if file.exists() else {}


def test_clicks_do_what_they_say(seated: Home, panel: Panel) -> None:
    """The whole menu: pause, model, failure, quit; each is looked up in the state, in the next PNG, in exit codes."""
    home = seated
    tiny.install(home.models, "other")
    card = home.models / "other.toml"
    card.write_text(card.read_text().replace('title = "Bright is subject"', 'title = "Another"'))
    with home.daemon(**QUICK) as daemon, tray(home, "--no-start") as icon:
        panel.find("Watching")
        panel.click("Pause")
        until(lambda: "paused" in state(home), "the pause is kept")
        until(lambda: panel.find("Pause").told["toggle-state"] == 1, "the menu says it")
        assert panel.find("Paused")
        panel.click("Pause")
        until(lambda: "paused" not in state(home), "it goes on")
        panel.click("Pause for an hour")
        until(lambda: state(home).get("paused", {}).get("seconds") == 3600.0, "for an hour")  # type: ignore[attr-defined]
        panel.click("Pause")
        until(lambda: "paused" not in state(home), "it goes on")

        photo(home.inbox / "a.jpg")
        daemon.wait_for("a.png")
        assert tag_of(home.outbox / "a.png")["model"] == "tiny"
        panel.click("Model: Bright is subject", "Another")
        until(lambda: state(home).get("model", {}).get("value") == "other", "the model is kept")  # type: ignore[attr-defined]
        photo(home.inbox / "b.jpg", seed=1)
        daemon.wait_for("b.png")
        assert tag_of(home.outbox / "b.png")["model"] == "other"

        panel.click("Runs on: ", "CPU")
        until(lambda: state(home).get("provider", {}).get("value") == "cpu", "the provider is kept")  # type: ignore[attr-defined]

        (home.inbox / "bad.jpg").write_bytes(b"\xff\xd8\xff\xe0 not a photo at all" * 20)
        until(lambda: Oracle(home).status()["failed"] == 1, lambda: daemon.log)
        until(lambda: [path for path in panel.menu() if path.startswith("1 failed/bad.jpg: ")], "its reason is told")
        photo(home.root / "good.jpg", seed=2).replace(home.inbox / "bad.jpg")
        panel.click("1 failed", "bad.jpg", "Try again")
        daemon.wait_for("bad.png")

        panel.click("Notifications", "Off")
        until(lambda: "quiet" in state(home), "no notices")
        panel.click("Quit")
        assert daemon.process.wait(30) == 0
        assert icon.wait(30) == 0
    assert "Traceback" not in (home.root / "tray.log").read_text()


def test_item_is_what_panels_want_and_starts_at_login(seated: Home, panel: Panel) -> None:
    """Each rule was learnt by a panel that showed nothing; start at login is a file that desktops read."""
    place = seated.root / "config" / "autostart" / "io.github.bgzero.Daemon.desktop"
    with seated.daemon(**QUICK), tray(seated, "--no-start"):
        assert panel.item.startswith(":1."), "the unique name"
        until(lambda: panel.properties()["Title"] == "Watching", "it follows")
        told = panel.properties()
        assert told["Status"] == "Active"
        assert told["Id"] == "bgzero"
        assert told["Menu"] == "/MenuBar"
        assert told["ItemIsMenu"] is False
        assert told["IconAccessibleDesc"] == told["AttentionAccessibleDesc"] == told["Title"]
        assert not [key for key in told if key.startswith("XAyatana")]
        assert sorted(panel.pixmaps()) == [16, 22, 24, 32, 44, 48, 64]
        assert all(len(argb) == 4 * size * size for size, argb in panel.pixmaps().items())

        panel.click("Start at login")
        until(place.exists, "it comes at login")
        assert "tray" in place.read_text()
        until(lambda: panel.find("Start at login").told["toggle-state"] == 1, "the menu says so")
        panel.click("Start at login")
        until(lambda: panel.find("Start at login").told["toggle-state"] == 0, "and not any more")
        assert not place.exists() or "Hidden=true" in place.read_text()


def test_panel_that_asks_level_by_level_hears_of_submenus_once(seated: Home, panel: Panel) -> None:
    """Plasma fetches a submenu when it is open, too late to place it, unless it hears of it before."""
    with seated.daemon(**QUICK), tray(seated, "--no-start"):
        model = panel.find("Model: ").number
        panel.signals.clear()
        panel.call(MENU, "GetLayout", "iias", 0, -1, [])
        panel.call(MENU, "GetLayout", "iias", 0, 1, [])
        panel.call(MENU, "GetLayout", "iias", 0, 1, [])
        panel.call(MENU, "GetLayout", "iias", model, 1, [])
        told = [body[1] for _moment, member, body in panel.signals if member == "LayoutUpdated"]
        assert told.count(model) == 1
        assert 0 not in told


def test_icon_shows_each_state_and_comes_back(seated: Home, panel: Panel) -> None:
    """Every state differs from every other; a daemon that dies is told within two seconds, and found again."""
    home, seen = seated, {}
    with tray(home, "--no-start") as icon:
        until(lambda: panel.properties()["Title"] == "Not running", "nobody is there")
        seen["offline"] = panel.pixmaps()[32]
        with home.daemon(**QUICK) as daemon:
            until(lambda: panel.properties()["Title"] == "Watching", "it is there")
            seen["watching"] = panel.pixmaps()[32]
            home.bgzero("pause")
            until(lambda: panel.properties()["Title"] == "Paused", "it is paused")
            seen["paused"] = panel.pixmaps()[32]
            home.bgzero("resume")
            (home.inbox / "bad.jpg").write_bytes(b"\xff\xd8\xff\xe0 not a photo at all" * 20)
            until(lambda: panel.properties()["Title"] == "Watching · 1 failed", lambda: panel.properties()["Title"])
            seen["attention"] = panel.pixmaps()[32]
            daemon.process.kill()
            began = time.monotonic()
            until(lambda: panel.properties()["Title"] == "Not running", "it is gone")
            assert time.monotonic() - began < 2.0
            assert panel.pixmaps()[32] == seen["offline"]
        with home.daemon(**QUICK):
            until(lambda: panel.properties()["Title"] == "Watching · 1 failed", "it is back")
            assert panel.pixmaps()[32] == seen["attention"]
        icon.send_signal(signal.SIGTERM)
        assert icon.wait(10) == 0
    assert len(set(seen.values())) == len(seen)


def test_panel_that_comes_later_or_again_shows_it(seated: Home, bus: str) -> None:
    """Without a panel the icon waits; a panel that restarts gets it anew."""
    with tray(seated, "--no-start") as icon:
        time.sleep(0.5)
        assert icon.poll() is None
        with panel_on(bus) as panel:
            first = panel.item
            panel.go()
            panel.come()
            until(lambda: panel.watcher.items == [first], "it registers again")


def test_menu_that_is_open_can_be_used_while_photos_fly_by(seated: Home, panel: Panel) -> None:
    """Counts go up in the open menu, its lines stay where they are, and a click hits what was shown."""
    home = seated
    with home.daemon(**QUICK) as daemon, tray(home, "--no-start"):
        photo(home.inbox / "first.jpg")
        daemon.wait_for("first.png")
        until(
            lambda: [path for path in panel.menu() if path.startswith("Recent/") and "first.jpg" in path], "it is shown"
        )
        panel.event(0, "opened")
        before = panel.menu()
        for number in range(12):
            photo(home.inbox / f"{number}.jpg", seed=number + 1)
        daemon.wait_for(*(f"{number}.png" for number in range(12)))
        until(lambda: "13 done today" in next(iter(panel.menu())), lambda: next(iter(panel.menu())))
        assert [line.number for line in before.values()] == [line.number for line in panel.menu().values()]
        changes = [body for _moment, member, body in panel.signals if member == "ItemsPropertiesUpdated"]
        assert changes, "it counts up live"
        panel.event(0, "closed")
        until(lambda: sum(path.startswith("Recent/") and path.count("/") == 1 for path in panel.menu()) == 8, "all new")


def test_little_is_told_while_much_changes_and_nothing_is_done_at_rest(seated: Home, panel: Panel) -> None:
    """At most four changes of the icon a second; at rest none, next to no processor time, and 60 MB at most."""
    home = seated
    with home.daemon(**QUICK) as daemon, tray(home, "--no-start") as icon:
        until(lambda: panel.properties()["Title"] == "Watching", "it follows")
        for number in range(20):
            photo(home.inbox / f"{number}.jpg", seed=number)
        daemon.wait_for(*(f"{number}.png" for number in range(20)))
        until(lambda: panel.properties()["Title"] == "Watching · 20 done today", "all done")
        time.sleep(1.0)
        icons = [moment for moment, member, _body in panel.signals if member == "NewIcon"]
        assert icons
        for number, moment in enumerate(icons):
            assert sum(moment <= other < moment + 1.0 for other in icons[number:]) <= 5
        process = psutil.Process(icon.pid)
        panel.signals.clear()
        before = sum(process.cpu_times()[:2])
        time.sleep(3.0)
        assert not panel.signals
        assert sum(process.cpu_times()[:2]) - before <= 0.02
        assert process.memory_info().rss < 60_000_000, process.memory_info().rss


def test_tray_that_is_killed_costs_no_photo(seated: Home, panel: Panel) -> None:
    """In the middle of twenty photos."""
    home = seated
    with home.daemon(**QUICK) as daemon:
        with tray(home, "--no-start") as icon:
            until(lambda: panel.properties()["Title"].startswith("Watching"), "it follows")
            for number in range(20):
                photo(home.inbox / f"{number}.jpg", seed=number)
            daemon.wait_for("3.png")
            icon.kill()
            icon.wait()
        daemon.wait_for(*(f"{number}.png" for number in range(20)))


def opener(home: Home) -> dict[str, str]:
    """A program that notes what it is to open instead of the desktop's, and a PATH that leads to it first."""
    folder = home.root / "bin"
    folder.mkdir()
    (folder / "xdg-open").write_text(f'#!/bin/sh\nprintf "%s" "$1" > {home.root}/opened\n')
    (folder / "xdg-open").chmod(0o755)
    (folder / "gdbus").write_text("#!/bin/sh\nexit 1\n")  # nobody is asked to show a file: its folder is opened
    (folder / "gdbus").chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}{home.env['PATH']}"}


def recent(panel: Panel, photo_name: str) -> str:
    """Return what the list of recent photos says of one, once it does."""
    found: list[str] = []

    def is_there() -> bool:
        found[:] = [path for path in panel.menu() if path.startswith("Recent/") and path.endswith(photo_name)]
        return bool(found)

    until(is_there, "it is listed")
    return found[0].split("/")[1]


def opened(home: Home, wanted: Path) -> None:
    """Wait until this was opened."""
    note = home.root / "opened"
    until(lambda: note.exists() and note.read_text() == str(wanted), lambda: note.read_text() if note.exists() else "-")
    note.unlink()


def test_menu_opens_folders_photos_settings_and_log(seated: Home, panel: Panel) -> None:
    """With what the desktop has for each; settings are written first where there are none."""
    home = seated
    config = home.root / "config" / "bgzero" / "config.toml"
    with home.daemon(**QUICK) as daemon, tray(home, "--no-start", **opener(home)):
        photo(home.inbox / "a.jpg")
        daemon.wait_for("a.png")
        panel.click("Open inbox")
        opened(home, home.inbox)
        panel.click("Open cut-outs")
        opened(home, home.outbox)
        panel.call(ITEM, "Activate", "ii", 0, 0)
        opened(home, home.outbox)
        name = recent(panel, "a.jpg")
        panel.click("Recent", name, "Open")
        opened(home, home.outbox / "a.png")
        panel.click("Recent", name, "Show in folder")
        opened(home, home.outbox)
        assert not config.exists()
        panel.click("Edit settings…")
        opened(home, config)
        assert "# BGZero Daemon" in config.read_text()
        panel.click("Show log…")
        note = home.root / "opened"
        until(lambda: note.exists() and note.read_text().endswith("log.txt"), "the log is opened")
        assert Path(note.read_text()).stat().st_mode & 0o077 == 0


def test_photo_is_done_again_and_a_model_is_downloaded(seated: Home, panel: Panel) -> None:
    """From the list of recent ones; a failure is taken off its list.

    Downloads are `bgzero model pull`, with the licence said and accepted; without a network it is told why not.
    """
    home = seated
    tiny.install(home.models, "other")
    card = home.models / "other.toml"
    card.write_text(card.read_text().replace('title = "Bright is subject"', 'title = "Another"'))
    shelve(home, "far", commercial="no", has_weights=False)
    card = home.models / "far.toml"
    card.write_text(card.read_text().replace("[input]", '[[source]]\nurl = "https://127.0.0.1:9/far.onnx"\n\n[input]'))
    card.write_text(card.read_text().replace('title = "Bright is subject"', 'title = "Far away"'))
    with home.daemon(**QUICK) as daemon, tray(home, "--no-start"):
        assert panel.find("Model: ", "Far away", "Licence: AGPL-3.0-or-later; NOT for commercial use")
        panel.click("Model: ", "Far away", "Accept the licence and download")
        photo(home.inbox / "a.jpg")
        daemon.wait_for("a.png")
        name = recent(panel, "a.jpg")
        panel.click("Recent", name, "Do it again with", "Another")
        until(lambda: tag_of(home.outbox / "a.png")["model"] == "other", "it is done again")
        (home.inbox / "bad.jpg").write_bytes(b"\xff\xd8\xff\xe0 not a photo at all" * 20)
        panel.click("1 failed", "Take all off the list")
        until(lambda: Oracle(home).status()["failed"] == 0, "it is off")
        assert panel.find("None failed")
        until(lambda: [one for one in panel.notifications.shown if one["title"] == "far was not fetched"], "told", 30)
        (told,) = [one for one in panel.notifications.shown if one["title"] == "far was not fetched"]
        assert "127.0.0.1" in told["text"]


def icon_of(daemon: Daemon) -> psutil.Process:
    """The icon that `bgzero run --tray` has started."""
    (icon,) = [one for one in psutil.Process(daemon.process.pid).children() if "tray" in one.cmdline()]
    return icon


def test_run_with_the_icon_starts_and_ends_both(seated: Home, panel: Panel) -> None:
    """The icon is a process of its own: killed or hanging it costs nothing; the daemon takes it along when it ends.

    Where the daemon is killed, the icon stays and says so.
    """
    home = seated
    command = ("run", "--tray", "--inbox", home.inbox, "--outbox", home.outbox)
    with home.started(*command, **QUICK) as daemon:
        until(lambda: panel.properties()["Title"] == "Watching", lambda: daemon.log)
        icon = icon_of(daemon)
        icon.suspend()
        photo(home.inbox / "a.jpg")
        daemon.wait_for("a.png")
        assert daemon.stop() == 0
        assert not icon.is_running()
    panel.watcher.items.clear()
    with home.started(*command, **QUICK) as daemon:
        until(lambda: panel.properties()["Title"].startswith("Watching"), lambda: daemon.log)
        icon = icon_of(daemon)
        daemon.stop(signal.SIGKILL)
        until(lambda: panel.properties()["Title"] == "Not running", "it says so")
        assert panel.find("Start")
        icon.terminate()
        until(lambda: not is_alive(icon.pid), "it ends")


def test_run_with_an_icon_that_cannot_be_shown_works(seated: Home) -> None:
    """It says why, and cuts; the icon that has left is not waited for."""
    home = seated
    home.env["DBUS_SESSION_BUS_ADDRESS"] = ""
    with home.daemon("--tray", "--inbox", home.inbox, "--outbox", home.outbox, **QUICK) as daemon:
        until(lambda: "Nothing here can show an icon" in daemon.log, lambda: daemon.log)
        photo(home.inbox / "a.jpg")
        daemon.wait_for("a.png")
        assert daemon.stop() == 0


def test_icon_without_a_home_says_what_cannot_be_done(seated: Home, panel: Panel) -> None:
    """A menu all the same; and two signals end it as one does."""
    home = seated
    home.env = {key: value for key, value in home.env.items() if not key.startswith("XDG_")}
    home.env |= {"HOME": "/nonexistent", "XDG_RUNTIME_DIR": str(home.root / "run")}
    with tray(home, "--no-start") as icon:
        assert panel.find("Not running")
        assert "Start at login" not in panel.menu()
        panel.click("Edit settings")
        until(lambda: panel.notifications.shown, "it is told")
        assert "no place for settings" in panel.notifications.shown[0]["text"]
        icon.send_signal(signal.SIGTERM)
        icon.send_signal(signal.SIGTERM)
        assert icon.wait(20) in (0, -signal.SIGTERM)  # the second one may come when Python is on its way out already
    assert "Traceback" not in (home.root / "tray.log").read_text()


def test_end_of_the_session_is_an_end_and_that_of_a_terminal_none_for_nohup(seated: Home) -> None:
    """The bus goes away: a sentence and an exit code. A hang-up that is to be ignored is ignored."""
    home = seated
    with ExitStack() as stack:
        with session_bus() as own:
            home.env["DBUS_SESSION_BUS_ADDRESS"] = own
            icon = stack.enter_context(tray(home, "--no-start", by=("sh", "-c", "trap '' HUP; exec \"$@\"", "sh")))
            with panel_on(own) as panel:
                assert panel.item
                icon.send_signal(signal.SIGHUP)
                panel.watcher.items.clear()
                panel.go()
                panel.come()
                assert panel.item, "it is still there"
        assert icon.wait(20) == 1
    said = (home.root / "tray.log").read_text()
    assert "The session bus went away." in said
    assert "Traceback" not in said


def test_doctor_says_how_the_icon_is_shown(seated: Home, bus: str) -> None:
    """With a panel and without one."""
    home = seated
    home.env["XDG_CURRENT_DESKTOP"] = "XFCE"
    assert "Nothing in this session shows tray icons" in home.bgzero("doctor", "--only", "tray").stdout.decode()
    with panel_on(bus):
        assert "The icon goes there (sni)" in home.bgzero("doctor", "--only", "tray").stdout.decode()


def test_notice_for_a_burst_names_count_and_opens_the_folder(seated: Home, panel: Panel) -> None:
    """One for all, with a thumbnail; failures with their reason; names that look like markup are harmless."""
    home = seated
    shown = panel.notifications.shown
    with home.daemon(**QUICK), tray(home, "--no-start", **opener(home)):
        until(lambda: panel.properties()["Title"] == "Watching", "it follows")
        for number in range(5):
            photo(home.inbox / f"<b>{number}&.jpg", seed=number)
        until(lambda: shown, "a notice")
        assert shown[-1]["title"] == "5 cut-outs ready"
        assert "<b>" not in shown[-1]["text"]
        assert "&lt;b&gt;" in shown[-1]["text"]
        assert shown[-1]["hints"]["image-path"].startswith("file:///")
        panel.click_notice()
        opened(home, home.outbox)
        (home.inbox / "bad.jpg").write_bytes(b"\xff\xd8\xff\xe0 not a photo at all" * 20)
        until(lambda: len(shown) == 2, "another")
        assert shown[-1]["title"] == "1 photo could not be cut"
        assert "bad.jpg: " in shown[-1]["text"]
        assert len(shown) == 2


def test_snoozed_tray_is_quiet_and_broken_notification_service_costs_nothing(seated: Home, panel: Panel) -> None:
    """What came meanwhile is no news afterwards; where every notice is answered with an error, the menu still works."""
    home = seated
    with home.daemon(**QUICK) as daemon, tray(home, "--no-start") as icon:
        until(lambda: panel.properties()["Title"] == "Watching", "it follows")
        panel.click("Notifications", "Quiet for 30 minutes")
        until(lambda: "quiet" in state(home), "quiet")
        photo(home.inbox / "a.jpg")
        daemon.wait_for("a.png")
        time.sleep(2.5)
        panel.click("Notifications", "On")
        until(lambda: "quiet" not in state(home), "loud")
        panel.notifications.breaks = True
        photo(home.inbox / "b.jpg", seed=1)
        until(lambda: panel.notifications.broken, "a notice is tried")
        panel.click("Pause")
        until(lambda: "paused" in state(home), "the pause is kept")
        assert icon.poll() is None
        assert panel.notifications.broken == 1
        assert not panel.notifications.shown


def test_first_sight_is_greeted_once(seated: Home, panel: Panel) -> None:
    """One notice that opens the inbox; never again."""
    home = seated
    (home.root / "state" / "bgzero" / "greeted").unlink()
    for _turn in range(2):
        with home.daemon(**QUICK), tray(home, "--no-start"):
            until(lambda: panel.properties()["Title"] == "Watching", "it follows")
            until(lambda: panel.notifications.shown, "the greeting")
            time.sleep(0.5)
        panel.watcher.items.clear()
    assert [one["title"] for one in panel.notifications.shown] == ["Drop photos here"]


def test_tray_starts_the_daemon_and_quit_ends_both(seated: Home, panel: Panel) -> None:
    """Where none answers; closing the icon alone keeps it working."""
    home = seated
    home.env |= {"BGZERO_FOLDER__INBOX": str(home.inbox), "BGZERO_FOLDER__OUTBOX": str(home.outbox)} | QUICK
    with tray(home) as icon:
        until(lambda: panel.properties()["Title"] == "Watching", "it is started")
        panel.click("Close this icon")
        assert icon.wait(10) == 0
    assert home.bgzero("status").returncode == 0
    panel.watcher.items.clear()
    with tray(home) as icon:
        pid = Oracle(home).status()["pid"]
        until(lambda: panel.properties()["Title"] == "Watching", "it is found")
        panel.click("Quit")
        assert icon.wait(30) == 0
    assert not psutil.pid_exists(int(str(pid))) or psutil.Process(int(str(pid))).status() == psutil.STATUS_ZOMBIE


def is_held(lock: Path) -> bool:
    """Say whether somebody has this lock."""
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_unfit_places_end_with_a_sentence(seated: Home, tmp_path: Path) -> None:
    """No bus, a bus that does not answer, a second icon: an exit code, never a hang, and the daemon goes on."""
    home = seated
    with home.daemon(**QUICK):
        for address in ("", f"unix:path={tmp_path}/nowhere"):
            done = home.bgzero("tray", "--no-start", DBUS_SESSION_BUS_ADDRESS=address)
            assert done.returncode == 1
            assert b"Nothing here can show an icon" in done.stderr
            assert b"Traceback" not in done.stderr
        with tray(home, "--no-start"):
            lock = home.root / "run" / "bgzero" / "tray.lock"
            until(lambda: lock.exists() and is_held(lock), "it is there")
            assert home.bgzero("tray", "--no-start").returncode == 75
        assert home.bgzero("status", "--check").returncode == 0
