"""From a network's output to a mask, and from a mask to a matte at photo size."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from bgzero_daemon.core.errors import ModelError
from bgzero_daemon.core.specs import Activation, Fit, OutputSpec
from bgzero_daemon.photo.matte import F32, Matte, to_mask
from bgzero_daemon.photo.tensor import photo_box

PROBABILITIES, LOGITS = OutputSpec(), OutputSpec(activation=Activation.LOGITS)
STRETCHED = OutputSpec(stretch=True)
SIZES = st.integers(1, 90)


def noise(side: int, seed: int) -> F32:
    """Return a mask of hard and soft edges."""
    return np.random.default_rng(seed).random((side, side)).astype(np.float32).round(1)


def joined(mask: F32, width: int, height: int, fit: Fit, rows_at_once: int = 1 << 20) -> F32:
    """Return the matte from top to bottom; what is said to be empty is 0."""
    matte, whole = Matte(mask, width, height, fit), np.zeros((height, width), np.float32)
    for top in range(0, height, rows_at_once):
        rows = slice(top, min(top + rows_at_once, height))
        columns = matte.columns(rows)
        if columns.start == columns.stop:
            continue
        part = matte.opacity(rows, columns)
        assert part.dtype == np.float32
        whole[rows, columns] = part / np.float32(255)
    return whole


def by_pillow(mask: F32, width: int, height: int, fit: Fit) -> F32:
    """Return the matte as Pillow's resampling has it, in one piece."""
    left, top, wide, high = photo_box(width, height, len(mask), fit)
    picture = Image.fromarray(np.ascontiguousarray(mask[top : top + high, left : left + wide]))
    return np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR), np.float32)


@pytest.mark.parametrize("shape", [(1, 1, 8, 8), (1, 8, 8), (8, 8)])
def test_mask_of_every_promised_shape_is_taken(shape: tuple[int, ...]) -> None:
    """Batch and channel may be there or not; half precision is taken too."""
    raw = np.linspace(0, 1, 64).reshape(shape)
    for kind in (np.float16, np.float32, np.float64):
        mask = to_mask(raw.astype(kind), PROBABILITIES)
        assert mask.shape == (8, 8)
        assert mask.dtype == np.float32
        assert np.abs(mask - raw.reshape(8, 8)).max() < 1e-3


@pytest.mark.parametrize(
    "shape", [(), (8,), (2, 8, 8), (1, 2, 8, 8), (2, 1, 8, 8), (0, 8, 8), (1, 1, 8, 16), (1, 1, 0, 0)]
)
def test_output_of_another_shape_is_a_model_error(shape: tuple[int, ...]) -> None:
    """Two classes or a batch of two are no mask: nobody guesses which one is meant."""
    with pytest.raises(ModelError, match="shape"):
        to_mask(np.zeros(shape, np.float32), PROBABILITIES)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("spec", [PROBABILITIES, LOGITS, STRETCHED])
def test_output_that_holds_no_numbers_is_a_model_error(value: float, spec: OutputSpec) -> None:
    """One NaN or infinity is enough: it would be a hole in somebody's photo."""
    raw = np.zeros((1, 1, 8, 8), np.float32)
    raw[0, 0, 3, 3] = value
    with pytest.raises(ModelError, match="no numbers"):
        to_mask(raw, spec)


@settings(max_examples=80, deadline=None)
@given(
    values=st.lists(st.floats(-1e6, 1e6, width=32), min_size=16, max_size=16),
    activation=st.sampled_from(Activation),
    stretch=st.booleans(),
)
def test_mask_is_always_between_0_and_1(values: list[float], activation: Activation, stretch: bool) -> None:
    """Whatever finite numbers a network says, the mask is float32 in [0, 1]."""
    raw = np.array(values, np.float32).reshape(1, 1, 4, 4)
    mask = to_mask(raw, OutputSpec(activation=activation, stretch=stretch))
    assert mask.dtype == np.float32
    assert np.isfinite(mask).all()
    assert 0 <= mask.min() <= mask.max() <= 1


def test_logits_go_through_a_sigmoid() -> None:
    """0 is a half, large values saturate without an overflow."""
    raw = np.array([[0.0, 2.0], [-2.0, 1000.0]], np.float32)
    wanted = np.array([[0.5, 0.880797], [0.119203, 1.0]], np.float32)
    assert np.abs(to_mask(raw, LOGITS) - wanted).max() < 1e-5
    assert to_mask(np.full((2, 2), -1e30, np.float32), LOGITS).max() < 1e-20


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0, 7.0])
def test_flat_output_is_not_stretched_into_a_subject(value: float) -> None:
    """A card that asks for min-max gets nothing out of a flat output, not noise blown up to full opacity."""
    assert not to_mask(np.full((1, 1, 8, 8), value, np.float32), STRETCHED).any()


