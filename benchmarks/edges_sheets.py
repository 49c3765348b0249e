"""Crops of one photo's cut-outs side by side, at places that a rule finds, over a colour that shows halos."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edges_peer import MATTING, REFINE
from models_sheets import laid_out, over_ground

SIDE_PX, ZOOM = 88, 2
PHOTO, TRUTH = "photo", "truth"

F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Cutouts:
    """A photo and its cut-outs by contestant, all of one size; `truth` is the right cut-out where that is known."""

    photo: Image.Image
    found: Mapping[str, Image.Image]
    truth: Image.Image | None = None


def windows(values: NDArray[np.generic], side_px: int = SIDE_PX) -> F64:
    """Return the sum in every square window of this side, by the window's upper left corner."""
    sums = np.zeros((values.shape[0] + 1, values.shape[1] + 1))
    sums[1:, 1:] = values.cumsum(0, np.float64).cumsum(1)
    return np.asarray(
        sums[side_px:, side_px:] - sums[:-side_px, side_px:] - sums[side_px:, :-side_px] + sums[:-side_px, :-side_px]
    )


def softest(one: Cutouts) -> F64:
    """Return for every window how much is partly seen: in the truth, or else in the mean of all cut-outs."""
    alphas = [_alpha(one.truth)] if one.truth else [_alpha(cutout) for cutout in one.found.values()]
    return windows(np.mean([np.minimum(alpha, 1 - alpha) for alpha in alphas], axis=0))


def worst(one: Cutouts) -> F64:
    """Return for every window where ours looks worst, over the colour.

    With a truth: our distance from it, less that of the nearest other. Without: our distance from `rembg -a`.
    """
    seen = {name: _seen(cutout) for name, cutout in one.found.items()}
    if one.truth is None:
        return windows(np.abs(seen[REFINE] - seen[MATTING]).mean(2))
    right = _seen(one.truth)
    off = {name: windows(np.abs(rgb - right).mean(2)) for name, rgb in seen.items()}
    return np.asarray(off.pop(REFINE) - np.min(list(off.values()), axis=0))


def places(one: Cutouts) -> list[tuple[int, int]]:
    """Return (left, top) of two windows: where most is partly seen, and where ours is worst, away from the first."""
    first = _most(softest(one))
    rest = worst(one)
    left, top = first
    near = (
        slice(max(0, top - SIDE_PX // 2), top + SIDE_PX // 2),
        slice(max(0, left - SIDE_PX // 2), left + SIDE_PX // 2),
    )
    rest[near] = -np.inf
    return [first, _most(rest)]


def sheet(one: Cutouts) -> Image.Image:
    """Return a row of crops for each place: the photo, every cut-out over the colour, and the truth if it is known."""
    columns = {PHOTO: one.photo.convert("RGB")} | {name: over_ground(cutout) for name, cutout in one.found.items()}
    if one.truth:
        columns[TRUTH] = over_ground(one.truth)
    tiles = [(name, _crop(column, place)) for place in places(one) for name, column in columns.items()]
    return laid_out(tiles, len(columns))


def _crop(picture: Image.Image, place: tuple[int, int]) -> Image.Image:
    left, top = place
    crop = picture.crop((left, top, left + SIDE_PX, top + SIDE_PX))
    return crop.resize((SIDE_PX * ZOOM, SIDE_PX * ZOOM), Image.Resampling.NEAREST)


def _most(values: F64) -> tuple[int, int]:
    top, left = np.unravel_index(int(values.argmax()), values.shape)
    return int(left), int(top)


def _alpha(cutout: Image.Image) -> F64:
    return np.asarray(cutout.convert("RGBA").getchannel("A"), np.float64) / 255


def _seen(cutout: Image.Image) -> F64:
    return np.asarray(over_ground(cutout), np.float64)
