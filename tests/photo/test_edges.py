"""What refined edges and colours promise, whatever the photo and the mask."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from bgzero_daemon.core.recipe import Edges, Png, Product
from bgzero_daemon.core.specs import Edge, Fit, OutputSpec
from bgzero_daemon.photo.edges.colourline import colour_lines
from bgzero_daemon.photo.edges.grid import Box, colours_of, near_contour, subject_box
from bgzero_daemon.photo.edges.opacity import Refined
from bgzero_daemon.photo.edges.working import Working
from bgzero_daemon.photo.encode import encode
from bgzero_daemon.photo.foreground import CutOut, drawing
from bgzero_daemon.photo.matte import F32, Matte
from bgzero_daemon.photo.picture import U8, WORD, Photo, turned
from bgzero_daemon.photo.tensor import photo_box
from bgzero_daemon.worker.threads import Threads

from .pictures import all_of, astronaut, compose, matte
from .scenes import HARD, scene

KEEP = OutputSpec(edge=Edge.KEEP)
MASKS = ("empty", "opaque", "noise", "binary", "half", "spot")


def refined(photo: Photo, mask: F32, fit: Fit = Fit.STRETCH, *, rows_at_once: int = 1 << 30) -> U8:
    """Return the cut-out by default."""
    return compose(photo, mask, fit, edges=Edges.REFINE, rows_at_once=rows_at_once)


def noisy(shape: tuple[int, ...], seed: int) -> U8:
    """Return random pixels."""
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def a_mask(kind: str, side: int, seed: int) -> F32:
    """Return a mask of a kind, (side, side)."""
    noise = np.random.default_rng(seed).random((side, side)).astype(np.float32)
    if kind in ("noise", "binary"):
        return noise if kind == "noise" else noise.round()
    made = np.full((side, side), {"opaque": 1.0, "half": 0.3}.get(kind, 0.0), np.float32)
    if kind == "spot":
        made[side // 3 : side // 2 + 1, side // 4 : side // 2 + 1] = 1
    return made


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(1, 70), height=st.integers(1, 70), side=st.integers(1, 40), kind=st.sampled_from(MASKS),
    own=st.booleans(), fit=st.sampled_from(Fit), edge=st.sampled_from(Edge), seed=st.integers(0, 999),
)  # fmt: skip
@example(width=1, height=1, side=16, kind="noise", own=False, fit=Fit.STRETCH, edge=Edge.REFINE, seed=0)
@example(width=1, height=40, side=16, kind="noise", own=False, fit=Fit.LETTERBOX, edge=Edge.REFINE, seed=0)
@example(width=3, height=5, side=16, kind="binary", own=True, fit=Fit.STRETCH, edge=Edge.KEEP, seed=0)
@example(width=600, height=257, side=32, kind="noise", own=True, fit=Fit.LETTERBOX, edge=Edge.REFINE, seed=0)
@example(width=1, height=700, side=16, kind="noise", own=False, fit=Fit.STRETCH, edge=Edge.REFINE, seed=0)
@example(width=1300, height=2, side=16, kind="spot", own=False, fit=Fit.LETTERBOX, edge=Edge.REFINE, seed=0)
def test_any_photo_and_mask_keep_the_promises(
    width: int, height: int, side: int, kind: str, own: bool, fit: Fit, edge: Edge, seed: int
) -> None:
    """The photo's size; where the matte is opaque the photo's bytes, where it is empty zeros; no ghost."""
    photo = Photo.of(noisy((height, width, 3), seed), noisy((height, width), seed + 1) if own else None)
    mask, output = a_mask(kind, side, seed), OutputSpec(edge=edge)
    opaque = replace(photo, stored=photo.stored | np.uint32(0xFF000000), has_alpha=False)
    cutout = compose(photo, mask, fit, edges=Edges.REFINE, output=output)
    if edge is Edge.REFINE:
        assert (refined(photo, mask, fit, rows_at_once=1) == cutout).all()
    opacity = matte(opaque, mask, fit, edges=Edges.REFINE, output=output)
    assert cutout.shape == (height, width, 4)
    assert (cutout.view(WORD)[..., 0] == photo.words)[opacity == 255][cutout[..., 3][opacity == 255] > 0].all()
    assert not cutout[cutout[..., 3] == 0].any()
    assert (matte(photo, mask, fit, edges=Edges.REFINE, output=output) == cutout[..., 3]).all()
    if not own:
        assert (cutout[..., 3] == opacity).all()
    if kind == "empty" or (kind == "half" and edge is Edge.REFINE):
        assert not cutout.any(), "a ghost"
    if kind == "opaque":
        assert (cutout.view(WORD)[..., 0] == photo.words)[cutout[..., 3] > 0].all()
        assert (opacity == 255).all()


@pytest.mark.parametrize("value", [0.0, 0.05, 0.3, 0.45])
def test_flat_mask_makes_no_ghost(value: float) -> None:
    """Nothing is nothing, however faintly the network hums."""
    assert not refined(scene("bottle").photo, np.full((320, 320), value, np.float32)).any()


def test_strips_have_no_seams_and_no_say() -> None:
    """Whatever pieces it is drawn in, and with however many threads: the same bytes."""
    truth = scene("fur")
    drawn = drawing(truth.photo, truth.mask(320, 1.0), Fit.STRETCH, edges=Edges.REFINE)
    assert isinstance(drawn, CutOut)
    whole = all_of(drawn, 1 << 30)
    for rows in (1, 64, 100, 256):
        assert (all_of(drawn, rows) == whole).all(), rows
    for left, right in ((0, 1), (3, 450), (449, 900)):
        assert (drawn.draw(slice(200, 300), slice(left, right)) == whole[200:300, left:right]).all()
    one, two = (
        # five strips: a second thread does not help with less than four
        b"".join(encode(drawn, truth.photo, exif=b"", tag={}, png=Png.SMALL, hands=Threads(count)))
        for count in (1, 2)
    )
    assert one == two


def test_step_that_nobody_solved_is_drawn_alike_in_any_strips() -> None:
    """Empty above and opaque below, side by side on the grid: rows of one strip differ in every column."""
    alpha = np.zeros((6, 8), np.float32)
    alpha[3:] = 1
    working = Working(Box(4, 2, 84, 62), np.full((6, 8, 3), 0.5, np.float32), alpha, np.zeros((6, 8), np.bool_))
    drawn = Refined(Photo.of(noisy((70, 90, 3), 0)), working)
    whole = drawn.opacity(slice(0, 70), slice(0, 90))
    assert (whole == np.concatenate([drawn.opacity(slice(row, row + 1), slice(0, 90)) for row in range(70)])).all()
    assert not whole[:6].any()
    assert (whole[58:62, 4:84] == 255).all()
    assert not whole[62:].any()
    assert not whole[:, :4].any()


def test_opacity_lies_between_the_lines_of_four_nodes() -> None:
    """Pixel by pixel, written down plainly: lines are bilinear, colours are the photo's."""
    chance = np.random.default_rng(4)
    guide, alpha = chance.random((8, 10, 3)).astype(np.float32), np.zeros((8, 10), np.float32)
    alpha[:, 5:] = 1
    unknown = np.zeros(alpha.shape, np.bool_)
    unknown[2:6, 3:7] = True
    alpha[unknown] = chance.random(int(unknown.sum()))
    photo = Photo.of(noisy((90, 110, 3), 5))
    made = Refined(photo, Working(Box(5, 3, 95, 83), guide, alpha, unknown)).opacity(slice(0, 90), slice(0, 110))
    lines = colour_lines(guide, alpha, np.ones(alpha.shape, np.bool_))
    for row, column in np.ndindex(80, 90):
        down, across = (row + 0.5) * 8 / 80 - 0.5, (column + 0.5) * 10 / 90 - 0.5
        if 1 <= down <= 6 and 2 <= across <= 7:  # all four are unknown, or beside one that is
            top, left = int(down), int(across)
            (a, b), (c, d) = lines[:, top, left : left + 2].T, lines[:, top + 1, left : left + 2].T
            upper, lower = a + (b - a) * (across - left), c + (d - c) * (across - left)
            line = upper + (lower - upper) * (down - top)
            wanted = float(line[:3] @ photo.rgb[row + 3, column + 5] + line[3] * 255)
            assert abs(made[row + 3, column + 5] - np.clip(wanted, 0, 255)) < 0.05, (row, column)


