"""What has to be true of an account's folders whatever happened: promises I1 to I4, read from outside."""

import hashlib
import json
import os
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from PIL import Image

from bgzero_daemon.client import connect
from bgzero_daemon.core.confidence import REVIEW
from bgzero_daemon.photo import png
from bgzero_daemon.wire.control import encode
from tests.home import Home, until


@dataclass
class Oracle:
    """Remembers every content that was put into the inbox, and checks the folders against the promises."""

    home: Home
    contents: dict[str, str] = field(default_factory=dict)  # SHA-256 -> the name it came under
    strangers: dict[Path, bytes] = field(default_factory=dict)  # files in the outbox that are somebody else's

    @property
    def done(self) -> Path:
        """Return where originals move to."""
        return self.home.inbox.parent / "Done"

    def remember(self, photo: Path) -> Path:
        """Note a photo that is whole and has to survive."""
        self.contents[sha256(photo)] = photo.name
        return photo

    def remember_content(self, content: bytes, name: str) -> None:
        """Note the content of a photo that has to survive."""
        self.contents[hashlib.sha256(content).hexdigest()] = name

    def forget(self, photo: Path) -> None:
        """Note that the user deleted or overwrote a photo."""
        self.contents.pop(sha256(photo), None)

    def check_now(self) -> None:
        """What holds at every moment: no visible output is partial, and no original is gone."""
        for output in self.outputs():
            tag_of(output)
        for stranger, content in self.strangers.items():
            assert stranger.read_bytes() == content, f"{stranger} was somebody else's"
        kept = {sha256(file) for root in (self.home.inbox, self.done) for file in files(root)}
        missing = [name for content, name in self.contents.items() if content not in kept]
        assert not missing, f"originals are gone: {missing}"

    def leftovers(self) -> list[Path]:
        """Return the staged files in the outbox."""
        return [file for file in files(self.home.outbox) if file.name.startswith(".bgz-")]

    def outputs(self) -> list[Path]:
        """Return every visible output of the daemon's."""
        visible = (self.home.outbox / name for name in self.home.visible())
        return [file for file in visible if file not in self.strangers]

    def ask(self, verb: str, **arguments: object) -> dict[str, Any]:
        """Ask the daemon, without the start of a command; {} while it does not answer."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            try:
                connect(sock, Path(self.home.env["XDG_RUNTIME_DIR"], "bgzero", "control.sock"))
                sock.sendall(encode({"verb": verb, **arguments}))
                with sock.makefile("rb") as answer:
                    reply: dict[str, Any] = json.loads(answer.readline() or b"{}")
            except OSError:
                return {}
        return reply

    def status(self) -> dict[str, Any]:
        """Ask what the daemon is doing."""
        return self.ask("status")

    def wait_until_settled(self) -> None:
        """Wait until nothing arrives, waits or is in work, twice in a row."""
        seen = 0

        def is_settled() -> bool:
            nonlocal seen
            status = self.status()
            busy = [status.get(key, 1) for key in ("waiting", "running", "arriving", "finishing")]
            seen = 0 if any(busy) else seen + 1
            return seen >= 2

        until(is_settled, lambda: f"everything is decided: {self.status()}")

    def decided(self) -> dict[str, dict[str, str]]:
        """Return what `bgzero history` says of each path below the inbox."""
        told = self.ask("history", limit=100_000)["photos"]
        found: dict[str, dict[str, str]] = {}
        for photo in told:
            path = os.fsdecode(unquote_to_bytes(photo["path"]))
            rel = os.path.relpath(path, self.home.inbox)
            assert rel not in found, f"{rel} is decided twice"
            found[rel] = photo
        return found

    def check_in_the_end(self, *, moved: bool = False) -> None:
        """When everything is settled: each photo is cut exactly once, from its latest bytes; nothing is left over."""
        self.check_now()
        until(lambda: not self.leftovers(), lambda: f"nothing half-made is left: {self.leftovers()}")
        decided = self.decided()
        photos = [file for file in files(self.home.inbox) if not file.name.startswith(".")]
        if moved:
            assert not photos, f"left in the inbox: {photos}"
        for photo in photos:
            rel = str(photo.relative_to(self.home.inbox))
            assert rel in decided, f"{rel} is in no state at all"
            assert decided[rel]["state"] == "done", decided[rel]
            output = os.fsdecode(unquote_to_bytes(decided[rel]["output"]))
            if os.path.exists(output):
                assert tag_of(Path(output))["source_sha256"] == sha256(photo), f"{rel}: its cut-out is stale"
        self.check_no_doubles()

    def check_no_doubles(self) -> None:
        """No photo has two outputs: no two files in one folder are of the same source with the same content.

        What lies below the review folder would be beside the others.
        """
        seen: dict[tuple[object, ...], Path] = {}
        for output in self.outputs():
            tag = tag_of(output)
            folder = output.parent.relative_to(self.home.outbox)
            home = folder.relative_to(REVIEW) if folder.is_relative_to(REVIEW) else folder
            key = home, tag["source"], tag["source_sha256"]
            assert key not in seen, f"{seen[key]} and {output} are of one photo"
            seen[key] = output


def tag_of(output: Path) -> dict[str, object]:
    """Read an output completely, by this program's eyes and by Pillow's; fail where it is not whole or not ours."""
    with output.open("rb") as file:
        found = png.inspect(file.fileno())
    with Image.open(output) as cutout:
        cutout.load()
        assert cutout.mode == "RGBA", output
    assert found.tag.get("source"), output
    return found.tag


def pixel_data(output: Path) -> bytes:
    """Return the compressed pixels of a PNG, without the tag and whatever else stands beside them."""
    content, at, found = output.read_bytes(), 8, b""
    while at < len(content):
        length = int.from_bytes(content[at : at + 4], "big")
        if content[at + 4 : at + 8] == b"IDAT":
            found += content[at + 8 : at + 8 + length]
        at += length + 12
    return found


def files(root: Path) -> list[Path]:
    """Return every regular file below a folder; files that vanish while we look are skipped."""
    return [file for file in root.rglob("*") if file.is_file() and not file.is_symlink()] if root.is_dir() else []


def sha256(file: Path) -> str:
    """Return a file's hash, "" where it is gone."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except FileNotFoundError:
        return ""
