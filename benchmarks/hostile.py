"""Hostile files among good photos: is every good one cut, and does each bad one end with a reason?

`bgzero run` gets as many hostile files as good photos, all at once: damaged and cut short, bombs, pages and films under
a photo's name, pipes, links, names that forge log lines, and photos that make the worker crash, hang, or eat memory by
a hook that only tests switch on. Ends with 1 where a promise is broken. Linux only.
"""

import argparse
import json
import os
import random
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

from PIL import Image

import pictures
from arrival import BGZERO, MODEL, Running, account, family, folders, started, until
from harness import BenchmarkError

MEMORY_GB = 1.0
LOG_BYTES = 1000  # that one bad file may cost
_SIDE_PX = 240
_FORMATS = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP", "tif": "TIFF", "bmp": "BMP", "gif": "GIF", "avif": "AVIF"}
_ORDER = b"BGZERO PROVOKE "
_ODD_NAMES = ("a\nERROR b", "\x1b[31mred", "\u202egpj.exe", "%n%s", "<b>bold", "x" * 150, os.fsdecode(b"\xff\xfe"))
_SETTINGS = {
    "BGZERO_PROVOKE": "1",
    "BGZERO_WORKER__DEADLINE_SECONDS": "5",
    "BGZERO_WORKER__MEMORY_LIMIT": str(MEMORY_GB),
    "BGZERO_WATCH__MAX_WAIT_SECONDS": "5",
    "BGZERO_OUTPUT__KEEP_FREE": "0",
}


