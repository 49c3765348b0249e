"""How fast a photo could be cut at best: the CPU time of what cannot be left out, alone, over the cores.

Decoding the JPEG (simplejpeg), the network (`session.run`), and deflating the cut-out's rows, whose filters are in
place already (ISA-L, level 1): no tensor, no mask, no colours, no filter, no checksum, no file. Each is measured by
itself, in rounds; the bound of a photo is the sum of their CPU seconds divided by the number of cores.
"""

import argparse
import io
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import simplejpeg
from isal import isal_zlib
from numpy.typing import NDArray
from PIL import Image

import pictures
import weights
from harness import BenchmarkError, nicely

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
LEVEL, _FILTER_UP = 1, 2


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds a photo. Wall time of two runs at once is half of what the two took."""

    cpu: float
    wall: float


@dataclass(frozen=True, slots=True)
class Bound:
    """Measured rounds. `network` maps each way to run it to its cost in each round; the rest maps photos to theirs.

    `best` is the way with the least CPU time, RAW the one that somebody gets who asks for nothing.
    """

    cores: int
    decode: dict[str, list[Cost]]
    deflate: dict[str, list[Cost]]
    network: dict[str, list[Cost]]
    best: str

    @property
    def rounds(self) -> list[float]:
        """The bound, seconds a photo, mean of all photos, as each round has it."""
        return [
            (_mean(self.decode, number) + self.network[self.best][number].cpu + _mean(self.deflate, number))
            / self.cores
            for number in range(len(self.network[RAW]))
        ]

    def of(self, photo: str) -> float:
        """The bound of one photo, in seconds."""
        parts = (self.decode[photo], self.network[self.best], self.deflate[photo])
        return sum(statistics.median(cost.cpu for cost in part) for part in parts) / self.cores

    @property
    def raw(self) -> list[float]:
        """Wall seconds of the network alone by ONNX Runtime's defaults, one photo at a time, in each round."""
        return [cost.wall for cost in self.network[RAW]]


def _mean(costs: dict[str, list[Cost]], number: int) -> float:
    return statistics.mean(rounds[number].cpu for rounds in costs.values())