def test_box_is_what_is_seen_with_a_margin() -> None:
    """Six parts of a hundred of its longer side and four pixels, as far as the photo goes."""
    seen = np.zeros((100, 50), np.bool_)
    seen[40:60, 10:20] = True
    assert subject_box(seen, 500, 1000) == Box(84, 384, 216, 616)
    seen[90:, 48:] = True
    assert subject_box(seen, 500, 1000) == Box(60, 360, 500, 1000)
    assert subject_box(np.zeros((3, 3), np.bool_), 500, 1000) is None


def test_mirrored_photo_has_a_mirrored_matte() -> None:
    """Left and right are alike; single pixels may differ, where the solver stops early."""
    truth = scene("fur", "chelsea")
    mask = truth.mask(320, 1.0)
    there = matte(truth.photo, mask, Fit.STRETCH, edges=Edges.REFINE)
    back = matte(Photo.of(truth.rgb[:, ::-1]), mask[:, ::-1], Fit.STRETCH, edges=Edges.REFINE)[:, ::-1]
    off = np.abs(there.astype(np.int16) - back)
    assert off.mean() < 0.1
    assert (off > 2).mean() < 0.005


@pytest.mark.parametrize("turn", range(2, 9))
def test_turned_photo_has_the_colours_of_the_upright_one(turn: int) -> None:
    """The grid is made of the pixels as they lie, and is what the upright ones would make."""
    rgb = astronaut(96)[:70]
    upright = Photo.of(rgb)
    back = {5: 5, 6: 8, 7: 7, 8: 6}.get(turn, turn)  # what undoes a turn
    photo = Photo(np.ascontiguousarray(turned(upright.stored, back)), turn=turn)
    assert (photo.words == upright.words).all()
    for box in (Box(0, 0, 96, 70), Box(10, 3, 60, 68)):
        for one, other in zip(colours_of(photo, box, (30, 20)), colours_of(upright, box, (30, 20)), strict=True):
            assert one.shape == other.shape
            assert np.abs(one - other).max() <= 2.1 / 255


