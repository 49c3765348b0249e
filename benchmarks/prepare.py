"""The published weights against the graph that `bgzero model prepare` makes of them, on the CPU, in alternated runs.

Both are loaded in one process and run in turns, so that what else happens on the machine meets both; only ratios of
neighbours count. `--load` compares whole starts too: a process each, its seconds and its peak memory.
"""

import argparse
import hashlib
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from bgzero_daemon.catalog import shelf
from bgzero_daemon.catalog.card import ModelCard
from bgzero_daemon.engine import recipe
from bgzero_daemon.engine.session import F32, Engine
from bgzero_daemon.photo.decode import decode
from bgzero_daemon.photo.matte import to_mask
from bgzero_daemon.photo.picture import Photo
from bgzero_daemon.photo.tensor import to_tensor


def picture(photo: Path | None, card: ModelCard) -> F32:
    """Return a photo's tensor, or that of noise over a gradient."""
    if photo:
        return to_tensor(decode(photo.read_bytes(), max_pixels=10**8), card.input.spec())
    slope = np.linspace(0, 200, card.input.size_px)[:, None, None]
    noise = np.random.default_rng(0).integers(0, 55, (card.input.size_px, card.input.size_px, 3))
    return to_tensor(Photo.of((slope + noise).astype(np.uint8)), card.input.spec())


def alternate(card: ModelCard, engines: tuple[Engine, Engine], tensors: list[F32], pairs: int) -> dict[str, object]:
    """Run both in turns, the first one changing; return ratios of neighbours and the masks' differences."""
    seconds: tuple[list[float], list[float]] = ([], [])
    cpu_seconds: tuple[list[float], list[float]] = ([], [])
    differences = []
    for number in range(pairs + 1):
        masks: list[F32] = [np.empty(0, np.float32)] * 2
        for which in (0, 1) if number % 2 else (1, 0):
            began, cpu_began = time.perf_counter(), time.process_time()
            raw = engines[which].run(tensors[number % len(tensors)])
            if number:  # the first round does not count
                seconds[which].append(time.perf_counter() - began)
                cpu_seconds[which].append(time.process_time() - cpu_began)
            masks[which] = to_mask(raw, card.output.spec())
        differences.append(float(np.abs(masks[0] - masks[1]).mean()))
    ratios, cpu_ratios = (
        [published / prepared for published, prepared in zip(*measured, strict=True)]
        for measured in (seconds, cpu_seconds)
    )
    return {
        "published_seconds": round(statistics.median(seconds[0]), 3),
        "prepared_seconds": round(statistics.median(seconds[1]), 3),
        "ratios": [round(ratio, 3) for ratio in ratios],
        "median_ratio": round(statistics.median(ratios), 3),
        "cpu_ratios": [round(ratio, 3) for ratio in cpu_ratios],
        "median_cpu_ratio": round(statistics.median(cpu_ratios), 3),
        "largest_mean_difference": max(differences),
    }


def start(card: ModelCard, file: Path, digits: str) -> None:
    """Load one file and run it once, as a process of its own; print seconds and peak memory."""
    began = time.perf_counter()
    Engine(file.read_bytes(), card, asked="cpu", threads=2, prepared_sha256=digits)
    seconds = time.perf_counter() - began
    # not getrusage: its peak may be that of the process that started this one
    (peak,) = re.findall(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    print(json.dumps({"seconds": round(seconds, 2), "peak_mb": int(peak) * 1024 // 1_000_000}))


def starts(name: str, files: dict[str, tuple[Path, str]], pairs: int) -> dict[str, list[object]]:
    """Start both in turns."""
    found: dict[str, list[object]] = {title: [] for title in files}
    for _pair in range(pairs):
        for title, (file, digits) in files.items():
            command = [sys.executable, __file__, name, "--start", str(file), "--sha256", digits]
            found[title].append(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))
    return found


def main() -> None:
    """Print the measures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="a model whose weights are installed, or the path of a weight file")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--photo", type=Path, action="append", help="a photo; several are taken in turns")
    parser.add_argument("--load", action="store_true", help="compare starts as well")
    parser.add_argument("--start", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--sha256", default="", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    model = shelf.installed(asked.model)
    assert model.weights
    card = model.card
    if asked.start:
        return start(card, asked.start, asked.sha256)
    weights = model.weights.read_bytes()
    with tempfile.TemporaryDirectory() as workplace:
        began = time.perf_counter()
        graph = recipe.prepare(weights, card.output.output, Path(workplace))
        found: dict[str, object] = {
            "model": model.name,
            "preparing_seconds": round(time.perf_counter() - began, 2),
            "published_mb": round(len(weights) / 1e6, 1),
            "prepared_mb": round(len(graph) / 1e6, 1),
        }
        digits = hashlib.sha256(graph).hexdigest()
        if asked.load:
            (Path(workplace) / "graph.onnx").write_bytes(graph)
            files = {"published": (model.weights, ""), "prepared": (Path(workplace) / "graph.onnx", digits)}
            found["starts"] = starts(asked.model, files, 3)
    engines = (
        Engine(weights, card, asked="cpu", threads=asked.threads),
        Engine(graph, card, asked="cpu", threads=asked.threads, prepared_sha256=digits),
    )
    tensors = [picture(photo, card) for photo in asked.photo or [None]]
    found |= alternate(card, engines, tensors, asked.pairs)
    print(json.dumps(found, indent=2))
    return None


if __name__ == "__main__":
    main()
