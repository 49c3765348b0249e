"""Row filters: what is undone is what was given, and cheap ones are chosen well."""

import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st

from bgzero_daemon.core.recipe import Png
from bgzero_daemon.photo.picture import U8
from bgzero_daemon.photo.rowfilter import AVERAGE, NONE, PAETH, SUB, UP, filtered

from .unfilter import unfiltered


def undone(rows: U8, step: int) -> U8:
    """Undo what a strip says was done."""
    return unfiltered(rows[:, 1:], [int(kind) for kind in rows[:, 0]], step)


@settings(max_examples=150, deadline=None)
@given(
    png=st.sampled_from(Png), step=st.sampled_from([1, 3, 4]), rows=st.integers(1, 20), width=st.integers(1, 30),
    kind=st.sampled_from(["noise", "slope", "rows", "flat"]), seed=st.integers(0, 9999), cut=st.data(),
)  # fmt: skip
def test_filters_are_undone_by_the_standard(
    png: Png, step: int, rows: int, width: int, kind: str, seed: int, cut: st.DataObject
) -> None:
    """Any picture, of which only some columns are not zero; the first row never looks at the one above."""
    draw = np.random.default_rng(seed)
    pixels = {
        "noise": draw.integers(0, 256, (rows, width, step)),
        "slope": np.add.outer(np.add.outer(np.arange(rows) * 3, np.arange(width) * 5), np.arange(step)) % 256,
        "rows": np.broadcast_to(draw.integers(0, 256, (rows, 1, step)), (rows, width, step)),
        "flat": np.full((rows, width, step), 200),
    }[kind].astype(np.uint8)
    first = cut.draw(st.integers(0, width - 1))
    last = cut.draw(st.integers(first + 1, width))
    pixels[:, :first] = pixels[:, last:] = 0
    flat = pixels.reshape(rows, -1)
    part = np.ascontiguousarray(pixels[:, first:last]).reshape(rows, -1)
    made = filtered(part, step, png, before=first * step, width=width * step)
    assert (undone(made, step) == flat).all()
    assert made[0, 0] in (NONE, SUB)


def test_rows_that_repeat_are_taken_from_above_and_columns_from_the_left() -> None:
    """Noise that is the same in each row is nothing but zeros by Up, noise that is the same in each column by Sub."""
    noise = np.random.default_rng(1).integers(0, 256, (1, 600, 1)).astype(np.uint8)
    for png in (Png.FAST, Png.BALANCED):
        down = filtered(np.repeat(noise[..., 0], 20, axis=0), 1, png)
        assert (down[1:, 0] == UP).all()
        assert not down[1:, 1:].any()
        across = filtered(np.repeat(noise[0], 600, axis=1), 1, png)
        assert (across[:, 0] == SUB).all()
        assert not across[:, 2:].any()


def test_every_row_may_have_another_filter_where_time_is_given() -> None:
    """In a photo more are used by "small", in groups of rows two by "balanced", one in a strip by "fast"."""
    photo = skimage.data.coffee().reshape(400, -1)  # type: ignore[no-untyped-call]
    assert {AVERAGE, PAETH} < set(filtered(photo, 3, Png.SMALL)[:, 0])
    assert set(filtered(photo, 3, Png.BALANCED)[:, 0]) == {SUB, UP}
    assert len(set(filtered(photo, 3, Png.FAST)[1:, 0])) == 1


@pytest.mark.parametrize("png", Png)
def test_wide_rows_are_judged_by_a_part_of_them(png: Png) -> None:
    """Rows of 60,000 bytes, of which blocks are looked at: what comes out is right all the same."""
    wide = np.random.default_rng(2).normal(100, 3, (6, 15_000, 4)).astype(np.uint8).reshape(6, -1)
    assert (undone(filtered(wide, 4, png), 4) == wide).all()
