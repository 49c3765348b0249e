"""Cut-outs of several models side by side, over a colour that shows what was left and what is missing."""

import math
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

import quality
from harness import BenchmarkError

ENDING = ".jpg"
MOST_BYTES = 60_000
_TILE_PX, _TALLEST_PX, _CAPTION_PX, _GAP_PX = 300, 300, 24, 8
_COLUMNS = 3
GROUND, _PAPER, _INK = (214, 58, 150), "white", "black"
_QUALITIES = range(88, 40, -4)


def draw(photos: Mapping[str, Path], models: Sequence[str], folder: Path) -> None:
    """Cut photos with each model and write one picture a photo into a folder, under the photo's name."""
    with tempfile.TemporaryDirectory() as work:
        for model in models:
            command: list[str | Path] = [
                quality.BGZERO,
                "cut",
                *photos.values(),
                "--model",
                model,
                "--edges",
                "off",
                "-o",
                f"{work}/{model}/",
            ]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        for name, photo in photos.items():
            cutouts = {model: Path(work, model, f"{photo.stem}.png") for model in models}
            save(sheet(cutouts), folder / f"{name}{ENDING}")


def sheet(cutouts: Mapping[str, Path]) -> Image.Image:
    """Return cut-outs of one photo beside one another, each model's name below its own."""
    return laid_out([(model, _tile(cutout)) for model, cutout in cutouts.items()], _COLUMNS)


def laid_out(tiles: Sequence[tuple[str, Image.Image]], columns: int) -> Image.Image:
    """Return pictures of one size in rows of so many, each with its name below."""
    (width, height), columns = tiles[0][1].size, min(columns, len(tiles))
    across, down = width + _GAP_PX, height + _CAPTION_PX
    paper = Image.new("RGB", (columns * across - _GAP_PX, math.ceil(len(tiles) / columns) * down), _PAPER)
    ink, font = ImageDraw.Draw(paper), ImageFont.load_default(14)
    for place, (name, tile) in enumerate(tiles):
        left, top = place % columns * across, place // columns * down
        paper.paste(tile, (left, top))
        ink.text((left + width / 2, top + height + _CAPTION_PX / 2), name, _INK, font, anchor="mm")
    return paper


def over_ground(cutout: Image.Image) -> Image.Image:
    """Return a cut-out as it looks over the colour."""
    ground = Image.new("RGBA", cutout.size, GROUND)
    ground.alpha_composite(cutout.convert("RGBA"))
    return ground.convert("RGB")


def _tile(cutout: Path) -> Image.Image:
    with Image.open(cutout) as opened:
        small = opened.convert("RGBA")
    small.thumbnail((_TILE_PX, _TALLEST_PX), Image.Resampling.LANCZOS)
    return over_ground(small)


def save(picture: Image.Image, file: Path, most_bytes: int = MOST_BYTES) -> None:
    """Write a JPEG of at most so many bytes, as good as they allow. Raises BenchmarkError where it would be poor."""
    for level in _QUALITIES:
        picture.save(file, quality=level, subsampling=0)
        if file.stat().st_size <= most_bytes:
            return
    raise BenchmarkError(f"{file.name} does not go into {most_bytes} bytes.")
