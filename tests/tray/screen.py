"""An X server without a screen, a real panel on it, and hands: a mouse, keys, and eyes."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image, ImageGrab
from Xlib import XK, X
from Xlib.display import Display
from Xlib.ext import xtest

from bgzero_daemon.tray import icons
from bgzero_daemon.tray.icons import State
from tests.home import until
from tests.tray.panel import session_bus

NEEDED = ("Xvfb", "xfce4-panel", "openbox", "dbus-daemon")
TRAYER = ("Xvfb", "trayer")
SIZE_PX = (800, 600)
CONFIGURATION = """<?xml version="1.0" encoding="UTF-8"?>
<channel name="xfce4-panel" version="1.0">
  <property name="configver" type="int" value="2"/>
  <property name="panels" type="array"><value type="int" value="1"/>
    <property name="panel-1" type="empty">
      <property name="position" type="string" value="p=6;x=0;y=0"/>
      <property name="length" type="uint" value="100"/>
      <property name="size" type="uint" value="32"/>
      <property name="plugin-ids" type="array"><value type="int" value="1"/></property>
    </property>
  </property>
  <property name="plugins" type="empty">
    <property name="plugin-1" type="string" value="systray">
      <property name="size-max" type="uint" value="24"/>
    </property>
  </property>
</channel>
"""


class Screen:
    """One X server: what is on it, and what a hand does to it. Coordinates are pixels from the top left."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._display: Any = Display(name)

    def look(self) -> Image.Image:
        """Return what is on the screen."""
        return ImageGrab.grab(xdisplay=self.name).convert("RGB")

    def click(self, x: int, y: int, button: int = 1) -> None:
        """Go there and click."""
        xtest.fake_input(self._display, X.MotionNotify, x=x, y=y)
        self._display.sync()
        time.sleep(0.2)
        for kind in (X.ButtonPress, X.ButtonRelease):
            xtest.fake_input(self._display, kind, button)
        self._display.sync()

    def open_menu(self, x: int, y: int) -> Image.Image:
        """Click with the right button, and return what was there before; the menu is there, and keys reach it."""
        before = self.calm()
        below = (0, PANEL_PX, *SIZE_PX)
        self.click(x, y, button=3)
        until(lambda: self.look().crop(below).tobytes() != before.crop(below).tobytes(), "the menu opens")
        self.calm()
        return before

    def press(self, *keys: str) -> None:
        """Press one key after another, by their X names."""
        for key in keys:
            code = self._display.keysym_to_keycode(XK.string_to_keysym(key))
            for kind in (X.KeyPress, X.KeyRelease):
                xtest.fake_input(self._display, kind, code)
            self._display.sync()
            time.sleep(0.15)

    def calm(self) -> Image.Image:
        """Return what is on the screen once it stays the same for a moment."""
        former = self.look()
        for _turn in range(40):
            time.sleep(0.25)
            now = self.look()
            if now.tobytes() == former.tobytes():
                return now
            former = now
        return former

    def paint(self, colour: int) -> None:
        """Give the desktop behind everything a colour, 0xRRGGBB."""
        root = self._display.screen().root
        root.change_attributes(background_pixel=colour)
        root.clear_area()
        self._display.sync()

    def titles(self) -> set[str]:
        """Return what windows call themselves, however deep in others they are."""
        name, found = self._display.intern_atom("_NET_WM_NAME"), set()
        windows = [self._display.screen().root]
        while windows:
            window = windows.pop()
            windows += window.query_tree().children
            if told := window.get_full_property(name, X.AnyPropertyType):
                found.add(told.value.decode())
        return found

    def close(self) -> None:
        """End."""
        self._display.close()


@contextmanager
def screen(folder: Path, needed: tuple[str, ...] = NEEDED) -> Iterator[Screen]:
    """An X server for the length of the block."""
    missing = [program for program in needed if not shutil.which(program)]
    if missing:
        pytest.skip(f"not installed here: {', '.join(missing)}")
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{SIZE_PX[0]}x{SIZE_PX[1]}x24", "-nolisten", "tcp"]
    with (folder / "xvfb.log").open("w") as log:
        server = subprocess.Popen(command, pass_fds=[write], stdout=log, stderr=log)
    os.close(write)
    try:
        with os.fdopen(read) as told:
            name = f":{told.readline().strip()}"
        found = Screen(name)
        try:
            yield found
        finally:
            found.close()
    finally:
        server.terminate()
        server.wait()


