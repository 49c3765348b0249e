"""From photo to tensor: geometry, order of channels, scaling."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bgzero_daemon.core.specs import PHOTO_MAXIMUM, Fit, InputSpec
from bgzero_daemon.photo.picture import Photo
from bgzero_daemon.photo.tensor import photo_box, to_tensor

from .pictures import astronaut

SIDES = st.integers(1, 300)
PLAIN = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@settings(max_examples=200, deadline=None)
@given(width=SIDES, height=SIDES, size=st.integers(16, 512), fit=st.sampled_from(Fit))
def test_photo_lies_inside_the_square_and_is_centred(width: int, height: int, size: int, fit: Fit) -> None:
    """The box is never empty, never outside; letterboxed, the longer side fills the square and shapes agree."""
    left, top, wide, high = photo_box(width, height, size, fit)
    assert min(left, top) >= 0
    assert min(wide, high) >= 1
    assert left + wide <= size
    assert top + high <= size
    if fit is Fit.STRETCH:
        assert (left, top, wide, high) == (0, 0, size, size)
        return
    assert max(wide, high) == size
    assert abs((size - wide - left) - left) <= 1
    assert abs((size - high - top) - top) <= 1
    longer = max(width, height)
    assert wide == max(1, size * width // longer)
    assert high == max(1, size * height // longer)


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(1, 80),
    height=st.integers(1, 80),
    size=st.sampled_from([16, 33, 64]),
    fit=st.sampled_from(Fit),
    scale=st.sampled_from([255.0, 256.0, PHOTO_MAXIMUM]),
    dark=st.booleans(),
)
def test_any_photo_gives_a_finite_tensor(  # one argument for each thing that varies
    width: int, height: int, size: int, fit: Fit, scale: float | str, dark: bool
) -> None:
    """Any size from 1x1, black ones too: the shape is the network's, in float32, every number finite."""
    value = 0 if dark else 200
    photo = Photo.of(np.full((height, width, 3), value, np.uint8))
    tensor = to_tensor(photo, InputSpec(size, scale, *PLAIN, fit))
    assert tensor.shape == (1, 3, size, size)
    assert tensor.dtype == np.float32
    assert np.isfinite(tensor).all()
    left, top, wide, high = photo_box(width, height, size, fit)
    inside = tensor[0, :, top : top + high, left : left + wide]
    wanted = value / (max(value, 1) if scale == PHOTO_MAXIMUM else float(scale))
    assert np.abs(inside - wanted).max() < 1e-6


def test_padding_is_zero_whatever_the_mean() -> None:
    """Letterboxed, the ground around the photo is 0 in the tensor's own unit."""
    photo = Photo.of(np.full((10, 40, 3), 255, np.uint8))
    tensor = to_tensor(photo, InputSpec(64, 255.0, *IMAGENET, Fit.LETTERBOX))
    left, top, wide, high = photo_box(40, 10, 64, Fit.LETTERBOX)
    assert (left, top, wide, high) == (0, 24, 64, 16)
    ground = tensor.copy()
    ground[0, :, top : top + high, left : left + wide] = 0
    assert not ground.any()
    assert np.abs(tensor[0, 0, 30, 30] - (1 - 0.485) / 0.229) < 1e-5


def test_channels_stand_in_the_order_red_green_blue() -> None:
    """The first plane is red, rows run down, columns to the right."""
    rgb = np.zeros((32, 32, 3), np.uint8)
    rgb[:16, :, 0] = 255
    rgb[:, :16, 1] = 255
    rgb[16:, 16:, 2] = 255
    tensor = to_tensor(Photo.of(rgb), InputSpec(32, 255.0, *PLAIN))
    assert (tensor[0].transpose(1, 2, 0) == rgb / np.float32(255)).all()


def test_mean_and_deviation_are_per_channel() -> None:
    """(value / scale - mean) / std, each channel with its own."""
    tensor = to_tensor(Photo.of(np.full((8, 8, 3), 51, np.uint8)), InputSpec(16, 255.0, *IMAGENET))
    wanted = [(0.2 - mean) / std for mean, std in zip(*IMAGENET, strict=True)]
    assert np.abs(tensor[0, :, 3, 3] - wanted).max() < 1e-6


