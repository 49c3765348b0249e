"""What steering costs: CPU of a command, and the next photo's delay while a thousand clients ask at once.

Linux only. Commands are measured in turn with a bare start of the same Python, so that a ratio can be told; photos
arrive in turn while nobody asks, while a thousand clients ask at once, and while somebody sends nonsense.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from PIL import Image

from harness import BenchmarkError, measure

PROGRAM = Path(sys.executable).with_name("bgzero")
GOAL_SECONDS = 0.06
CLIENTS = 1000


def environment(place: Path) -> dict[str, str]:
    """Return an account of the benchmark's own."""
    for name in ("home", "run", "in", "out"):
        (place / name).mkdir(parents=True)
    (place / "run").chmod(0o700)
    kept = {key: value for key, value in os.environ.items() if key in ("PATH", "LANG")}
    return kept | {
        "HOME": str(place / "home"), "XDG_RUNTIME_DIR": str(place / "run"), "BGZERO_OUTPUT__KEEP_FREE": "0",
        "BGZERO_FOLDER__INBOX": str(place / "in"), "BGZERO_FOLDER__OUTBOX": str(place / "out"),
        "BGZERO_WATCH__SETTLE_SECONDS": "0.1",
    }  # fmt: skip


@contextlib.contextmanager
def daemon(env: dict[str, str], place: Path) -> Iterator[None]:
    """Run the program while the block lasts."""
    with (place / "log").open("w") as log:
        process = subprocess.Popen([PROGRAM, "run"], env=env, stdin=subprocess.DEVNULL, stderr=log)
    try:
        wait(lambda: "Drop photos" in (place / "log").read_text())
        yield
    finally:
        process.terminate()
        process.wait(30)


def wait(is_so: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something is so. Raises BenchmarkError."""
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            raise BenchmarkError("waited in vain")
        time.sleep(0.001)


def commands(env: dict[str, str], place: Path, runs: int) -> dict[str, tuple[list[float], list[float]]]:
    """Measure CPU seconds of each command, each in turn with a bare start of Python."""
    photo = place / "in" / "first.png"
    Image.new("RGB", (64, 48), "white").save(photo)
    wait((place / "out" / "first.png").exists)
    found: dict[str, tuple[list[float], list[float]]] = {}
    for words in (["status"], ["add", str(photo)], ["pause"], ["resume"]):
        ours, bare = [], []
        for _run in range(runs):
            ours.append(measure([PROGRAM, *words], env, place / "command.log").cpu_seconds)
            bare.append(measure([sys.executable, "-c", "pass"], env, place / "command.log").cpu_seconds)
        found[words[0]] = (ours, bare)
    return found


def delay(place: Path, number: int) -> float:
    """Return the seconds from the moment a photo is whole to its cut-out."""
    name = f"{number:05d}.png"
    half = place / "in" / f".{name}"
    Image.effect_noise((160, 120), 40).convert("RGB").save(half, "PNG")
    half.rename(place / "in" / name)
    began = time.monotonic()
    wait((place / "out" / name).exists)
    return time.monotonic() - began


class Crowd:
    """Clients that ask for the status at once, again and again, or send nonsense, from a process of their own."""

    def __init__(self, file: Path, kind: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--crowd", kind, str(file)], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout
        self._process.stdout.readline()  # they are all there

    def end(self) -> int:
        """Have them go, and return how many answers they got."""
        self._process.terminate()
        answers, _none = self._process.communicate(timeout=60)
        return int(answers or 0)


def crowd(kind: str, file: Path) -> int:
    """Be such a crowd until SIGTERM. Prints a line once everybody has had an answer, and the number of answers."""
    import resource
    import signal

    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    is_over, answers, first = threading.Event(), [0] * CLIENTS, threading.Barrier(CLIENTS + 1)
    signal.signal(signal.SIGTERM, lambda *_: is_over.set())
    threading.stack_size(1 << 16)

    def ask(number: int) -> None:
        draw = random.Random(number)
        is_first = True
        while not is_over.is_set():
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as sock:
                sock.settimeout(30)
                sock.connect(str(file))
                sock.sendall(b'{"verb":"status"}\n' if kind == "clients" else draw.randbytes(2000) + b"\n")
                answers[number] += bool(sock.recv(1 << 16))
            if is_first:
                is_first = False
                first.wait()

    for number in range(CLIENTS):
        threading.Thread(target=ask, args=(number,), daemon=True).start()
    first.wait()
    print("there", flush=True)
    is_over.wait()
    print(sum(answers), flush=True)
    os._exit(0)


def delays(place: Path, rounds: int, photos: int) -> tuple[dict[str, list[float]], dict[str, int]]:
    """Measure in turn: nobody, a thousand clients, a thousand senders of nonsense."""
    file = place / "run" / "bgzero" / "control.sock"
    found: dict[str, list[float]] = {"nobody asks": [], "1,000 clients": [], "1,000 of nonsense": []}
    answers = dict.fromkeys(found, 0)
    number = 0
    for _round in range(rounds):
        for title, kind in zip(found, ("", "clients", "nonsense"), strict=True):
            people = Crowd(file, kind) if kind else None
            for _photo in range(photos):
                number += 1
                found[title].append(delay(place, number))
            answers[title] += people.end() if people else 0
    return found, answers


def spread(values: Sequence[float]) -> str:
    """Return median and extremes."""
    return f"{statistics.median(values):7.3f} {min(values):7.3f} {max(values):7.3f}"


def main() -> int:
    """Measure and report. Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=21, metavar="N", help="runs of each command (default: 21)")
    parser.add_argument("--photos", type=int, default=10, metavar="N", help="photos in each round (default: 10)")
    parser.add_argument("--crowd", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.crowd:
        return crowd(arguments.crowd[0], Path(arguments.crowd[1]))
    place = Path(tempfile.mkdtemp(prefix="bgz-steer-"))
    try:
        env = environment(place)
        with daemon(env, place):
            used = commands(env, place, arguments.runs)
            waited, answers = delays(place, 3, arguments.photos)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    print(f"CPU seconds of a command: median, least, most; beside a bare Python (goal: {GOAL_SECONDS} at most)\n")
    for name, (ours, bare) in used.items():
        print(f"{name:10} {spread(ours)}   python -c pass {spread(bare)}")
    print("\nSeconds from a photo's arrival to its cut-out (0.1 of them settling): median, least, most\n")
    for title, seconds in waited.items():
        ratio = statistics.median(seconds) / statistics.median(waited["nobody asks"])
        print(f"{title:20} {spread(seconds)}   ratio {ratio:.2f}   answers {answers[title]}")
    print(json.dumps({"cpu": {name: ours for name, (ours, _bare) in used.items()}, "delays": waited}), file=sys.stderr)
    return 0 if all(statistics.median(ours) <= GOAL_SECONDS for ours, _bare in used.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
