"""The photos that benchmarks run on, and a look at what came out."""

import argparse
import importlib.util
import itertools
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from bgzero_daemon.photo.decode import FORMATS
from bgzero_daemon.photo.png import TAG_KEYWORD
from harness import BenchmarkError

# Photos with a subject that travel inside scikit-image's wheel; its other pictures are downloads or no photos.
SHIPPED = ("astronaut.png", "camera.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg")
JPEG_QUALITY = 92
_TINY_PX = 64
_BAND_ROWS = 256


@dataclass(frozen=True, slots=True)
class PhotoSet:
    """Photos in a folder of their own, beside one tiny photo which also lies alone in `tiny_folder`.

    `sizes` maps every file's stem in `folder`, the tiny one's too, to (width, height) of the upright photo;
    `names` maps it to the name that the photo came with. `scaled` tells how they were scaled, "" if they were not.
    """

    folder: Path
    tiny_folder: Path
    sizes: dict[str, tuple[int, int]]
    names: dict[str, str]
    scaled: str

    @property
    def photos(self) -> int:
        """How many photos there are, the tiny one not counted."""
        return len(self.sizes) - 1

    def describe(self) -> str:
        """Say in one sentence what they are."""
        mega = [width * height / 1e6 for stem, (width, height) in self.sizes.items() if stem != "tiny"]
        return (
            f"{self.photos} photos of {min(mega):.2f} to {max(mega):.2f} MP, mean {sum(mega) / len(mega):.2f} MP"
            f"{self.scaled}; with them one of {_TINY_PX} pixels, which is alone in the start-up runs."
        )


@dataclass(frozen=True, slots=True)
class Likeness:
    """How far two contestants' alpha channels are apart, from 0 to 1, and what their PNGs weigh."""

    mean: float
    worst: float
    worst_photo: str
    our_bytes: int
    their_bytes: int


def gather(
    source: Path | None, work: Path, *, megapixels: float | None, grain: float = 0.0, most: int | None = None,
    times: int = 1,
) -> PhotoSet:  # fmt: skip
    """Copy the photos of a folder (None: scikit-image's) into `work`, scaled to `megapixels` where asked.

    Scaling is Lanczos, saved as JPEG of quality 92 without transparency; `grain` is added to what was scaled (see
    `grained`). Of more than `most` photos every so-manieth is taken. Each is there `times` times, told apart by
    a byte behind its end, so that nobody knows it already. Raises BenchmarkError where there is no photo.
    """
    folder, tiny_folder = work / "photos", work / "tiny"
    sizes: dict[str, tuple[int, int]] = {}
    names: dict[str, str] = {}
    for made in (folder, tiny_folder):
        made.mkdir()
    if source and not source.is_dir():
        raise BenchmarkError(f"There is no folder {source}.")
    found = _some(shipped() if source is None else sorted(filter(_is_photo, source.iterdir())), most)
    for time, path in itertools.product(range(times), found):
        stem = f"photo-{len(sizes) + 1:03d}"  # two photos of one stem would be one output for rembg
        if size := _take(path, folder / stem, megapixels, grain, behind=bytes([time]) * min(time, 1)):
            sizes[stem], names[stem] = size, path.name
            if len(sizes) == 1:
                _shrink(path, tiny_folder / "tiny.png")
    if not sizes:
        raise BenchmarkError(f"There are no photos in {source}.")
    shutil.copy(tiny_folder / "tiny.png", folder)
    with Image.open(tiny_folder / "tiny.png") as tiny:
        sizes["tiny"], names["tiny"] = tiny.size, "the tiny one"
    grains = f", grain of {grain:g}" if grain else ""
    scaled = f", scaled to {megapixels:g} MP (Lanczos{grains}, JPEG quality {JPEG_QUALITY})" if megapixels else ""
    return PhotoSet(folder, tiny_folder, sizes, names, scaled + (f", each {times} times" if times > 1 else ""))


def add_options(parser: argparse.ArgumentParser) -> None:
    """Let a command line say which photos; `gather_asked` gathers them."""
    parser.add_argument("--photos", type=Path, metavar="DIR", help="folder of photos; without: scikit-image's")
    parser.add_argument("--megapixels", type=float, metavar="MP", help="scale every photo to this size first")
    parser.add_argument("--grain", type=float, default=0.0, metavar="S", help="and add grain, S of 255 (default: none)")
    parser.add_argument("--most", type=int, metavar="N", help="at most so many photos, spread over the folder")
    parser.add_argument("--times", type=int, default=1, metavar="N", help="take each photo so many times (1)")


def gather_asked(asked: argparse.Namespace, work: Path) -> PhotoSet:
    """Gather the photos that a command line asks for. Raises BenchmarkError for what cannot be."""
    if asked.megapixels is not None and not 0 < asked.megapixels <= 100:
        raise BenchmarkError("--megapixels has to be above 0 and at most 100.")
    if asked.grain < 0 or (asked.grain and not asked.megapixels) or (asked.most is not None and asked.most < 1):
        raise BenchmarkError("--grain goes with --megapixels, and --most has to be at least 1.")
    if not 1 <= asked.times <= 100:
        raise BenchmarkError("--times has to be from 1 to 100.")
    return gather(
        asked.photos, work, megapixels=asked.megapixels, grain=asked.grain, most=asked.most, times=asked.times
    )


