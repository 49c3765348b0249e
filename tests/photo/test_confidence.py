"""What is thought of a mask, from the mask alone and from two."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from bgzero_daemon.core.confidence import Confidence, Doubt
from bgzero_daemon.core.specs import Edge
from bgzero_daemon.photo.confidence import FOG_REACH, agreement, fog_of, judge, parts_of
from bgzero_daemon.photo.matte import F32

CHECK, FINE, NO_SUBJECT = Confidence.CHECK, Confidence.FINE, Confidence.NO_SUBJECT


def disc(side: int = 320, radius: float = 0.3, *, at: float = 0.5, edge: float = 2.0) -> F32:
    """A round subject whose contour is `edge` pixels wide; lengths are parts of the side."""
    down, across = np.mgrid[:side, :side] + 0.5
    distance = np.hypot(down - side / 2, across - at * side)
    mask: F32 = np.clip((radius * side - distance) / edge + 0.5, 0.0, 1.0).astype(np.float32)
    return mask


@pytest.mark.parametrize("side", [64, 320, 1024])
def test_solid_subject_looks_fine(side: int) -> None:
    """At any size of mask, and with hair: what is soft lies near the contour."""
    assert judge(disc(side)).confidence is FINE
    assert judge(disc(side, edge=FOG_REACH * side)).confidence is FINE


@pytest.mark.parametrize("level", [0.0, 0.2, 0.89])
def test_mask_that_is_sure_nowhere_has_no_subject(level: float) -> None:
    """Flat or a shape: below 0.9 everywhere is nothing found."""
    for mask in (np.full((320, 320), level, np.float32), disc() * np.float32(level)):
        found = judge(mask)
        assert (found.confidence, found.doubt) == (NO_SUBJECT, Doubt.NOTHING_FOUND)


def test_speck_is_no_subject_and_a_small_animal_is_one() -> None:
    """0.2 % of the picture is the border."""
    assert judge(disc(radius=0.02)).confidence is NO_SUBJECT  # 0.13 %
    assert judge(disc(radius=0.03)).confidence is FINE  # 0.28 %


def page(side: int) -> F32:
    """Letters: a hundred small rings."""
    mask = np.zeros((side, side), np.float32)
    step = side // 16
    for row in range(10):
        for column in range(10):
            top, left = 2 * step + row * step, 2 * step + column * step
            mask[top : top + step // 2, left : left + step // 2] = 1.0
            mask[top + step // 8 : top + step // 4, left + step // 8 : left + step // 4] = 0.0
    return mask


def test_page_of_text_is_no_subject_where_a_mask_tells_letters_apart() -> None:
    """Parts mean something in fine masks alone: coarse ones were not measured. Holes in letters are no matter."""
    assert judge(page(1024)).confidence is NO_SUBJECT
    assert judge(page(1024)).parts == 100
    assert judge(page(320)).confidence is FINE


def test_holes_are_no_parts() -> None:
    """A wheel with many holes is one thing; pixels that touch at their corners are two."""
    subject = np.ones((100, 100), np.bool_)
    subject[5:95:4, 5:95:4] = False
    assert parts_of(subject) == (1, 1.0)
    subject[:] = False
    subject[::4, ::4] = True
    assert parts_of(subject) == (25 * 25, 1 / 625)
    assert parts_of(np.eye(7, dtype=np.bool_)) == (7, 1 / 7)
    assert parts_of(np.zeros((3, 5), np.bool_)) == (0, 0.0)


def test_winding_part_is_one() -> None:
    """A spiral, whose ends meet nowhere else, and a comb of many teeth, from each side."""
    spiral = np.zeros((41, 41), np.bool_)
    row, column, step = 20, 20, (0, 1)
    for length in (count // 2 for count in range(4, 40)):
        for _pixel in range(length):
            spiral[row, column] = True
            row, column = row + step[0], column + step[1]
        step = (step[1], -step[0])
    comb = np.zeros((40, 81), np.bool_)
    comb[:, ::2] = True
    assert parts_of(comb)[0] == 41
    comb[39] = True
    for turned in (spiral, spiral.T, comb, comb[::-1], comb.T, comb.T[:, ::-1]):
        assert parts_of(np.ascontiguousarray(turned)) == (1, 1.0)


def slow_parts(subject: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> tuple[int, float]:
    """Count parts by walking through each."""
    left, sizes = {(int(row), int(column)) for row, column in np.argwhere(subject)}, []
    whole = len(left)
    while left:
        ahead, size = [left.pop()], 0
        while ahead:
            row, column = ahead.pop()
            size += 1
            for near in ((row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)):
                if near in left:
                    left.remove(near)
                    ahead.append(near)
        sizes.append(size)
    return len(sizes), max(sizes, default=0) / max(1, whole)


@given(arrays.arrays(np.bool_, arrays.array_shapes(min_dims=2, max_dims=2, max_side=24)))
def test_parts_are_those_that_a_walk_finds(subject: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> None:
    """In any picture, and in one that is full of them."""
    assert parts_of(subject) == slow_parts(subject)
    noise = np.random.default_rng(int(subject.sum())).random((30, 30)) < 0.6
    assert parts_of(noise) == slow_parts(noise)


def test_crumbs_beside_a_subject_are_no_text() -> None:
    """A bicycle's spokes fall into more parts than fifty, and most of it is one: that is a subject."""
    mask = page(1024)
    mask[:, 800:] = 1.0
    assert judge(mask).parts == 101
    assert judge(mask).confidence is FINE


