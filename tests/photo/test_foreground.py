"""Photo and mask become a cut-out: straight alpha, hidden pixels emptied, visible ones untouched."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from bgzero_daemon.core.specs import Fit
from bgzero_daemon.photo.matte import F32
from bgzero_daemon.photo.picture import U8, Photo

from .pictures import astronaut, compose, matte


def noisy(shape: tuple[int, ...], seed: int) -> U8:
    """Return random pixels."""
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def a_mask(kind: str, side: int, seed: int) -> F32:
    """Return a flat or noisy mask."""
    if kind == "noise":
        return (np.random.default_rng(seed).random((side, side)) * 1.6 - 0.3).clip(0, 1).astype(np.float32)
    return np.full((side, side), 1.0 if kind == "opaque" else 0.0, np.float32)


@settings(max_examples=120, deadline=None)
@given(
    width=st.integers(1, 60),
    height=st.integers(1, 60),
    side=st.integers(16, 48),
    kind=st.sampled_from(["opaque", "empty", "noise"]),
    own=st.booleans(),
    fit=st.sampled_from(Fit),
    seed=st.integers(0, 9999),
)
def test_cutout_of_any_photo_keeps_its_promises(
    width: int, height: int, side: int, kind: str, own: bool, fit: Fit, seed: int
) -> None:
    """Same size; where anything is visible the photo's own pixel, bit for bit; where alpha is 0 RGB is 0."""
    photo = Photo.of(noisy((height, width, 3), seed), noisy((height, width), seed + 1) if own else None)
    before = photo.rgb.copy()
    mask = a_mask(kind, side, seed)
    cutout = compose(photo, mask, fit)
    alpha = cutout[..., 3]
    assert cutout.shape == (height, width, 4)
    assert cutout.dtype == np.uint8
    assert (cutout[..., :3][alpha > 0] == before[alpha > 0]).all()
    assert not cutout[..., :3][alpha == 0].any()
    assert (photo.rgb == before).all()
    assert (matte(photo, mask, fit) == alpha).all()
    if kind == "opaque":
        assert (alpha == (255 if photo.own_alpha is None else photo.own_alpha)).all()
    if kind == "empty":
        assert not alpha.any()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 9999), width=st.integers(1, 40), height=st.integers(1, 40))
def test_own_transparency_is_multiplied_in(seed: int, width: int, height: int) -> None:
    """Opacity is the product: within half a step of mask times own alpha."""
    rgb, own = noisy((height, width, 3), seed), noisy((height, width), seed + 1)
    mask = a_mask("noise", 16, seed)
    alone = matte(Photo.of(rgb), mask, Fit.STRETCH).astype(float)
    both = matte(Photo.of(rgb, own), mask, Fit.STRETCH).astype(float)
    assert np.abs(both - alone * own / 255).max() <= 1.01
    assert (both <= own).all()


def test_alpha_is_rounded_not_cut_off() -> None:
    """0.5 is 128, 0.999 is 255, 0.001 is 0."""
    photo = Photo.of(np.full((2, 2, 3), 9, np.uint8))
    for value, wanted in ((0.5, 128), (0.999, 255), (0.001, 0), (1.0, 255)):
        assert (matte(photo, np.full((16, 16), value, np.float32), Fit.STRETCH) == wanted).all()


@pytest.mark.parametrize("rows_at_once", [1, 7, 64])
def test_strips_leave_no_trace_in_a_real_photo(rows_at_once: int) -> None:
    """A cut-out made in small strips is that of one piece: alpha within 1, the photo's pixels in place."""
    photo = Photo.of(astronaut())
    mask = a_mask("noise", 24, 5)
    whole = compose(photo, mask, Fit.LETTERBOX)
    pieces = compose(photo, mask, Fit.LETTERBOX, rows_at_once=rows_at_once)
    assert np.abs(whole[..., 3].astype(int) - pieces[..., 3]).max() <= 1
    seen = pieces[..., 3] > 0
    assert (pieces[..., :3][seen] == photo.rgb[seen]).all()
    assert not pieces[..., :3][~seen].any()


@settings(max_examples=60, deadline=None)
@given(
    turn=st.integers(1, 8), width=st.integers(1, 40), height=st.integers(1, 40), own=st.booleans(),
    fit=st.sampled_from(Fit), rows_at_once=st.integers(1, 50), seed=st.integers(0, 9999),
)  # fmt: skip
def test_photo_that_lies_is_cut_as_if_it_stood(
    turn: int, width: int, height: int, own: bool, fit: Fit, rows_at_once: int, seed: int
) -> None:
    """Pixels that are turned by looking at them otherwise give what copied ones give, in any strips."""
    opacity = noisy((height, width), seed + 1) if own else None
    lying = replace(Photo.of(noisy((height, width, 3), seed), opacity), turn=turn)
    standing = Photo.of(lying.rgb.copy(), lying.own_alpha)
    assert standing.turn == 1
    assert (lying.width_px, lying.height_px) == (standing.width_px, standing.height_px)
    mask = a_mask("noise", 16, seed)
    there = compose(lying, mask, fit, rows_at_once=rows_at_once)
    assert (there == compose(standing, mask, fit, rows_at_once=rows_at_once)).all()
    as_stored = Image.fromarray(noisy((height, width, 3), seed))
    as_stored.getexif()[274] = turn
    assert (np.asarray(ImageOps.exif_transpose(as_stored)) == lying.rgb).all(), "and EXIF means the same"
