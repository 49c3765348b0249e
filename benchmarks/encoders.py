"""Writing PNGs alone: the levels of bgzero's encoder against Pillow's default, in time and bytes.

Photos as RGB and cut-outs as RGBA, in alternated rounds; a ratio is a photo's time (or bytes) divided by Pillow's of
the same round, and the table has the geometric means of all photos. Every PNG is decoded by Pillow and has to be the
pixels that went in.
"""

import argparse
import io
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

import peer
import pictures
import weights
from bgzero_daemon.core.recipe import Png
from bgzero_daemon.photo.encode import encode
from bgzero_daemon.photo.picture import WORD, Photo
from bgzero_daemon.worker.threads import Threads
from harness import BenchmarkError

LEVELS = ("fast", "balanced", "small")
THREADS = (1, 2)
KINDS = ("RGB", "RGBA")
_PILLOW = "Pillow's default"

U8 = NDArray[np.uint8]


class Finished:
    """Pixels that are there already, as something to encode: (h, w, 3) or (h, w, 4)."""

    def __init__(self, pixels: U8) -> None:
        self._pixels, self.channels, self.depth = pixels, pixels.shape[2], 8
        self.size = pixels.shape[1], pixels.shape[0]

    def columns(self, rows: slice) -> slice:
        """Return between which columns anything is not zero; bgzero itself asks its mask, which is small."""
        if self.channels == 3:
            return slice(0, self.size[0])
        (seen,) = np.nonzero(self._pixels.view(WORD)[rows, :, 0].any(0))
        return slice(int(seen[0]), int(seen[-1]) + 1) if len(seen) else slice(0, 0)

    def draw(self, rows: slice, columns: slice) -> U8:
        """Return a part."""
        return np.ascontiguousarray(self._pixels[rows, columns])


@cache
def _threads(count: int) -> Threads:
    return Threads(count)


def ours(pixels: U8, level: str, threads: int) -> bytes:
    """Encode pixels as bgzero does. The one place that knows its encoder."""
    plain = Photo(np.zeros((1, 1), WORD))
    return b"".join(encode(Finished(pixels), plain, exif=b"", tag={}, png=Png(level), hands=_threads(threads)))


def pillow(pixels: U8) -> bytes:
    """Encode pixels as Pillow does when nothing is asked for: level 6, on one thread."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


@dataclass(frozen=True, slots=True)
class Shot:
    """One encoding: which picture in which round, its wall and CPU seconds, and the length of the PNG."""

    kind: str
    picture: str
    round: int
    wall: float
    cpu: float
    size_bytes: int


def encoders(levels: Sequence[str]) -> dict[str, Callable[[U8], bytes]]:
    """Return what is compared, by the title of its line; Pillow is the first."""
    found: dict[str, Callable[[U8], bytes]] = {_PILLOW: pillow}
    for level in levels:
        for threads in THREADS:
            found[f"{level}, {threads} thread{'s' * (threads > 1)}"] = partial(ours, level=level, threads=threads)
    return found


def shoot(encoder: Callable[[U8], bytes], pixels: U8, kind: str, picture: str, number: int) -> Shot:
    """Encode a picture once. Raises BenchmarkError where other pixels come back."""
    cpu, wall = time.process_time(), time.perf_counter()
    png = encoder(pixels)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    with Image.open(io.BytesIO(png), formats=("PNG",)) as opened:
        if not np.array_equal(np.asarray(opened), pixels):
            raise BenchmarkError(f"{picture}: other pixels came back.")
    return Shot(kind, picture, number, wall, cpu, len(png))


def measure(folders: dict[str, Path], levels: Sequence[str], runs: int) -> dict[str, list[Shot]]:
    """Encode every picture of each kind with every encoder, in rounds; the order turns round in every second one."""
    found: dict[str, list[Shot]] = {title: [] for title in encoders(levels)}
    for number in range(runs):
        for kind, folder in folders.items():
            for path in sorted(folder.iterdir()):
                with Image.open(path) as opened:
                    pixels = np.asarray(ImageOps.exif_transpose(opened).convert(kind))
                line = list(encoders(levels).items())
                for title, encoder in line if number % 2 == 0 else reversed(line):
                    found[title].append(shoot(encoder, pixels, kind, path.stem, number))
        print(f"Round {number + 1} of {runs} done.", file=sys.stderr)
    return found


def ratios(shots: Sequence[Shot], basis: Sequence[Shot], kind: str, value: Callable[[Shot], float]) -> list[float]:
    """Return the geometric mean of the ratios of all pictures of a kind, in each round."""
    known = {(one.kind, one.picture, one.round): value(one) for one in basis}
    rounds: dict[int, list[float]] = {}
    for one in shots:
        if one.kind == kind:
            rounds.setdefault(one.round, []).append(value(one) / known[kind, one.picture, one.round])
    return [statistics.geometric_mean(found) for found in rounds.values()]


def report(found: dict[str, list[Shot]]) -> str:
    """Lay the ratios out as text: medians of the rounds, with least and greatest."""
    basis = found[_PILLOW]
    wide = max(len(f"{kind}, {title}") for title in found for kind in KINDS)
    head = f"{'relative to ' + _PILLOW:{wide}} {'wall':>7} {'min':>7} {'max':>7} {'CPU':>7} {'min':>7} {'max':>7}"
    lines = [f"{head} {'bytes':>7}"]
    for kind in KINDS:
        for title, shots in found.items():
            both = (ratios(shots, basis, kind, lambda one: one.wall), ratios(shots, basis, kind, lambda one: one.cpu))
            cells = [f"{f(values):7.3f}" for values in both for f in (statistics.median, min, max)]
            size = statistics.median(ratios(shots, basis, kind, lambda one: one.size_bytes))
            lines.append(f"{kind + ', ' + title:{wide}} {' '.join(cells)} {size:7.3f}")
    return "\n".join(lines)


def main() -> int:
    """Measure and report. Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    pictures.add_options(parser)
    parser.add_argument("--levels", nargs="+", choices=LEVELS, default=list(LEVELS), help="levels to measure (all)")
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="rounds (default: 5)")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    asked = parser.parse_args()
    if asked.runs < 1:
        parser.error("--runs has to be at least 1")
    try:
        with tempfile.TemporaryDirectory(prefix="bgzero-benchmark-") as name:
            photos = pictures.gather_asked(asked, Path(name))
            weights.cut(photos.folder, Path(name) / "out", "u2netp")
            for folder in (photos.folder, Path(name) / "out"):
                next(folder.glob("tiny.*")).unlink()
            load = os.getloadavg()[0]
            found = measure(
                dict(zip(KINDS, (photos.folder, Path(name) / "out"), strict=True)), asked.levels, asked.runs
            )
    except BenchmarkError as error:
        print(f"encoders: {error}", file=sys.stderr)
        return 1
    versions = ", ".join(f"{name} {version}" for name, version in peer.our_versions().items())
    told = [
        f"{versions}, Python {platform.python_version()}, {os.cpu_count()} cores, load {load:.1f}.",
        f"Counted rounds: {asked.runs}. A time is that of all threads together where it says CPU.",
        f"{photos.describe()} The tiny one is left out; cut-outs are bgzero's, by u2netp.",
    ]
    if asked.json:
        shots = {title: [asdict(one) for one in taken] for title, taken in found.items()}
        print(json.dumps({"conditions": told, "shots": shots}, indent=2))
    else:
        print("\n".join(told), report(found), sep="\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