def test_stretch_reaches_from_0_to_1_and_only_where_it_is_asked_for() -> None:
    """Without it a weak answer stays weak: an empty photo gets no ghost."""
    weak = np.linspace(0.01, 0.05, 64).reshape(1, 1, 8, 8).astype(np.float32)
    stretched = to_mask(weak, STRETCHED)
    assert (stretched.min(), stretched.max()) == (0, 1)
    assert to_mask(weak, PROBABILITIES).max() == pytest.approx(0.05)


@settings(max_examples=150, deadline=None)
@given(
    width=SIZES, height=SIZES, side=st.integers(1, 40), seed=st.integers(0, 9999), fit=st.sampled_from(Fit),
    rows_at_once=st.integers(1, 40), part=st.floats(0.05, 1),
)  # fmt: skip
def test_matte_is_pillows_bilinear_without_seams(
    width: int, height: int, side: int, seed: int, fit: Fit, rows_at_once: int, part: float
) -> None:
    """In strips of any height, larger or smaller than the mask, and with empty ground that nobody looks at."""
    mask = noise(side, seed)
    mask[:, : int(side * (1 - part))] = 0
    pieces = joined(mask, width, height, fit, rows_at_once)
    assert np.abs(by_pillow(mask, width, height, fit) - pieces).max() <= 0.5 / 255
    assert 0 <= pieces.min() <= pieces.max() <= 1


@settings(max_examples=100, deadline=None)
@given(side=st.integers(2, 60), seed=st.integers(0, 9999), size=st.integers(60, 300), fit=st.sampled_from(Fit))
def test_columns_hold_all_that_can_be_seen(side: int, seed: int, size: int, fit: Fit) -> None:
    """One spot in the mask: nothing of it lies beside the columns, and they are not simply all."""
    draw = np.random.default_rng(seed)
    mask = np.zeros((side, side), np.float32)
    mask[draw.integers(side), draw.integers(side)] = 1
    whole = by_pillow(mask, size, size, fit)
    for top in range(0, size, 7):
        rows = slice(top, min(top + 7, size))
        columns = Matte(mask, size, size, fit).columns(rows)
        beside = whole[rows].copy()
        beside[:, columns] = 0
        assert beside.max() < 0.5 / 255
        assert columns.stop - columns.start <= 6 * size / side + 2


@settings(max_examples=60, deadline=None)
@given(width=SIZES, height=SIZES, side=st.integers(1, 64), fit=st.sampled_from(Fit), flat=st.sampled_from([0.0, 1.0]))
def test_flat_mask_stays_flat(width: int, height: int, side: int, fit: Fit, flat: float) -> None:
    """All 0 stays exactly 0, all 1 exactly 1: no filter darkens an edge."""
    assert (joined(np.full((side, side), flat, np.float32), width, height, fit) == flat).all()


@settings(max_examples=80, deadline=None)
@given(width=SIZES, height=SIZES, side=st.integers(16, 64), inside=st.sampled_from([0.0, 1.0]))
def test_padding_never_leaks_into_the_matte(width: int, height: int, side: int, inside: float) -> None:
    """Letterboxed, what the network says about the ground beside the photo has no part in it."""
    mask = np.full((side, side), 1 - inside, np.float32)
    left, top, wide, high = photo_box(width, height, side, Fit.LETTERBOX)
    mask[top : top + high, left : left + wide] = inside
    assert (joined(mask, width, height, Fit.LETTERBOX) == inside).all()


def _square(mask: NDArray[np.float32], box: tuple[int, int, int, int]) -> None:
    """Paint the upper left quarter of the box."""
    left, top, wide, high = box
    mask[top : top + high // 2, left : left + wide // 2] = 1


@pytest.mark.parametrize("size", [(100, 40), (40, 100), (64, 64), (500, 300), (30, 7)])
@pytest.mark.parametrize("fit", Fit)
def test_what_is_painted_in_the_photos_box_comes_back_in_its_place(size: tuple[int, int], fit: Fit) -> None:
    """The upper left quarter in the network's square is the upper left quarter of the photo."""
    width, height = size
    mask = np.zeros((64, 64), np.float32)
    _square(mask, photo_box(width, height, 64, fit))
    back = joined(mask, width, height, fit)
    edge_x, edge_y = max(2, width // 16), max(2, height // 8)
    assert (back[: max(1, height // 2 - edge_y), : width // 2 - edge_x] > 0.99).all()
    assert (back[height // 2 + edge_y :] < 0.01).all()
    assert (back[:, width // 2 + edge_x :] < 0.01).all()


def test_soft_edge_is_resized_in_float() -> None:
    """A ramp over a photo much larger than the mask has far more than 256 steps."""
    ramp = np.tile(np.linspace(0, 1, 16, dtype=np.float32), (16, 1))
    assert len(np.unique(joined(ramp, 3000, 2, Fit.STRETCH))) > 1000
