"""Two looks at a photo: how far they agree, and what is made of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bgzero_daemon.core.specs import Fit
from bgzero_daemon.photo.passes import Passes, joined, mirrored
from bgzero_daemon.photo.tensor import photo_box


def block(left: int, right: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
    """Return a mask that takes some columns for the subject."""
    mask = np.zeros((20, 100), np.float32)[:, :20].repeat(5, 0)[:100].repeat(5, 1)
    mask[:, left:right] = 0.8
    return mask


@pytest.mark.parametrize(
    ("second", "agreement", "is_unsure"),
    [((10, 60), 1.0, False), ((10, 58), 0.96, False), ((10, 55), 0.9, True), ((60, 90), 0.0, True)],
)
def test_looks_are_averaged_only_where_they_agree(second: tuple[int, int], agreement: float, is_unsure: bool) -> None:
    """Else the first one counts, and that they differ is told."""
    one, two = block(10, 60), block(*second)
    mask, passes = joined(one, two)
    assert passes.agreement == pytest.approx(agreement)
    assert passes.is_unsure == is_unsure
    assert np.allclose(mask, one if is_unsure else (one + two) / 2)


def test_looks_that_both_find_nothing_agree() -> None:
    """There is nothing to be unsure of, and no division by zero."""
    mask, passes = joined(block(0, 0), block(0, 0))
    assert passes == Passes(1.0)
    assert not mask.any()
    assert not Passes().is_unsure, "one look has nothing to differ from"


@settings(max_examples=40, deadline=None)
@given(width=st.integers(1, 90), height=st.integers(1, 90), side=st.integers(4, 40), fit=st.sampled_from(Fit))
def test_mirror_turns_the_photo_and_not_what_lies_beside_it(width: int, height: int, side: int, fit: Fit) -> None:
    """Twice is never; the photo's columns stay where they are in the square."""
    square = np.zeros((1, 3, side, side), np.float32)
    left, top, wide, high = photo_box(width, height, side, fit)
    square[..., top : top + high, left : left + wide] = np.arange(1, wide + 1)
    turned = mirrored(square, width, height, fit)
    assert (mirrored(turned, width, height, fit) == square).all()
    assert (turned[0, 0, top, left : left + wide] == np.arange(wide, 0, -1)).all()
    assert ((turned == 0) == (square == 0)).all()