def timed(work: Callable[[], object], times: int = 1) -> Cost:
    """Do some work that stands for so many photos; return its cost for one of them, all threads counted."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return Cost((time.process_time() - cpu) / times, (time.perf_counter() - wall) / times)


@dataclass(frozen=True, slots=True)
class Way:
    """A way to load a network. With `own` by the options that bgzero sets, else by none but the threads."""

    threads: int
    at_once: int
    own: bool

    @property
    def title(self) -> str:
        """What it is called in reports."""
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        options = "no spinning" if self.own else "ONNX Runtime's defaults"
        return f"{options}, {threads}, {'one' if self.at_once == 1 else 'two'} at a time"


WAYS = tuple(Way(*way, own) for own in (True, False) for way in ((1, 1), (CORES, 1), (1, 2)))
RAW = Way(CORES, 1, own=False).title


class Network:
    """A graph, loaded in one way."""

    def __init__(self, graph: Path, way: Way) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        if way.own or way.threads != CORES:
            options.intra_op_num_threads = way.threads
        if way.own:  # as engine/providers.py has it, with the reasons
            options.inter_op_num_threads = 1
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
            options.enable_mem_pattern = False
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self._input, self._output = self._session.get_inputs()[0], self._session.get_outputs()[0].name
        self._at_once = way.at_once

    def feed(self, photo: Path) -> NDArray[np.generic]:
        """Return a photo as this network takes it, near enough for its speed."""
        height, width = self._input.shape[2:]
        with Image.open(photo) as opened:
            small = np.asarray(opened.convert("RGB").resize((width, height)), np.float32) / 255 - np.float32(0.5)
        kind = np.float16 if "float16" in self._input.type else np.float32
        return np.ascontiguousarray(small.transpose(2, 0, 1)[None], kind)

    def run(self, tensors: Sequence[NDArray[np.generic]]) -> Cost:
        """Run each tensor once in each of the threads that are to run at once; return the cost of one run."""

        def one(_thread: int) -> None:
            for tensor in tensors:
                self._session.run([self._output], {self._input.name: tensor})

        if self._at_once == 1:
            return timed(lambda: one(0), len(tensors))
        with ThreadPoolExecutor(self._at_once) as crew:
            return timed(lambda: list(crew.map(one, range(self._at_once))), self._at_once * len(tensors))


def decode(content: bytes) -> object:
    """Decode a photo: a JPEG by simplejpeg with its defaults, anything else by Pillow."""
    if content.startswith(b"\xff\xd8"):
        try:
            return simplejpeg.decode_jpeg(content, "RGB")
        except ValueError:  # CMYK, and files with small faults
            pass
    with Image.open(io.BytesIO(content)) as opened:
        return opened.convert("RGB")


def filtered(cutout: Path) -> bytes:
    """Return the rows of a cut-out as they go into deflate, every one with the filter Up (PNG, section 9.2)."""
    with Image.open(cutout) as opened:
        rgba = np.asarray(opened.convert("RGBA"))
    rows = np.empty((rgba.shape[0], 1 + rgba.shape[1] * 4), np.uint8)
    rows[:, 0] = _FILTER_UP
    flat = rgba.reshape(rgba.shape[0], -1)
    rows[0, 1:] = flat[0]
    np.subtract(flat[1:], flat[:-1], out=rows[1:, 1:])
    return rows.tobytes()


def measure(photos: Sequence[Path], cutouts: Path, graph: Path, *, rounds: int, runs: int) -> Bound:
    """Measure the parts. Each round runs the network `runs` times in each way, on photos in turn."""
    decoded: dict[str, list[Cost]] = {photo.stem: [] for photo in photos}
    deflated: dict[str, list[Cost]] = {photo.stem: [] for photo in photos}
    network: dict[str, list[Cost]] = {way.title: [] for way in WAYS}
    for number in range(rounds):
        for way in WAYS:  # one after another: IS-Net takes up to 2 GB
            loaded = Network(graph, way)
            tensors = [loaded.feed(photos[(number * runs + run) % len(photos)]) for run in range(runs)]
            loaded.run(tensors[:1])  # the first run is another one: it gathers its memory
            network[way.title].append(loaded.run(tensors))
            del loaded
        for photo in photos:
            content, rows = photo.read_bytes(), filtered(cutouts / f"{photo.stem}.png")
            decoded[photo.stem].append(timed(partial(decode, content)))
            deflated[photo.stem].append(timed(partial(isal_zlib.compress, rows, LEVEL)))
    best = min(network, key=lambda title: statistics.median(cost.cpu for cost in network[title]))
    return Bound(CORES, decoded, deflated, network, best)


def measure_apart(photos: Path, cutouts: Path, graph: Path, *, runs: int, niceness: int) -> Bound:
    """Measure one round in a process of its own, photos and cut-outs of the same names. Raises BenchmarkError."""
    words = ["--photos", photos, "--cutouts", cutouts, "--graph", graph, "--runs", 1, "--inferences", runs]
    command = nicely([sys.executable, __file__, *map(str, words), "--json"], niceness)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkError(f"bound.py ended with {done.returncode}: {done.stderr.strip()[-1000:]}")
    return read(json.loads(done.stdout)["measured"])


def read(measured: dict[str, Any]) -> Bound:
    """Read what `--json` prints as `measured`."""
    decoded, deflated, network = (
        {title: [Cost(**cost) for cost in rounds] for title, rounds in measured[name].items()}
        for name in ("decode", "deflate", "network")
    )
    return Bound(measured["cores"], decoded, deflated, network, measured["best"])


def report(bound: Bound, names: dict[str, str]) -> str:
    """Lay the parts out as text: medians, and the least and greatest of the rounds."""
    rows = [("network alone, " + title, costs) for title, costs in bound.network.items()]
    rows += [(f"decode alone, {names.get(stem, stem)}", costs) for stem, costs in bound.decode.items()]
    rows += [(f"deflate alone, {names.get(stem, stem)}", costs) for stem, costs in bound.deflate.items()]
    wide = max(len(title) for title, _costs in rows)
    lines = [f"{'milliseconds a photo':{wide}} {'CPU':>8} {'min':>8} {'max':>8} {'wall':>8} {'min':>8} {'max':>8}"]
    for title, costs in rows:
        cells = [_cells([getattr(cost, name) for cost in costs]) for name in ("cpu", "wall")]
        lines.append(f"{title:{wide}} {' '.join(cells)}")
    lines += ["", f"least CPU for the network: {bound.best}"]
    lines += [f"bound of {names.get(stem, stem)}: {1000 * bound.of(stem):.1f} ms" for stem in bound.decode]
    least, most = min(bound.rounds), max(bound.rounds)
    mean = statistics.median(bound.rounds)
    lines.append(
        f"bound: {mean:.4f} s a photo ({least:.4f} to {most:.4f}), mean of {len(bound.decode)}, {bound.cores} cores; "
        f"the network alone by defaults takes {statistics.median(bound.raw):.4f} s of wall time"
    )
    return "\n".join(lines)


def _cells(seconds: Sequence[float]) -> str:
    return " ".join(f"{1000 * value:8.1f}" for value in (statistics.median(seconds), min(seconds), max(seconds)))


def conditions(graph: Path, photos: str) -> list[str]:
    """Say what is run on what."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("onnxruntime", "simplejpeg", "isal", "numpy"))
    load = os.getloadavg()[0]
    return [
        f"{versions}, Python {platform.python_version()}, {CORES} cores, load {load:.1f}, graph {graph.name}.",
        photos,
    ]


