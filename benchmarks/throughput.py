"""Photos a minute: `bgzero run --once` against `rembg p` and imgly's node package, on the same photos and weights.

Runs alternate, so that what else happens on the machine meets all; only ratios of neighbours count. Each round
measures the bound (bound.py), too, and the table of shares says how near to it each comes.
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
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import bound
import outputs
import pictures
import weights
from bgzero_daemon.settings.schema import Watch, Worker
from contestants import Bgzero, Contestant, ImglyNode, Rembg
from harness import BenchmarkError, Comparison, Usage, as_json, compare, table
from outputs import Outputs
from pictures import Likeness, PhotoSet

ENOUGH_RUNS = 5
_BOUND_RUNS = {"u2netp": 5, "isnet": 2}


@dataclass(frozen=True, slots=True)
class Runs:
    """One contestant's part in a round: all photos, and the tiny one alone."""

    full: Usage
    start: Usage

    def wall_a_photo(self, photos: int) -> float:
        """Wall seconds a photo, start-up apart."""
        return (self.full.wall_seconds - self.start.wall_seconds) / photos

    def cpu_a_photo(self, photos: int) -> float:
        """CPU seconds a photo, start-up apart."""
        return (self.full.cpu_seconds - self.start.cpu_seconds) / photos


@dataclass(frozen=True, slots=True)
class Round:
    """Neighbouring runs of all, the bound between them in seconds a photo, and the network alone by defaults."""

    runs: dict[str, Runs]
    bound: float
    raw: float
    load: float


class Bench:
    """Runs contestants on one set of photos, each time into fresh folders below `work`. The first is ours."""

    def __init__(self, crew: Sequence[Contestant], photos: PhotoSet, graph: Path, work: Path) -> None:
        self._crew, self._photos, self._graph, self._work = crew, photos, graph, work
        self._count = 0
        self.outputs: dict[str, list[Outputs]] = {one.name: [] for one in crew}
        self.kept = {one.name: work / f"kept-{one.name}" for one in crew}

    def warm_up(self) -> None:
        """Run each once on the tiny photo: files and compiled modules are in memory afterwards."""
        for one in self._crew:
            self._run(one, self._photos.tiny_folder)

    def neighbours(self) -> dict[str, Runs]:
        """Run each once on all photos, then each once on the tiny one."""
        full = {one.name: self._run(one, self._photos.folder) for one in self._crew}
        start = {one.name: self._run(one, self._photos.tiny_folder) for one in self._crew}
        return {name: Runs(full[name], start[name]) for name in full}

    def round(self, inferences: int) -> Round:
        """Run each once on all photos, then each once on the tiny one, then the bound."""
        load, runs = os.getloadavg()[0], self.neighbours()
        ours = self.kept[self._crew[0].name]
        found = bound.measure_apart(self._photos.folder, ours, self._graph, runs=inferences, niceness=Worker().nice)
        return Round(runs, found.rounds[0], found.raw[0], load)

    def _run(self, one: Contestant, inbox: Path) -> Usage:
        self._count += 1
        place = self._work / f"run-{self._count:03d}"
        (place / "out").mkdir(parents=True)
        usage = one.run(inbox, place / "out", place)
        is_full, known = inbox == self._photos.folder, self.outputs[one.name]
        found = outputs.examine(place / "out", inbox, self._photos, pixels=is_full and not known)
        if is_full:
            known.append(found)
            if len(known) == 1:
                (place / "out").rename(self.kept[one.name])
        shutil.rmtree(place)
        return usage


def comparisons(rounds: Sequence[Round], ours: str, theirs: str, photos: int) -> list[Comparison]:
    """Turn rounds into measures. "Start-up apart" is (all photos and the tiny one, less the tiny one) a photo."""

    def of(title: str, value: Callable[[Runs], float], digits: int = 2, more_is_better: bool = False) -> Comparison:
        both = [[value(one.runs[who]) for one in rounds] for who in (ours, theirs)]
        return compare(title, *both, digits=digits, more_is_better=more_is_better)

    return [
        of("photos a minute", lambda runs: 60 * photos / runs.full.wall_seconds, 1, more_is_better=True),
        of("wall s, whole run", lambda runs: runs.full.wall_seconds),
        of("CPU s, whole run", lambda runs: runs.full.cpu_seconds),
        of("peak MB, largest process", lambda runs: runs.full.peak_bytes / 1e6, 0),
        of("wall s a photo, start-up apart", lambda runs: runs.wall_a_photo(photos), 3),
        of("CPU s a photo, start-up apart", lambda runs: runs.cpu_a_photo(photos), 3),
        of("wall s, start-up and tiny photo", lambda runs: runs.start.wall_seconds),
        of("CPU s, start-up and tiny photo", lambda runs: runs.start.cpu_seconds),
        of("peak MB, tiny photo", lambda runs: runs.start.peak_bytes / 1e6, 0),
    ]


def shares(rounds: Sequence[Round], names: Sequence[str], photos: int) -> str:
    """Lay out how near each comes to the bound, and to the network alone, in wall time, start-up apart."""
    spread = f"{'median':>10} {'min':>7} {'max':>7}"
    lines = [f"{'':10} {'of the bound':>26} {'of the network alone':>26}", f"{'':10} {spread} {spread}"]
    for name in names:
        walls = [one.runs[name].wall_a_photo(photos) for one in rounds]
        cells = []
        for aims in ([one.bound for one in rounds], [one.raw for one in rounds]):
            found = [aim / wall for aim, wall in zip(aims, walls, strict=True) if wall > 0]
            known = (statistics.median(found), min(found), max(found)) if found else None
            cells.append("{:10.2f} {:7.2f} {:7.2f}".format(*known) if known else f"{'-':>10} {'-':>7} {'-':>7}")
        lines.append(f"{name:10} {cells[0]} {cells[1]}")
    middle = statistics.median(one.bound for one in rounds), statistics.median(one.raw for one in rounds)
    lines.append(
        f"The bound is {middle[0]:.3f} s a photo, the network alone by ONNX Runtime's defaults {middle[1]:.3f} s."
    )
    return "\n".join(lines)


