"""The mathematics of edges, against the plain way of writing it down."""

import numpy as np
import pytest
from numpy.typing import NDArray

from bgzero_daemon.photo.edges.colourline import along, colour_lines
from bgzero_daemon.photo.edges.colours import estimate
from bgzero_daemon.photo.edges.softness import softness
from bgzero_daemon.photo.edges.solver import solve

F64 = NDArray[np.float64]
EPSILON = 1e-7


def laplacian(guide: F64, spacing: int) -> F64:
    """Return Levin's equation 12 as a full matrix, window by window."""
    height, width = guide.shape[:2]
    made = np.zeros((height * width, height * width))
    numbers = np.arange(height * width).reshape(height, width)
    for row in range(spacing, height - spacing):
        for column in range(spacing, width - spacing):
            window = np.s_[
                row - spacing : row + spacing + 1 : spacing, column - spacing : column + spacing + 1 : spacing
            ]
            colours = guide[window].reshape(9, 3)
            around = colours - colours.mean(0)
            inverse = np.linalg.inv(around.T @ around / 9 + EPSILON / 9 * np.eye(3))
            at = numbers[window].ravel()
            made[np.ix_(at, at)] += np.eye(9) - (1 + around @ inverse @ around.T) / 9
    return made


@pytest.mark.parametrize("channels", [3, 1])
def test_solution_is_the_one_of_the_full_matrix(channels: int) -> None:
    """Every pixel and every second one, with and without a pull, unknown ones at the border too; a grey photo too."""
    chance = np.random.default_rng(5)
    guide = np.broadcast_to(chance.random((11, 13, channels)), (11, 13, 3)).astype(np.float32)
    start = (chance.random((11, 13)) > 0.5).astype(np.float32)
    unknown = chance.random((11, 13)) < 0.4
    unknown[0, :3] = True
    for spacing, strength in ((1, 0.0), (1, 0.3), (2, 0.3)):
        pull = np.full(start.shape, strength, np.float32)
        made = solve(guide, start, unknown, spacing=spacing, steps=500, pull=pull)
        matrix = laplacian(guide.astype(np.float64), spacing)
        free = np.flatnonzero(unknown)
        sure = np.flatnonzero(~unknown)
        known = start.ravel().astype(np.float64)
        wanted = strength * known[free] - matrix[np.ix_(free, sure)] @ known[sure]
        exact = np.linalg.lstsq(matrix[np.ix_(free, free)] + strength * np.eye(len(free)), wanted, rcond=None)[0]
        assert np.abs(made.ravel()[free] - exact.clip(0, 1)).max() < 0.01, (spacing, strength)
        assert (made.ravel()[sure] == start.ravel()[sure]).all()


def test_pixels_that_no_window_reaches_stay() -> None:
    """With every second pixel in a window, rows between the lines of a thin grid are in none."""
    chance = np.random.default_rng(6)
    guide, start = chance.random((5, 9, 3)).astype(np.float32), chance.random((5, 9)).astype(np.float32)
    unknown = np.zeros(start.shape, np.bool_)
    unknown[1::2] = True
    assert (solve(guide, start, unknown, spacing=2, steps=50) == start).all()


def test_opacity_that_is_linear_in_colour_is_found_and_carried() -> None:
    """A ramp between two colours: solved from its ends, and told by lines of colour exactly."""
    share = np.linspace(0, 1, 40, dtype=np.float32)[None].repeat(20, 0)
    guide = share[..., None] * np.array([0.8, 0.3, 0.1]) + (1 - share[..., None]) * np.array([0.1, 0.2, 0.6])
    guide = guide.astype(np.float32)
    unknown = np.zeros(share.shape, np.bool_)
    unknown[:, 4:36] = True
    solved = solve(guide, np.where(unknown, 0.5, share).astype(np.float32), unknown, spacing=1, steps=300)
    assert np.abs(solved - share).max() < 0.02
    lines = colour_lines(guide, share, unknown)
    assert np.abs(along(lines, guide) - share)[unknown].max() < 0.02


