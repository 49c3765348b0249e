"""What refined edges cost beside `rembg p -a`: the same photos, the same weights, runs in turns.

    python benchmarks/edges_peer.py [--photos DIR] [--megapixels MP] [--most N] [--model isnet] [--runs N] [--json]

Each round is four programs on all photos, and then each of them on a tiny photo alone: bgzero as it comes, bgzero with
edges = "off", `rembg p -a` and `rembg p`. What a program takes for a photo is (all photos and the tiny one, less the
tiny one) over their number, so that start-up, imports and loading the network are apart. What edges and colours take
alone is that with them, less that without, of the same program. Everything else of a run is in the first figure:
hashing and fsync in bgzero's, the slow PNG in rembg's. Above 1 is in bgzero's favour.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import outputs
import pictures
import weights
from bgzero_daemon.core.recipe import Edges
from contestants import Bgzero, Contestant, Rembg
from harness import BenchmarkError, Comparison, as_json, compare, table
from throughput import ENOUGH_RUNS, Bench, Runs

REFINE, OFF, MATTING, PLAIN = "refine", "off", "rembg -a", "rembg"
"""What the four are called here: bgzero with its two levels, and rembg with and without its option."""


def crew(model: str, cache: Path) -> list[Contestant]:
    """Return the four, bgzero's default first. Raises BenchmarkError where rembg cannot be installed."""
    # a photo in which a network finds nothing has to come out here, too: rembg writes one for every photo
    levels = {REFINE: Edges.REFINE, OFF: Edges.OFF}
    settings = {
        name: {"BGZERO_OUTPUT__EDGES": level.value, "BGZERO_OUTPUT__NO_SUBJECT": "publish"}
        for name, level in levels.items()
    }
    return [
        *(Bgzero(model, cache, settings=keys, name=name) for name, keys in settings.items()),
        Rembg(model, cache, flags=("-a",), name=MATTING),
        Rembg(model, cache, name=PLAIN),
    ]


def comparisons(rounds: Sequence[Mapping[str, Runs]], photos: int) -> list[Comparison]:
    """Turn rounds into measures of bgzero's default and `rembg p -a`, round by round."""

    def of(title: str, value: Callable[[Runs], float], digits: int = 3) -> Comparison:
        both = [[value(one[who]) for one in rounds] for who in (REFINE, MATTING)]
        return compare(title, *both, digits=digits)

    alone = [
        [one[refined].cpu_a_photo(photos) - one[plain].cpu_a_photo(photos) for one in rounds]
        for refined, plain in ((REFINE, OFF), (MATTING, PLAIN))
    ]
    return [
        of("CPU s a photo, start-up apart", lambda runs: runs.cpu_a_photo(photos)),
        compare("CPU s a photo, edges alone", *alone, digits=3),
        of("wall s a photo, start-up apart", lambda runs: runs.wall_a_photo(photos)),
        of("peak MB, largest process", lambda runs: runs.full.peak_bytes / 1e6, 0),
        of("CPU s, start-up and tiny photo", lambda runs: runs.start.cpu_seconds, 2),
    ]


def measure(bench: Bench, runs: int) -> list[dict[str, Runs]]:
    """Warm up, and run so many rounds."""
    bench.warm_up()
    began, rounds = time.monotonic(), list[dict[str, Runs]]()
    for number in range(1, runs + 1):
        rounds.append(bench.neighbours())
        left = (time.monotonic() - began) / number * (runs - number)
        print(f"Round {number} of {runs} done; {left / 60:.1f} minutes to go.", file=sys.stderr)
    return rounds


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and report. Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    pictures.add_options(parser)
    parser.add_argument("--model", choices=weights.MODELS, default="u2netp", help="isnet: IS-Net in half precision")
    parser.add_argument("--runs", type=int, default=ENOUGH_RUNS, metavar="N", help="counted rounds (default: 5)")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    asked = parser.parse_args(argv)
    if asked.runs < 1:
        parser.error("--runs has to be at least 1")
    try:
        with tempfile.TemporaryDirectory(prefix="bgzero-benchmark-") as name:
            work = Path(name)
            photos = pictures.gather_asked(asked, work)
            four = crew(asked.model, work / "cache")
            bench = Bench(four, photos, weights.graph_of(asked.model), work)
            load = os.getloadavg()[0]
            rounds = measure(bench, asked.runs)
    except BenchmarkError as error:
        print(f"edges_peer: {error}", file=sys.stderr)
        return 1
    found = comparisons(rounds, photos.photos)
    told = [*(one.describe() for one in four), photos.describe()]
    told.append(
        f"Counted rounds: {asked.runs}. Load before the first: {load:.1f}, at the end: {os.getloadavg()[0]:.1f}."
    )
    if asked.json:
        every = [{name: asdict(runs) for name, runs in one.items()} for one in rounds]
        print(
            json.dumps({"conditions": told, "comparisons": [as_json(one) for one in found], "rounds": every}, indent=2)
        )
        return 0
    print("\n".join(told), end="\n\n")
    print(table(("bgzero", MATTING), found), end="\n\n")
    print("\n".join(outputs.tell(one.name, bench.outputs[one.name], photos) for one in four))
    return 0


if __name__ == "__main__":
    sys.exit(main())