def test_half_transparent_inside_wants_a_look() -> None:
    """A window, glass, fog: far from the contour, and more than two hundredths of the subject."""
    mask = disc()
    mask[130:190, 130:190] = 0.6
    found = judge(mask)
    assert (found.confidence, found.doubt) == (CHECK, Doubt.SEE_THROUGH)
    assert found.fog == pytest.approx(60 * 60 * 0.4 / np.count_nonzero(mask > 0.5), rel=0.01)
    mask = disc()
    mask[155:165, 155:165] = 0.6
    assert judge(mask).confidence is FINE


def test_veil_of_a_matting_network_is_meant() -> None:
    """Its card says that its edges are kept; nothing found, and masks that differ, are doubts nevertheless."""
    mask = disc()
    mask[130:190, 130:190] = 0.6
    assert judge(mask, edge=Edge.KEEP).confidence is FINE
    assert judge(mask, edge=Edge.REFINE).doubt is Doubt.SEE_THROUGH
    assert judge(mask, edge=Edge.KEEP, mirrored=0.5).doubt is Doubt.PASSES_DIFFER
    assert judge(mask * np.float32(0.5), edge=Edge.KEEP).confidence is NO_SUBJECT


def test_haze_around_the_subject_wants_a_look_too() -> None:
    """What is left of the ground is as visible as what is missing inside."""
    mask = np.maximum(disc(), np.float32(0.05))
    assert judge(mask).doubt is Doubt.SEE_THROUGH


def test_fog_begins_at_the_reach() -> None:
    """A strip beside a straight contour counts from 1.6 % of the side on, to the pixel."""
    mask = np.zeros((500, 500), np.float32)
    mask[:, :250] = 1.0
    reach = round(FOG_REACH * 500)
    mask[:, 250 : 250 + reach + 1] = 0.4  # the contour's own pixels, and `reach` beside them
    assert fog_of(mask, mask > 0.5) == 0.0
    mask[:, 250 + reach + 1] = 0.4
    assert fog_of(mask, mask > 0.5) == pytest.approx(0.4 / 250)


def test_two_masks_that_differ_want_a_look() -> None:
    """The mirrored pass at 0.9, another network at 0.93; what the mask says by itself comes first."""
    assert judge(disc(), mirrored=0.91, other=0.94).confidence is FINE
    assert judge(disc(), mirrored=0.89).doubt is Doubt.PASSES_DIFFER
    assert judge(disc(), other=0.92).doubt is Doubt.MODELS_DIFFER
    assert judge(disc() * np.float32(0.5), mirrored=0.1).confidence is NO_SUBJECT


def test_agreement_is_the_common_part() -> None:
    """Of the union; two empty masks agree, an empty one and another do not."""
    whole, half = np.ones((10, 10), np.float32), np.ones((10, 10), np.float32)
    half[:, 5:] = 0.0
    empty = np.zeros((10, 10), np.float32)
    assert [agreement(whole, half), agreement(whole, whole), agreement(empty, empty)] == [0.5, 1.0, 1.0]
    assert agreement(empty, whole) == 0.0


@given(
    arrays.arrays(
        np.float32, arrays.array_shapes(min_dims=2, max_dims=2, max_side=40), elements=st.floats(0, 1, width=32)
    )
)
def test_any_mask_is_judged_and_left_as_it_was(mask: F32) -> None:
    """From a single pixel on; numbers stay within their ranges, and a mirrored mask is judged alike."""
    before = mask.copy()
    found = judge(mask)
    assert (mask == before).all()
    assert 0 <= found.area <= 1
    assert found.fog >= 0
    turned = judge(np.ascontiguousarray(mask[:, ::-1]))
    assert (turned.confidence, turned.doubt, turned.parts) == (found.confidence, found.doubt, found.parts)
    assert turned.fog == pytest.approx(found.fog)