def shipped() -> list[Path]:
    """Return the photos in the wheel of scikit-image."""
    found = importlib.util.find_spec("skimage")
    if found is None or found.origin is None:
        raise BenchmarkError("scikit-image, whose photos are used, is not installed: name a folder with --photos.")
    return [Path(found.origin).parent / "data" / name for name in SHIPPED]


def _some(paths: list[Path], most: int | None) -> list[Path]:
    if not most or len(paths) <= most:
        return paths
    return [paths[number * len(paths) // most] for number in range(most)]


def _is_photo(path: Path) -> bool:
    try:
        with Image.open(path, formats=FORMATS):
            return path.is_file()
    except OSError:
        return False


def grained(photo: Image.Image, sigma: float, seed: int = 1) -> Image.Image:
    """Return an RGB photo with grain as a sensor makes it: `sigma` of 255 in mid-grey, and less in the dark.

    Two thirds of its variance are the same in all three channels. The same arguments give the same pixels.
    """
    rng = np.random.default_rng(seed)
    rgb = np.array(photo)
    for top in range(0, len(rgb), _BAND_ROWS):
        band = rgb[top : top + _BAND_ROWS].astype(np.float32)
        height, width, _channels = band.shape
        noise = rng.standard_normal((height, width, 1), np.float32) * np.float32((2 / 3) ** 0.5)
        noise = noise + rng.standard_normal((height, width, 3), np.float32) * np.float32((1 / 3) ** 0.5)
        band += noise * np.float32(sigma) * np.sqrt((band + 8) / 136)
        rgb[top : top + _BAND_ROWS] = np.clip(np.rint(band), 0, 255).astype(np.uint8)
    return Image.fromarray(rgb)


def _take(path: Path, target: Path, megapixels: float | None, grain: float, *, behind: bytes) -> tuple[int, int] | None:
    """Put a photo at `target` and return its upright size; None for what is no photo or no whole one."""
    try:
        with Image.open(path, formats=FORMATS) as opened:
            upright = ImageOps.exif_transpose(opened)
    except OSError:
        return None
    if megapixels is None:
        target.with_suffix(path.suffix.lower()).write_bytes(path.read_bytes() + behind)
        return upright.size
    grow = (megapixels * 1e6 / (upright.width * upright.height)) ** 0.5
    size = round(upright.width * grow), round(upright.height * grow)
    large = upright.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    if grain:
        large = grained(large, grain)
    large.save(target.with_suffix(".jpg"), quality=JPEG_QUALITY)
    with target.with_suffix(".jpg").open("ab") as file:
        file.write(behind)
    return size


def _shrink(path: Path, target: Path) -> None:
    with Image.open(path) as opened:
        small = opened.convert("RGB")
    small.thumbnail((_TINY_PX, _TINY_PX))
    small.save(target)


def check(outbox: Path, expected: dict[str, tuple[int, int]], contestant: str) -> None:
    """Raise BenchmarkError unless there is one PNG of the right size for each photo and nothing else."""
    have = {path.name for path in outbox.iterdir()}
    want = {f"{stem}.png" for stem in expected}
    if have != want:
        raise BenchmarkError(
            f"{contestant}: missing {sorted(want - have) or 'nothing'}, too many {sorted(have - want) or 'none'}."
        )
    for stem, size in expected.items():
        with Image.open(outbox / f"{stem}.png") as cutout:
            if (cutout.size, cutout.mode) != (size, "RGBA"):
                raise BenchmarkError(f"{contestant}: {stem} is {cutout.mode} {cutout.size}, expected RGBA {size}.")


def likeness(ours: Path, theirs: Path, photos: PhotoSet) -> Likeness:
    """Compare two checked outboxes, the tiny photo left out."""
    off = {
        stem: float(np.abs(_alpha(ours / f"{stem}.png") - _alpha(theirs / f"{stem}.png")).mean())
        for stem in photos.sizes
        if stem != "tiny"
    }
    worst = max(off, key=lambda stem: off[stem])
    weights = [sum((outbox / f"{stem}.png").stat().st_size for stem in off) for outbox in (ours, theirs)]
    return Likeness(sum(off.values()) / len(off), off[worst], photos.names[worst], *weights)


def _alpha(png: Path) -> NDArray[np.float32]:
    with Image.open(png) as cutout:
        return np.asarray(cutout.convert("RGBA").getchannel("A"), np.float32) / np.float32(255)


def model_sha256(outbox: Path) -> set[str]:
    """Return which weights made bgzero's cut-outs, as their tags tell."""
    found = set()
    for png in outbox.glob("*.png"):
        with Image.open(png) as cutout:
            cutout.load()
            found.add(str(json.loads(cutout.info[TAG_KEYWORD])["model_sha256"]))
    return found