def conditions(crew: Sequence[Contestant], photos: PhotoSet, graph: Path, runs: int) -> list[str]:
    """Say what is run on what."""
    few = "" if runs >= ENOUGH_RUNS else f" (fewer than {ENOUGH_RUNS}: a trial, not a result)"
    return [
        *(one.describe() for one in crew),
        f"Python {platform.python_version()}, {bound.CORES} cores; graph of the bound: {graph.name}.",
        photos.describe(),
        f"Counted rounds: {runs}{few}. Each: all of them on all photos, on the tiny one, then the bound.",
        f"Every run of bgzero waits {Watch().settle_seconds:.1f} s by design (watch.settle_seconds, at its default).",
        f"All of them at niceness {Worker().nice} (worker.nice, at its default).",
    ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    pictures.add_options(parser)
    parser.add_argument("--model", choices=weights.MODELS, default="u2netp", help="isnet: IS-Net in half precision")
    parser.add_argument("--prepared", action="store_true", help="have bgzero prepare its graph first")
    parser.add_argument("--without", action="append", default=[], metavar="NAME", help="leave rembg or imgly out")
    parser.add_argument("--runs", type=int, default=ENOUGH_RUNS, metavar="N", help="counted rounds (default: 5)")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    arguments = parser.parse_args()
    if arguments.runs < 1:
        parser.error("--runs has to be at least 1")
    return arguments


def _crew(asked: argparse.Namespace, work: Path) -> list[Contestant]:
    crew: list[Contestant] = [Bgzero(asked.model, work / "cache", is_prepared=asked.prepared)]
    if "rembg" not in asked.without:
        crew.append(Rembg(asked.model, work / "cache"))
    if asked.model == "isnet" and "imgly" not in asked.without:
        crew.append(ImglyNode(work / "cache"))
    return crew


def _measure(bench: Bench, runs: int, inferences: int) -> list[Round]:
    print("Warming up.", file=sys.stderr)
    bench.warm_up()
    rounds: list[Round] = []
    began = time.monotonic()
    for number in range(1, runs + 1):
        rounds.append(bench.round(inferences))
        left = (time.monotonic() - began) / number * (runs - number)
        print(f"Round {number} of {runs} done; {left / 60:.0f} minutes to go.", file=sys.stderr)
    return rounds


def _check_weights(outbox: Path, model: str) -> None:
    if (used := pictures.model_sha256(outbox)) != {weights.sha256(model)}:
        raise BenchmarkError(f"bgzero cut with the weights {used}, not with those of {model}.")


def _tell(crew: Sequence[Contestant], bench: Bench, photos: PhotoSet, alike: dict[str, Likeness]) -> str:
    lines = [outputs.tell(one.name, bench.outputs[one.name], photos) for one in crew]
    for name, one in alike.items():
        off = f"{one.mean:.4f} of 1; the most in one photo {one.worst:.4f} ({one.worst_photo})"
        lines.append(f"Mean absolute difference of alpha, bgzero and {name}: {off}.")
    return "\n".join(lines)


def main() -> int:
    """Measure and report. Returns the exit status."""
    asked = _arguments()
    try:
        with tempfile.TemporaryDirectory(prefix="bgzero-benchmark-") as name:
            work = Path(name)
            photos = pictures.gather_asked(asked, work)
            graph = weights.graph_of(asked.model, is_prepared=asked.prepared)
            crew = _crew(asked, work)
            ours, *others = [one.name for one in crew]
            bench = Bench(crew, photos, graph, work)
            rounds = _measure(bench, asked.runs, _BOUND_RUNS[asked.model])
            _check_weights(bench.kept[ours], asked.model)
            alike = {other: pictures.likeness(bench.kept[ours], bench.kept[other], photos) for other in others}
    except BenchmarkError as error:
        print(f"throughput: {error}", file=sys.stderr)
        return 1
    told = conditions(crew, photos, graph, asked.runs)
    told.append(f"Load before each round: {', '.join(f'{one.load:.1f}' for one in rounds)}.")
    found = {other: comparisons(rounds, ours, other, photos.photos) for other in others}
    if asked.json:
        report = {
            "conditions": told,
            "comparisons": {other: [as_json(one) for one in measures] for other, measures in found.items()},
            "rounds": [asdict(one) for one in rounds],
            "outputs": {name: [asdict(one) for one in runs] for name, runs in bench.outputs.items()},
            "likeness": {other: asdict(one) for other, one in alike.items()},
            "photos": {stem: (photos.names[stem], *size) for stem, size in photos.sizes.items()},
        }
        print(json.dumps(report, indent=2))
        return 0
    print("\n".join(told), end="\n\n")
    for other, measures in found.items():
        print(f"Medians, then ratios: above 1 is in bgzero's favour.\n{table((ours, other), measures)}\n")
    print(
        f"Shares, wall time, start-up apart: 1 would be all of it.\n{shares(rounds, [ours, *others], photos.photos)}\n"
    )
    print(_tell(crew, bench, photos, alike))
    return 0


if __name__ == "__main__":
    sys.exit(main())
