"""The parts of the benchmarks of speed that need no quiet machine: sums, checks, tables and the picture."""

import os
import xml.etree.ElementTree as ET
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import bound
import drop
import drop_plot
import encoders
import growth
import harness
import outputs
import pictures
import throughput
from harness import BenchmarkError

SIZES = {"a": (3, 2), "b": (3, 2), "tiny": (1, 1)}


def cost(*cpu: float) -> list[bound.Cost]:
    """Costs of rounds, twice as long on the wall."""
    return [bound.Cost(one, 2 * one) for one in cpu]


def folders(place: Path) -> tuple[Path, Path, pictures.PhotoSet]:
    """A folder of photos and one of right cut-outs."""
    inbox, outbox = place / "in", place / "out"
    for at, (stem, size) in enumerate(SIZES.items()):
        for folder in (inbox, outbox):
            folder.mkdir(exist_ok=True)
        photo = Image.new("RGB", size, (10, 20, 30))
        photo.save(inbox / f"{stem}.png")
        photo.putalpha(255)
        photo.save(outbox / f"{stem}.png")
        os.utime(outbox / f"{stem}.png", (at * at, at * at))
    return inbox, outbox, pictures.PhotoSet(inbox, inbox, SIZES, {stem: f"{stem}.jpg" for stem in SIZES}, "")


def test_bound_is_the_cpu_time_of_the_parts_over_the_cores() -> None:
    """Of the mean photo in each round, and of one photo by its medians; read again as it was written."""
    ways = {way.title: cost(8, 9) for way in bound.WAYS} | {bound.WAYS[0].title: cost(4, 6)}
    found = bound.Bound(
        2, {"a": cost(1, 1), "b": cost(3, 3)}, {"a": cost(1, 1), "b": cost(1, 1)}, ways, bound.WAYS[0].title
    )
    assert found.rounds == [(2 + 4 + 1) / 2, (2 + 6 + 1) / 2]
    assert found.of("b") == (3 + 5 + 1) / 2
    assert found.raw == [16, 18]
    assert bound.read(asdict(found)) == found


def test_deflated_rows_are_the_cutout_with_the_filter_up(tmp_path: Path) -> None:
    """Adding each row to the one above gives the pixels back."""
    rgba = np.random.default_rng(0).integers(0, 256, (5, 4, 4), np.uint8)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    rows = np.frombuffer(bound.filtered(tmp_path / "a.png"), np.uint8).reshape(5, 17)
    assert set(rows[:, 0]) == {2}
    assert np.array_equal(np.cumsum(rows[:, 1:], axis=0, dtype=np.uint8).reshape(rgba.shape), rgba)


def test_grain_is_the_same_every_time_and_as_strong_as_asked() -> None:
    """In mid-grey; less in the dark."""
    grey, dark = Image.new("RGB", (400, 600), (128, 128, 128)), Image.new("RGB", (400, 600), (20, 20, 20))
    first, again = np.asarray(pictures.grained(grey, 5.0)), np.asarray(pictures.grained(grey, 5.0))
    assert np.array_equal(first, again)
    assert first.std() == pytest.approx(5.0, rel=0.05)
    assert np.asarray(pictures.grained(dark, 5.0)).std() < 3.0


def test_right_cutouts_have_no_flaw(tmp_path: Path) -> None:
    """Their sizes are summed without the tiny one's, and each but the first has its time."""
    inbox, outbox, photos = folders(tmp_path)
    found = outputs.examine(outbox, inbox, photos, pixels=True)
    assert (found.flaws, found.off, found.opaque) == ((), 0, 1.0)
    assert found.size_bytes == sum((outbox / f"{stem}.png").stat().st_size for stem in "ab")
    assert found.seconds == {"b": 1.0}
    assert "opaque pixels, 100.0 % of all: the photo's own" in outputs.tell("x", [found], photos)
    assert "none to compare" in outputs.tell("x", [replace(found, opaque=0.0)], photos)
    assert outputs.slowest([found], photos) == ("b.jpg", 1.0)


