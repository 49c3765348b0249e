"""The icon: told apart by shape and by colour, on any panel, at any size, and the same in every form."""

import io
import itertools
import math
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops

from bgzero_daemon.tray import icons
from bgzero_daemon.tray.icons import SIZES, STEPS, State, draw, svg, symbolic, template

LIGHT, DARK = (0xF2, 0xF2, 0xF2), (0x2B, 0x2B, 0x2B)
PANELS = (LIGHT, DARK)
ASSETS = os.path.join(os.path.dirname(icons.__file__), "assets", "icons")
# Work that has just begun and work that is nearly done have to differ from other states just as well.
LOOKS = [(state, part) for state in State for part in ((0.0, 0.5, 1.0) if state is State.WORKING else (0.0,))]
PAIRS = [(one, other) for one, other in itertools.combinations(LOOKS, 2) if one[0] is not other[0]]

sizes = pytest.mark.parametrize("size", SIZES)
RSVG = shutil.which("rsvg-convert")


def on(panel: tuple[int, int, int], icon: Image.Image) -> Image.Image:
    """What a panel of that colour shows."""
    shown = Image.new("RGBA", icon.size, (*panel, 255))
    shown.alpha_composite(icon)
    return shown.convert("RGB")


def share_that_differs(one: Image.Image, other: Image.Image, threshold: int) -> float:
    """The share of pixels of which a channel differs by at least the threshold."""
    channels = ImageChops.difference(one, other).split()
    widest = channels[0]
    for channel in channels[1:]:
        widest = ImageChops.lighter(widest, channel)
    return sum(widest.histogram()[threshold:]) / (one.width * one.height)


def worst_difference(one: Image.Image, other: Image.Image) -> tuple[float, int]:
    """The mean and the largest difference of a channel, on black and on white."""
    histogram = [0] * 256
    for panel in ((0, 0, 0), (255, 255, 255)):
        for channel in ImageChops.difference(on(panel, one), on(panel, other)).split():
            histogram = [a + b for a, b in zip(histogram, channel.histogram(), strict=True)]
    mean = sum(value * count for value, count in enumerate(histogram)) / sum(histogram)
    return mean, max(value for value, count in enumerate(histogram) if count)


def contrast(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    """WCAG 2's contrast ratio."""

    def luminance(colour: tuple[int, ...]) -> float:
        parts = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (c / 255 for c in colour[:3])]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def colours(icon: Image.Image) -> dict[tuple[int, int, int], float]:
    """The opaque colours that fill at least a thirtieth of the icon each, but white, with their share of it."""
    found: dict[tuple[int, int, int], float] = {}
    for count, pixel in icon.getcolors(icon.width * icon.height) or []:
        assert isinstance(pixel, tuple)
        if pixel[3] == 255 and pixel[:3] != (255, 255, 255) and count >= icon.width * icon.height / 30:
            found[pixel[0], pixel[1], pixel[2]] = count / (icon.width * icon.height)
    return found


@sizes
def test_states_differ_in_colour_on_every_panel(size: int) -> None:
    """Whoever sees colours sees a sixth of the icon change between any two states."""
    for (one, done), (other, other_done) in PAIRS:
        for panel in PANELS:
            share = share_that_differs(on(panel, draw(one, size, done)), on(panel, draw(other, size, other_done)), 64)
            assert share > 0.16, (one, other, panel, share)


@sizes
def test_states_differ_in_grey_on_every_panel(size: int) -> None:
    """Who sees no colours sees a tenth of it change: 26 pixels at 16 px."""
    for (one, done), (other, other_done) in PAIRS:
        for panel in PANELS:
            grey, other_grey = (
                on(panel, draw(state, size, part)).convert("L") for state, part in ((one, done), (other, other_done))
            )
            share = share_that_differs(grey, other_grey, 48)
            assert share > 0.1, (one, other, panel, share)


@sizes
def test_states_differ_as_templates(size: int) -> None:
    """The macOS menu bar shows shapes only."""
    for (one, done), (other, other_done) in PAIRS:
        alphas = (template(one, size, done).getchannel("A"), template(other, size, other_done).getchannel("A"))
        share = share_that_differs(*alphas, 96)
        assert share > 0.12, (one, other, share)


@sizes
def test_each_state_has_colours_of_its_own(size: int) -> None:
    """Colour alone is enough as well."""
    palettes = [frozenset(colours(draw(state, size, 0.5))) for state in State]
    assert len(set(palettes)) == len(State), palettes


@sizes
def test_what_is_drawn_is_readable_on_light_and_dark_panels(size: int) -> None:
    """Every colour of a state has a contrast of 3:1 or more on both panels.

    They fill a sixth of the icon, half-covered edges not counted; the figure in a ring that is empty still fills less.
    """
    for state, done in LOOKS:
        found = colours(draw(state, size, done))
        assert sum(found.values()) > (0.07 if state is State.WORKING else 0.16), (state, found)
        for colour, panel in itertools.product(found, PANELS):
            assert contrast(colour, panel) >= 3, (state, colour, panel)


@sizes
def test_marks_on_badges_are_white_in_colour_and_holes_in_templates(size: int) -> None:
    """The middle of the error's cross, on the badge in the lower right corner."""
    middle = size - round(size * 0.29)
    assert draw(State.ERROR, size).getpixel((middle, middle)) == (255, 255, 255, 255)
    assert template(State.ERROR, size).getchannel("A").getpixel((middle, middle)) == 0


