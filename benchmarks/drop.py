"""From a photo's arrival to its cut-out: `bgzero run` beside `rembg p -w`, on the same photos and u2netp weights.

Two things are measured, each with fresh processes in every run, one program at a time. A burst: many photos are
written into the inbox at once; the clock ends when all their PNGs stand whole. And single photos: a process that has
cut one photo is left alone for some seconds, its age, and then gets another one; the clock runs from the writer's close
until the PNG stands whole under its name. Linux only.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path

from PIL import Image

import drop_plot
import peer
import pictures
from arrival import CONTESTANTS, WEIGHTS, Running, bgzero_watching, folders, rembg_watching, until
from bgzero_daemon.settings.schema import Worker
from harness import BenchmarkError

AGES = (3.0, 20.0, 60.0)
LONG = 600.0
_START_SECONDS, _VAIN_SECONDS = 180.0, 120.0
_STEP_SECONDS = 0.005
_END = b"IEND\xaeB`\x82"  # a PNG's last chunk and its checksum


@dataclass(frozen=True, slots=True)
class Delay:
    """One single photo: who got it at which age, and the seconds it took, None where it did not come in time."""

    contestant: str
    age: float
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Burst:
    """Many photos at once: who got them, and the seconds until all were there, None where they did not come."""

    contestant: str
    photos: int
    seconds: float | None


def is_whole(png: Path) -> bool:
    """Say whether a PNG is there to its end, which one that is being written is not."""
    try:
        with png.open("rb") as file:
            file.seek(-len(_END), os.SEEK_END)
            return file.read() == _END
    except OSError:  # not there, or shorter than that
        return False


class Arena:
    """Starts programs and drops photos on them, in folders below `work`."""

    def __init__(self, photos: Sequence[Path], work: Path) -> None:
        self._photos, self._work, self._rival = photos, work, peer.rembg()
        self._weights = work / "weights"
        self._weights.mkdir()
        shutil.copyfile(WEIGHTS, self._weights / WEIGHTS.name)
        self._count = 0

    @property
    def version(self) -> str:
        """The version of rembg."""
        return self._rival.versions["rembg"]

    def _start(self, contestant: str) -> AbstractContextManager[Running]:
        self._count += 1
        place = folders(self._work / f"run-{self._count:03d}")
        if contestant == "bgzero":
            return bgzero_watching(place)
        return rembg_watching(place, self._rival, self._weights)

    def burst(self, contestant: str, count: int) -> Burst:
        """Write so many photos into the inbox of a process that has just begun to watch."""
        with self._start(contestant) as running:
            _watching(running)
            names = [f"photo-{number:03d}" for number in range(count)]
            began = time.monotonic()
            for number, name in enumerate(names):
                photo = self._photos[number % len(self._photos)]
                shutil.copyfile(photo, running.inbox / f"{name}{photo.suffix}")
            wanted = [running.outbox / f"{name}.png" for name in names]
            have_come = until(lambda: _drop_whole(wanted), _VAIN_SECONDS + 2.0 * count, step=10 * _STEP_SECONDS)
            seconds = time.monotonic() - began
            _decode(running.outbox)
        return Burst(contestant, count, seconds if have_come else None)

    def single(self, contestant: str, age: float) -> Delay:
        """Let a process cut one photo, leave it alone, and drop another one."""
        first, second = self._photos[0], self._photos[1 % len(self._photos)]
        with self._start(contestant) as running:
            _watching(running)
            shutil.copyfile(first, running.inbox / f"first{first.suffix}")
            if not until(lambda: is_whole(running.outbox / "first.png"), _VAIN_SECONDS):
                raise BenchmarkError(f"{contestant} did not cut the first photo.\n{running.said()[-2000:]}")
            time.sleep(age)
            shutil.copyfile(second, running.inbox / f"second{second.suffix}")
            closed = time.monotonic()
            cutout = running.outbox / "second.png"
            has_come = until(lambda: is_whole(cutout), _VAIN_SECONDS + 3 * age, step=_STEP_SECONDS)
            seconds = time.monotonic() - closed
            _decode(running.outbox)
        return Delay(contestant, age, seconds if has_come else None)


def _watching(running: Running) -> None:
    """Wait until it watches. Called as soon as it was started."""
    # that of bgzero's worker for all, so that other work holds up each of them alike; its threads are to come yet
    os.setpriority(os.PRIO_PROCESS, running.process.pid, Worker().nice)
    if not until(running.is_watching, _START_SECONDS):
        raise BenchmarkError(f"It does not watch.\n{running.said()[-2000:]}")


def _drop_whole(wanted: list[Path]) -> bool:
    """Take what has come off the list, and say whether nothing is left."""
    while wanted and is_whole(wanted[-1]):
        wanted.pop()
    return not wanted


def _decode(outbox: Path) -> None:
    """Raise BenchmarkError unless every PNG that ends as one is a whole RGBA picture."""
    for png in filter(is_whole, outbox.glob("[!.]*.png")):
        try:
            with Image.open(png) as cutout:
                cutout.load()
                mode = cutout.mode
        except OSError as error:
            raise BenchmarkError(f"{png.name} is damaged: {error}.") from error
        if mode != "RGBA":
            raise BenchmarkError(f"{png.name} is {mode}, not RGBA.")


def _text(seconds: Sequence[float | None], form: str = ".2f") -> str:
    """Lay seconds out: the median, the least and the most; "-" for what did not come in time."""
    ordered = sorted(float("inf") if one is None else one for one in seconds)
    middle = statistics.median_high(ordered)
    words = ["-" if one == float("inf") else format(one, form) for one in (middle, ordered[0], ordered[-1])]
    return f"{words[0]:>9} {words[1]:>8} {words[2]:>8}"


def _ratios(ours: Sequence[float | None], theirs: Sequence[float | None]) -> str:
    """Lay the ratios of neighbours out, above 1 in bgzero's favour; what did not come is infinitely late."""
    found: list[float | None] = [
        None if other is None else other / one for one, other in zip(ours, theirs, strict=True) if one is not None
    ]
    return _text(found, ".1f") if found else ""


