"""Photos of 16 bits a channel, cut in 16 bits: every sample that stays is the one that was there."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bgzero_daemon.core.recipe import Edges, Png, Product
from bgzero_daemon.core.specs import Fit, InputSpec
from bgzero_daemon.photo.encode import encode
from bgzero_daemon.photo.foreground import drawing
from bgzero_daemon.photo.matte import F32
from bgzero_daemon.photo.picture import U16, WORD, Photo, eight_bits, sixteen_bits
from bgzero_daemon.photo.tensor import to_tensor
from bgzero_daemon.worker.threads import Threads

from . import unfilter
from .pictures import all_of, astronaut, deep_of, encoded

PEAK = 65535
NETWORK = InputSpec(64, 255.0, (0.5,) * 3, (1.0,) * 3)


def noise(shape: tuple[int, ...], seed: int) -> U16:
    """Return random samples, the ends of the scale among them."""
    return np.random.default_rng(seed).choice(np.arange(PEAK + 1, dtype=np.uint16), shape)


def smooth_noise(side: int, seed: int) -> F32:
    """Return a mask with all there is between nothing and opaque."""
    return (np.random.default_rng(seed).random((side, side)) * 1.6 - 0.3).clip(0, 1).astype(np.float32)


def disc(side: int = 64) -> F32:
    """Return a round subject with a soft edge."""
    down, across = np.mgrid[:side, :side] - side / 2
    return np.asarray((side / 3 - np.hypot(down, across) + 0.5).clip(0, 1), np.float32)


def widened(photo: Photo) -> Photo:
    """Return an 8-bit photo as one of 16 bits."""
    return replace(photo, stored=sixteen_bits(photo.stored))


def test_every_level_is_rounded_to_the_nearest() -> None:
    """All 65,536 of them; and what had 8 bits comes back."""
    levels = np.arange(PEAK + 1, dtype=np.uint16).reshape(128, 512)
    photo = Photo.of(np.repeat(levels[..., None], 3, 2))
    assert photo.depth == 16
    assert (photo.rgb == np.rint(levels / 257.0)[..., None]).all()
    assert photo.own_alpha is None
    words = np.random.default_rng(1).integers(0, 1 << 32, (30, 40), np.uint32).view(WORD)
    assert (eight_bits(sixteen_bits(words)) == words).all()
    assert np.shares_memory(eight_bits(words), words), "never copied where it has 8 bits"


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(1, 50), height=st.integers(1, 50), turn=st.integers(1, 8), own=st.booleans(),
    edges=st.sampled_from([Edges.OFF, Edges.REFINE]), kind=st.sampled_from(["opaque", "empty", "noise"]),
    rows_at_once=st.integers(1, 60), seed=st.integers(0, 9999),
)  # fmt: skip
def test_cutout_keeps_the_samples_of_any_deep_photo(
    width: int, height: int, turn: int, own: bool, edges: Edges, kind: str, rows_at_once: int, seed: int
) -> None:
    """Where nothing is taken away all four samples stay, where nothing is seen all are 0, however it lies."""
    opacity = noise((height, width), seed + 1) if own else None
    photo = replace(Photo.of(noise((height, width, 3), seed), opacity), turn=turn)
    flat = {"opaque": 1.0, "empty": 0.0}
    mask = np.full((24, 24), flat[kind], np.float32) if kind in flat else smooth_noise(24, seed)
    cutout = deep_of(drawing(photo, mask, Fit.STRETCH, edges=edges), rows_at_once)
    matte = deep_of(drawing(photo, mask, Fit.STRETCH, edges=edges, product=Product.MASK), rows_at_once)
    samples = photo.samples
    assert cutout.shape == samples.shape
    assert (matte[..., 0] == cutout[..., 3]).all(), "the mask says what the cut-out has"
    assert not cutout[cutout[..., 3] == 0].any()
    if edges is Edges.OFF:
        seen = cutout[..., 3] > 0
        assert (cutout[..., :3][seen] == samples[..., :3][seen]).all()
    if kind == "opaque":
        kept = samples.copy()
        kept[samples[..., 3] == 0] = 0
        assert (cutout == kept).all()
    if kind == "empty":
        assert not cutout.any()


@pytest.mark.parametrize("turn", [1, 6])
@pytest.mark.parametrize("edges", [Edges.OFF, Edges.REFINE])
def test_deep_cutout_is_the_one_of_8_bits_and_finer(edges: Edges, turn: int) -> None:
    """Opacity and colours are within a step of 8 bits of those of the same photo in 8 bits, and lie between steps.

    The photo is larger than any grid over it, so that opacity is a function of colours.
    """
    photo = replace(Photo.of(astronaut(900)), turn=turn)
    plain = all_of(drawing(photo, disc(), Fit.STRETCH, edges=edges), 1 << 30)
    fine = deep_of(drawing(widened(photo), disc(), Fit.STRETCH, edges=edges))
    assert np.abs(fine[..., 3] / 257.0 - plain[..., 3]).max() < 0.75
    seen = plain[..., 3] > 8
    assert np.abs(fine[seen][:, :3] / 257.0 - plain[seen][:, :3]).max() <= 2.0
    partly = (fine[..., 3] > 0) & (fine[..., 3] < PEAK)
    assert partly.any()
    assert len(np.unique(fine[partly][:, 3])) > 256, "opacity was never 8 bits"
    if edges is Edges.REFINE:
        assert (fine[partly][:, :3] % 257 != 0).mean() > 0.5, "colours of the edge were never 8 bits"
    opaque = fine[..., 3] == PEAK
    assert (fine[opaque] == widened(photo).samples[opaque]).all()


def test_opacity_is_that_of_the_network_in_16_bits() -> None:
    """A ramp is within half a step of 16 bits, but for what 8 bits call nothing or opaque, which is so in 16, too."""
    ramp = np.tile(np.linspace(0, 1, 32, dtype=np.float32), (32, 1))
    matte = deep_of(drawing(Photo.of(noise((32, 32, 3), 1)), ramp, Fit.STRETCH, product=Product.MASK))
    wanted = ramp * PEAK
    assert np.abs(matte[:, 1:-1, 0] - wanted[:, 1:-1]).max() <= 0.51
    own = noise((32, 32), 2)
    both = deep_of(drawing(Photo.of(noise((32, 32, 3), 1), own), ramp, Fit.STRETCH, product=Product.MASK))[..., 0]
    assert np.abs(both - matte[..., 0] * (own / PEAK)).max() <= 0.51, "and the photo's own is multiplied in"
    for value, level in ((0.0019, 0), (0.003, round(0.003 * PEAK)), (0.9975, round(0.9975 * PEAK)), (0.9985, PEAK)):
        flat = np.full((16, 16), value, np.float32)
        assert (deep_of(drawing(Photo.of(noise((9, 9, 3), 1)), flat, Fit.STRETCH, product=Product.MASK)) == level).all()


@pytest.mark.parametrize("turn", [1, 8])
def test_network_sees_a_deep_photo_as_one_of_8_bits(turn: int) -> None:
    photo = replace(Photo.of(astronaut(200)), turn=turn)
    assert np.abs(to_tensor(photo, NETWORK) - to_tensor(widened(photo), NETWORK)).max() == 0
    tall = Photo.of(noise((2000, 40, 3), 1))
    plain = replace(tall, stored=eight_bits(tall.stored))
    assert np.abs(to_tensor(tall, NETWORK) - to_tensor(plain, NETWORK)).max() == 0


@settings(max_examples=30, deadline=None)
@given(
    width=st.integers(1, 40), height=st.integers(1, 40), channels=st.sampled_from([0, 4]), png=st.sampled_from(Png),
    seed=st.integers(0, 9999),
)  # fmt: skip
def test_16_bits_come_back_from_a_png(width: int, height: int, channels: int, png: Png, seed: int) -> None:
    """By a reader that shares nothing with the writer: any size, cut-out or mask, every level."""
    given_pixels = noise((height, width, channels) if channels else (height, width), seed)
    photo = Photo.of(noise((1, 1, 3), 1))
    found = unfilter.read(encoded(given_pixels, photo, png=png)).pixels
    assert found.dtype == np.uint16
    assert (found.reshape(given_pixels.shape) == given_pixels).all()


@pytest.mark.parametrize("png", Png)
def test_cutout_in_strips_by_many_threads_is_read_as_it_was_drawn(png: Png) -> None:
    """Strips, columns that are left out and the filters know that a pixel has eight bytes."""
    pyvips = pytest.importorskip("pyvips", reason="NO PYVIPS ON THIS MACHINE")
    photo = Photo.of(noise((700, 900, 3), 5) // np.uint16(3) + np.uint16(9000))
    drawn = drawing(photo, disc(), Fit.STRETCH, edges=Edges.REFINE)
    made = [encode(drawn, photo, exif=b"", tag={}, png=png, hands=Threads(count)) for count in (1, 3)]
    one, other = (b"".join(pieces) for pieces in made)
    assert one == other
    picture = pyvips.Image.new_from_buffer(one, "", fail_on="warning")
    assert picture.format == "ushort"
    assert (picture.numpy() == deep_of(drawn)).all()
