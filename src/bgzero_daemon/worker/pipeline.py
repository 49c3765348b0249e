"""One job: from the source's bytes to a finished PNG."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from bgzero_daemon.catalog.card import ModelCard
from bgzero_daemon.core.errors import Code, ModelError, PhotoRefused
from bgzero_daemon.core.recipe import Product
from bgzero_daemon.core.texts import _
from bgzero_daemon.engine.session import Engine
from bgzero_daemon.photo import foreground
from bgzero_daemon.photo.decode import decode
from bgzero_daemon.photo.encode import encode
from bgzero_daemon.photo.matte import F32, to_mask
from bgzero_daemon.photo.metadata import chosen_exif
from bgzero_daemon.photo.tensor import to_tensor
from bgzero_daemon.wire.work import Cut
from bgzero_daemon.worker import provoke

TAG_VERSION = 1


@dataclass(frozen=True, slots=True)
class Finished:
    """A finished PNG. `seconds` maps each step to its wall time."""

    png: bytes
    width_px: int
    height_px: int
    provider: str
    note: str
    seconds: Mapping[str, float]


class Pipeline:
    """Cuts photos with one engine. `cut` may be called from many threads: one at a time is in the network."""

    def __init__(self, engine: Engine, model: str, card: ModelCard, *, max_pixels: int) -> None:
        self._engine, self._model, self._card, self._max_pixels = engine, model, card, max_pixels
        self._input, self._output = card.input.spec(), card.output.spec()
        self._network = Lock()

    def cut(self, content: bytes, source_sha256: str, order: Cut) -> Finished:
        """Cut one photo. Raises PhotoRefused or PhotoSkipped for what cannot be cut, ModelError for a broken model."""
        clock = _Clock()
        provoke.obey(content)
        photo = decode(content, max_pixels=self._max_pixels)
        clock.lap("decode")
        tensor = to_tensor(photo, self._input)
        clock.lap("tensor")
        with self._network:
            clock.lap("wait")
            raw = self._engine.run(tensor)
            provider = self._engine.provider
        clock.lap("network")
        mask = self._mask(raw)
        draw = foreground.matte if order.product is Product.MASK else foreground.compose
        pixels = draw(photo, mask, self._input.fit)
        clock.lap("compose")
        tag = {
            "v": TAG_VERSION,
            "source": order.name,
            "source_sha256": source_sha256,
            "model": self._model,
            "model_sha256": self._card.sha256,
            "settings": {"metadata": order.metadata.value, "product": order.product.value},
        }
        png = encode(pixels, photo, exif=chosen_exif(photo.exif, order.metadata), tag=tag)
        clock.lap("encode")
        return Finished(png, photo.width_px, photo.height_px, provider, photo.note, clock.laps)

    def _mask(self, raw: NDArray[np.generic]) -> F32:
        """Make a mask of the network's answer; it gave one for the test picture, so no answer is about this photo."""
        try:
            return to_mask(raw, self._output)
        except ModelError as error:
            hint = _("Try another model.")
            raise PhotoRefused(str(error), hint=hint, code=Code.NO_MASK) from error


class _Clock:
    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, step: str) -> None:
        now = time.monotonic()
        self.laps[step] = round(now - self._last, 4)
        self._last = now
