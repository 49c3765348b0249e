"""Photos a minute: `bgzero run --once` against `rembg p`, on the same photos and the same u2netp weights.

Runs alternate, so that what else happens on the machine meets both; only ratios of neighbours count.
"""

import argparse
import hashlib
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import peer
import pictures
from bgzero_daemon.settings.schema import Watch
from harness import BenchmarkError, Comparison, Usage, as_json, compare, measure, table
from pictures import Likeness, PhotoSet

MODEL = "u2netp"
ENOUGH_RUNS = 5
WEIGHTS = Path(__file__).resolve().parents[1] / "models" / f"{MODEL}.onnx"
_DROPPED = ("OMP_NUM_THREADS", "STATE_DIRECTORY", "PYTHONPATH")  # they would change what one of the two does


@dataclass(frozen=True, slots=True)
class Runs:
    """One contestant's part in a round: all photos, and the tiny one alone."""

    full: Usage
    start: Usage


@dataclass(frozen=True, slots=True)
class Round:
    """Neighbouring runs of both."""

    bgzero: Runs
    rembg: Runs


class Bench:
    """Runs both contestants on one set of photos, each time into fresh folders below `work`."""

    def __init__(self, photos: PhotoSet, rival: peer.Peer, work: Path) -> None:
        self._photos, self._rival, self._work = photos, rival, work
        self._runs = 0
        (work / "weights").mkdir()
        shutil.copyfile(WEIGHTS, work / "weights" / WEIGHTS.name)

    def round(self) -> Round:
        """Run each once on all photos, then each once on the tiny one."""
        full = [self._run(contestant, self._photos.folder) for contestant in (self._bgzero, self._rembg)]
        start = [self._run(contestant, self._photos.tiny_folder) for contestant in (self._bgzero, self._rembg)]
        return Round(Runs(full[0], start[0]), Runs(full[1], start[1]))

    def warm_up(self) -> Likeness:
        """Run a round that does not count, and compare what came out of it.

        Raises BenchmarkError where bgzero used other weights than the ones rembg was given.
        """
        ours, theirs = self._work / "kept-bgzero", self._work / "kept-rembg"
        self._run(self._bgzero, self._photos.folder, keep=ours)
        self._run(self._rembg, self._photos.folder, keep=theirs)
        self._run(self._bgzero, self._photos.tiny_folder)
        self._run(self._rembg, self._photos.tiny_folder)
        if (used := pictures.model_sha256(ours)) != {_sha256(WEIGHTS)}:
            raise BenchmarkError(f"bgzero cut with the weights {used}, not with {WEIGHTS.name}.")
        found = pictures.likeness(ours, theirs, self._photos)
        shutil.rmtree(ours)
        shutil.rmtree(theirs)
        return found

    def _run(self, contestant: Callable[[Path, Path, Path], Usage], inbox: Path, *, keep: Path | None = None) -> Usage:
        self._runs += 1
        place = self._work / f"run-{self._runs:03d}"
        outbox = place / "out"
        outbox.mkdir(parents=True)
        usage = contestant(inbox, outbox, place)
        expected = {path.stem: self._photos.sizes[path.stem] for path in inbox.iterdir()}
        pictures.check(outbox, expected, contestant.__name__.strip("_"))
        if keep:
            outbox.rename(keep)
        shutil.rmtree(place)
        return usage

    def _bgzero(self, inbox: Path, outbox: Path, place: Path) -> Usage:
        fresh = {f"XDG_{kind}_HOME": str(place / kind.lower()) for kind in ("CONFIG", "DATA", "STATE")}
        bgzero = Path(sys.executable).with_name("bgzero")
        command: list[str | Path] = [bgzero, "run", "--once", "--inbox", inbox, "--outbox", outbox, "--model", MODEL]
        return measure(command, self._environment() | fresh, place / "log.txt")

    def _rembg(self, inbox: Path, outbox: Path, place: Path) -> Usage:
        command: list[str | Path] = [self._rival.command, "p", inbox, outbox, "-m", MODEL]
        environment = self._environment() | peer.environment(self._work / "weights")
        return measure(command, environment, place / "log.txt")

    def _environment(self) -> dict[str, str]:
        """Return this process's environment without what configures either; caches stay warm between runs."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if name not in _DROPPED and not name.startswith(("BGZERO_", "REMBG_"))
        }
        return kept | {"XDG_CACHE_HOME": str(self._work / "cache")}


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def comparisons(rounds: list[Round], photos: int) -> list[Comparison]:
    """Turn rounds into measures. "Start-up apart" is (all photos and the tiny one, less the tiny one) a photo."""

    def of(title: str, value: Callable[[Runs], float], digits: int = 2, more_is_better: bool = False) -> Comparison:
        ours, theirs = [value(one.bgzero) for one in rounds], [value(one.rembg) for one in rounds]
        return compare(title, ours, theirs, digits=digits, more_is_better=more_is_better)

    return [
        of("photos a minute", lambda runs: 60 * photos / runs.full.wall_seconds, 1, more_is_better=True),
        of("wall s, whole run", lambda runs: runs.full.wall_seconds),
        of("CPU s, whole run", lambda runs: runs.full.cpu_seconds),
        of("peak MB, largest process", lambda runs: runs.full.peak_bytes / 1e6, 0),
        of("wall s a photo, start-up apart", lambda runs: (runs.full.wall_seconds - runs.start.wall_seconds) / photos),
        of("CPU s a photo, start-up apart", lambda runs: (runs.full.cpu_seconds - runs.start.cpu_seconds) / photos),
        of("wall s, start-up and tiny photo", lambda runs: runs.start.wall_seconds),
        of("CPU s, start-up and tiny photo", lambda runs: runs.start.cpu_seconds),
        of("peak MB, tiny photo", lambda runs: runs.start.peak_bytes / 1e6, 0),
    ]


def conditions(rival: peer.Peer, photos: PhotoSet, runs: int) -> list[str]:
    """Say what was run on what."""
    ours = peer.our_versions()
    shared = [
        f"{name} {ours[name]}" + ("" if rival.versions[name] == ours[name] else f" (rembg's: {rival.versions[name]})")
        for name in peer.PACKAGES
    ]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    few = "" if runs >= ENOUGH_RUNS else f" (fewer than {ENOUGH_RUNS}: a trial, not a result)"
    return [
        f"bgzero {ours['bgzero-daemon']} against rembg {rival.versions['rembg']}, the same {WEIGHTS.name} for both.",
        f"{', '.join(shared)}, Python {platform.python_version()}, {cores} cores, load {os.getloadavg()[0]:.1f}.",
        photos.describe(),
        f"Counted rounds: {runs}{few}, after one to warm up. Each: bgzero, rembg on all; both on the tiny one.",
        f"Every run of bgzero waits {Watch().settle_seconds:.1f} s by design (watch.settle_seconds, at its default).",
    ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, metavar="DIR", help="folder of photos; without: scikit-image's")
    parser.add_argument("--runs", type=int, default=ENOUGH_RUNS, metavar="N", help="counted rounds (default: 5)")
    parser.add_argument("--megapixels", type=float, metavar="MP", help="scale every photo to this size first")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    arguments = parser.parse_args()
    if arguments.runs < 1 or (arguments.megapixels is not None and not 0 < arguments.megapixels <= 100):
        parser.error("--runs has to be at least 1, --megapixels above 0 and at most 100")
    return arguments


def _tell(photos: PhotoSet, likeness: Likeness) -> str:
    return (
        f"Both gave {photos.photos + 1} PNGs in every run, each of its photo's size: "
        f"bgzero {likeness.our_bytes / 1e6:.1f} MB, rembg {likeness.their_bytes / 1e6:.1f} MB.\n"
        f"Mean absolute difference of alpha: {likeness.mean:.4f} of 1; the most in one photo "
        f"{likeness.worst:.4f} ({likeness.worst_photo}). rembg stretches each mask to 0..1, bgzero does not."
    )


def main() -> int:
    """Measure and report. Returns the exit status."""
    arguments = _arguments()
    try:
        rival = peer.rembg()
        with tempfile.TemporaryDirectory(prefix="bgzero-benchmark-") as name:
            photos = pictures.gather(arguments.photos, Path(name), megapixels=arguments.megapixels)
            bench = Bench(photos, rival, Path(name))
            told = conditions(rival, photos, arguments.runs)
            print("Warming up.", file=sys.stderr)
            likeness = bench.warm_up()
            rounds = []
            for number in range(1, arguments.runs + 1):
                rounds.append(bench.round())
                print(f"Round {number} of {arguments.runs} done.", file=sys.stderr)
    except BenchmarkError as error:
        print(f"throughput: {error}", file=sys.stderr)
        return 1
    found = comparisons(rounds, photos.photos)
    if arguments.json:
        report = {
            "conditions": told,
            "comparisons": [as_json(one) for one in found],
            "rounds": [asdict(one) for one in rounds],
            "likeness": asdict(likeness),
            "photos": {photos.names[stem]: size for stem, size in photos.sizes.items()},
        }
        print(json.dumps(report, indent=2))
    else:
        print("\n".join(told), end="\n\n")
        print("Medians, then ratios: above 1 is in bgzero's favour.")
        print(table(("bgzero", "rembg"), found), end="\n\n")
        print(_tell(photos, likeness))
    return 0


if __name__ == "__main__":
    sys.exit(main())
