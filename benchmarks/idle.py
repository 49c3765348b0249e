"""What `bgzero run` costs when nothing happens: CPU and memory at rest, beside many photos it knows already.

Linux only: everything is read from /proc.
"""

import argparse
import os
import platform
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from arrival import Running, bgzero_watching, cpu_seconds, family, folders, until
from bgzero_daemon.settings.schema import Watch
from harness import BenchmarkError

GOAL_PERCENT = 0.3
_LINKS = 50_000  # ext4 allows 65,000 names for one file
_START_SECONDS = 600.0
_STEP_SECONDS = 0.25
_CALM_SECONDS = 2.0
_SCAN_SHARE = 1000.0  # as service/watcher.py has it: a scan of t seconds of CPU is followed by 1,000 t of pause


@dataclass(frozen=True, slots=True)
class Start:
    """The start: when it watched, when the first scan had ended (seconds), and the CPU time of both parts."""

    watching: float
    calm: float
    cpu_before: float
    cpu_scan: float


@dataclass(frozen=True, slots=True)
class Rest:
    """A stretch of rest: its length, CPU seconds in all, and the CPU seconds of each burst in it."""

    seconds: float
    cpu: float
    bursts: tuple[float, ...]
    resident_mb: float
    processes: int


def fill(inbox: Path, files: int) -> None:
    """Put `files` names of tiny photos into a folder, a thousand to each sub-folder."""
    original = inbox
    for number in range(files):
        folder = inbox / f"{number // 1000:03d}"
        if number % 1000 == 0:
            folder.mkdir()
        path = folder / f"photo-{number:06d}.jpg"
        if number % _LINKS == 0:
            original = path
            Image.new("RGB", (16, 16), (200, 120, 40)).save(path)
        else:
            os.link(original, path)


def watch_start(running: Running, began: float) -> Start:
    """Wait until the program watches, and then until it has come to rest. Raises BenchmarkError otherwise."""
    if not until(running.is_watching, _START_SECONDS):
        raise BenchmarkError(f"It does not watch after {_START_SECONDS:.0f} s.")
    watching, before = time.monotonic() - began, cpu_seconds(running.process.pid)
    spent, since = before, time.monotonic()
    while time.monotonic() - since < _CALM_SECONDS:
        time.sleep(0.05)
        now = cpu_seconds(running.process.pid)
        if now - spent > 0.015:  # more than one tick of the kernel's count
            spent, since = now, time.monotonic()
    return Start(watching, since - began, before, cpu_seconds(running.process.pid) - before)


def watch_rest(running: Running, seconds: float, scan: float) -> Rest:
    """Look at the program for a while. A burst is CPU time that is at least half of a scan's, in neighbouring steps."""
    pid = running.process.pid
    began, first = time.monotonic(), cpu_seconds(pid)
    last, burst, bursts = first, 0.0, []
    while time.monotonic() - began < seconds:
        time.sleep(_STEP_SECONDS)
        now = cpu_seconds(pid)
        if now - last > _STEP_SECONDS / 10:
            burst += now - last
        elif burst:
            bursts.append(burst)
            burst = 0.0
        last = now
    members = family(pid)
    resident = sum(_resident_kb(member) for member in members) / 1024
    large = tuple(one for one in (*bursts, burst) if one and one > scan / 2)
    return Rest(time.monotonic() - began, last - first, large, resident, len(members))


def _resident_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")), 0)


def report(files: int, start: Start, rest: Rest) -> str:
    """Lay out what was found."""
    rescan = Watch().rescan_seconds
    pause = max(rescan, _SCAN_SHARE * start.cpu_scan)
    calm = rest.cpu - sum(rest.bursts)
    between, share = 100 * calm / rest.seconds, 100 * start.cpu_scan / (pause + start.cpu_scan)
    rows = [
        ("seconds from start to 'Drop photos'", f"{start.watching:.2f}", f"{start.cpu_before:.2f} s of CPU"),
        ("seconds from start to rest (first scan)", f"{start.calm:.1f}", f"{start.cpu_scan:.2f} s of CPU for the scan"),
        ("seconds looked at", f"{rest.seconds:.0f}", f"scans in them: {len(rest.bursts)}"),
        ("% of a core, as measured", f"{100 * rest.cpu / rest.seconds:.3f}", f"goal: {GOAL_PERCENT} or less"),
        ("% of a core, between scans", f"{between:.3f}", ""),
        ("% of a core, in the long run", f"{between + share:.3f}", f"with such a scan every {pause:.0f} s"),
        ("resident MB", f"{rest.resident_mb:.0f}", f"processes: {rest.processes}"),
    ]
    wide = max(len(title) for title, _value, _remark in rows)
    machine = f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    head = f"{files} known files, Python {platform.python_version()}, {machine}"
    return "\n".join([head, "", *(f"{title:{wide}} {value:>8}  {remark}".rstrip() for title, value, remark in rows)])


def measure(files: int, seconds: float) -> tuple[Start, Rest]:
    """Start the program on a full folder and look at it. Raises BenchmarkError where it does not rest."""
    with tempfile.TemporaryDirectory(prefix="bgzero-benchmark-") as name:
        place = folders(Path(name) / "idle")
        fill(place / "in", files)
        with bgzero_watching(place, BGZERO_WATCH__EXISTING="skip") as running:
            watch_start(running, time.monotonic())  # the first start writes them all down; the second knows them
        began = time.monotonic()
        with bgzero_watching(place, BGZERO_WATCH__EXISTING="skip") as running:
            start = watch_start(running, began)
            print(f"At rest after {start.calm:.0f} s.", file=sys.stderr)
            rest = watch_rest(running, seconds, start.cpu_scan)
        if made := list((place / "out").rglob("*.png")):
            raise BenchmarkError(f"{len(made)} photos were cut; they should have been left alone.")
    return start, rest


def main() -> int:
    """Measure and report. Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=20_000, metavar="N", help="known photos (default: 20000)")
    parser.add_argument("--seconds", type=float, default=100.0, metavar="S", help="time to look at (default: 100)")
    arguments = parser.parse_args()
    if not 1 <= arguments.files <= 1_000_000 or arguments.seconds < 10:
        parser.error("--files has to be 1 to 1000000, --seconds at least 10")
    try:
        start, rest = measure(arguments.files, arguments.seconds)
    except BenchmarkError as error:
        print(f"idle: {error}", file=sys.stderr)
        return 1
    print(report(arguments.files, start, rest))
    return 0


if __name__ == "__main__":
    sys.exit(main())