def test_colour_lines_are_those_of_the_paper() -> None:
    """He's equations 19 and 20 window by window, and their means; beyond the border its own nodes go on."""
    chance = np.random.default_rng(2)
    guide, alpha = chance.random((9, 12, 3)), chance.random((9, 12))
    wide, wide_alpha = np.pad(guide, ((2, 2), (2, 2), (0, 0)), mode="edge"), np.pad(alpha, 2, mode="edge")
    exact = np.zeros((9, 12, 4))
    for row, column in np.ndindex(9, 12):
        colours = wide[row : row + 5, column : column + 5].reshape(25, 3)
        seen = wide_alpha[row : row + 5, column : column + 5].ravel()
        around = colours - colours.mean(0)
        slopes = np.linalg.solve(around.T @ around / 25 + 1e-5 * np.eye(3), around.T @ (seen - seen.mean()) / 25)
        exact[row, column] = *slopes, seen.mean() - slopes @ colours.mean(0)
    padded = np.pad(exact, ((2, 2), (2, 2), (0, 0)), mode="edge")
    means = [padded[row : row + 5, column : column + 5].mean((0, 1)) for row, column in np.ndindex(9, 12)]
    lines = colour_lines(guide.astype(np.float32), alpha.astype(np.float32), np.ones(alpha.shape, np.bool_))
    assert np.abs(lines.reshape(4, -1).T - np.array(means)).max() < 1e-4


def test_colour_lines_of_one_grey_are_finite() -> None:
    """Whose covariance has no inverse but for what is added to it."""
    grey = np.random.default_rng(0).random((60, 60, 1)).astype(np.float32).repeat(3, 2)
    alpha = (grey[..., 0] > 0.5).astype(np.float32)
    lines = colour_lines(grey, alpha, np.ones(alpha.shape, np.bool_))
    assert np.isfinite(lines).all()
    assert np.abs(lines[0] - lines[1]).max() < 1e-3, "no channel has more to say than another"
    assert np.abs(along(lines, grey) - alpha).mean() < 0.3


def test_colour_lines_of_a_greyish_photo_are_exact() -> None:
    """Channels that differ by a hair, with hard contrast: in single precision the determinant is noise there."""
    chance = np.random.default_rng(1)
    light = chance.integers(0, 2, (60, 60, 1)) * 0.9 + 0.05
    guide = (light + chance.normal(0, 0.002, (60, 60, 3))).astype(np.float32)
    alpha = guide[..., 0].copy()
    assert np.abs(along(colour_lines(guide, alpha, np.ones(alpha.shape, np.bool_)), guide) - alpha).max() < 0.01


def test_softness_tells_hair_from_hard_things() -> None:
    """A disc with a contour of one pixel, and one with a contour of ten; large masks and small ones alike."""
    for side in (320, 1024):
        down, across = np.mgrid[0:side, 0:side].astype(np.float32)
        distance = np.hypot(down - side / 2, across - side / 2) - side / 4
        contour = np.abs(distance) < 4
        for width, least, most in ((1.0, 0.0, 0.1), (10.0, 0.9, 1.0)):
            mask = np.clip(0.5 - distance / width, 0, 1).astype(np.float32)
            found = softness(mask)
            shown = np.repeat(np.repeat(found, side // len(found), 0), side // len(found), 1)
            assert least <= np.median(shown[contour]) <= most, (side, width)
            assert found[0, 0] == 0, "far from any edge nothing is hair"


def test_one_node_has_its_own_colour() -> None:
    """The smallest photo."""
    guide = np.array([[[0.2, 0.4, 0.6]]], np.float32)
    foreground, background = estimate(guide, np.ones((1, 1), np.float32))
    assert np.abs(foreground[:, 0, 0] - guide[0, 0]).max() < 1e-3
    assert np.isfinite(background).all()
