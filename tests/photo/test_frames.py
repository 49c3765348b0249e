"""Files with more than one picture: the first is cut, and the note says so."""

import numpy as np
import pytest
from PIL import Image

from .pictures import opened, saved

COLOURS = ("red", "lime", "blue")


def _frames() -> list[Image.Image]:
    return [Image.new("RGB", (16, 16), colour) for colour in COLOURS]


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_first_of_many_pictures_is_cut_with_a_note(form: str) -> None:
    """Animations and multi-page files give their first picture, and the note counts them."""
    first, *others = _frames()
    photo = opened(saved(first, form, save_all=True, append_images=others))
    assert np.abs(photo.rgb[8, 8].astype(int) - (255, 0, 0)).max() <= 3
    assert photo.note == "first of 3 pictures"


def test_preview_inside_a_camera_jpeg_is_no_second_picture() -> None:
    """MPO is how cameras and phones store a preview or a second view: nothing to tell anybody."""
    first, *others = _frames()
    photo = opened(saved(first, "MPO", save_all=True, append_images=others))
    assert np.abs(photo.rgb[8, 8].astype(int) - (255, 0, 0)).max() <= 3
    assert photo.note == ""


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF", "AVIF", "JPEG"])
def test_single_picture_has_no_note(form: str) -> None:
    """One picture, no note."""
    assert opened(saved(_frames()[0], form)).note == ""


def test_pages_of_different_sizes_do_not_mix() -> None:
    """The first page decides the size."""
    pages = [Image.new("RGB", (9, 5), "red"), Image.new("RGB", (30, 40), "blue")]
    photo = opened(saved(pages[0], "TIFF", save_all=True, append_images=pages[1:]))
    assert photo.rgb.shape == (5, 9, 3)
    assert (photo.rgb == (255, 0, 0)).all()