def report(bursts: Sequence[Burst], delays: Sequence[Delay]) -> str:
    """Lay everything out as text."""
    rows: list[tuple[str, list[float | None], list[float | None]]] = []
    if bursts:
        ours, theirs = ([one.seconds for one in bursts if one.contestant == who] for who in CONTESTANTS)
        rows.append((f"{bursts[0].photos} photos at once", ours, theirs))
    for age in sorted({one.age for one in delays}):
        here = [one for one in delays if one.age == age]
        ours, theirs = ([one.seconds for one in here if one.contestant == who] for who in CONTESTANTS)
        rows.append((f"one photo, at age {age:.0f} s", ours, theirs))
    wide = max(len(title) for title, _ours, _theirs in rows)
    heads = [f"{head:>9} {'min':>8} {'max':>8}" for head in (*CONTESTANTS, "ratio")]
    lines = [f"{'seconds, medians':{wide}} {' '.join(heads)}"]
    lines += [f"{title:{wide}} {_text(ours)} {_text(theirs)} {_ratios(ours, theirs)}" for title, ours, theirs in rows]
    return "\n".join(lines)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    pictures.add_options(parser)
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="runs of each, in turn (default: 3)")
    parser.add_argument("--count", type=int, default=50, metavar="N", help="photos at once (default: 50; 0: no burst)")
    parser.add_argument("--ages", type=float, nargs="*", default=list(AGES), metavar="S", help="seconds (3 20 60)")
    parser.add_argument("--long", action="store_true", help="an age of 600 s, too, once")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the delays into an SVG")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    asked = parser.parse_args()
    if asked.runs < 1 or asked.count < 0 or any(age < 0 for age in asked.ages):
        parser.error("--runs has to be at least 1, --count and --ages at least 0")
    if not (asked.count or asked.ages or asked.long):
        parser.error("nothing is left to measure")
    return asked


def _measure(asked: argparse.Namespace, arena: Arena) -> tuple[list[Burst], list[Delay]]:
    bursts: list[Burst] = []
    delays: list[Delay] = []
    for number in range(asked.runs):
        if asked.count:
            bursts += [arena.burst(who, asked.count) for who in CONTESTANTS]
        for age in [*asked.ages, *([LONG] if asked.long and number == 0 else [])]:
            delays += [arena.single(who, age) for who in CONTESTANTS]
        print(f"Run {number + 1} of {asked.runs} done.", file=sys.stderr)
    return bursts, delays


def main() -> int:
    """Measure and report. Returns the exit status."""
    asked = _arguments()
    try:
        with tempfile.TemporaryDirectory(prefix="bgzero-benchmark-") as name:
            photos = pictures.gather_asked(asked, Path(name))
            paths = sorted(path for path in photos.folder.iterdir() if path.stem != "tiny")
            arena = Arena(paths, Path(name))
            versions = ", ".join(f"{name} {version}" for name, version in peer.our_versions().items())
            machine = f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
            told = [f"{versions}, rembg {arena.version}; {machine}, niceness {Worker().nice}.", photos.describe()]
            bursts, delays = _measure(asked, arena)
    except BenchmarkError as error:
        print(f"drop: {error}", file=sys.stderr)
        return 1
    if asked.plot and delays:
        points = [(one.contestant, one.age, one.seconds) for one in delays]
        asked.plot.write_text(drop_plot.draw(points), encoding="utf-8")
    if asked.json:
        found = {"bursts": [asdict(one) for one in bursts], "delays": [asdict(one) for one in delays]}
        print(json.dumps({"conditions": told, **found}, indent=2))
    else:
        print("\n".join(told), report(bursts, delays), sep="\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