def test_wrong_cutouts_are_told(tmp_path: Path) -> None:
    """Another colour, another mode, another size; a missing and a damaged one end it."""
    inbox, outbox, photos = folders(tmp_path)
    right = outputs.examine(outbox, inbox, photos, pixels=True)
    Image.new("RGBA", (3, 2), (10, 20, 37, 255)).save(outbox / "a.png")
    Image.new("P", (2, 3)).save(outbox / "b.png")
    found = outputs.examine(outbox, inbox, photos, pixels=True)
    assert found.off == 7
    assert [flaw.split(" ")[:2] for flaw in found.flaws] == [["b.jpg", "is"], ["b.jpg", "has"]]
    assert "other pixels in another run: a.jpg, b.jpg" in outputs.tell("x", [right, found], photos)
    (outbox / "b.png").write_bytes((outbox / "a.png").read_bytes()[:-30])
    with pytest.raises(BenchmarkError, match="no whole PNG"):
        outputs.examine(outbox, inbox, photos, pixels=True)
    (outbox / "b.png").unlink()
    with pytest.raises(BenchmarkError, match="missing"):
        outputs.examine(outbox, inbox, photos, pixels=True)


def test_png_is_whole_only_to_its_end(tmp_path: Path) -> None:
    """Neither a missing one nor one that is being written."""
    png = tmp_path / "a.png"
    assert not drop.is_whole(png)
    Image.new("RGB", (4, 4)).save(png)
    assert drop.is_whole(png)
    png.write_bytes(png.read_bytes()[:-1])
    assert not drop.is_whole(png)


def test_photo_that_did_not_come_is_later_than_any(tmp_path: Path) -> None:
    """In the table and in the picture, which is well-formed."""
    delays = [drop.Delay("bgzero", 3.0, 1.0), drop.Delay("rembg", 3.0, None), drop.Delay("rembg", 20.0, 8.0)]
    delays.append(drop.Delay("bgzero", 20.0, 2.0))
    rows = drop.report([], delays).splitlines()
    assert rows[1].split()[-3:] == ["-", "-", "-"]
    assert rows[2].split()[-3:] == ["4.0", "4.0", "4.0"]
    drawn = ET.fromstring(drop_plot.draw([(one.contestant, one.age, one.seconds) for one in delays]))
    assert len(drawn.findall("{*}circle")) == 3
    assert len([path for path in drawn.findall("{*}path") if path.get("stroke-width") == "2"]) == 1
    lower, higher = (float(str(mark.get("cy"))) for mark in drawn.findall("{*}circle")[:2])
    assert lower > higher  # one second below two


def test_shares_are_told_for_rounds_above_the_noise() -> None:
    """The bound by the wall time a photo, start-up apart; nothing where start-up took longer than everything."""
    start, slow = harness.Usage(2.0, 1.0, 1), harness.Usage(10.0, 1.0, 1)
    runs = {"a": throughput.Runs(slow, start), "b": throughput.Runs(start, slow)}
    lines = throughput.shares([throughput.Round(runs, bound=1.0, raw=2.0, load=0.0)], ["a", "b"], 4).splitlines()
    assert lines[2].split() == ["a", "0.50", "0.50", "0.50", "1.00", "1.00", "1.00"]
    assert lines[3].split() == ["b", *6 * ["-"]]


def test_slope_is_that_of_the_least_squares() -> None:
    """Told for as much as asked."""
    series = growth.Series("s", 1, {0.0: [1.0, 3.0], 10.0: [7.0], 20.0: [12.0]}, per=5)
    assert series.line() == pytest.approx((2.0, 2.5))
    assert growth.Growth("n", (series,), "5", "nothing.").text().splitlines()[1].split()[0] == "0"


def test_encoders_are_compared_picture_by_picture() -> None:
    """By the geometric mean of ratios within a round; pixels that come back changed end it."""
    basis = [encoders.Shot("RGB", name, 0, wall, 1.0, 10) for name, wall in (("a", 1.0), ("b", 10.0))]
    ours = [encoders.Shot("RGB", name, 0, wall, 1.0, 10) for name, wall in (("a", 0.5), ("b", 20.0))]
    assert encoders.ratios(ours, basis, "RGB", lambda one: one.wall) == [pytest.approx(1.0)]
    pixels = np.full((2, 2, 3), 9, np.uint8)
    assert encoders.shoot(encoders.pillow, pixels, "RGB", "a", 0).size_bytes == len(encoders.pillow(pixels))
    with pytest.raises(BenchmarkError, match="other pixels"):
        encoders.shoot(lambda _pixels: encoders.pillow(pixels + np.uint8(1)), pixels, "RGB", "a", 0)


def test_every_benchmark_of_speed_is_explained() -> None:
    """Under its file's name, in the README beside it."""
    told = (Path(bound.__file__).parent / "README.md").read_text(encoding="utf-8")
    for name in ("bound", "throughput", "drop", "growth", "encoders"):
        assert f"## `{name}.py`:" in told
