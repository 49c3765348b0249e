"""Which way an icon gets into the panel here, and why."""

import contextlib
import importlib
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass

from bgzero_daemon.core.errors import BgzeroError
from bgzero_daemon.core.texts import _
from bgzero_daemon.tray import sessionbus

WATCHER = "org.kde.StatusNotifierWatcher"
_PATIENCE_SECONDS, _LOOK_SECONDS = 5.0, 0.25
NAMES = ("sni", "appindicator", "gtk", "xorg", "darwin")


class NoTray(BgzeroError):
    """No icon can be shown here."""

    title = _("There is no place for an icon")


@dataclass(frozen=True, slots=True)
class Way:
    """One of `NAMES`, and a sentence about why it is this one. `is_seen`: somebody shows icons that come this way."""

    name: str
    why: str
    is_seen: bool = True


def choose(environ: Mapping[str, str]) -> Way:
    """Return the way that is there. Raises NoTray where there is none."""
    if sys.platform == "darwin":
        return Way("darwin", _("This is a Mac."))
    try:
        bus, trouble = sessionbus.look_around(sessionbus.address_of(environ)), ""
    except BgzeroError as error:
        bus, trouble = None, str(error)
    way = way_on(bus, environ)
    end = time.monotonic() + _PATIENCE_SECONDS
    while bus and way and way.name != "sni" and time.monotonic() < end:
        # a panel that has just begun takes in windows first, and what has a menu a moment later
        time.sleep(_LOOK_SECONDS)
        with contextlib.suppress(BgzeroError):
            way = way_on(sessionbus.look_around(sessionbus.address_of(environ)), environ)
    if way:
        return way
    raise NoTray(
        _("Nothing here can show an icon. {why}").format(why=trouble),
        hint=_("The daemon needs none: `bgzero status` says how it is. `bgzero doctor` says what is missing."),
    )


def way_on(bus: sessionbus.Bus | None, environ: Mapping[str, str]) -> Way | None:
    """Return the way on this session bus, or beside it; None where there is none."""
    if bus and WATCHER in bus.owned:
        return Way("sni", _("A panel on the session bus shows icons."))
    if environ.get("DISPLAY") and _has_x11_tray(environ["DISPLAY"]):
        if can_be_loaded("gtk"):
            return Way("gtk", _("A panel of the X server shows icons, and GTK is here."))
        return Way("xorg", _("A panel of the X server shows icons; without PyGObject the icon has no menu."))
    if bus:
        return Way("sni", _("No panel shows icons yet; the icon comes as soon as one does."), is_seen=False)
    return None


def can_be_loaded(name: str) -> bool:
    """Say whether a back-end of pystray's can be loaded here; it may look for a display, and raise what it likes."""
    try:
        importlib.import_module(f"pystray._{name}")
    except Exception:  # noqa: BLE001 - gi raises ValueError, Xlib its own
        return False
    return True


def _has_x11_tray(display: str) -> bool:
    """Say whether somebody takes in windows of icons (freedesktop.org's system tray protocol)."""
    try:
        xlib = importlib.import_module("Xlib.display")
        server = xlib.Display(display)
    except Exception:  # noqa: BLE001 - no such server, or no python-xlib
        return False
    try:
        selection = server.intern_atom(f"_NET_SYSTEM_TRAY_S{server.get_default_screen()}")
        return bool(server.get_selection_owner(selection))
    finally:
        server.close()


def hush() -> None:
    """Keep GTK from speaking to accessibility buses that are not there, which takes seconds."""
    os.environ.setdefault("NO_AT_BRIDGE", "1")
