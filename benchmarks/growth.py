"""How cost grows: with the megapixels of a photo, with the files that are known, with lanes, and with threads.

Each table has the least-squares line through its points, and says what bounds it. Rounds alternate: every value of a
table is measured once before any is measured again. Linux only.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import idle
import outputs
import peer
import pictures
import weights
from bgzero_daemon.settings.schema import Limits, Worker
from contestants import Bgzero
from harness import BenchmarkError, Usage
from pictures import PhotoSet

TABLES = ("megapixels", "files", "lanes", "threads")
SIZES = (1.0, 6.0, 12.0, 24.0, 45.0, 100.0)
FILES = (10, 1_000, 10_000, 100_000)
LANES, THREADS = (1, 2, 3, 4), (1, 2)
_A_SIZE = 2  # photos of each size
_REST_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Series:
    """One figure of a table: its values for each x, in each round. `per` is how much of x a slope is told for."""

    title: str
    digits: int
    values: dict[float, list[float]]
    per: float = 1.0

    def line(self) -> tuple[float, float]:
        """Return intercept and slope for `per` of x, of the least squares through all values."""
        points = [(x, value) for x, values in self.values.items() for value in values]
        slope, intercept = statistics.linear_regression([x for x, _y in points], [y for _x, y in points])
        return intercept, slope * self.per

    def cell(self, x: float) -> str:
        """Return the median, the least and the greatest value at x as text."""
        found = self.values[x]
        middle, least, most = (format(f(found), f".{self.digits}f") for f in (statistics.median, min, max))
        return middle if len(found) == 1 else f"{middle} ({least} to {most})"


@dataclass(frozen=True, slots=True)
class Growth:
    """A table: what x is, the figures, what a slope is told for ("" for none), and what bounds it."""

    x: str
    series: tuple[Series, ...]
    per: str
    bounds: str

    def text(self) -> str:
        """Lay it out."""
        rows = [[self.x, *(one.title for one in self.series)]]
        rows += [[f"{x:g}", *(one.cell(x) for one in self.series)] for x in self.series[0].values]
        if self.per and len(self.series[0].values) > 1:
            lines = [one.line() for one in self.series]
            rows.append([f"per {self.per}", *(f"{slope:.3g} (from {start:.3g})" for start, slope in lines)])
        wide = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        laid = ["  ".join(f"{cell:>{width}}" for cell, width in zip(row, wide, strict=True)) for row in rows]
        return "\n".join([*laid, f"What bounds it: {self.bounds}"])


class Bench:
    """Runs bgzero on sets of photos, in fresh folders below `work`."""

    def __init__(self, model: str, work: Path) -> None:
        self._model, self._work = model, work
        self._count = 0

    def run(self, photos: PhotoSet, inbox: Path, **settings: str) -> Usage:
        """Run once on a folder, and look at what came out."""
        self._count += 1
        place = self._work / f"run-{self._count:03d}"
        (place / "out").mkdir(parents=True)
        usage = Bgzero(self._model, self._work / "cache", settings=settings).run(inbox, place / "out", place)
        if flaws := outputs.examine(place / "out", inbox, photos, pixels=False).flaws:
            raise BenchmarkError("; ".join(flaws))
        shutil.rmtree(place)
        return usage

    def rounds(
        self, sets: dict[float, PhotoSet], runs: int, settings: Callable[[float], dict[str, str]]
    ) -> dict[float, list[tuple[Usage, Usage]]]:
        """Run every value of a table in turns; return its runs, each with one on the tiny photo alone."""
        found: dict[float, list[tuple[Usage, Usage]]] = {x: [] for x in sets}
        for number in range(runs):
            for x, photos in sets.items():
                start = self.run(photos, photos.tiny_folder, **settings(x))
                found[x].append((self.run(photos, photos.folder, **settings(x)), start))
            print(f"Round {number + 1} of {runs} done.", file=sys.stderr)
        return found


def _seconds(found: dict[float, list[tuple[Usage, Usage]]], photos: Callable[[float], int], *, cpu: bool) -> Series:
    def of(x: float, full: Usage, start: Usage) -> float:
        spent = full.cpu_seconds - start.cpu_seconds if cpu else full.wall_seconds - start.wall_seconds
        return spent / photos(x)

    title = f"{'CPU' if cpu else 'wall'} s a photo"
    return Series(title, 3, {x: [of(x, *pair) for pair in pairs] for x, pairs in found.items()})


def _peaks(found: dict[float, list[tuple[Usage, Usage]]]) -> Series:
    return Series("peak MB", 0, {x: [full.peak_bytes / 1e6 for full, _start in pairs] for x, pairs in found.items()})


def megapixels(asked: argparse.Namespace, bench: Bench, work: Path) -> Growth:
    """Cut a few photos of each size."""
    sets = {}
    for size in asked.sizes:
        (work / f"set-{size:g}").mkdir()
        sets[size] = pictures.gather(
            asked.photos, work / f"set-{size:g}", megapixels=size, grain=asked.grain, most=_A_SIZE
        )
    found = bench.rounds(sets, asked.runs, lambda _x: {})
    series = (
        _seconds(found, lambda x: sets[x].photos, cpu=False),
        _seconds(found, lambda x: sets[x].photos, cpu=True),
        _peaks(found),
    )
    bounds = (
        f"limits.megapixels ({Limits().megapixels:g}) refuses more, worker.megapixels_in_work "
        f"({Worker().megapixels_in_work:g}) is all that is in work at once, worker.memory_limit ends a worker. "
        "What stays at 0 MP is the network, whose picture has one size."
    )
    return Growth("megapixels", series, "MP", bounds)


def files(asked: argparse.Namespace) -> Growth:
    """Start beside so many known files, twice each, and look at the second start and at the rest after it."""
    figures: tuple[dict[float, list[float]], ...] = ({}, {}, {}, {})
    for count in asked.files:
        start, rest = idle.measure(count, _REST_SECONDS)
        row = (start.calm, start.cpu_before + start.cpu_scan, 100 * rest.cpu / rest.seconds, rest.resident_mb)
        for values, value in zip(figures, row, strict=True):
            values[count] = [value]
        print(f"{count} files done.", file=sys.stderr)
    titles = (("s to rest", 2), ("CPU s to rest", 2), (f"% of a core, {_REST_SECONDS:.0f} s", 2), ("resident MB", 1))
    series = tuple(Series(*title, values, per=1000) for title, values in zip(titles, figures, strict=True))
    bounds = "a start looks at every file once; afterwards a scan takes a thousandth of a core at most (see idle.py)."
    return Growth("known files", series, "1000 files", bounds)


def setting(key: str, values: Sequence[int], asked: argparse.Namespace, bench: Bench, work: Path) -> Growth:
    """Cut the same photos with each value of a setting of [worker]."""
    (work / f"set-{key}").mkdir()
    grain = asked.grain if asked.megapixels else 0.0  # the other table has sizes of its own to add it to
    photos = pictures.gather(
        asked.photos, work / f"set-{key}", megapixels=asked.megapixels, grain=grain, most=asked.most
    )
    sets: dict[float, PhotoSet] = dict.fromkeys(values, photos)
    found = bench.rounds(sets, asked.runs, lambda x: {f"BGZERO_WORKER__{key.upper()}": f"{x:g}"})
    wall = _seconds(found, lambda _x: photos.photos, cpu=False)
    first = wall.values[values[0]]
    pairs = {x: [one / other for one, other in zip(first, now, strict=True)] for x, now in wall.values.items()}
    ratios = Series(f"times as fast as {values[0]}", 2, pairs)
    series = (wall, ratios, _seconds(found, lambda _x: photos.photos, cpu=True), _peaks(found))
    cores = len(os.sched_getaffinity(0))
    bounds = f"the {cores} cores: wall time a photo cannot fall below its CPU time divided by {cores}."
    return Growth(key, series, "", f"{bounds} {photos.describe()}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    pictures.add_options(parser)
    parser.add_argument("--model", choices=weights.MODELS, default="u2netp", help="isnet: IS-Net in half precision")
    parser.add_argument("--only", choices=TABLES, action="append", help="this table; may be said again")
    parser.add_argument("--sizes", type=float, nargs="+", default=list(SIZES), metavar="MP", help="sizes of photos")
    parser.add_argument("--files", type=int, nargs="+", default=list(FILES), metavar="N", help="counts of known files")
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="rounds (default: 3); known files have one")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    asked = parser.parse_args()
    if asked.megapixels is not None and not 0 < asked.megapixels <= 100:
        parser.error("--megapixels has to be above 0 and at most 100")
    if asked.runs < 1 or asked.grain < 0 or not all(0 < size <= 100 for size in asked.sizes) or min(asked.files) < 1:
        parser.error("--runs and --files have to be at least 1, --sizes above 0 and at most 100")
    return asked


def _measure(asked: argparse.Namespace, work: Path) -> list[Growth]:
    bench = Bench(asked.model, work)
    weights.graph_of(asked.model)
    ways: dict[str, Callable[[], Growth]] = {
        "megapixels": lambda: megapixels(asked, bench, work),
        "files": lambda: files(asked),
        "lanes": lambda: setting("lanes", LANES, asked, bench, work),
        "threads": lambda: setting("threads", THREADS, asked, bench, work),
    }
    found = []
    for name in asked.only or TABLES:
        print(f"{name}:", file=sys.stderr)
        found.append(ways[name]())
    return found


def main() -> int:
    """Measure and report. Returns the exit status."""
    asked = _arguments()
    versions = ", ".join(f"{name} {version}" for name, version in peer.our_versions().items())
    machine = f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    told = f"{versions}, {asked.model}; {machine}. Rounds: {asked.runs}. Medians, with least and greatest."
    try:
        with tempfile.TemporaryDirectory(prefix="bgzero-benchmark-") as name:
            found = _measure(asked, Path(name))
    except BenchmarkError as error:
        print(f"growth: {error}", file=sys.stderr)
        return 1
    if asked.json:
        print(json.dumps({"conditions": told, "tables": [asdict(one) for one in found]}, indent=2))
    else:
        print("\n\n".join([told, *(one.text() for one in found)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