@pytest.mark.parametrize("kind", ["flat", "grey"])
def test_photo_of_one_grey_has_a_matte(kind: str) -> None:
    """No colour helps there, and a determinant is nearly zero; what the network drew is what comes out."""
    truth = scene("fur")
    grey = truth.rgb[..., :1] if kind == "grey" else np.full_like(truth.rgb[..., :1], 130)
    photo = Photo.of(np.repeat(grey, 3, 2))
    mask = truth.mask(320, 1.0)
    off = np.abs(
        matte(photo, mask, Fit.STRETCH, edges=Edges.REFINE).astype(np.float32) - matte(photo, mask, Fit.STRETCH)
    )
    band = near_contour(truth.alpha > 0.5, 24)
    assert off[band].mean() / 255 < 0.1


@pytest.mark.parametrize("reach", [8.0, 40.0])
def test_nothing_far_from_the_contour_is_half_seen(reach: float) -> None:
    """Fog in the ground and holes in the subject end at the card's reach."""
    truth = scene("fur")
    mask = np.clip(truth.mask(320, 2.0) * 0.6 + 0.2, 0, 1)
    output = OutputSpec(reach=reach)
    made = matte(truth.photo, mask, Fit.STRETCH, edges=Edges.REFINE, output=output)
    whole = Matte(mask, 900, 700, Fit.STRETCH).opacity(slice(0, 700), slice(0, 900))
    # a coarse node, and what the fine grid adds
    far = ~near_contour(whole > 127.5, round((reach / 1024 + 2 / 256) * 900) + 2)
    assert far.mean() > 0.2
    assert np.isin(made[far], (0, 255)).all()


def test_reach_is_the_cards_or_goes_by_the_masks_size() -> None:
    """The farther it is, the more is half seen of a blur; a small mask's is the longer one."""
    truth = scene("fur")
    mask = truth.mask(320, 4.0)
    made = {
        reach: matte(truth.photo, mask, Fit.STRETCH, edges=Edges.REFINE, output=OutputSpec(reach=reach))
        for reach in (8.0, 32.0, None)
    }
    near, far = (int(((made[reach] > 0) & (made[reach] < 255)).sum()) for reach in (8.0, 32.0))
    assert far > 1.2 * near
    assert (made[None] == made[32.0]).all()


def test_kept_edges_are_the_resized_mask_with_colours_of_their_own() -> None:
    """For networks that draw mattes; the mask alone is the very one without any edges."""
    truth = scene("fur")
    mask = truth.mask(320)
    kept = compose(truth.photo, mask, Fit.STRETCH, edges=Edges.REFINE, output=KEEP)
    plain = compose(truth.photo, mask, Fit.STRETCH)
    assert (kept[..., 3] == plain[..., 3]).all()
    partly = (truth.alpha > 0.1) & (truth.alpha < 0.9) & (kept[..., 3] > 25)
    off = [np.abs(one[..., :3][partly] - truth.foreground[partly]).mean() for one in (kept, plain)]
    assert off[0] < 0.5 * off[1]