def main() -> int:
    """Measure and report. Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    pictures.add_options(parser)
    parser.add_argument(
        "--model", choices=weights.MODELS, default="u2netp", help="isnet: IS-Net in half precision, by npm"
    )
    parser.add_argument("--prepared", action="store_true", help="the graph that `bgzero model prepare` makes of it")
    parser.add_argument("--graph", type=Path, metavar="FILE", help="this graph instead")
    parser.add_argument("--cutouts", type=Path, metavar="DIR", help="cut-outs of the same names; without: bgzero cuts")
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="rounds (default: 5)")
    parser.add_argument(
        "--inferences", type=int, default=3, metavar="N", help="runs of the network in each (default: 3)"
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    asked = parser.parse_args()
    if min(asked.runs, asked.inferences) < 1:
        parser.error("--runs and --inferences have to be at least 1")
    try:
        with tempfile.TemporaryDirectory(prefix="bgzero-benchmark-") as name:
            if asked.cutouts:
                folder, cutouts, names, what = asked.photos, asked.cutouts, {}, f"photos of {asked.photos}"
            else:
                photos = pictures.gather_asked(asked, Path(name))
                folder, cutouts, names, what = photos.folder, Path(name) / "out", photos.names, photos.describe()
            graph = asked.graph or weights.graph_of(asked.model, is_prepared=asked.prepared)
            if not asked.cutouts:
                weights.cut(folder, cutouts, asked.model)
            told = conditions(graph, what)
            paths = [path for path in sorted(folder.iterdir()) if path.stem != "tiny"]
            found = measure(paths, cutouts, graph, rounds=asked.runs, runs=asked.inferences)
    except BenchmarkError as error:
        print(f"bound: {error}", file=sys.stderr)
        return 1
    if asked.json:
        print(json.dumps({"conditions": told, "measured": asdict(found), "bound": found.rounds}, indent=2))
    else:
        print("\n".join(told), report(found, names), sep="\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
