"""Desktop files of ours: the program's own, its start at login, the entry in Dolphin's menu.

Written by the Desktop Entry Specification; read by many, so nothing is in them that only some understand.
"""

import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path

from bgzero_daemon.core.errors import BgzeroError
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _
from bgzero_daemon.install import marks, program

APP_ID = "io.github.bgzero.Daemon"
NAME = "BGZero"
# `--notify`: whoever clicked sees no terminal. `--`: a photo's name may begin with a hyphen.
CUT = ("cut", "--notify", "--")
GROUP = "Desktop Entry"
_TYPES = "image/jpeg;image/png;image/webp;image/tiff;image/bmp;image/gif;image/avif;"
_PLAIN = re.compile(r"[A-Za-z0-9_@+:,./-]+")
_FIRST = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')


def label() -> str:
    """Return what the menus of file managers say."""
    return _("Remove background")


def own_program() -> Path:
    """Return this program's lasting path. Raises BgzeroError where a desktop could not start it.

    GLib looks for the program before it has turned %% into %, and desktop files are lines of UTF-8.
    """
    path = program.find()
    if any(char == "%" or unicodedata.category(char) in {"Cc", "Cs"} for char in str(path)):
        raise BgzeroError(
            _("Desktops start no program whose path has %, control characters or bytes that are no text: {program}.")
            .format(program=display(path)),
            hint=_("Install it in another folder; then `bgzero integrate install`."),
        )  # fmt: skip
    return path


def application(path: Path) -> str:
    """Return the sealed entry in the desktop's menu, which starts the tray.

    It claims no types: an entry of the user's own goes before the machine's, so where nobody chose a viewer of
    photos, a double click would cut them.
    """
    comment = _("Cuts photos out of their backgrounds on this computer; nothing is uploaded")
    return _seal(
        {
            "Type": "Application", "Name": NAME, "GenericName": _("Background remover"), "Comment": comment,
            "Exec": command(path, "tray"), "TryExec": _string(str(path)), "Icon": APP_ID, "Terminal": "false",
            "StartupNotify": "false", "Categories": "Graphics;Photography;",
            "Keywords": "background;cutout;transparent;png;", "X-GNOME-UsesNotifications": "true",
        }
    )  # fmt: skip


def autostart(path: Path) -> str:
    """Return the sealed file that starts the tray at login."""
    return _seal(
        {
            "Type": "Application", "Name": NAME, "Comment": _("Shows what it does, and steers it"),
            "Exec": command(path, "tray"), "TryExec": _string(str(path)), "Icon": APP_ID, "Terminal": "false",
        }
    )  # fmt: skip


def service_menu(path: Path) -> str:
    """Return the sealed entry of Dolphin's menu (KIO's service menus; "Service" is KDE's own type)."""
    entry = {
        "Type": "Service", "Name": label(), "MimeType": _TYPES, "Actions": "removeBackground;",
        "X-KDE-Priority": "TopLevel",
    }  # fmt: skip
    action = {"Name": label(), "Icon": APP_ID, "Exec": f"{command(path, *CUT)} %F"}
    return _seal(entry, _group("Desktop Action removeBackground", action))


def _seal(entry: Mapping[str, str], *more: str) -> str:
    return marks.seal("\n".join([_group(GROUP, entry), *more]), by=marks.DESKTOP)


def _group(name: str, entries: Mapping[str, str]) -> str:
    return "".join([f"[{name}]\n", *(f"{key}={value}\n" for key, value in entries.items())])


def command(path: Path, *words: str) -> str:
    """Return the value of an Exec key. The words have to be plain."""
    text = str(path)
    if _PLAIN.fullmatch(text):
        return " ".join([text, *words])
    quoted = "".join(f"\\{char}" if char in '"`$\\' else char for char in text)
    return " ".join([_string(f'"{quoted}"'), *words])


def _string(value: str) -> str:
    return value.replace("\\", "\\\\")


def read_program(text: str) -> Path | None:
    """Return which program a desktop file starts first; None where it starts none."""
    found = re.search(r"^Exec\s*=\s*(.*)$", text, re.MULTILINE)
    word = _FIRST.match(found[1].replace("\\\\", "\\")) if found else None
    if word is None:
        return None
    return Path(word[2] or re.sub(r"\\(.)", r"\1", word[1]))


def keys(text: str) -> dict[str, str]:
    """Return the keys of a desktop file's main group."""
    found = (line.partition("=") for line, is_inside in _lines(text) if is_inside)
    return {key.strip(): value.strip() for key, equals, value in found if equals and not key.startswith("#")}


def with_keys(text: str, changes: Mapping[str, str | None]) -> str:
    """Return a desktop file with other values in its main group; None takes a key out. All else stays as it is."""
    kept = []
    for line, is_inside in _lines(text):
        if is_inside and line.partition("=")[0].strip() in changes:
            continue
        kept.append(line)
        if line.strip() == f"[{GROUP}]":
            kept += [f"{key}={value}" for key, value in changes.items() if value is not None]
    return "\n".join([*kept, ""])


def _lines(text: str) -> list[tuple[str, bool]]:
    """Return the lines, each with whether it stands inside the main group (its head does not)."""
    told, is_inside = [], False
    for line in text.splitlines():
        is_head = line.startswith("[")
        is_inside = is_inside and not is_head
        told.append((line, is_inside))
        is_inside = is_inside or line.strip() == f"[{GROUP}]"
    return told