def test_half_of_256_is_the_same_as_subtracting_128() -> None:
    """scale 256 and mean 0.5 give (v - 128) / 256, bit for bit: what imgly's networks were made for."""
    rgb = np.arange(256, dtype=np.uint8).reshape(16, 16)
    tensor = to_tensor(Photo.of(np.repeat(rgb[..., None], 3, axis=2)), InputSpec(16, 256.0, (0.5,) * 3, (1.0,) * 3))
    assert (tensor[0, 1] == (rgb.astype(np.float32) - 128) / 256).all()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), factor=st.integers(2, 5))
def test_photo_maximum_makes_brightness_irrelevant(seed: int, factor: int) -> None:
    """A photo and the same photo at a fraction of its brightness give the same tensor."""
    dark = np.random.default_rng(seed).integers(0, 256 // factor, (16, 16, 3)).astype(np.uint8)
    spec = InputSpec(16, PHOTO_MAXIMUM, *IMAGENET)
    bright = to_tensor(Photo.of((dark * factor).astype(np.uint8)), spec)
    assert np.abs(bright - to_tensor(Photo.of(dark), spec)).max() < 1e-5


def test_darkened_photo_gives_nearly_the_same_tensor() -> None:
    """A real photo, darkened to a maximum of 90 and rounded to 8 bits, on another size: only rounding differs."""
    spec = InputSpec(64, PHOTO_MAXIMUM, *PLAIN)
    dark = np.rint(astronaut().astype(np.float32) * (90 / astronaut().max())).astype(np.uint8)
    difference = np.abs(to_tensor(Photo.of(dark), spec) - to_tensor(Photo.of(astronaut()), spec))
    assert difference.max() < 0.03
    fixed = InputSpec(64, 255.0, *PLAIN)
    assert np.abs(to_tensor(Photo.of(dark), fixed) - to_tensor(Photo.of(astronaut()), fixed)).max() > 0.3


@pytest.mark.parametrize("fit", Fit)
def test_small_picture_is_antialiased(fit: Fit) -> None:
    """A fine chequerboard shrunk becomes grey, not a moiré of black and white."""
    board = (np.indices((256, 256)).sum(axis=0) % 2 * 255).astype(np.uint8)
    tensor = to_tensor(Photo.of(np.repeat(board[..., None], 3, axis=2)), InputSpec(32, 255.0, *PLAIN, fit))
    assert np.abs(tensor - 0.5).max() < 0.05


def test_photo_is_left_as_it_is() -> None:
    """Making a tensor changes nothing in the photo."""
    photo = Photo.of(np.asarray(Image.fromarray(astronaut())).copy())
    to_tensor(photo, InputSpec(32, PHOTO_MAXIMUM, *IMAGENET))
    assert (photo.rgb == astronaut()).all()


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("size", [(96, 40), (700, 500)])
def test_photo_that_lies_looks_upright_to_the_network(turn: int, size: tuple[int, int]) -> None:
    """Its pixels stay as they lie; what is made of them is nearly what a photo that was turned gives."""
    rgb = np.asarray(Image.fromarray(astronaut()).resize(size))
    lying = replace(Photo.of(rgb), turn=turn)
    standing = Photo.of(np.ascontiguousarray(lying.rgb))
    for fit in Fit:
        spec = InputSpec(32, 255.0, *PLAIN, fit)
        off = np.abs(to_tensor(lying, spec) - to_tensor(standing, spec))
        assert off.mean() < 0.015, "averaging begins at another edge"
        assert off.max() < 0.15


def test_rows_are_left_out_of_large_photos_only() -> None:
    """From twelve rows for one on every second is enough: hardly another tensor. Of smaller photos none is left out."""
    tall = np.repeat(np.repeat(astronaut(96), 8, axis=0), 2, axis=1)
    spec = InputSpec(32, 255.0, *PLAIN)
    every = np.asarray(Image.fromarray(tall).resize((32, 32), Image.Resampling.BILINEAR, reducing_gap=3.0)) / 255
    assert np.abs(to_tensor(Photo.of(tall), spec)[0].transpose(1, 2, 0) - every).mean() < 0.01
    striped = np.zeros((352, 64, 3), np.uint8)
    striped[::2] = 255
    assert np.abs(to_tensor(Photo.of(striped), spec) - 0.5).max() < 0.1, "eleven for one: all are looked at"
