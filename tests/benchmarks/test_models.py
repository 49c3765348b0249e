"""docs/models.md is what the cards say, and what is measured goes into them and nowhere else."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import models
import models_page
import models_sheets
import quality
from bgzero_daemon.catalog.card import Commercial, Licence, ModelCard, Quality, Source
from bgzero_daemon.catalog.shelf import read_card
from tests.home import Home

CARDS = models.cards()
MEASURED = models.Measured(1230, 0.45, Quality(mae=1.5, edge=2.5, grad=3.5, color=4.5))
CHANGES: dict[str, object] = {
    "good_for": "something else", "size_bytes": 77_700_000, "peak_mb": 12_340, "seconds": 77.7, "rank": 77,
    "quality": Quality(mae=7.7, edge=7.7, grad=7.7, color=7.7), "source": (Source(url="https://example.org/w.onnx"),),
    "licence": Licence(name="Artistic-2.0", commercial=Commercial.NO, note="Of another kind."),
}  # fmt: skip


def test_page_is_what_the_cards_say() -> None:
    """After a change of a card, or of the page's words: `benchmarks/models.py render`."""
    assert models.PAGE.read_text(encoding="utf-8") == models_page.page(CARDS)


@pytest.mark.parametrize("field", CHANGES)
def test_every_figure_of_a_card_is_on_the_page(field: str) -> None:
    """So a card that changed makes the page wrong, and the test above says so."""
    changed = {**CARDS, "modnet": CARDS["modnet"].model_copy(update={field: CHANGES[field]})}
    assert models_page.page(changed) != models_page.page(CARDS)


def test_pictures_of_the_page_are_there_and_small() -> None:
    """Each at most 60 kB, 400 kB in all, and no other file beside them: what is committed stays for ever."""
    shown = set(re.findall(r"!\[[^]]*\]\(models/([^)]*)\)", models.PAGE.read_text(encoding="utf-8")))
    files = {file.name: file.stat().st_size for file in models.PAGE.with_suffix("").iterdir()}
    assert len(shown) == len(models_page.PHOTOS)
    assert set(files) == shown
    assert max(files.values()) <= models_sheets.MOST_BYTES
    assert sum(files.values()) <= 400_000


def test_ranks_of_measured_models_follow_their_errors() -> None:
    """Over the whole photo, which is what the page says; and by most of the other measures."""
    agreeing = models_page.agreeing(CARDS)
    assert "mae" in agreeing
    assert len(agreeing) >= 3


def test_measured_models_in_another_order_are_told() -> None:
    """One that is ranked first and measured worst."""
    worse = CARDS["u2netp"].model_copy(update={"rank": 1, "quality": Quality(mae=99, edge=99, grad=1, color=99)})
    assert models_page.agreeing({**CARDS, "u2netp": worse}) == ["grad"]


@pytest.mark.parametrize("name", ["modnet", "u2netp"])
def test_measuring_changes_nothing_else_in_a_card(tmp_path: Path, name: str) -> None:
    """A card that was never measured and one that was, with a comment: every other line stays, byte for byte."""
    file = tmp_path / f"{name}.toml"
    before = "# A word of its author's.\n" + (models.CARDS / f"{name}.toml").read_text(encoding="utf-8")
    file.write_text(before, encoding="utf-8")
    models.write(file, MEASURED)
    expected = {"peak_mb": 1230, "seconds": 0.45, "quality": MEASURED.quality}
    assert read_card(file) == CARDS[name].model_copy(update=expected)
    assert _others(file.read_text(encoding="utf-8")) == _others(before)


def _others(text: str) -> list[str]:
    ours = re.compile(r"(peak_mb|seconds|mae|edge|grad|color) = |\[quality\]$")
    return [line for line in text.splitlines() if line and not ours.match(line)]


def test_models_on_this_machine_are_found_with_their_hashes(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shipped one, and one of the account's own."""
    for name, value in home.env.items():
        monkeypatch.setenv(name, value)
    found = quality.installed()
    assert set(found) == {"tiny", "u2netp"}
    assert found["u2netp"] == CARDS["u2netp"].sha256


def test_cut_outs_lie_side_by_side_over_the_colour(tmp_path: Path) -> None:
    """Three of them, the left half of each cut away: the colour there, the photo on the right, names below."""
    pixels = np.full((60, 80, 4), (10, 200, 30, 255), np.uint8)
    pixels[:, :40, 3] = 0
    cutouts = {f"model-{number}": tmp_path / f"{number}.png" for number in range(3)}
    for file in cutouts.values():
        Image.fromarray(pixels).save(file)
    sheet = np.asarray(models_sheets.sheet(cutouts))
    assert sheet.shape[1] > 3 * 80
    for left in (0, 88, 176):
        assert tuple(sheet[30, left + 10]) == models_sheets.GROUND
        assert tuple(sheet[30, left + 70]) == (10, 200, 30)
        assert sheet[64:, left : left + 80].min() < 100, "no name"
    assert tuple(sheet[30, 84]) == (255, 255, 255)


def test_pictures_are_kept_small(tmp_path: Path) -> None:
    """Noise is the worst that a JPEG can be asked for."""
    noise = np.random.default_rng(0).integers(0, 256, (130, 450, 3), dtype=np.uint8)
    models_sheets.save(Image.fromarray(noise), tmp_path / "a.jpg")
    assert (tmp_path / "a.jpg").stat().st_size <= models_sheets.MOST_BYTES


def test_models_that_were_not_measured_are_marked() -> None:
    """Their line has no figure of ours; they are not in the pictures."""
    card: ModelCard = CARDS["modnet"]
    assert card.quality is None
    page = models_page.page(CARDS)
    line = next(line for line in page.splitlines() if line.startswith("| modnet |"))
    assert line.count(f" {models_page.NONE} |") == 6
    assert "modnet" not in models_page.measured(CARDS)
