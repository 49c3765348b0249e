"""docs/edges.md is what was measured, says where ours is worse, and its pictures show what their rules say."""

import re

import numpy as np
import pytest
from PIL import Image

import edges_look
import edges_page
import edges_peer
import edges_sheets
import edges_sights
import models_sheets
from edges_page import CONTESTANTS, Figures
from edges_peer import MATTING, OFF, PLAIN, REFINE
from edges_sheets import SIDE_PX, ZOOM
from harness import Usage
from throughput import Runs

FIGURES = Figures.model_validate_json(edges_look.FIGURES.read_bytes())
PAGE = edges_look.PAGE.read_text(encoding="utf-8")


def cutout(size: tuple[int, int], rgba: tuple[int, int, int, int] = (0, 0, 255, 255)) -> Image.Image:
    """A cut-out of one colour."""
    return Image.new("RGBA", size, rgba)


def test_page_is_what_was_measured() -> None:
    """After a change of the page's words: `benchmarks/edges_look.py --words`."""
    assert edges_page.page(FIGURES) == PAGE


@pytest.mark.parametrize("one", CONTESTANTS)
@pytest.mark.parametrize("at", range(4))
def test_every_error_is_on_the_page(one: str, at: int) -> None:
    """So one that changed makes the page wrong, and the test above says so."""
    data = FIGURES.model_dump()
    errors = data["scores"]["u2netp"]["lion-0"]
    errors[one] = tuple(777.7 if place == at else error for place, error in enumerate(errors[one]))
    assert "777.7" in edges_page.page(Figures.model_validate(data))


def test_pictures_of_the_page_are_there_and_small() -> None:
    """One for each thing that is shown, 1.2 MB in all, and no other file but the figures: what is committed stays."""
    shown = set(re.findall(r"!\[[^]]*\]\(edges/([^)]*)\)", PAGE))
    files = {file.name: file.stat().st_size for file in edges_look.FIGURES.parent.iterdir()}
    assert len(shown) == len(edges_sights.SIGHTS)
    assert set(files) == shown | {edges_look.FIGURES.name}
    assert max(files.values()) <= edges_look.MOST_BYTES
    assert sum(files.values()) <= 1_200_000


def test_where_ours_is_worse_is_named() -> None:
    """Each photo, each other program, and only the measures in which it is."""
    scores = {
        "a": {
            PLAIN: (5.0, 5.0, 5.0, 5.0),
            MATTING: (5.0, 3.0, 5.0, 3.5),
            OFF: (4.0, 4.0, 4.0, 4.0),
            REFINE: (4.0,) * 4,
        },
        "b": dict.fromkeys(CONTESTANTS, (1.0,) * 4),
    }
    assert list(edges_page.worse(scores)) == [("a", MATTING, {"edge": (4.0, 3.0), "color": (4.0, 3.5)})]


def test_nothing_is_left_out_of_what_is_worse() -> None:
    """On the page as it is: as many lines as there are losses."""
    section = PAGE.partition("## Where ours is worse")[2].partition("\n## ")[0]
    losses = sum(len(list(edges_page.worse(scores))) for scores in FIGURES.scores.values())
    assert section.count("\n| ") == (losses + 2 if losses else 0)


def test_window_sums_are_those_of_their_pixels() -> None:
    """At every place."""
    values = np.random.default_rng(0).random((7, 9))
    found = edges_sheets.windows(values, 3)
    assert found.shape == (5, 7)
    assert found[2, 4] == pytest.approx(values[2:5, 4:7].sum())
    assert found[4, 6] == pytest.approx(values[4:, 6:].sum())


def test_places_are_the_softest_and_the_worst_of_ours() -> None:
    """With a truth: half transparent at one place; a hole at another that only ours has, and one that all have."""
    size = 600, 300
    truth = cutout(size)
    truth.paste((0, 0, 255, 128), (20, 30, 20 + SIDE_PX, 30 + SIDE_PX))
    found = {name: truth.copy() for name in CONTESTANTS}
    for name, one in found.items():
        one.paste((0, 0, 0, 0), (480, 0, 480 + SIDE_PX, SIDE_PX))
        if name == REFINE:
            one.paste((0, 0, 0, 0), (300, 150, 300 + SIDE_PX, 150 + SIDE_PX))
    assert edges_sheets.places(edges_sheets.Cutouts(truth, found, truth)) == [(20, 30), (300, 150)]


def test_without_a_truth_the_second_place_is_where_matting_differs() -> None:
    """What off or rembg do there is no matter; and it is away from the first place."""
    size = 600, 300
    found = {name: cutout(size) for name in CONTESTANTS}
    found[OFF].paste((0, 0, 0, 0), (20, 150, 20 + SIDE_PX, 150 + SIDE_PX))
    for one in found.values():
        one.paste((0, 0, 255, 128), (20, 30, 20 + SIDE_PX, 30 + SIDE_PX))
    found[MATTING].paste((0, 0, 0, 0), (300, 150, 300 + SIDE_PX, 150 + SIDE_PX))
    photo = Image.new("RGB", size)
    assert edges_sheets.places(edges_sheets.Cutouts(photo, found)) == [(20, 30), (300, 150)]
    found[MATTING].paste((0, 0, 255, 255), (0, 0, *size))
    assert edges_sheets.places(edges_sheets.Cutouts(photo, found))[1] != (20, 30)


def test_crops_lie_in_rows_over_the_colour_and_are_enlarged() -> None:
    """Photo, four cut-outs, truth; each pixel as a square."""
    size = 300, 200
    found = {name: cutout(size, (0, 0, 0, 0)) for name in CONTESTANTS}
    sheet = np.asarray(edges_sheets.sheet(edges_sheets.Cutouts(Image.new("RGB", size, "green"), found, cutout(size))))
    tile = SIDE_PX * ZOOM
    assert sheet.shape[1] // tile == len(CONTESTANTS) + 2
    assert sheet.shape[0] // tile == 2
    assert tuple(sheet[5, 5]) == (0, 128, 0)
    assert tuple(sheet[5, tile + 20]) == models_sheets.GROUND
    assert tuple(sheet[5, -5]) == (0, 0, 255)


def test_edges_alone_are_the_difference_within_one_program() -> None:
    """Start-up apart, by the CPU; above 1 is in ours' favour."""

    def runs(full: float, start: float) -> Runs:
        return Runs(Usage(9.0, full, 100), Usage(1.0, start, 100))

    one = {REFINE: runs(13, 1), OFF: runs(9, 1), MATTING: runs(50, 10), PLAIN: runs(22, 10)}
    found = {measure.title: measure for measure in edges_peer.comparisons([one], 4)}
    assert found["CPU s a photo, start-up apart"].ratios == (10 / 3,)
    assert found["CPU s a photo, edges alone"].ratios == (7.0,)
