"""Photos that are known although all their times are others: by whole quarters of an hour alone."""

import pytest

from bgzero_daemon.cards.seen import Seen
from bgzero_daemon.cards.source import Found

_TAKEN = 1_750_000_000


@pytest.mark.parametrize(
    ("shift", "is_known"),
    [(0, True), (3600, True), (-900, True), (26 * 3600, True), (3700, False), (2, False), (27 * 3600, False)],
)
def test_only_a_zone_s_shift_makes_another_time_the_same(shift: int, is_known: bool) -> None:
    """Another difference is another photo of the same name and length."""
    photo = Found("DCIM/1.JPG", 5, (_TAKEN + shift) * 1_000_000_000)
    assert (photo in Seen([("DCIM/1.JPG", 5, _TAKEN)], [photo])) is is_known


def test_of_several_shifts_only_the_one_that_most_photos_have_counts() -> None:
    """A card has one clock: what differs by another hour is new."""
    keys = [(f"{number}.JPG", 5, _TAKEN) for number in range(4)]
    shifts = [3600, 3600, 3600, 7200]
    photos = [Found(f"{number}.JPG", 5, (_TAKEN + shift) * 1_000_000_000) for number, shift in enumerate(shifts)]
    seen = Seen(keys, photos)
    assert [photo in seen for photo in photos] == [True, True, True, False]
