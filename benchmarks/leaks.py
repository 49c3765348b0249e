"""Many small photos through one daemon: do memory and open files stay flat?

Reads both processes after every few photos. The median memory and the least number of descriptors of the last tenth
may be 5 % above those of the second tenth.
With `--renew` the worker is renewed as by default; without, one worker does everything. Ends with 1 where something
grew. Linux only.
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from arrival import BGZERO, MODEL, Running, account, family, folders, started, until
from harness import BenchmarkError

_MOST_GROWTH = 1.05
_WAITING = 200  # photos that lie in the inbox at a time
_SIDE_PX = 48


@dataclass(slots=True)
class Readings:
    """What was read, in order: memory in kB, open descriptors."""

    values: dict[str, list[float]] = field(default_factory=dict)

    def take(self, running: Running) -> None:
        """Read service and worker."""
        pids = family(running.process.pid)
        for name, pid in zip(("service", "worker"), pids, strict=False):
            try:
                status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
                is_open = len(os.listdir(f"/proc/{pid}/fd"))
            except OSError:  # renewed at this moment
                continue
            resident = next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")), 0)
            self.values.setdefault(f"{name} memory, kB", []).append(resident)
            self.values.setdefault(f"{name} descriptors", []).append(is_open)

    def report(self) -> bool:
        """Print each, and say whether all are flat."""
        is_flat = True
        for name, values in self.values.items():
            tenth = len(values) // 10
            # photos in work have descriptors too, so of those the least counts
            typical = statistics.median if "memory" in name else min
            second, last = typical(values[tenth : 2 * tenth]), typical(values[-tenth:])
            verdict = "" if last <= second * _MOST_GROWTH else "  GROWN"
            is_flat = is_flat and not verdict
            print(
                f"{name:22} second tenth {second:9.0f}, last tenth {last:9.0f}, "
                f"ratio {last / second:.3f}, largest {max(values):.0f}{verdict}"
            )
        return is_flat


def measure(place: Path, photos: int, model: str, *, renew: bool) -> bool:
    """Send the photos through. Returns whether nothing grew."""
    inbox = folders(place) / "in"
    seed = place / "seed.png"
    ground = Image.new("RGB", (_SIDE_PX, _SIDE_PX), (10, 10, 10))
    ground.paste((240, 240, 240), (12, 12, 36, 36))
    ground.save(seed)
    settings = {"BGZERO_WATCH__SETTLE_SECONDS": "0.1", "BGZERO_OUTPUT__KEEP_FREE": "0"}
    if not renew:
        settings["BGZERO_WORKER__RENEW_AFTER"] = "0"
    command: list[str | Path] = [BGZERO, "run", "--inbox", inbox, "--outbox", place / "out", "--model", model]
    readings, sent, done = Readings(), 0, 0
    with started(command, account(place) | settings, place, sign="Drop photos") as running:
        if not until(running.is_watching, 60):
            raise BenchmarkError("it does not watch")
        began = last_change = time.monotonic()
        while done < photos:
            while sent < min(photos, done + _WAITING):
                shutil.copyfile(seed, inbox / f"{sent}.png")
                sent += 1
            time.sleep(0.05)
            if done:
                readings.take(running)
            count = sum(1 for entry in os.scandir(place / "out") if entry.name.endswith(".png"))
            if count != done:
                done, last_change = count, time.monotonic()
            elif time.monotonic() > last_change + 120:
                raise BenchmarkError(f"it stands still at {done}:\n{running.said()[-2000:]}")
        seconds = time.monotonic() - began
        failed = running.said().count(": failed") + running.said().count("tried again")
    print(f"{photos} photos in {seconds:.0f} s, {failed} failed or tried again")
    return readings.report() and not failed


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=10_000)
    parser.add_argument("--model", default=MODEL, help="name, or path of a weight file")
    parser.add_argument("--renew", action="store_true", help="renew the worker as by default")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bgzero-leaks-") as folder:
        is_flat = measure(Path(folder) / "account", arguments.photos, arguments.model, renew=arguments.renew)
    return 0 if is_flat else 1


if __name__ == "__main__":
    sys.exit(main())
