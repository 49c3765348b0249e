"""What each model gives and takes: measured into its card, and published as docs/models.md.

    python benchmarks/models.py measure --composites FOLDER [--model NAME ...] [--runs 9]
    python benchmarks/models.py render --photos FOLDER

`measure` runs every model whose weights are on this machine, through the installed program, and writes `peak_mb`,
`seconds` and `[quality]` into its card in models/. Other cards are left alone. `render` makes the page of all cards,
and the pictures beside it of those that were measured, whose weights have to be here. Linux only.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import tomlkit
from PIL import Image

import harness
import models_page
import models_sheets
import quality
from bgzero_daemon.catalog.card import ModelCard, Quality
from bgzero_daemon.catalog.shelf import read_card

ROOT = Path(__file__).resolve().parents[1]
CARDS, PAGE = ROOT / "models", ROOT / "docs" / "models.md"
_CORES = 2
_PEAK_RUNS = 3
_STEP_MB = 10


@dataclass(frozen=True, slots=True)
class Measured:
    """What goes into a card; see `catalog.card.ModelCard` for the units."""

    peak_mb: int
    seconds: float
    quality: Quality


def cards(folder: Path = CARDS) -> dict[str, ModelCard]:
    """Return the cards of a folder by name."""
    return {file.stem: read_card(file) for file in sorted(folder.glob("*.toml"))}


def write(file: Path, measured: Measured) -> None:
    """Put what was measured into a card. Everything else in the file stays as it is, byte for byte."""
    card = tomlkit.parse(file.read_text(encoding="utf-8"))
    card["peak_mb"], card["seconds"] = measured.peak_mb, measured.seconds
    if "quality" not in card:
        card["quality"] = tomlkit.table()
    for name, value in measured.quality.model_dump().items():
        card["quality"][name] = value
    file.write_text(tomlkit.dumps(card), encoding="utf-8")
    read_card(file)


def _seconds(model: str, runs: int) -> list[float]:
    """Return the seconds of the network's first run in a worker, for so many workers."""
    command: list[str | Path] = [quality.BGZERO, "model", "bench", model, "--json", "--provider", "cpu"]
    said = [subprocess.run(command, capture_output=True, check=True).stdout for _run in range(runs)]
    return [float(json.loads(one)["network_seconds"]) for one in said]


def _peaks(model: str, photo: Path, folder: Path) -> list[int]:
    """Return the peak memory of the worker in bytes, for some cuts of one photo."""
    peaks = []
    for run in range(_PEAK_RUNS):
        target = folder / f"{model}-{run}.png"
        command: list[str | Path] = [quality.BGZERO, "cut", photo, "--model", model, "-o", target]
        peaks.append(harness.measure(command, os.environ, folder / "log").peak_bytes)
    return peaks


def _pixels(photo: Path) -> int:
    with Image.open(photo) as opened:
        return opened.width * opened.height


def _measure_one(model: str, composites: Path, runs: int, folder: Path) -> Measured:
    small = min(composites.glob("*.jpg"), key=_pixels)
    seconds, peaks = _seconds(model, runs), _peaks(model, small, folder)
    errors = dict(zip(quality.MEASURES, quality.score(model, composites)["mean"], strict=True))
    print(
        f"{model}: {statistics.median(seconds):.2f} s, median of {runs} ({min(seconds):.2f} to {max(seconds):.2f});"
        f" {max(peaks) / 1e6:.0f} MB; " + ", ".join(f"{name} {value:.2f}" for name, value in errors.items())
    )
    return Measured(
        peak_mb=math.ceil(max(peaks) / 1e6 / _STEP_MB) * _STEP_MB,
        seconds=round(statistics.median(seconds), 2),
        quality=Quality.model_validate({name: round(value, 1) for name, value in errors.items()}),
    )


def measure(composites: Path, wanted: Sequence[str], runs: int) -> int:
    """Measure models and write their cards. Returns the exit status: 1 where one that was named is not here."""
    ours, installed = cards(), quality.installed()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:_CORES])
    for name in [name for name in os.environ if name.startswith("BGZERO_")]:
        del os.environ[name]
    with tempfile.TemporaryDirectory() as folder:
        # the published weights with the default configuration: nothing that was prepared or set for this account
        os.environ |= {"XDG_CACHE_HOME": folder, "XDG_CONFIG_HOME": folder, "BGZERO_MODEL__PROVIDER": "cpu"}
        absent = [name for name in wanted if name not in installed]
        for model in [name for name in wanted or sorted(installed) if name not in absent]:
            if model not in ours or ours[model].sha256 != installed[model]:
                print(f"{model}: left alone, these weights have no card in {CARDS}")
            else:
                write(CARDS / f"{model}.toml", _measure_one(model, composites, runs, Path(folder)))
    if absent:
        print(f"not installed: {', '.join(absent)}", file=sys.stderr)
    print(
        f"One minute's load at the end: {os.getloadavg()[0]:.1f}. Machine and load belong into models_page.MEASURED_ON."
    )
    return 1 if absent else 0


def render(photos: Path) -> int:
    """Write the page and its pictures. Returns the exit status: 1 where weights or photos are missing."""
    found: Mapping[str, ModelCard] = cards()
    shown, installed = models_page.measured(found), quality.installed()
    missing = [name for name in shown if installed.get(name) != found[name].sha256]
    sources = {name: next(photos.glob(f"{name}.*"), None) for name in models_page.PHOTOS}
    missing += [name for name, source in sources.items() if source is None]
    if missing:
        print(f"missing for the pictures: {', '.join(missing)}", file=sys.stderr)
        return 1
    PAGE.write_text(models_page.page(found), encoding="utf-8")
    pictures = PAGE.with_suffix("")
    pictures.mkdir(exist_ok=True)
    for old in pictures.iterdir():
        old.unlink()
    models_sheets.draw({name: source for name, source in sources.items() if source}, shown, pictures)
    for picture in sorted(pictures.iterdir()):
        print(f"{picture.relative_to(ROOT)}: {picture.stat().st_size / 1000:.0f} kB")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, or render."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("measure", help="write into the cards what their models give and take here")
    one.add_argument("--composites", type=Path, required=True, help="a folder as quality.py wants it")
    one.add_argument("--model", action="append", default=[], help="only this one; may be given again")
    one.add_argument("--runs", type=int, default=9, help="workers whose first run is timed (9)")
    other = commands.add_parser("render", help="write docs/models.md and its pictures")
    other.add_argument("--photos", type=Path, required=True, help=f"holds {', '.join(models_page.PHOTOS)}")
    arguments = parser.parse_args(argv)
    if arguments.command == "render":
        return render(arguments.photos)
    if not (arguments.composites / "score.py").is_file():
        parser.error(f"{arguments.composites} holds no score.py")
    return measure(arguments.composites, arguments.model, max(1, arguments.runs))


if __name__ == "__main__":
    sys.exit(main())
