"""One job: from the source's bytes to a finished PNG, which is written while it is made."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bgzero_daemon.catalog.card import ModelCard
from bgzero_daemon.core.errors import Code, ModelError, PhotoRefused
from bgzero_daemon.core.recipe import Edges
from bgzero_daemon.core.texts import _
from bgzero_daemon.engine.session import Engine
from bgzero_daemon.photo.confidence import Judgement, judge
from bgzero_daemon.photo.decode import decode
from bgzero_daemon.photo.encode import encode
from bgzero_daemon.photo.foreground import drawing
from bgzero_daemon.photo.matte import F32, to_mask
from bgzero_daemon.photo.metadata import chosen
from bgzero_daemon.photo.moment import camera_of, taken_of
from bgzero_daemon.photo.passes import Passes, joined, mirrored
from bgzero_daemon.photo.picture import Photo
from bgzero_daemon.photo.tensor import to_tensor
from bgzero_daemon.wire.work import Cut
from bgzero_daemon.worker import provoke
from bgzero_daemon.worker.threads import Threads
from bgzero_daemon.worker.turns import Turns

TAG_VERSION = 1

_ALONE = Threads()
"""Where other photos fill the cores, each is done soonest in all by one thread."""


class Output(Protocol):
    """Where a PNG goes, piece by piece."""

    def write(self, piece: bytes) -> None:
        """Take the next piece. Raises OutputError."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What a finished PNG shows, and what it took: see `wire.work.Done`. `passes`: what two looks agree on."""

    width_px: int
    height_px: int
    provider: str
    note: str
    judgement: Judgement
    seconds: Mapping[str, float]
    cpu_seconds: Mapping[str, float]
    passes: Passes
    taken: str
    camera: str


class Pipeline:
    """Cuts photos with one engine. `cut` may be called from many threads, whose turns in the network `turns` knows."""

    def __init__(
        self, engine: Engine, model: str, card: ModelCard, *, max_pixels: int, threads: Threads, turns: Turns
    ) -> None:
        self._engine, self._model, self._card, self._max_pixels = engine, model, card, max_pixels
        self._input, self._output = card.input.spec(), card.output.spec()
        self._threads, self._turns = threads, turns

    def cut(self, held: list[bytes], source_sha256: str, order: Cut, output: Output) -> Finished:
        """Cut one photo into `output`. Its file is taken out of `held`, so that its memory is free once it is decoded.

        Raises PhotoRefused or PhotoSkipped for what cannot be cut, ModelError for a broken model, OutputError.
        """
        with self._turns.work():
            return self._cut(held, source_sha256, order, output)

    def _cut(self, held: list[bytes], source_sha256: str, order: Cut, output: Output) -> Finished:
        clock = _Clock()
        content = held.pop()
        provoke.obey(content)
        photo = decode(content, max_pixels=self._max_pixels, name=order.name, depth=order.depth)
        del content
        clock.lap("decode")
        tensor = to_tensor(photo, self._input)
        clock.lap("tensor")
        mask, judgement, passes, provider = self._look(tensor, photo, order, clock)
        drawn = drawing(
            photo, mask, self._input.fit, product=order.product, edges=order.edges, output=self._output
        )  # fmt: skip
        clock.lap("edges")
        kept = chosen(photo, order.metadata, source_sha256=source_sha256, product=order.product)
        photo, tag = replace(photo, dpi=kept.dpi), self._tag(source_sha256, order, judgement)
        hands = _ALONE if self._turns.is_crowded else self._threads
        for piece in encode(
            drawn, photo, exif=kept.exif, xmp=kept.xmp, tag=tag, png=order.png, hands=hands, on_deflated=clock.deflated
        ):
            output.write(piece)
        clock.lap("encode")
        return Finished(
            photo.width_px, photo.height_px, provider, photo.note, judgement, clock.wall, clock.cpu, passes,
            taken_of(photo.exif), camera_of(photo.exif),
        )  # fmt: skip

    def _look(self, tensor: F32, photo: Photo, order: Cut, clock: "_Clock") -> tuple[F32, Judgement, Passes, str]:
        """Return the mask, how sure it is, what two looks agree on where there were two, and the provider that ran.

        The mask is judged as it came, before it is averaged with another.
        """
        size = photo.width_px, photo.height_px
        raw, provider = self._infer(tensor, size[0] * size[1], clock)
        first = self._mask(raw)
        if order.edges is not Edges.BEST:
            return first, judge(first, edge=self._output.edge), Passes(), provider
        raw, provider = self._infer(mirrored(tensor, *size, self._input.fit), size[0] * size[1], clock)
        mask, passes = joined(first, mirrored(self._mask(raw), *size, self._input.fit))
        return mask, judge(first, mirrored=passes.agreement, edge=self._output.edge), passes, provider

    def _infer(self, tensor: F32, pixels: int, clock: "_Clock") -> tuple[NDArray[np.generic], str]:
        """Take a turn in the network: return what it says, and the provider that ran."""
        beside = self._engine.most_beside(pixels) if self._turns.is_crowded else 0
        with self._turns.beside(beside) if beside else self._turns.alone():
            clock.lap("wait")
            raw = self._engine.run_beside(tensor) if beside else self._engine.run(tensor)
            provider = self._engine.provider
        clock.lap("network")
        return raw, provider

    def _tag(self, source_sha256: str, order: Cut, judgement: Judgement) -> dict[str, object]:
        return {
            "v": TAG_VERSION,
            "source": order.name,
            "source_sha256": source_sha256,
            "model": self._model,
            "model_sha256": self._card.sha256,
            "confidence": judgement.confidence.value,
            "doubt": judgement.doubt.value,
            "settings": {
                "metadata": order.metadata.value,
                "product": order.product.value,
                "png": order.png.value,
                "edges": order.edges.value,
                "depth": order.depth.value,
            },
        }

    def _mask(self, raw: NDArray[np.generic]) -> F32:
        """Make a mask of the network's answer; it gave one for the test picture, so no answer is about this photo."""
        try:
            return to_mask(raw, self._output)
        except ModelError as error:
            hint = _("Try another model.")
            raise PhotoRefused(str(error), hint=hint, code=Code.NO_MASK) from error


class _Clock:
    """Wall time of each step, and CPU time of the process: this photo's own where no other is in work."""

    def __init__(self) -> None:
        self.wall: dict[str, float] = {}
        self.cpu: dict[str, float] = {}
        self._last = time.monotonic(), time.process_time()

    def lap(self, step: str) -> None:
        now = time.monotonic(), time.process_time()
        wall, cpu = (new - old for new, old in zip(now, self._last, strict=True))
        self.wall[step] = round(self.wall.get(step, 0.0) + wall, 4)
        self.cpu[step] = round(self.cpu.get(step, 0.0) + cpu, 4)
        self._last = now

    def deflated(self, seconds: float) -> None:
        self.cpu["deflate"] = round(self.cpu.get("deflate", 0.0) + seconds, 6)
