"""What edges and colours cost, and what they are worth against known truth.

    python benchmarks/edges.py [--photo FILE] [--megapixels MP ...] [--runs N]
    python benchmarks/edges.py --composites FOLDER

Costs: a photo (by default a cat of scikit-image's) is scaled to each size; u2netp makes its mask once. Then, in a
process of its own for each size, CPU seconds of the working grids (opacity and colours) and of drawing all strips, by
one thread, without edges and with them, in turns; and the most memory that was used above the decoded photo. Scores:
`score.py` in the folder of composites (see quality.py) on cut-outs of IS-Net and u2netp with each level of edges, and
on rembg's own with the same weights. What misses its goal is said at the end, and the exit status is 1.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import peer
import weights
from harness import BenchmarkError
from quality import MEASURES

SIZES = (1.0, 12.0, 24.0, 100.0)
LEVELS = ("off", "refine", "best")
REMBG = {"u2netp": "u2netp", "isnet": "isnet-general-use"}
"""rembg's names of the networks."""

BY_REMBG = "rembg"
MOST_SECONDS = {1.0: 0.3, 24.0: 1.2}
MOST_MEMORY_BYTES = 100e6
WANTED = {
    "u2netp": {"edge": 74.6, "grad": 9.9, "color": 39.8},
    "isnet": {"edge": 72.9, "grad": 9.9, "color": 38.6},
}
"""Means of "refine", which was fixed before anything of it was written here."""
SLACK = {"edge": 1.0, "grad": 0.3, "color": 0.5}

Scores = Mapping[str, Mapping[str, float]]
"""Of each photo, "mean" the last, what each of MEASURES is."""

COST = """
import json, sys, time
from pathlib import Path
import numpy as np
import skimage.data
from PIL import Image
from bgzero_daemon.catalog.shelf import installed
from bgzero_daemon.core.recipe import Edges
from bgzero_daemon.engine.session import Engine
from bgzero_daemon.photo.foreground import drawing
from bgzero_daemon.photo.matte import to_mask
from bgzero_daemon.photo.picture import Photo
from bgzero_daemon.photo.tensor import to_tensor

file, megapixels, runs = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
model = installed("u2netp")
engine = Engine(model.weights.read_bytes(), model.card, asked="cpu", threads=1)
whole = (Image.open(file) if file else Image.fromarray(skimage.data.chelsea())).convert("RGB")
scale = (megapixels * 1e6 / (whole.width * whole.height)) ** 0.5
size = round(whole.width * scale), round(whole.height * scale)
photo = Photo.of(np.asarray(whole.resize(size, Image.Resampling.BICUBIC)))
mask = to_mask(engine.run(to_tensor(photo, model.card.input.spec())), model.card.output.spec())
fit, output = model.card.input.fit, model.card.output.spec()
del whole, engine

def peak():
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024

def once(edges):
    began = time.process_time()
    drawn = drawing(photo, mask, fit, edges=edges, output=output)
    made, rows = time.process_time() - began, max(1, (1 << 21) // (4 * size[0]))
    for top in range(0, size[1], rows):
        strip = slice(top, min(top + rows, size[1]))
        columns = drawn.columns(strip)
        if columns.start < columns.stop:
            drawn.draw(strip, columns)
    return made, time.process_time() - began - made

Path("/proc/self/clear_refs").write_text("5")  # from now on: the peak of what follows
before = peak()
found = {"off": [], "refine": []}
for _run in range(runs):
    for name, times in found.items():
        times.append(once(Edges(name)))
print(json.dumps({"found": found, "memory_bytes": peak() - before}))
"""


def cost(photo: str, megapixels: float, runs: int) -> dict[str, float]:
    """Return medians for one size: CPU seconds of grids and of drawing, of drawing without edges, bytes of memory."""
    command = [sys.executable, "-c", COST, photo, str(megapixels), str(runs)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    )
    if done.returncode:
        raise BenchmarkError(done.stderr)
    told = json.loads(done.stdout)
    refined, plain = told["found"]["refine"], told["found"]["off"]
    return {
        "grids": statistics.median(made for made, _drawn in refined),
        "draw": statistics.median(drawn for _made, drawn in refined),
        "plain": statistics.median(sum(both) for both in plain),
        "memory": told["memory_bytes"],
    }


