"""What `bgzero bench` measures with: photos that somebody names, or pictures that are drawn for it, by size."""

import math
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bgzero_daemon.cli.source import Sources, pixels_of
from bgzero_daemon.core.errors import BgzeroError, UsageError
from bgzero_daemon.core.formats import has_photo_suffix
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _
from bgzero_daemon.service.unfinished import is_ignored

_SEED = 1
_DRAWING_SECONDS = 300.0
_SMALL_PIXELS, _SMALL_TIMES = 3_000_000, 4  # what takes little time is done more often
_MOST_SIZES = 16


@dataclass(frozen=True, slots=True)
class Rounds:
    """Photos of about one size. `photos` is empty where one of `pixels` is to be drawn.

    `alone` are cut one at a time, `together` at once, the same ones again where there are fewer.
    """

    pixels: int
    photos: tuple[str, ...]
    alone: int
    together: int

    @classmethod
    def of(cls, pixels: int, photos: Sequence[str], each: int) -> "Rounds":
        """Plan for `each` photos, more of a small size, spread evenly over those that there are."""
        chosen = tuple(photos[number * len(photos) // each] for number in range(each)) if photos else ()
        times = _SMALL_TIMES if 0 < pixels <= _SMALL_PIXELS else 1
        return cls(pixels, tuple(dict.fromkeys(chosen)), each, each * times)

    @property
    def steps(self) -> int:
        """How many photos are cut: each once before anything counts."""
        return max(1, len(self.photos)) + self.alone + self.together


def sizes_of(text: str, most_megapixels: float) -> list[float]:
    """Read a list of sizes in megapixels, with commas. Raises UsageError."""
    try:
        sizes = sorted({float(part) for part in text.split(",")})
    except ValueError:
        sizes = []
    if not sizes or len(sizes) > _MOST_SIZES or not 0.01 <= sizes[0] <= sizes[-1] <= most_megapixels:
        raise UsageError(
            _("{text} is no list of sizes: up to {count} numbers from 0.01 to {most}, with commas.").format(
                text=display(text), count=_MOST_SIZES, most=f"{most_megapixels:g}"
            ),
            hint=_("Larger photos are refused: limits.megapixels in the configuration."),
        )
    return sizes


def drawn(sizes: Sequence[float], each: int) -> list[Rounds]:
    """Plan for drawn pictures of these sizes in megapixels."""
    return [Rounds.of(round(size * 1e6), (), each) for size in sizes]


def given(named: Sequence[str], each: int) -> list[Rounds]:
    """Plan for somebody's photos: those of about the same size together, the smallest first.

    In folders, what is called like a photo counts. Where a size cannot be told beforehand, all are tried: most of them
    will be no photos, which is worth telling. Raises UsageError where there is nothing at all.
    """
    classes: dict[float, list[tuple[str, int]]] = defaultdict(list)
    for photo in dict.fromkeys(photo for name in named for photo in _photos_at(name)):
        pixels = _pixels(photo)
        classes[round(2 * math.log2(pixels)) if pixels else math.inf].append((photo, pixels))
    if not classes:
        raise UsageError(_("There is no photo in {places}.").format(places=", ".join(map(display, named))))
    unknown = [photo for photo, _pixels in classes.pop(math.inf, [])]
    known = [
        Rounds.of(sum(pixels for _photo, pixels in found) // len(found), [photo for photo, _pixels in found], each)
        for _class, found in sorted(classes.items())
    ]
    return known + [Rounds(0, tuple(unknown), each, each)] * bool(unknown)


def _photos_at(name: str) -> list[str]:
    if not os.path.isdir(name):
        return [name]
    found = []
    for folder, folders, files in os.walk(name):
        folders[:] = sorted(one for one in folders if not is_ignored(one))
        found += [os.path.join(folder, file) for file in sorted(files) if has_photo_suffix(file)]
    return [file for file in found if not is_ignored(os.path.basename(file))]


def _pixels(photo: str) -> int:
    try:
        with Sources().open(photo) as file:
            return pixels_of(file)
    except OSError:  # cutting it will tell why
        return 0


def draw(pixels: int, folder: Path, *, niceness: int) -> str:
    """Have a picture drawn in a process of its own; return its file, flushed to the disk. Raises BgzeroError."""
    file = folder / f"{pixels}.jpg"
    words = map(str, (pixels, _SEED, niceness, os.getpid()))
    command = [sys.executable, "-P", "-m", "bgzero_daemon.worker.specimen", *words]
    with file.open("xb") as out:
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE, timeout=_DRAWING_SECONDS,
                check=False,
            )  # fmt: skip
            why = (done.stderr.decode("utf-8", "replace").strip().splitlines() or [_("it died")])[-1]
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _not_drawn(pixels, str(error)) from error
        if done.returncode:
            raise _not_drawn(pixels, why)
        os.fsync(out.fileno())
    return str(file)


def _not_drawn(pixels: int, why: str) -> BgzeroError:
    sentence = _("A picture of {megapixels} MP could not be drawn: {why}.")
    return BgzeroError(sentence.format(megapixels=f"{pixels / 1e6:g}", why=display(why.rstrip("."))))