def test_known_mixture_gives_its_colours_back() -> None:
    """C = aF + (1 - a)B with smooth F and B, and the true opacity: F, within a fiftieth."""
    height, width = 300, 400
    down, across = np.mgrid[0:height, 0:width].astype(np.float32)
    alpha = np.clip((across - 150) / 100, 0, 1)
    front = np.stack([200 + across / 10, 60 + down / 10, 40 + down / 5], -1)
    behind = np.stack([30 + down / 10, 140 - down / 10, 90 + across / 5], -1)
    rgb = (alpha[..., None] * front + (1 - alpha[..., None]) * behind).round().astype(np.uint8)
    made = compose(Photo.of(rgb), _square(alpha), Fit.STRETCH, edges=Edges.REFINE, output=KEEP)
    partly = (alpha > 0.1) & (alpha < 0.95)
    off, own = (np.abs(one[partly] - front[partly]).mean() / 255 for one in (made[..., :3].astype(np.float32), rgb))
    assert off < 0.02
    assert own > 0.1


def test_colours_of_small_things_are_their_own() -> None:
    """Stripes of eight pixels, which go on in the soft edge: nearer to themselves than the photo, by a fifth."""
    height, width = 300, 400
    down, across = np.mgrid[0:height, 0:width].astype(np.float32)
    alpha = np.clip((across - 150) / 100, 0, 1)
    front = np.where((down // 8 % 2)[..., None] > 0, np.array([220, 60, 40]), np.array([40, 80, 200]))
    rgb = (alpha[..., None] * front + (1 - alpha[..., None]) * 128).round().astype(np.uint8)
    made = compose(Photo.of(rgb), _square(alpha), Fit.STRETCH, edges=Edges.REFINE, output=KEEP)
    partly = (alpha > 0.3) & (alpha < 0.95)
    off, own = (np.abs(one[partly] - front[partly]).mean() for one in (made[..., :3].astype(np.float32), rgb))
    assert off < 0.8 * own


def test_grain_between_the_nodes_of_a_grid_is_kept() -> None:
    """Where a pixel is nearly opaque its colour is nearly the photo's, whatever the grid knows of it."""
    photo = Photo.of(noisy((700, 900, 3), 8))
    made = compose(photo, np.full((320, 320), 0.97, np.float32), Fit.STRETCH, edges=Edges.REFINE, output=KEEP)
    assert np.abs(made[..., :3].astype(np.int16) - photo.rgb).mean() < 8


def _square(alpha: F32) -> F32:
    """Return an opacity as a mask of a network."""
    return np.asarray(Image.fromarray(alpha).resize((400, 400), Image.Resampling.BILINEAR), np.float32)


def test_larger_photo_around_the_subject_changes_nothing() -> None:
    """The work is done in the subject's box: four times the ground, and the same matte."""
    truth = scene("fur", "coffee", size=(600, 440), share=0.6)
    mask = truth.mask(440)
    height, width = truth.alpha.shape
    wide = Photo.of(np.pad(truth.rgb, ((height // 2, height // 2), (width // 2, width // 2), (0, 0)), mode="edge"))
    padded = np.pad(mask, 220)
    small = matte(truth.photo, mask, Fit.STRETCH, edges=Edges.REFINE, output=OutputSpec(reach=24))
    large = matte(wide, padded, Fit.STRETCH, edges=Edges.REFINE, output=OutputSpec(reach=24))
    part = large[height // 2 : height // 2 + height, width // 2 : width // 2 + width]
    assert np.abs(part.astype(np.float32) - small).mean() / 255 < 0.0005


def test_letterboxed_mask_means_the_same_as_a_stretched_one() -> None:
    """What lies beside the photo in the network's square has no part in it."""
    truth = scene("bottle")
    height, width = truth.alpha.shape
    left, top, wide, high = photo_box(width, height, 512, Fit.LETTERBOX)
    boxed = np.ones((512, 512), np.float32)
    shown = Image.fromarray(truth.alpha).resize((wide, high), Image.Resampling.BOX)
    boxed[top : top + high, left : left + wide] = np.asarray(shown)
    made = matte(truth.photo, boxed, Fit.LETTERBOX, edges=Edges.REFINE)
    assert truth.error(made) < 5


@pytest.mark.parametrize("side", [320, 1024])
def test_spokes_stay_opaque(side: int) -> None:
    """Thin and hard: at most one opaque pixel of twenty becomes see-through."""
    truth = scene("wheel")
    made = matte(truth.photo, truth.mask(side), Fit.STRETCH, edges=Edges.REFINE)
    assert (made[truth.alpha == 1] < 0.8 * 255).mean() < 0.05


GROUNDS = ("astronaut", "chelsea", "coffee", "rocket")


@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("shape", [*HARD, "fur"])
def test_refined_is_no_worse_than_plain_resizing(shape: str, ground: str) -> None:
    """Whether the mask is exact, soft or off by pixels, photo by photo; a thousandth is what chance may do."""
    truth = scene(shape, ground)
    masks = {"exact": truth.mask(1024), "soft": truth.mask(1024, 2.5), "small": truth.mask(320, 0.8)}
    masks["off"] = truth.wrong_mask(1024, 3)
    for name, mask in masks.items():
        plain, made = (
            truth.error(matte(truth.photo, mask, Fit.STRETCH, edges=edges)) for edges in (Edges.OFF, Edges.REFINE)
        )
        assert made < plain + 1, name
        if name == "exact":
            assert made < 0.7 * plain


@pytest.mark.parametrize("ground", ["chelsea", "coffee"])
def test_hair_is_found_where_the_mask_is_a_blur(ground: str) -> None:
    """What the coarse grid is for: a third of the error and more goes; without it, a sixth."""
    truth = scene("fur", ground)
    mask = truth.mask(320, 3.0)
    plain, made = (
        truth.error(matte(truth.photo, mask, Fit.STRETCH, edges=edges)) for edges in (Edges.OFF, Edges.REFINE)
    )
    assert made < 0.68 * plain


@pytest.mark.parametrize("shape", [*HARD, "fur"])
def test_small_subject_is_no_worse_than_by_plain_resizing(shape: str) -> None:
    """Three parts in a hundred of the photo: all of the grid is the subject's."""
    truth = scene(shape, "coffee", size=(1400, 1000), share=0.22, middle=(0.7, 0.35))
    for mask in (truth.mask(1024), truth.mask(1024, 0.8), truth.wrong_mask(1024, 2)):
        plain, made = (
            truth.error(matte(truth.photo, mask, Fit.STRETCH, edges=edges)) for edges in (Edges.OFF, Edges.REFINE)
        )
        assert made < plain + 1


def test_what_the_file_itself_shows_in_part_keeps_its_colours() -> None:
    """A cut-out that is cut again has clean colours at its edge: they were no mixture with what is hidden there."""
    truth = scene("fur")
    own = (255 * truth.alpha).round().astype(np.uint8)
    rgb = np.where(own[..., None] > 0, truth.foreground.round(), 0).astype(np.uint8)
    mask = truth.mask(320, 1.0)
    made = refined(Photo.of(rgb, own), mask)
    partly = (own > 0) & (own < 255) & (made[..., 3] > 0)
    assert partly.mean() > 0.01
    assert (made[..., :3][partly] == rgb[partly]).all()
    opaque = np.full_like(own, 255)
    assert (refined(Photo.of(truth.rgb, opaque), mask) == refined(truth.photo, mask)).all(), "which is no photo's rule"


@pytest.mark.parametrize("side", [320, 1024])
def test_haze_far_from_the_subject_takes_nothing_from_it(side: int) -> None:
    """What is seen faintly in two corners ends as nothing, and the grid is the subject's all the same."""
    truth = scene("letters", "coffee", size=(1400, 1000), share=0.22, middle=(0.7, 0.35))
    mask = truth.mask(side, 0.8)
    hazy = mask.copy()
    hazy[: side // 40, : side // 40] = hazy[-side // 40 :, : side // 40] = 0.4
    clear, made = (matte(truth.photo, one, Fit.STRETCH, edges=Edges.REFINE) for one in (mask, hazy))
    assert (made == clear).all()


def test_mask_alone_is_the_cutouts_opacity() -> None:
    """One matte for both products."""
    truth = scene("letters")
    mask = truth.mask(320, 0.8)
    alone = all_of(drawing(truth.photo, mask, Fit.STRETCH, product=Product.MASK, edges=Edges.REFINE), 1 << 30)
    assert (alone[..., 0] == refined(truth.photo, mask)[..., 3]).all()
