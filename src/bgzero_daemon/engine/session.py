"""A card's weights, loaded: from a tensor to what the network says."""

import logging
import time

import numpy as np
from numpy.typing import NDArray

from bgzero_daemon.catalog.card import ModelCard
from bgzero_daemon.core.errors import ModelError
from bgzero_daemon.core.texts import _
from bgzero_daemon.engine import providers
from bgzero_daemon.engine.verify import verify
from bgzero_daemon.photo.matte import to_mask

log = logging.getLogger(__name__)

F32 = NDArray[np.float32]
_TYPES: dict[str, type[np.generic]] = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


class Engine:
    """One ONNX session on one provider. `run` may be called from one thread at a time.

    `provider` is the one that runs, not the one that was asked for; `note` says why they differ. `seconds` is the
    wall time of its first run, that of a test picture. `is_verified` says that the weights are what their card
    describes, and ask for nothing beside themselves.
    """

    def __init__(
        self, weights: bytes, card: ModelCard, *, asked: str, threads: int, allow_unverified: bool = False
    ) -> None:
        """Check and load the weights: these very bytes. Raises ModelError where they may not, or cannot, be run."""
        self.is_verified = _is_verified(weights, card, allow_unverified=allow_unverified)
        self._weights, self._card, self._threads = weights, card, threads
        self.note = ""
        self.provider = ""
        self.seconds = 0.0
        for provider in providers.candidates(asked):
            try:
                self._open(provider)
                self._prove()
                break
            except ModelError as error:
                log.warning("%s", error)
                self.note = str(error)
        else:
            raise ModelError(_("The model cannot be loaded ({why}).").format(why=self.note))

    def _open(self, provider: str) -> None:
        session = providers.open_session(self._weights, provider, self._threads)
        inputs, outputs = session.get_inputs(), session.get_outputs()
        wanted = self._card.output.output or outputs[0].name
        if wanted not in [output.name for output in outputs]:
            raise ModelError(_("The network has no output {name}.").format(name=wanted))
        if len(inputs) != 1 or inputs[0].type not in _TYPES:
            raise ModelError(_("The network does not take one picture."))
        size = self._card.input.size_px
        fixed = [side for side in inputs[0].shape[1:] if isinstance(side, int)]
        if len(inputs[0].shape) != 4 or any(side not in (3, size) for side in fixed):
            raise ModelError(
                _("The network wants {shape}; its card says {size} pixels.").format(shape=inputs[0].shape, size=size)
            )
        self._session, self.provider = session, provider
        self._input, self._dtype, self._output = inputs[0].name, _TYPES[inputs[0].type], wanted

    def _prove(self) -> None:
        """Let it say something about a bright disc. Raises ModelError where it fails, or says nothing that is a mask.

        What does not run at all shows before any photo is at stake, and so does the memory a run takes.
        """
        side = self._card.input.size_px
        line = np.linspace(-1.0, 1.0, side, dtype=np.float32)
        disc = np.where(line[None, :] ** 2 + line[:, None] ** 2 < 0.4, np.float32(1.0), np.float32(-1.0))
        began = time.monotonic()
        try:
            raw = self._run(np.broadcast_to(disc, (1, 3, side, side)))
        except Exception as error:  # drivers raise what they like
            raise ModelError(f"{self.provider}: {error}") from error
        self.seconds = time.monotonic() - began
        to_mask(raw, self._card.output.spec())

    def run(self, tensor: F32) -> NDArray[np.generic]:
        """Return the raw output for a (1, 3, S, S) tensor.

        Where a provider other than the CPU fails, this and all later photos run on the CPU and `note`
        says why. Raises ModelError where the CPU fails too.
        """
        try:
            return self._run(tensor)
        except Exception as error:  # drivers raise what they like
            if self.provider == providers.CPU:
                raise ModelError(_("The network failed ({why}).").format(why=error)) from error
            log.warning("%s failed, this photo and the next ones run on the CPU: %s", self.provider, error)
            self.note = f"{self.provider}: {error}"
            self._open(providers.CPU)
            return self.run(tensor)

    def _run(self, tensor: F32) -> NDArray[np.generic]:
        (raw,) = self._session.run([self._output], {self._input: np.ascontiguousarray(tensor, self._dtype)})
        return np.asarray(raw)


def _is_verified(weights: bytes, card: ModelCard, *, allow_unverified: bool) -> bool:
    """Say whether the weights are the card's and stand for themselves. Raises ModelError where that is asked for."""
    try:
        verify(weights, card)
    except ModelError as error:
        if not allow_unverified:
            raise
        log.warning("%s It is used all the same (model.allow_unverified).", error)
        return False
    return True
