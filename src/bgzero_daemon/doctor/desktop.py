"""Whether a tray icon would be shown, and notifications."""

import os
import shutil

from bgzero_daemon.core.errors import BgzeroError
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _
from bgzero_daemon.doctor.findings import CannotLook, Finding, note, ok
from bgzero_daemon.doctor.ground import Ground
from bgzero_daemon.tray import backends
from bgzero_daemon.tray import sessionbus as bus

_GRAPHICAL = ("DISPLAY", "WAYLAND_DISPLAY", "XDG_CURRENT_DESKTOP")
# Programs that show icons or notifications, and how they are begun where they are installed.
_PANELS = {
    "KDE": "plasmashell", "XFCE": "xfce4-panel", "LXQT": "lxqt-panel", "MATE": "mate-panel", "SWAY": "waybar",
    "HYPRLAND": "waybar", "X-CINNAMON": "xapp-sn-watcher",
}  # fmt: skip
_OTHER_PANELS = ("waybar", "snixembed", "xfce4-panel", "lxqt-panel")
_SERVERS = ("dunst", "mako", "swaync", "notification-daemon")
_GNOME = "appindicatorsupport@rgcjonas.gmail.com"
_INSTALLERS = {
    "apt": "sudo apt install -y {package}", "dnf": "sudo dnf install -y {package}",
    "zypper": "sudo zypper install -y {package}", "pacman": "sudo pacman -S --noconfirm {package}",
}  # fmt: skip


def _look(ground: Ground) -> bus.Bus | Finding:
    """Ask the session bus, in a graphical session. Raises CannotLook elsewhere."""
    if not any(map(ground.environ.get, _GRAPHICAL)):
        raise CannotLook(_("There is no graphical session here."))
    try:
        return bus.look_around(bus.address_of(ground.environ))
    except BgzeroError as error:
        place = f"/run/user/{os.getuid()}/bus"
        remedy = (
            f"export DBUS_SESSION_BUS_ADDRESS=unix:path={place}" if os.path.exists(place) else "dbus-run-session bash"
        )
        return note(str(error), remedy, _("Without it there is neither a tray icon nor a notification."))


def tray(ground: Ground) -> list[Finding]:
    """Say whether something shows icons of programs."""
    found = _look(ground)
    if isinstance(found, Finding):
        return [found]
    way = backends.way_on(found, ground.environ)
    if way and way.is_seen:
        return [ok(_("{why} The icon goes there ({name}).").format(why=way.why, name=way.name))]
    desktops = ground.environ.get("XDG_CURRENT_DESKTOP", "").upper().split(":")
    sentence = _("Nothing in this session shows tray icons.")
    if "GNOME" in desktops:
        extension = _("GNOME shows them by an extension; log out and in again afterwards.")
        enable = f"gnome-extensions enable {_GNOME}"
        return [note(sentence, f"{_install('gnome-shell-extension-appindicator')} && {enable}", extension)]
    usual = [_PANELS[desktop] for desktop in desktops if desktop in _PANELS]
    return [note(sentence, _begin([*usual, *_OTHER_PANELS]))]


def notifications(ground: Ground) -> list[Finding]:
    """Say who shows notifications."""
    found = _look(ground)
    if isinstance(found, Finding):
        raise CannotLook(_("This waits for a session bus."))
    if bus.NOTIFICATIONS in found.owned:
        return [ok(_("{name} shows notifications.").format(name=display(found.server or _("Somebody"))))]
    if bus.NOTIFICATIONS in found.startable:
        return [ok(_("Who shows notifications is started by the first of them."))]
    return [note(_("Nothing in this session shows notifications."), _begin(_SERVERS))]


def _begin(programs: list[str] | tuple[str, ...]) -> str:
    """Return the command that starts the first program that is here, or installs the first one."""
    for program in programs:
        if shutil.which(program):
            return f"{program} >/dev/null 2>&1 &"
    return _install(programs[0])


def _install(package: str) -> str:
    for tool, command in _INSTALLERS.items():
        if shutil.which(tool):
            return command.format(package=package)
    return _INSTALLERS["apt"].format(package=package)
