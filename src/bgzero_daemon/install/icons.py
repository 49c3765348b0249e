"""Icons of ours in the account's hicolor theme: PNG and SVG files, each with our mark inside."""

import os
import zlib
from collections.abc import Iterator
from pathlib import Path

from bgzero_daemon.core import paths
from bgzero_daemon.install import marks
from bgzero_daemon.install.desktop import APP_ID

_PNG = b"\x89PNG\r\n\x1a\n"
_HEAD_BYTES = 33  # signature, and the IHDR chunk, which has to be the first (PNG, 11.2.1)
_KEYWORD = b"Comment\0"


def shipped() -> dict[Path, bytes]:
    """Return the icons that travel with the program, marked, by their places below the theme."""
    root = paths.packaged("tray", "assets", "icons", "hicolor")
    files = sorted(file for file in root.rglob("*") if file.suffix in (".png", ".svg") and file.is_file())
    return {file.relative_to(root): stamp(file.read_bytes()) for file in files}


def ours(theme: Path) -> Iterator[Path]:
    """Find the icons in a theme that this program, of whatever version, has put there and nobody has changed."""
    named = {theme / place for place in shipped()} | {*theme.glob(f"*/*/{APP_ID}*")}
    return (file for file in sorted(named) if not file.is_symlink() and file.is_file() and is_ours(file.read_bytes()))


def stamp(icon: bytes) -> bytes:
    """Return an icon with our mark in it."""
    if not icon.startswith(_PNG):
        text = icon.decode().rstrip("\n") + "\n"
        is_declared = text.startswith("<?xml")
        if is_declared:  # nothing may stand before it, and ours needs a line
            declaration, _end, rest = text.partition("?>")
            text = f"{declaration}?>\n{rest.lstrip()}"
        return marks.seal(text, comment="<!-- {} -->", after=int(is_declared), by=marks.DESKTOP).encode()
    body = b"tEXt" + _KEYWORD + marks.mark(icon, marks.DESKTOP).encode()
    chunk = (len(body) - 4).to_bytes(4) + body + zlib.crc32(body).to_bytes(4)
    return icon[:_HEAD_BYTES] + chunk + icon[_HEAD_BYTES:]


def is_ours(icon: bytes) -> bool:
    """Say whether an icon carries our mark and is as it was."""
    if icon.startswith(_PNG):
        end = _HEAD_BYTES + int.from_bytes(icon[_HEAD_BYTES : _HEAD_BYTES + 4]) + 12
        head = icon[_HEAD_BYTES:end].decode("latin-1")
        body = icon[:_HEAD_BYTES] + icon[end:]
    else:
        lines = icon.splitlines(keepends=True)[:2]
        head = b"".join(lines).decode("latin-1")
        body = icon
        for line in lines:
            if marks.MARK.search(line.decode("latin-1")):
                body = icon.replace(line, b"", 1)
    found = marks.MARK.search(head)
    return found is not None and marks.is_sealed(body, found)


def renew(theme: Path) -> None:
    """Have a theme's cache taken for outdated: it is where it is older than the folder (Icon Theme Specification)."""
    if theme.is_dir():
        os.utime(theme)