def costs(photo: str, sizes: Sequence[float], runs: int) -> tuple[list[str], list[str]]:
    """Return the table of costs as lines, and what misses its goal."""
    lines = [f"{'CPU seconds':>12}{'grids':>9}{'draw':>9}{'both':>9}{'plain':>9}{'difference':>12}{'memory':>10}"]
    missed: list[str] = []
    for size in sizes:
        one = cost(photo, size, runs)
        both = one["grids"] + one["draw"]
        lines.append(
            f"{size:9g} MP{one['grids']:9.3f}{one['draw']:9.3f}{both:9.3f}{one['plain']:9.3f}"
            f"{both - one['plain']:12.3f}{one['memory'] / 1e6:7.0f} MB"
        )
        missed += costly(size, both, one["memory"])
    return lines, missed


def costly(megapixels: float, seconds: float, memory_bytes: float) -> list[str]:
    """Say which goals a size misses."""
    made = []
    if seconds > (most := MOST_SECONDS.get(megapixels, float("inf"))):
        made.append(f"{megapixels:g} MP take {seconds:.2f} s, more than {most:g}")
    if memory_bytes > MOST_MEMORY_BYTES:
        made.append(f"{megapixels:g} MP take {memory_bytes / 1e6:.0f} MB, more than {MOST_MEMORY_BYTES / 1e6:.0f}")
    return made


def scores(composites: Path) -> tuple[list[str], list[str]]:
    """Return the scores of each model and level, each photo's and the means, as lines; and what misses its goal."""
    lines, missed = [], []
    for name in weights.MODELS:
        found = {level: _score(name, level, composites) for level in (*LEVELS, BY_REMBG)}
        for level, photos in found.items():
            lines.append(f"{name + ', ' + level:24}" + "".join(f"{measure:>8}" for measure in MEASURES))
            lines += [f"{photo:24}" + "".join(f"{v:8.2f}" for v in row.values()) for photo, row in photos.items()]
            lines.append("")
        missed += worse(name, found["refine"], found[BY_REMBG])
    return lines, missed


def worse(name: str, refined: Scores, by_rembg: Scores) -> list[str]:
    """Say where refined cut-outs of a model are worse than wanted in the mean, or one of them than rembg's."""
    means = refined["mean"]
    made = [
        f"{name}: {measure} is {means[measure]:.1f}, wanted are {most:g} within {SLACK[measure]:g}"
        for measure, most in WANTED[name].items() if means[measure] > most + SLACK[measure]
    ]  # fmt: skip
    return made + [
        f"{name}: {measure} of {photo} is {row[measure]:.1f}, rembg's {by_rembg[photo][measure]:.1f}"
        for photo, row in refined.items() for measure in WANTED[name] if row[measure] >= by_rembg[photo][measure]
    ]  # fmt: skip


def _score(name: str, level: str, composites: Path) -> Scores:
    """Cut the composites with a model of `weights.MODELS`, at a level of edges or by rembg, and score them."""
    graph, photos = weights.graph_of(name), sorted(composites.glob("*.jpg"))
    with tempfile.TemporaryDirectory(prefix="bgzero-benchmark-") as folder:
        if level == BY_REMBG:
            _cut_by_rembg(REMBG[name], graph, photos, Path(folder))
        else:
            weights.bgzero(
                "cut", *photos, "--model", weights.MODELS[name], "--edges", level, "--accept-licence", "-o", folder
            )
        command: list[str | Path] = [sys.executable, composites / "score.py", folder, composites]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    rows = [line.split() for line in told[1:]]
    return {photo: dict(zip(MEASURES, map(float, values), strict=True)) for photo, *values in rows}


def _cut_by_rembg(model: str, graph: Path, photos: Sequence[Path], folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="bgzero-benchmark-") as home:
        (Path(home) / f"{model}.onnx").symlink_to(graph.resolve())
        for photo in photos:
            done = subprocess.run(
                [peer.rembg().command, "i", "-m", model, photo, folder / f"{photo.stem}.png"],
                capture_output=True, text=True, check=False, env=os.environ | peer.environment(Path(home)),
            )  # fmt: skip
            if done.returncode:
                raise BenchmarkError(f"rembg ended with {done.returncode}: {done.stderr.strip()[-1000:]}")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and report. Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--composites", type=Path, help="score cut-outs of the composites there instead")
    parser.add_argument("--photo", default="", metavar="FILE", help="what is scaled (a cat)")
    parser.add_argument("--megapixels", nargs="+", type=float, default=list(SIZES), metavar="MP")
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="counted rounds (default: 5)")
    asked = parser.parse_args(argv)
    if asked.composites and not (asked.composites / "score.py").is_file():
        parser.error(f"{asked.composites} holds no score.py")
    try:
        found = scores(asked.composites) if asked.composites else costs(asked.photo, asked.megapixels, asked.runs)
    except BenchmarkError as error:
        print(f"edges: {error}", file=sys.stderr)
        return 1
    lines, missed = found
    print("\n".join([*lines, *missed]))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
