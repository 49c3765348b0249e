"""What the worker's sandbox costs: the same photos with it and without it, in turn."""

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

import pictures
from harness import BenchmarkError, Usage, measure


def main() -> int:
    """Run, and print each pair's ratio. Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9, help="counted pairs")
    parser.add_argument("--copies", type=int, default=8, help="times each photo is cut in a run")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        photos = pictures.gather(None, work, megapixels=None)
        files = [path for path in sorted(photos.folder.iterdir()) if path.stem != "tiny"] * wanted.copies
        names = []
        for number, file in enumerate(files):
            copy = work / f"{number:03d}{file.suffix}"
            os.link(file, copy)
            names.append(copy)
        print(f"{len(names)} photos in a run, u2netp; ratios are time without the sandbox / time with it")
        try:
            pairs = [_pair(names, work) for _run in range(wanted.runs + 1)][1:]  # the first one warms up
        except BenchmarkError as error:
            print(error, file=sys.stderr)
            return 1
    _tell("wall", [(closed.wall_seconds, without.wall_seconds) for closed, without in pairs])
    _tell("CPU", [(closed.cpu_seconds, without.cpu_seconds) for closed, without in pairs])
    return 0


def _tell(title: str, seconds: list[tuple[float, float]]) -> None:
    ratios = [without / closed for closed, without in seconds]
    typical = statistics.median(closed for closed, _without in seconds)
    print(f"{title:5} {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f}), {typical:.1f} s a run")


def _pair(names: list[Path], work: Path) -> tuple[Usage, Usage]:
    """Cut everything with the sandbox closed, then without."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BGZERO_")}
    usages = []
    for sandbox in ("require", "off"):
        command: list[str | Path] = [Path(sys.executable).with_name("bgzero"), "cut", *names, "-o", work / "cut"]
        usages.append(measure(command, kept | {"BGZERO_WORKER__SANDBOX": sandbox}, work / "log.txt"))
    return usages[0], usages[1]


if __name__ == "__main__":
    sys.exit(main())