class Crowd:
    """Writes the files. `listed` maps the names that have to be decided to what they are; `silent` are no files."""

    def __init__(self, inbox: Path, seed: int) -> None:
        self._inbox, self._chance = inbox, random.Random(seed)
        self.listed: dict[str, str] = {}
        self.silent: dict[str, str] = {}
        self._photos = [_small(Path(file)) for file in pictures.shipped()]

    def good(self, number: int) -> None:
        """Write a good photo of any format."""
        (self._inbox / f"good-{number}.jpg").write_bytes(self._encoded("JPEG"))

    def bad(self, number: int) -> None:
        """Write a hostile file."""
        kinds: list[tuple[str, Callable[[int], None]]] = [
            ("damaged", self._damaged), ("damaged", self._damaged), ("cut short", self._cut_short),
            ("no photo", self._no_photo), ("bomb", self._bomb), ("no file", self._no_file),
            ("odd name", self._odd_name), ("noise", self._noise),
        ]  # fmt: skip
        kind, write = kinds[number % len(kinds)]
        if number % 40 == 1:
            kind, write = "provokes", self._provoking
        write(number)
        if kind != "no file":
            self.listed[self._name] = kind

    def _write(self, name: str, content: bytes) -> None:
        self._name = name
        (self._inbox / name).write_bytes(content)

    def _encoded(self, form: str) -> bytes:
        out = BytesIO()
        self._chance.choice(self._photos).save(out, form)
        return out.getvalue()

    def _damaged(self, number: int) -> None:
        suffix = self._chance.choice(list(_FORMATS))
        content = bytearray(self._encoded(_FORMATS[suffix]))
        for _time in range(self._chance.choice((1, 5, 50))):
            content[self._chance.randrange(len(content))] = self._chance.randrange(256)
        self._write(f"bad-{number}.{suffix}", bytes(content))

    def _cut_short(self, number: int) -> None:
        suffix = self._chance.choice(list(_FORMATS))
        content = self._encoded(_FORMATS[suffix])
        self._write(f"bad-{number}.{suffix}", content[: self._chance.randrange(len(content) * 9 // 10)])

    def _no_photo(self, number: int) -> None:
        contents = (b"<!DOCTYPE html><html>404", b"%PDF-1.7\n", b"\x7fELF\2\1\1" + bytes(90), b"PK\3\4" + bytes(90),
                    b"Dear diary, no photo today.\n", b"", b"\0\0\0\x18ftypisom" + bytes(90))  # fmt: skip
        self._write(f"bad-{number}.jpg", self._chance.choice(contents))

    def _noise(self, number: int) -> None:
        content = self._chance.randbytes(self._chance.choice((10, 5000, 100_000)))
        self._write(f"bad-{number}.png", self._chance.choice((b"", b"\x89PNG\r\n\x1a\n", b"II*\0")) + content)

    def _bomb(self, number: int) -> None:
        side = self._chance.choice((12_000, 60_000))
        head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
        packed = zlib.compress(bytes(20 << 20), 9)
        chunks = (_chunk(b"IHDR", head), _chunk(b"zTXt", b"x\0\0" + packed), _chunk(b"IDAT", packed), _chunk(b"IEND"))
        self._write(f"bad-{number}.png", b"\x89PNG\r\n\x1a\n" + b"".join(chunks))

    def _odd_name(self, number: int) -> None:
        self._write(f"bad-{number}-{self._chance.choice(_ODD_NAMES)}.jpg", b"<html>")

    def _no_file(self, number: int) -> None:
        path = self._inbox / f"bad-{number}.jpg"
        makers: dict[str, Callable[[], object]] = {
            "pipe": lambda: os.mkfifo(path), "link to itself": lambda: path.symlink_to(path.name),
            "link out": lambda: path.symlink_to("/etc/passwd"), "folder": path.mkdir,
            "link to a device": lambda: path.symlink_to("/dev/zero"), "socket": lambda: _socket(path),
        }  # fmt: skip
        what = self._chance.choice(list(makers))
        makers[what]()
        self.silent[path.name] = what

    def _provoking(self, number: int) -> None:
        deed = self._chance.choice((b"segfault", b"segfault", b"abort", b"exit", b"hang", b"seize", b"eat"))
        self._write(f"bad-{number}.jpg", self._encoded("JPEG") + _ORDER + deed)


def _small(file: Path) -> Image.Image:
    with Image.open(file) as opened:
        photo = opened.convert("RGB")
        photo.thumbnail((_SIDE_PX, _SIDE_PX))
        return photo


def _chunk(kind: bytes, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))


def _socket(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path.name)
    os.chdir(here)


class Peaks(threading.Thread):
    """Asks all the time for the most memory that each worker ever had. In bytes."""

    def __init__(self, running: Running) -> None:
        super().__init__(daemon=True)
        self._service = running.process.pid
        self.workers: dict[int, int] = {}
        self.is_over = False

    def run(self) -> None:
        """Until it is over."""
        while not self.is_over:
            for pid in family(self._service)[1:]:
                self.workers[pid] = max(self.workers.get(pid, 0), peak_bytes(pid))
            time.sleep(0.02)


def peak_bytes(pid: int) -> int:
    """Return the most memory that a process ever had, 0 where it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)


def ask(place: Path, *words: str) -> list[dict[str, str]]:
    """Ask the running daemon for a list of photos."""
    command: list[str | Path] = [BGZERO, *words, "--json"]
    done = subprocess.run(command, env=account(place), capture_output=True, check=True)
    photos: list[dict[str, str]] = json.loads(done.stdout)["photos"]
    return photos


def busy(place: Path) -> int:
    """Return how many photos are not decided."""
    done = subprocess.run([BGZERO, "status", "--json"], env=account(place), capture_output=True, check=False)
    status = json.loads(done.stdout or b"{}")
    return sum(int(status.get(key, 1)) for key in ("waiting", "running", "arriving", "finishing"))


def judge(running: Running, crowd: Crowd, good: int, peaks: Peaks, told: list[dict[str, str]]) -> list[str]:
    """Return the promises that were broken."""
    broken = []
    missing = [number for number in range(good) if not _is_cut(running.outbox / f"good-{number}.png")]
    if missing:
        broken.append(f"{len(missing)} good photos were not cut: {missing[:9]}")
    by_name = {_number(photo["path"]): photo for photo in told}
    for name, kind in crowd.listed.items():
        photo = by_name.get(_number(name))
        if photo is None:
            broken.append(f"{name!r} ({kind}) is in no list")
        elif photo["state"] == "failed" and not photo["sentence"].endswith("."):
            broken.append(f"{name!r} ({kind}) has no sentence: {photo['sentence']!r}")
        elif kind in ("provokes", "no photo", "bomb", "odd name") and photo["state"] != "failed":
            broken.append(f"{name!r} ({kind}) is {photo['state']}")
    cost: Counter[str] = Counter()
    for line in running.said().splitlines():
        if number := _number(line):
            cost[number] += len(line.encode())
    broken += [f"bad-{number} cost {count} bytes of log" for number, count in cost.items() if count > LOG_BYTES]
    limit = MEMORY_GB * 1e9 * 1.1
    broken += [f"worker {pid} had {peak / 1e6:.0f} MB" for pid, peak in peaks.workers.items() if peak > limit]
    if running.process.poll() is not None:
        broken.append("the service has ended")
    return broken


def _number(text: str) -> str:
    _before, mark, rest = text.partition("bad-")
    return "".join(letter for letter in rest[:6].split("-")[0].split(".")[0] if letter.isdigit()) if mark else ""


def _is_cut(output: Path) -> bool:
    try:
        with Image.open(output) as cut:
            cut.load()
            return cut.mode == "RGBA"
    except (OSError, SyntaxError):
        return False


def measure(place: Path, files: int, model: str, seed: int) -> int:
    """Run it and print what happened. Returns the exit status."""
    crowd = Crowd(folders(place) / "in", seed)
    command: list[str | Path] = [BGZERO, "run", "--inbox", place / "in", "--outbox", place / "out", "--model", model]
    with started(command, account(place) | _SETTINGS, place, sign="Drop photos") as running:
        if not until(running.is_watching, 60):
            raise BenchmarkError("it does not watch")
        peaks = Peaks(running)
        peaks.start()
        began = time.monotonic()
        for number in range(files):
            crowd.good(number)
            crowd.bad(number)
        if not until(lambda: busy(place) == 0 and time.monotonic() > began + 10, 3600, step=1.0):
            raise BenchmarkError(f"it does not come to an end:\n{running.said()[-3000:]}")
        seconds = time.monotonic() - began
        peaks.is_over = True
        peaks.join()
        told = ask(place, "history", "--limit", str(4 * files))
        broken = judge(running, crowd, files, peaks, told)
        service = peak_bytes(running.process.pid)
        log_bytes = len(running.said())
    kinds = Counter(crowd.listed.values()) + Counter(crowd.silent.values())
    codes = Counter(f"{photo['state']} {photo['code']}".strip() for photo in told if _number(photo["path"]))
    print(f"{files} good photos and {files} hostile files: " + ", ".join(f"{n} {kind}" for kind, n in kinds.items()))
    print("what the hostile ones came to: " + ", ".join(f"{n} {code}" for code, n in codes.most_common()))
    print(
        f"{seconds:.0f} s, {len(peaks.workers)} workers, the largest {max(peaks.workers.values()) / 1e6:.0f} MB "
        f"of {MEMORY_GB * 1000:.0f}, the service {service / 1e6:.0f} MB, {log_bytes} bytes of log"
    )
    for sentence in broken:
        print(f"BROKEN: {sentence}")
    return 1 if broken else 0


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1000, help="good photos, and as many hostile files")
    parser.add_argument("--model", default=MODEL, help="name, or path of a weight file")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bgzero-hostile-") as folder:
        return measure(Path(folder) / "account", arguments.files, arguments.model, arguments.seed)


if __name__ == "__main__":
    sys.exit(main())
