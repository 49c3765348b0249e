"""The benchmark of edges says what misses its goal."""

import pytest

import edges

GOOD = {"mae": 29.0, "edge": 75.0, "grad": 10.0, "color": 40.0}
REMBG = {"mae": 20.0, "edge": 93.0, "grad": 14.0, "color": 57.0}


def test_scores_within_the_slack_and_better_than_rembgs_are_well() -> None:
    """A mean may miss its figure by a little; mae is told, and has no goal."""
    assert not edges.worse("u2netp", {"a": GOOD, "mean": GOOD}, {"a": REMBG, "mean": REMBG})


@pytest.mark.parametrize(("measure", "value"), [("edge", 75.7), ("grad", 10.3), ("color", 40.4)])
def test_mean_beyond_the_slack_is_told(measure: str, value: float) -> None:
    """Each of the three."""
    told = edges.worse("u2netp", {"a": GOOD, "mean": GOOD | {measure: value}}, {"a": REMBG, "mean": REMBG})
    assert len(told) == 1
    assert measure in told[0]


def test_one_photo_that_is_worse_than_rembgs_is_told() -> None:
    """However good the mean is."""
    (told,) = edges.worse("u2netp", {"a": GOOD | {"grad": 14.5}, "mean": GOOD}, {"a": REMBG, "mean": REMBG})
    assert "grad of a is 14.5" in told


def test_costs_beyond_the_goals_are_told() -> None:
    """Seconds where there is a goal for the size, memory at any."""
    assert not edges.costly(24, 1.1, 99e6)
    assert not edges.costly(12, 9.0, 1e6)
    assert len(edges.costly(24, 1.3, 101e6)) == 2
    assert len(edges.costly(1, 0.31, 1e6)) == 1