@pytest.mark.parametrize("size", [16, 22, 24])
def test_small_sizes_are_crisp(size: int) -> None:
    """Edges lie on pixels: beside the frame's side and between the bars of a pause there is nothing half-covered."""
    frame = draw(State.WATCHING, size).getchannel("A").crop((0, size // 2, size // 4, size // 2 + 1))
    bars = draw(State.PAUSED, size).getchannel("A").crop((size - size // 3, size - 2, size, size - 1))
    for line in (frame, bars):
        assert {alpha for _count, alpha in line.getcolors() or []} == {0, 255}


@sizes
def test_details_are_drawn_where_they_can_be_seen(size: int) -> None:
    """The checkerboard and the photo's backdrop, which are faint, from 32 px on: below they would be mud."""
    pixels = draw(State.WATCHING, size).getchannel("A").histogram()
    faint = (pixels[round(0.2 * 255)] + pixels[round(0.4 * 255)]) / size**2
    assert (faint > 0.15) == (size >= 32), faint
    assert (faint < 0.02) == (size < 32), faint


@sizes
def test_progress_only_grows(size: int) -> None:
    """Each sixteenth covers more than the one before, and no ring is whole before the end."""
    covered = []
    for step in range(STEPS + 1):
        histogram = template(State.WORKING, size, step / STEPS).getchannel("A").histogram()
        covered.append(sum(alpha * count for alpha, count in enumerate(histogram)))
    assert covered == sorted(set(covered))
    assert draw(State.WORKING, size, 0.999) is not draw(State.WORKING, size, 1.0)


@given(st.floats())
def test_any_number_is_taken_as_progress(progress: float) -> None:
    """What is beyond 0 to 1 is cut off, and what is no number is nothing done."""
    expected = 0.0 if math.isnan(progress) else min(max(progress, 0.0), 1.0)
    assert draw(State.WORKING, 16, progress) is draw(State.WORKING, 16, expected)


def test_nothing_is_drawn_again_while_nothing_changes() -> None:
    """The same picture comes back: within a sixteenth, in states without progress, and after all others were drawn."""
    first = draw(State.WORKING, 22, 0.5)
    watching = draw(State.WATCHING, 22)
    for state, size, step in itertools.product(State, SIZES, range(STEPS + 1)):
        draw(state, size, step / STEPS)
    assert draw(State.WORKING, 22, 0.55) is first
    assert draw(State.WORKING, 22, 0.57) is not first
    assert draw(State.WATCHING, 22, 0.9) is watching


@sizes
def test_pictures_have_the_form_that_panels_take(size: int) -> None:
    """RGBA of the size that was asked for, and templates are black."""
    for state in State:
        assert (draw(state, size).mode, draw(state, size).size) == ("RGBA", (size, size))
        shape = template(state, size)
        assert (shape.mode, shape.size) == ("RGBA", (size, size))
        assert shape.convert("RGB").getextrema() == ((0, 0),) * 3


@pytest.mark.skipif(RSVG is None, reason="rsvg-convert is not installed")
@pytest.mark.parametrize(("state", "progress"), [*LOOKS, (State.WORKING, 0.3)])
def test_svg_renders_as_the_picture(state: State, progress: float) -> None:
    """One drawing, two ways to render it."""
    assert RSVG is not None
    for size in (16, 64):
        text = svg(state, progress, size).encode()
        rendered = subprocess.run([RSVG], input=text, capture_output=True, check=True).stdout
        with Image.open(io.BytesIO(rendered)) as picture:
            mean, largest = worst_difference(picture.convert("RGBA"), draw(state, size, progress))
        assert mean < 4, (size, mean)
        assert largest < 64, (size, largest)


def test_every_state_is_valid_xml() -> None:
    """Also where there is no renderer."""
    for state, progress in LOOKS:
        assert ET.fromstring(svg(state, progress)).get("viewBox") == "0 0 64 64"


def test_files_for_themes_need_filled_paths_only() -> None:
    """Qt before 6.7 knows no masks, and GTK colours a symbolic icon by its fills, those in masks as well."""
    for text in (svg(State.WATCHING), symbolic()):
        assert {part.tag.rpartition("}")[2] for part in ET.fromstring(text).iter()} == {"svg", "path"}
    assert {part.get("fill") for part in ET.fromstring(symbolic())} == {"#000000"}


def test_shipped_files_are_what_the_code_draws(tmp_path: Path) -> None:
    """`make icons` was run."""
    subprocess.run([sys.executable, "-m", "bgzero_daemon.tray.icons", str(tmp_path)], check=True)
    shipped, drawn = files(ASSETS), files(str(tmp_path))
    assert shipped == drawn
    assert [name for name in shipped if name.endswith(".svg")] == [
        "hicolor/scalable/apps/io.github.bgzero.Daemon.svg",
        "hicolor/symbolic/apps/io.github.bgzero.Daemon-symbolic.svg",
    ]
    for name in shipped:
        ours, anew = os.path.join(ASSETS, name), os.path.join(tmp_path, name)
        if name.endswith(".svg"):
            with open(ours, encoding="utf-8") as one, open(anew, encoding="utf-8") as other:
                assert one.read() == other.read(), name
            continue
        with Image.open(ours) as one_picture, Image.open(anew) as other_picture:
            side = int(name.split("/")[1].partition("x")[0])
            assert one_picture.size == other_picture.size == (side, side)
            # Not to the last bit: Pillow's next version may fill a polygon a little differently.
            assert worst_difference(one_picture, other_picture)[1] < 32, name


def test_drawing_loads_pillow_only() -> None:
    """numpy would be 20 MB in a process that lives all day."""
    program = "import sys, bgzero_daemon.tray.icons as icons; icons.draw(icons.State.ERROR, 16); "
    program += "print(*({'numpy', 'onnxruntime', 'pydantic'} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert loaded.split() == []


def files(folder: str) -> list[str]:
    """The names of all files below a folder, from there."""
    found = [os.path.join(place, name) for place, _folders, names in os.walk(folder) for name in names]
    return sorted(os.path.relpath(path, folder) for path in found)