@contextmanager
def xfce_session(folder: Path, display: str) -> Iterator[str]:
    """A session bus, a window manager and XFCE's panel for the length of the block. The bus's address."""
    env = {"XDG_CONFIG_HOME": str(folder / "xfce"), "DISPLAY": display, "HOME": str(folder)}
    with session_bus(**env) as bus, _xfce_panel(folder, display, bus):
        yield bus


@contextmanager
def _xfce_panel(folder: Path, display: str, bus: str) -> Iterator[None]:
    place = folder / "xfce" / "xfce4" / "xfconf" / "xfce-perchannel-xml"
    place.mkdir(parents=True)
    (place / "xfce4-panel.xml").write_text(CONFIGURATION)
    env = {
        "DISPLAY": display, "DBUS_SESSION_BUS_ADDRESS": bus, "XDG_CONFIG_HOME": str(folder / "xfce"),
        "XDG_CURRENT_DESKTOP": "XFCE", "HOME": str(folder), "NO_AT_BRIDGE": "1", "LANG": "C.UTF-8",
        "XDG_CACHE_HOME": str(folder / "cache"),
    }  # fmt: skip
    with window_manager(folder, env), running(["xfce4-panel", "--disable-wm-check"], folder, env):
        yield


@contextmanager
def running(command: list[str], folder: Path, env: dict[str, str]) -> Iterator[None]:
    """A program of the desktop for the length of the block."""
    with (folder / f"{command[0]}.log").open("w") as log:
        process = subprocess.Popen(command, env=os.environ | env, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        process.kill()
        process.wait()


@contextmanager
def window_manager(folder: Path, env: dict[str, str]) -> Iterator[None]:
    """One for the length of the block; a panel that comes before it is put somewhere else."""
    server: Any = Display(env["DISPLAY"])
    try:
        there = server.intern_atom("_NET_SUPPORTING_WM_CHECK")
        with running(["openbox"], folder, env):
            until(lambda: server.screen().root.get_full_property(there, X.AnyPropertyType), "a window manager")
            yield
    finally:
        server.close()


@contextmanager
def trayer(folder: Path, screen_: Screen) -> Iterator[None]:
    """A panel that knows nothing of D-Bus, at the top and drawn, for the length of the block."""
    size = ["--widthtype", "percent", "--width", "100", "--heighttype", "pixel", "--height", str(PANEL_PX)]
    with running(["trayer", "--edge", "top", "--align", "left", *size], folder, {"DISPLAY": screen_.name}):
        until(lambda: screen_.look().getpixel((SIZE_PX[0] // 2, PANEL_PX // 2)) != (0, 0, 0), "a panel")
        yield


PANEL_PX, ICON_PX = 32, 22  # how high the panel is, and how large it draws an icon


def likeness(shown: Image.Image, icon: Image.Image, side_px: int = ICON_PX) -> tuple[float, tuple[int, int]]:
    """Return how an RGBA icon differs from the place of the panel that is most like it, of 255, and its middle."""
    background = Image.new("RGBA", icon.size, shown.getpixel((shown.width // 2, PANEL_PX // 2)))
    scaled = (
        Image.alpha_composite(background, icon).convert("RGB").resize((side_px, side_px), Image.Resampling.BILINEAR)
    )
    wanted = np.asarray(scaled, np.float32)
    windows = sliding_window_view(np.asarray(shown, np.float32)[:PANEL_PX, :200], (side_px, side_px), axis=(0, 1))
    difference = np.abs(windows - wanted.transpose(2, 0, 1)).mean(axis=(2, 3, 4))
    top, left = np.unravel_index(int(difference.argmin()), difference.shape)
    return float(difference[top, left]), (int(left) + side_px // 2, int(top) + side_px // 2)


def seen_state(shown: Image.Image, side_px: int = ICON_PX) -> tuple[State, tuple[int, int]] | None:
    """Return which state the panel shows, and where; None where it looks like none of them, or like two."""
    states = [state for state in State if state is not State.WORKING]
    found = sorted((likeness(shown, icons.draw(state, 64), side_px), state) for state in states)
    (best, place), state = found[0]
    (second, _place), _state = found[1]
    return (state, place) if best < 8.0 and best < second / 1.5 else None


def wait_for_state(screen_: Screen, wanted: State, side_px: int = ICON_PX) -> tuple[int, int]:
    """Return the middle of the icon once it shows a state."""
    seen: list[tuple[State, tuple[int, int]] | None] = [None]

    def is_there() -> bool:
        seen[0] = seen_state(screen_.look(), side_px)
        return seen[0] is not None and seen[0][0] is wanted

    until(is_there, lambda: f"{wanted} in the panel, which shows {seen[0]}", 30)
    assert seen[0]
    return seen[0][1]
