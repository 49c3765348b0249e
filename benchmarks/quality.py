"""How good are the cut-outs of each installed model? Composites with known truth, scored by the folder's own script.

    python benchmarks/quality.py FOLDER [--model NAME ...]

FOLDER holds NAME.jpg, NAME.alpha.png and NAME.foreground.png for each composite, and `score.py`, which prints the error
of cut-outs in thousandths: mae (alpha, whole photo), edge (alpha near the contour), grad (sharpness of the contour),
color (the cut-out over white, black and green, near the contour). Lower is better. The networks' own masks are scored,
without refined edges: see edges.py for these. No parameter of the program comes
from these pictures.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

BGZERO = Path(sys.executable).with_name("bgzero")
MEASURES = ("mae", "edge", "grad", "color")


def installed() -> dict[str, str]:
    """Return the models whose weights are on this machine, each with the hash that its card names."""
    listed = subprocess.run([BGZERO, "model", "list", "--json"], capture_output=True, check=True)
    return {model["name"]: model["sha256"] for model in json.loads(listed.stdout)["models"] if model["installed"]}


def score(model: str, composites: Path) -> dict[str, list[float]]:
    """Cut every composite with a model and return its scores by photo, the mean last."""
    with tempfile.TemporaryDirectory() as folder:
        photos = sorted(composites.glob("*.jpg"))
        command: list[str | Path] = [BGZERO, "cut", *photos, "--model", model, "--edges", "off", "-o", folder]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        command = [sys.executable, composites / "score.py", folder, composites]
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    rows = [line.split() for line in lines[1:]]
    return {row[0]: [float(value) for value in row[1:]] for row in rows}


def main(argv: Sequence[str] | None = None) -> int:
    """Print one table a model, and the means side by side."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("composites", type=Path)
    parser.add_argument("--model", action="append", help="only this one; may be given again")
    arguments = parser.parse_args(argv)
    if not (arguments.composites / "score.py").is_file():
        parser.error(f"{arguments.composites} holds no score.py")
    means = {}
    for model in arguments.model or installed():
        scores = score(model, arguments.composites)
        print(f"{model:24}" + "".join(f"{name:>9}" for name in MEASURES))
        for photo, values in scores.items():
            print(f"  {photo:22}" + "".join(f"{value:9.2f}" for value in values))
        means[model] = scores["mean"]
    print(f"\n{'mean of all photos':24}" + "".join(f"{name:>9}" for name in MEASURES))
    for model, values in means.items():
        print(f"{model:24}" + "".join(f"{value:9.2f}" for value in values))
    return 0


if __name__ == "__main__":
    sys.exit(main())
