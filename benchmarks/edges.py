"""What edges and colours cost, and what they are worth against known truth.

    python benchmarks/edges.py [--photo FILE] [--megapixels MP ...] [--runs N]
    python benchmarks/edges.py --composites FOLDER

Costs: a photo (by default a cat of scikit-image's) is scaled to each size; u2netp makes its mask once. Then, in a
process of its own for each size, CPU seconds of the working grids (opacity and colours) and of drawing all strips, by
one thread, without edges and with them, in turns; and the most memory that was used above the decoded photo. Scores:
`score.py` in the folder of composites (see quality.py) on cut-outs of IS-Net and u2netp with each level of edges.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import weights
from harness import BenchmarkError
from quality import MEASURES

SIZES = (1.0, 12.0, 24.0, 100.0)
LEVELS = ("off", "refine", "best")

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


def costs(photo: str, sizes: Sequence[float], runs: int) -> list[str]:
    """Return the table of costs as lines."""
    lines = [f"{'CPU seconds':>12}{'grids':>9}{'draw':>9}{'both':>9}{'plain':>9}{'difference':>12}{'memory':>10}"]
    for size in sizes:
        one = cost(photo, size, runs)
        both = one["grids"] + one["draw"]
        lines.append(
            f"{size:9g} MP{one['grids']:9.3f}{one['draw']:9.3f}{both:9.3f}{one['plain']:9.3f}"
            f"{both - one['plain']:12.3f}{one['memory'] / 1e6:7.0f} MB"
        )
    return lines


def scores(composites: Path) -> list[str]:
    """Return the means of each model and level as lines, and each photo's."""
    lines = []
    for name, model in weights.MODELS.items():
        weights.graph_of(name)
        for level in LEVELS:
            with tempfile.TemporaryDirectory(prefix="bgzero-benchmark-") as folder:
                photos = sorted(composites.glob("*.jpg"))
                weights.bgzero("cut", *photos, "--model", model, "--edges", level, "--accept-licence", "-o", folder)
                command: list[str | Path] = [sys.executable, composites / "score.py", folder, composites]
                told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
            lines += [f"{name + ', ' + level:24}" + "".join(f"{measure:>8}" for measure in MEASURES), *told[1:], ""]
    return lines


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
        lines = scores(asked.composites) if asked.composites else costs(asked.photo, asked.megapixels, asked.runs)
    except BenchmarkError as error:
        print(f"edges: {error}", file=sys.stderr)
        return 1
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
