"""The worker's way from bytes to a PNG, with real networks: what two looks come to."""

import hashlib
import io
import tomllib

import numpy as np
import pytest
from PIL import Image

from bgzero_daemon.catalog.card import ModelCard
from bgzero_daemon.core.recipe import Depth, Edges, Metadata, Png, Product
from bgzero_daemon.engine.session import Engine
from bgzero_daemon.photo.passes import Passes
from bgzero_daemon.photo.picture import U8
from bgzero_daemon.wire.work import Cut
from bgzero_daemon.worker.pipeline import Finished, Pipeline
from bgzero_daemon.worker.threads import Threads
from bgzero_daemon.worker.turns import Turns
from tests import tiny

SIZE = (160, 120)


def pipeline(blind_px: int = 0, edge: str = "refine", fit: str = "stretch") -> Pipeline:
    """Return a pipeline around a network that takes bright pixels for the subject."""
    weights = tiny.network(blind_px=blind_px)
    text = tiny.CARD.format(
        name="tiny", size=len(weights), sha256=hashlib.sha256(weights).hexdigest(), side=tiny.SIDE_PX, fit=fit
    )
    card = ModelCard.model_validate(tomllib.loads(f'{text}edge = "{edge}"\n'))
    engine = Engine(weights, card, asked="cpu", threads=1)
    return Pipeline(engine, "tiny", card, max_pixels=1 << 20, threads=Threads(), turns=Turns())


def photo() -> bytes:
    """Return a bright disc with a soft contour on black, left of the middle."""
    down, across = np.mgrid[0 : SIZE[1], 0 : SIZE[0]]
    grey = np.clip((45 - np.hypot(down - 60, across - 60)) / 8, 0, 1) * 255
    out = io.BytesIO()
    Image.fromarray(grey.astype(np.uint8)).convert("RGB").save(out, "PNG")
    return out.getvalue()


class Kept:
    """What was written."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def write(self, piece: bytes) -> None:
        """Keep it."""
        self.parts.append(piece)


def cut(where: Pipeline, edges: Edges) -> tuple[Finished, U8]:
    """Cut the photo's mask; return what is told of it, and the pixels."""
    order = Cut(
        job="1", name="a.png", metadata=Metadata.NONE, product=Product.MASK, png=Png.FAST, edges=edges, depth=Depth.AUTO
    )
    out = Kept()
    finished = where.cut([photo()], "ab" * 32, order, out)
    with Image.open(io.BytesIO(b"".join(out.parts))) as opened:
        return finished, np.asarray(opened, np.uint8)


def test_one_look_has_nothing_to_agree_with() -> None:
    """By default the network runs once."""
    finished, _pixels = cut(pipeline(), Edges.REFINE)
    assert finished.passes == Passes(None)
    assert finished.seconds["edges"] >= 0


def test_mask_that_is_kept_is_the_one_without_edges() -> None:
    """A matting network's card has the last word on opacity."""
    kept, plain, refined = (
        cut(where, edges)[1]
        for where, edges in (
            (pipeline(edge="keep"), Edges.REFINE), (pipeline(), Edges.OFF), (pipeline(), Edges.REFINE),
        )
    )  # fmt: skip
    assert (kept == plain).all()
    assert (refined != plain).any()


def veil() -> bytes:
    """Return a bright frame around something that the network takes for half there."""
    grey = np.zeros((SIZE[1], SIZE[0]), np.uint8)
    grey[20:100, 20:140] = 255
    grey[40:80, 40:120] = 130
    out = io.BytesIO()
    Image.fromarray(grey).convert("RGB").save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize("edges", [Edges.REFINE, Edges.BEST])
@pytest.mark.parametrize(("edge", "word"), [("refine", "check"), ("keep", "fine")])
def test_veil_is_no_doubt_where_the_card_says_that_it_is_meant(edge: str, word: str, edges: Edges) -> None:
    """A matting network draws what is half there; of any other it is worth a look."""
    order = Cut(
        job="1", name="a.png", metadata=Metadata.NONE, product=Product.CUTOUT, png=Png.FAST, edges=edges,
        depth=Depth.AUTO,
    )  # fmt: skip
    finished = pipeline(edge=edge).cut([veil()], "ab" * 32, order, Kept())
    assert finished.judgement.confidence == word
    assert finished.judgement.fog > 0.02


@pytest.mark.parametrize("fit", ["stretch", "letterbox"])
def test_second_look_at_the_mirror_agrees(fit: str) -> None:
    """A network that sees the same in a mirror: their mean is what each of them is."""
    where = pipeline(fit=fit)
    finished, pixels = cut(where, Edges.BEST)
    assert finished.passes.agreement == pytest.approx(1.0)
    assert np.abs(cut(where, Edges.REFINE)[1].astype(np.int16) - pixels).mean() < 1


def test_second_look_that_sees_something_else_is_told_and_left() -> None:
    """Blind at the left, the first look sees half a disc, and the second one all of it: the first counts."""
    where = pipeline(blind_px=120)
    finished, pixels = cut(where, Edges.BEST)
    assert finished.passes.agreement == pytest.approx(0.5, abs=0.1)
    assert finished.passes.is_unsure
    assert (pixels == cut(where, Edges.REFINE)[1]).all()


def test_second_look_is_averaged_in_where_it_agrees() -> None:
    """Blind for a small part: the mean is neither the first look nor the second."""
    where = pipeline(blind_px=48)
    finished, pixels = cut(where, Edges.BEST)
    assert finished.passes.agreement is not None
    assert finished.judgement.fog == cut(where, Edges.REFINE)[0].judgement.fog, "the first look alone is judged"
    assert 0.9 < finished.passes.agreement < 1
    assert (pixels != cut(where, Edges.REFINE)[1]).any()
