"""Panels that know nothing of D-Bus, `make panel`: pystray's own icons with and without GTK, known by their pixels."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from bgzero_daemon.tray import backends
from bgzero_daemon.tray.icons import State
from tests.flow.test_steer import QUICK
from tests.home import Home, until
from tests.tray.panel import panel_on, session_bus
from tests.tray.screen import TRAYER, Screen, screen, trayer, wait_for_state, xfce_session
from tests.tray.test_panel import keep
from tests.tray.test_tray import state, tray

pytestmark = pytest.mark.panel
SIDES_PX = {"xorg": 24, "gtk": 32}  # of the icon


@dataclass
class Desk:
    """An account with an X server and a panel; no session bus."""

    home: Home
    screen: Screen
    panel: ExitStack
    server: ExitStack
    opened: Path


@pytest.fixture
def desk(home: Home, tmp_path: Path) -> Iterator[Desk]:
    """Whatever is opened writes its name into a file."""
    (home.root / "state" / "bgzero").mkdir(parents=True)
    (home.root / "state" / "bgzero" / "greeted").touch()
    (bin_ := tmp_path / "bin").mkdir()
    (bin_ / "xdg-open").write_text(f'#!/bin/sh\nprintf "%s" "$1" > {tmp_path}/opened\n')
    (bin_ / "xdg-open").chmod(0o755)
    with ExitStack() as server, ExitStack() as panel:
        found = server.enter_context(screen(tmp_path, TRAYER))
        panel.enter_context(trayer(tmp_path, found))
        home.env.pop("DBUS_SESSION_BUS_ADDRESS", None)
        home.env |= {"DISPLAY": found.name, "PATH": f"{bin_}{os.pathsep}{home.env['PATH']}"}
        yield Desk(home, found, panel, server, tmp_path / "opened")


def with_gtk(home: Home) -> None:
    """Lend this Python the distribution's PyGObject, where both are of one version."""
    distributions = Path("/usr/lib/python3/dist-packages/gi")
    (lent := home.root / "lent").mkdir()
    (lent / "gi").symlink_to(distributions)
    asked = "import gi; gi.require_version('Gtk', '3.0'); from gi.repository import Gtk"
    path = {"PYTHONPATH": os.pathsep.join(filter(None, (str(lent), home.env.get("PYTHONPATH"))))}
    done = subprocess.run([sys.executable, "-c", asked], env=home.env | path, capture_output=True)
    if done.returncode:
        pytest.skip("python3-gi and gir1.2-gtk-3.0 are not installed here, or are another Python's")
    home.env |= path


@pytest.mark.parametrize("way", ["xorg", "gtk"])
def test_icon_follows_is_clicked_and_ends(desk: Desk, way: str) -> None:
    """Chosen by itself, it shows what is, opens the cut-outs at a click, comes again with the panel, ends at once."""
    home, side = desk.home, SIDES_PX[way]
    if way == "gtk":
        with_gtk(home)
    with tray(home, "--no-start") as icon:
        wait_for_state(desk.screen, State.OFFLINE, side)
        assert f"({way})" in (home.root / "tray.log").read_text()
        with home.daemon(**QUICK):
            x, y = wait_for_state(desk.screen, State.WATCHING, side)
            keep(desk.screen, f"{way}-watching")
            desk.screen.click(x, y)
            until(lambda: desk.opened.exists() and desk.opened.read_text() == str(home.outbox), "the click opens it")
            if way == "gtk":
                desk.screen.open_menu(x, y)
                keep(desk.screen, "gtk-menu")
                desk.screen.press("Down", "Return")
                until(lambda: "paused" in state(home), "paused by keys")
            else:
                home.bgzero("pause")
            wait_for_state(desk.screen, State.PAUSED, side)
            desk.panel.close()
            with trayer(home.root, desk.screen):
                wait_for_state(desk.screen, State.PAUSED, side)
                home.bgzero("resume")
                wait_for_state(desk.screen, State.WATCHING, side)
                icon.send_signal(signal.SIGTERM)
                assert icon.wait(10) == 0
    assert "Traceback" not in (home.root / "tray.log").read_text()


