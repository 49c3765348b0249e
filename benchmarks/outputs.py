"""What came out of a run: whether the cut-outs are whole and right, what they weigh, and when each was done."""

import hashlib
import itertools
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from harness import BenchmarkError
from pictures import PhotoSet


@dataclass(frozen=True, slots=True)
class Outputs:
    """The cut-outs of one run, the tiny one not counted but in `digests`.

    `digests` maps stems to a hash of the decoded RGBA pixels. `seconds` maps stems to the time from the cut-out before
    it to its own, by the files' times: what it took where photos go one by one, and its share where several do; the
    first one to be done has none. `flaws` are sentences, `off` the most that an opaque pixel is off the photo's, of
    255, None where that was not looked at, and `opaque` the part of all pixels that this was asked of.
    """

    size_bytes: int
    digests: Mapping[str, str]
    seconds: Mapping[str, float]
    flaws: tuple[str, ...]
    off: int | None
    opaque: float


def examine(outbox: Path, inbox: Path, photos: PhotoSet, *, pixels: bool) -> Outputs:
    """Decode every cut-out of a folder; with `pixels` compare them with the photos.

    Raises BenchmarkError unless there is one whole PNG for each photo and nothing else.
    """
    stems = {path.stem: path for path in inbox.iterdir()}
    if (have := {path.name for path in outbox.iterdir()}) != (want := {f"{stem}.png" for stem in stems}):
        missing, more = sorted(want - have) or "nothing", sorted(have - want) or "none"
        raise BenchmarkError(f"{outbox}: missing {missing}, too many {more}.")
    digests, flaws, off, opaque, whole = {}, [], [], 0, 0
    for stem, photo in sorted(stems.items()):
        rgba, mode = _decoded(outbox / f"{stem}.png")
        digests[stem] = hashlib.sha256(rgba.tobytes()).hexdigest()
        if mode != "RGBA":
            flaws.append(f"{photos.names[stem]} is {mode}, not RGBA")
        if (size := rgba.shape[1::-1]) != photos.sizes[stem]:
            flaws.append(f"{photos.names[stem]} has {size} pixels, not {photos.sizes[stem]}")
        elif pixels:
            off.append(_off(rgba, photo))
            opaque, whole = opaque + int(np.count_nonzero(rgba[..., 3] == 255)), whole + rgba.shape[0] * rgba.shape[1]
    counted = [outbox / f"{stem}.png" for stem in stems if stem != "tiny"]
    size_bytes = sum(path.stat().st_size for path in counted)
    return Outputs(size_bytes, digests, _gaps(outbox), tuple(flaws), max(off, default=None), opaque / (whole or 1))


def _decoded(png: Path) -> tuple[NDArray[np.uint8], str]:
    try:
        with Image.open(png, formats=("PNG",)) as cutout:
            return np.asarray(cutout.convert("RGBA")), cutout.mode
    except OSError as error:
        raise BenchmarkError(f"{png} is no whole PNG: {error}.") from error


def _off(rgba: NDArray[np.uint8], photo: Path) -> int:
    with Image.open(photo) as opened:
        rgb = np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))
    opaque = rgba[..., 3] == 255
    return int(np.abs(rgba[..., :3][opaque].astype(np.int16) - rgb[opaque]).max(initial=0))


def _gaps(outbox: Path) -> dict[str, float]:
    times = sorted((path.stat().st_mtime_ns, path.stem) for path in outbox.iterdir())
    return {stem: (now - before) / 1e9 for (before, _), (now, stem) in itertools.pairwise(times) if stem != "tiny"}


def slowest(runs: Sequence[Outputs], photos: PhotoSet) -> tuple[str, float] | None:
    """Return the name of the photo that took longest and its seconds, by medians of all runs."""
    seconds = {
        stem: statistics.median(known)
        for stem in photos.names
        if (known := [one.seconds[stem] for one in runs if stem in one.seconds])
    }
    if not seconds:
        return None
    stem = max(seconds, key=lambda one: seconds[one])
    return photos.names[stem], seconds[stem]


def tell(name: str, runs: Sequence[Outputs], photos: PhotoSet) -> str:
    """Say in a few lines what a contestant's cut-outs are."""
    first = runs[0]
    changing = {
        photos.names[stem] for one in runs for stem, digest in one.digests.items() if digest != first.digests[stem]
    }
    equal = f"other pixels in another run: {', '.join(sorted(changing))}" if changing else "equal pixels in every run"
    if len(runs) == 1:
        equal = "one run, so nothing to compare with"
    lines = [f"{name}: {first.size_bytes / 1e6:.1f} MB for {photos.photos} photos; {equal}"]
    if first.off is not None:
        exact = (
            "none to compare"
            if not first.opaque
            else "the photo's own"
            if first.off == 0
            else f"off the photo's by {first.off} of 255 at most"
        )
        lines.append(f"  opaque pixels, {100 * first.opaque:.1f} % of all: {exact}")
    if found := slowest(runs, photos):
        lines.append(f"  slowest photo: {found[0]}, {found[1]:.2f} s after the cut-out before it (median)")
    if first.flaws:
        lines.append(
            f"  {len(first.flaws)} of {len(first.digests)} are not as they should be: {'; '.join(first.flaws[:2])}"
        )
    return "\n".join(lines)
