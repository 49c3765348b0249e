"""docs/edges.md: cut-outs of rembg, `rembg -a` and both of bgzero's levels side by side, with their errors and costs.

    python benchmarks/edges_look.py --composites FOLDER [--runs 5]
    python benchmarks/edges_look.py --words

FOLDER is one as quality.py wants it. Everything is cut by the installed programs (rembg as peer.py installs it), with
u2netp and IS-Net; costs are edges_peer.py's, on the composites. What comes out is written to docs/edges: figures.json,
and a picture for each of edges_sights.SIGHTS. The page is made of the figures; `--words` does only that.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

import edges_page
import edges_peer
import edges_sheets
import models_sheets
import pictures
import weights
from edges_page import CONTESTANTS, NETWORKS, SHOWN, Figures
from edges_sights import SIGHTS, Sight
from harness import BenchmarkError
from throughput import ENOUGH_RUNS, Bench

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "edges.md"
FIGURES = PAGE.with_suffix("") / "figures.json"
MOST_BYTES = 150_000
"""A picture's size at most. Nine of them stay below 1.2 MB."""

sys.path.append(str(ROOT))
from tests.photo.scenes import scene  # noqa: E402  the shapes with which the suite looks for harm


def draw(name: str, sight: Sight, folder: Path) -> None:
    """Write a drawn shape as a composite: NAME.jpg, NAME.alpha.png and NAME.foreground.png."""
    drawn = scene(sight.shape, sight.ground)
    Image.fromarray(drawn.rgb).save(folder / f"{name}.jpg", quality=95, subsampling=0)
    Image.fromarray(np.rint(drawn.alpha * 255).astype(np.uint8)).save(folder / f"{name}.alpha.png")
    Image.fromarray(np.rint(drawn.foreground).astype(np.uint8)).save(folder / f"{name}.foreground.png")


def gather(composites: Path, truths: Path, scored: Path, inbox: Path) -> None:
    """Fill folders: composites and drawn shapes with their truths, without them, and with the photos that are shown."""
    for file in composites.glob("*.*"):
        shutil.copy(file, truths)
    shipped = {path.stem: path for path in pictures.shipped()}
    for name, sight in SIGHTS.items():
        if sight.ground:
            draw(name, sight, truths)
        else:
            shutil.copy(shipped[name], inbox)
    for photo in truths.glob("*.jpg"):
        shutil.copy(photo, scored)
        shutil.copy(photo, inbox)


def cut(model: str, inbox: Path, work: Path) -> dict[str, Path]:
    """Have all four programs cut the inbox. Returns their outboxes. Raises BenchmarkError where a photo is left out."""
    outboxes = {}
    for one in edges_peer.crew(model, work / "cache"):
        place = work / f"{model}, {one.name}"
        outboxes[one.name] = place / "out"
        outboxes[one.name].mkdir(parents=True)
        print(f"{one.name}, {model}", file=sys.stderr)
        one.run(inbox, outboxes[one.name], place)
        if missing := {path.stem for path in inbox.iterdir()} - {path.stem for path in outboxes[one.name].iterdir()}:
            raise BenchmarkError(f"{one.name} left out {', '.join(sorted(missing))}.")
    return outboxes


def scores(outboxes: dict[str, Path], truths: Path) -> dict[str, dict[str, tuple[float, ...]]]:
    """Return the errors of all cut-outs whose truth is known, by photo and contestant."""
    found: dict[str, dict[str, tuple[float, ...]]] = {}
    for name in CONTESTANTS:
        command: list[str | Path] = [sys.executable, truths / "score.py", outboxes[name], truths]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        for photo, *errors in (line.split() for line in told.splitlines()[1:-1]):
            found.setdefault(photo, {})[name] = tuple(map(float, errors))
    return found


def show(outboxes: dict[str, Path], truths: Path, inbox: Path, folder: Path) -> None:
    """Write the pictures."""
    for name in SIGHTS:
        photo = Image.open(next(inbox.glob(f"{name}.*"))).convert("RGB")
        found = {one: Image.open(outboxes[one] / f"{name}.png").convert("RGBA") for one in CONTESTANTS}
        truth = None
        if SIGHTS[name].ground:
            truth = Image.open(truths / f"{name}.foreground.png").convert("RGB")
            truth.putalpha(Image.open(truths / f"{name}.alpha.png").convert("L"))
        sheet = edges_sheets.sheet(edges_sheets.Cutouts(photo, found, truth))
        models_sheets.save(sheet, folder / f"{name}{models_sheets.ENDING}", MOST_BYTES)


def measure(composites: Path, runs: int, work: Path) -> Figures:
    """Cut, score and time everything, and write the pictures."""
    truths, scored, inbox, timed = (work / name for name in ("truths", "scored", "inbox", "timed"))
    for made in (truths, scored, inbox, timed):
        made.mkdir()
    gather(composites, truths, scored, inbox)
    found = {}
    for model in NETWORKS:
        outboxes = cut(model, inbox if model == SHOWN else scored, work)
        found[model] = scores(outboxes, truths)
        if model == SHOWN:
            show(outboxes, truths, inbox, FIGURES.parent)
    for photo in composites.glob("*.jpg"):
        shutil.copy(photo, timed)
    place = work / "costs"
    place.mkdir()
    photos = pictures.gather(timed, place, megapixels=None)
    crew = edges_peer.crew("u2netp", place / "cache")
    rounds = edges_peer.measure(Bench(crew, photos, weights.graph_of("u2netp"), place), runs)
    costs = edges_peer.comparisons(rounds, photos.photos)
    mega = [width * height / 1e6 for stem, (width, height) in photos.sizes.items() if stem != "tiny"]
    return Figures(
        scores=found,
        costs=tuple(
            edges_page.Cost(title=one.title, digits=one.digits, ours=one.ours, theirs=one.theirs, ratios=one.ratios)
            for one in costs
        ),
        cost_photos=f"the {len(mega)} composites ({min(mega):.2f} to {max(mega):.2f} MP)",
        programs=tuple(one.describe() for one in crew),
        machine=(
            f"{os.cpu_count()} cores ({platform.machine()}, {platform.system()}), Python {platform.python_version()}, "
            f"a load of {os.getloadavg()[1]:.1f} over the last five minutes, its own work included"
        ),
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and write, or write the page again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--composites", type=Path, help="a folder as quality.py wants it")
    parser.add_argument("--runs", type=int, default=ENOUGH_RUNS, metavar="N", help="counted rounds of costs (5)")
    parser.add_argument("--words", action="store_true", help="only make the page of the figures that are there")
    asked = parser.parse_args(argv)
    if asked.words:
        figures = Figures.model_validate_json(FIGURES.read_bytes())
    elif asked.composites is None or not (asked.composites / "score.py").is_file():
        parser.error("--composites has to name a folder that holds score.py")
    else:
        FIGURES.parent.mkdir(exist_ok=True)
        try:
            with tempfile.TemporaryDirectory(prefix="bgzero-benchmark-") as name:
                figures = measure(asked.composites, max(1, asked.runs), Path(name))
        except BenchmarkError as error:
            print(f"edges_look: {error}", file=sys.stderr)
            return 1
        FIGURES.write_text(figures.model_dump_json(indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(edges_page.page(figures), encoding="utf-8")
    for file in sorted(FIGURES.parent.iterdir()):
        print(f"{file.relative_to(ROOT)}: {file.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