@pytest.mark.parametrize("way", ["xorg", "gtk"])
def test_display_that_goes_away_ends_it(desk: Desk, way: str) -> None:
    """With an exit code, and no hang; without a display it says so at once."""
    home = desk.home
    if way == "gtk":
        with_gtk(home)
    with tray(home, "--no-start", "--backend", way) as icon:
        wait_for_state(desk.screen, State.OFFLINE, SIDES_PX[way])
        desk.panel.close()
        desk.server.close()
        assert icon.wait(20) == 1
    done = home.bgzero("tray", "--no-start", "--backend", way)
    assert done.returncode == 1
    assert b"The icon cannot be shown" in done.stderr
    assert b"Traceback" not in done.stderr + (home.root / "tray.log").read_bytes()


TITLED = """
from bgzero_daemon.tray import icons
from bgzero_daemon.tray.foreign import ForeignIcon
image = icons.draw(icons.State.OFFLINE, 64)
ForeignIcon("xorg", "bgzero", lambda: "\u672a\u8fd0\u884c", None, lambda: (0, image), print).run(lambda: None)
"""


def test_panel_that_has_just_begun_is_given_the_icon_with_a_menu(home: Home, tmp_path: Path) -> None:
    """XFCE's takes in windows first; an icon that comes in that moment waits for the better way."""
    (home.root / "state" / "bgzero").mkdir(parents=True)
    (home.root / "state" / "bgzero" / "greeted").touch()
    with screen(tmp_path, TRAYER) as found, session_bus() as bus, trayer(tmp_path, found), panel_on(bus) as panel:
        panel.go()
        until(lambda: _shows_windows(found.name), "a panel for windows")
        home.env |= {"DBUS_SESSION_BUS_ADDRESS": bus, "DISPLAY": found.name}
        with tray(home, "--no-start"):
            time.sleep(1.0)
            panel.come()
            assert panel.item


def test_icon_without_gtk_has_notices_where_there_is_a_bus(desk: Desk) -> None:
    """The first one of all, and a click on it opens the inbox."""
    home = desk.home
    (home.root / "state" / "bgzero" / "greeted").unlink()
    with session_bus() as bus, panel_on(bus) as panel, home.daemon(**QUICK):
        home.env["DBUS_SESSION_BUS_ADDRESS"] = bus
        with tray(home, "--no-start", "--backend", "xorg"):
            until(lambda: panel.notifications.shown, "the greeting")
            assert panel.notifications.shown[0]["title"] == "Drop photos here"
            panel.click_notice()
            until(lambda: desk.opened.exists() and desk.opened.read_text() == str(home.inbox), "the click opens it")


def test_icon_without_gtk_is_drawn_in_a_gtk_panel(home: Home, tmp_path: Path) -> None:
    """Its windows have no background of their own: what was there before does not shine through."""
    with screen(tmp_path) as found, xfce_session(tmp_path, found.name):
        home.env |= {"DISPLAY": found.name}
        until(lambda: _shows_windows(found.name), "a panel for windows")
        with tray(home, "--no-start", "--backend", "xorg"):
            wait_for_state(found, State.OFFLINE)
            with home.daemon(**QUICK):
                wait_for_state(found, State.WATCHING)
                home.bgzero("pause")
                wait_for_state(found, State.PAUSED)
                keep(found, "xorg-xfce")


def _shows_windows(display: str) -> bool:
    return backends._has_x11_tray(display)


def test_icon_without_gtk_speaks_every_language(desk: Desk) -> None:
    """python-xlib's own way to a title knows Western letters only."""
    icon = subprocess.Popen([sys.executable, "-c", TITLED], env=desk.home.env)
    try:
        wait_for_state(desk.screen, State.OFFLINE, SIDES_PX["xorg"])
        assert "\u672a\u8fd0\u884c" in desk.screen.titles()
    finally:
        icon.kill()
        icon.wait()
