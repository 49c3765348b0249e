"""A card's weights, loaded: from a tensor to what the network says."""

import hashlib
import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from bgzero_daemon.catalog.card import ModelCard
from bgzero_daemon.core.errors import ModelError
from bgzero_daemon.core.texts import _
from bgzero_daemon.engine import memory, proof, providers
from bgzero_daemon.engine.beside import Beside
from bgzero_daemon.engine.proof import Measured, Proof
from bgzero_daemon.engine.providers import Candidate
from bgzero_daemon.engine.standing import key_of
from bgzero_daemon.engine.verify import verify
from bgzero_daemon.photo.matte import to_mask

log = logging.getLogger(__name__)

F32 = NDArray[np.float32]
_TYPES: dict[str, type[np.generic]] = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


class _Session:
    """One ONNX session and how it is spoken to."""

    def __init__(
        self, weights: bytes, card: ModelCard, candidate: Candidate, threads: int, *, stays: bool = False
    ) -> None:
        """Raises ModelError where it does not load, or is not what the card says."""
        self.session = providers.open_session(weights, candidate, threads, stays=stays)
        inputs, outputs = self.session.get_inputs(), self.session.get_outputs()
        wanted = card.output.output or outputs[0].name
        if wanted not in [output.name for output in outputs]:
            raise ModelError(_("The network has no output {name}.").format(name=wanted))
        if len(inputs) != 1 or inputs[0].type not in _TYPES:
            raise ModelError(_("The network does not take one picture."))
        size = card.input.size_px
        fixed = [side for side in inputs[0].shape[1:] if isinstance(side, int)]
        if len(inputs[0].shape) != 4 or any(side not in (3, size) for side in fixed):
            raise ModelError(
                _("The network wants {shape}; its card says {size} pixels.").format(shape=inputs[0].shape, size=size)
            )
        self._input, self._dtype, self._output = inputs[0].name, _TYPES[inputs[0].type], wanted

    def run(self, tensor: F32) -> NDArray[np.generic]:
        """Return the raw output. Raises whatever the provider raises."""
        (raw,) = self.session.run([self._output], {self._input: np.ascontiguousarray(tensor, self._dtype)})
        return np.asarray(raw)


class Engine:
    """One ONNX session on one provider. `run` may be called from one thread at a time, `run_beside` from `runs`.

    `provider` is the one that runs, not the one that was asked for; `note` says why they differ. `seconds` is the
    wall time of a run with a test picture: the first one, or the quickest where it was measured. `is_verified` says
    that the weights are what their card describes, and ask for nothing beside themselves. `proofs` maps keys
    (`engine.standing`) to what came out of new proofs; `known` are those of earlier ones, with "" or why a provider is
    not used. `measures`: the CPU, where nothing else is asked for, is measured too.
    """

    def __init__(
        self, weights: bytes, card: ModelCard, *, asked: str, threads: int, runs: int = 1,
        allow_unverified: bool = False, known: Mapping[str, str] | None = None,
        prepared_sha256: str = "", measures: bool = False,
    ) -> None:  # fmt: skip
        """Check and load the weights: these very bytes. Raises ModelError where they may not, or cannot, be run.

        With `prepared_sha256` they have to be that graph, which was made from the card's weights.
        """
        if prepared_sha256:
            verify(weights, _as_prepared(card, prepared_sha256))
            self.is_verified = True
        else:
            self.is_verified = _is_verified(weights, card, allow_unverified=allow_unverified)
        self._weights, self._card, self._threads, self._known = weights, card, threads, known or {}
        self._runs = runs
        self._beside: Beside | None = None
        is_cards = self.is_verified
        self._loaded = (prepared_sha256 or card.sha256) if is_cards else hashlib.sha256(weights).hexdigest()
        self._picture = proof.test_picture(card.input.size_px)
        self.provider, self.seconds = "", 0.0
        self._reference: Measured | None = None
        self.proofs: dict[str, Proof] = {}
        found, why_not = providers.candidates(asked)
        self._measures = measures and len(found) == 1
        for candidate in found:
            try:
                is_cpu = candidate.runtime_name == providers.CPU
                self._session = self._on_cpu(candidate) if is_cpu else self._proved(candidate)
                self.provider = candidate.runtime_name
                break
            except ModelError as error:
                log.warning("%s", error)
                why_not.append(str(error))
        if not self._beside and self.provider == providers.CPU:
            self._weights = b""  # nothing else is loaded from them
        self.note = "; ".join(why_not)
        if not self.provider:
            raise ModelError(_("The model cannot be loaded ({why}).").format(why=self.note))

    def _proved(self, candidate: Candidate) -> _Session:
        """Load it on a provider, which proves itself first, or has. Raises ModelError where it is not to be used."""
        key, name = key_of(self._card, self._loaded, candidate, self._threads), candidate.runtime_name
        if reason := self._known.get(key):
            raise ModelError(f"{name}: {reason}")
        # before the provider is loaded: two networks at once may be more memory than a worker may have
        cpu = None if key in self._known else self._measure_cpu()
        before = memory.resident_bytes()
        try:
            session = _Session(self._weights, self._card, candidate, self._threads)
            if cpu is None:
                self._run_once(session)
                return session
            share = providers.share_of(session.session, candidate)
            found = proof.judge(name, session.run, cpu, share, self._picture, self._card.output.spec())
        except Exception as error:  # drivers raise what they like
            reason = str(error).removeprefix(f"{name}: ")
            if not proof.is_passing(reason):
                self.proofs[key] = Proof(name, reason=reason)
            raise ModelError(f"{name}: {reason}") from error
        self.proofs[key] = replace(found, memory_bytes=memory.grown_bytes(before))
        if found.reason:
            raise ModelError(f"{name}: {found.reason}")
        self.seconds = found.seconds
        return session

    def _on_cpu(self, candidate: Candidate) -> _Session:
        """Load it on the CPU, which has nothing to prove. Raises ModelError where that cannot be."""
        before = memory.resident_bytes() if self._measures else None
        session = _Session(self._weights, self._card, candidate, self._threads, stays=True)
        loaded = memory.resident_bytes()
        try:
            self._run_once(session)
            run_bytes = memory.grown_bytes(loaded)
            if self._runs > 1 and run_bytes is not None:
                self._beside = Beside(
                    partial(self._load_share, candidate), self._runs, run_bytes, self._share_seconds()
                )
            if self._measures:
                _raw, self.seconds = proof.measure(session.run, self._picture)
                figures = (1.0, 0.0, self.seconds, self.seconds, "", memory.grown_bytes(before))
                self.proofs[key_of(self._card, self._loaded, candidate, self._threads)] = Proof(providers.CPU, *figures)
        except ModelError:
            raise
        except Exception as error:  # as above
            raise ModelError(f"{providers.CPU}: {error}") from error
        return session

    @property
    def _share(self) -> int:
        """How many threads each of `runs` has."""
        return max(1, self._threads // self._runs)

    def _share_seconds(self) -> float:
        """Reckon what a run with a share takes, by the card, which was measured on two cores, or by the first run."""
        return (2 * self._card.seconds if self._card.seconds else self._threads * self.seconds) / self._share

    def _load_share(self, candidate: Candidate) -> _Session:
        return _Session(self._weights, self._card, candidate, self._share, stays=True)

    def _run_once(self, session: _Session) -> None:
        """Run the test picture. Raises ModelError where nothing sensible comes out, and whatever providers raise."""
        began = time.monotonic()
        raw = session.run(self._picture)
        self.seconds = time.monotonic() - began
        to_mask(raw, self._card.output.spec())

    def _measure_cpu(self) -> Measured:
        """Have the CPU say what it thinks of the test picture, once for all providers. Raises ModelError."""
        if self._reference is None:
            cpu = _Session(self._weights, self._card, Candidate("cpu", providers.CPU), self._threads)
            try:
                self._reference = proof.measure(cpu.run, self._picture)
            except Exception as error:  # as above
                raise ModelError(f"{providers.CPU}: {error}") from error
        return self._reference

    def most_beside(self, pixels: int) -> int:
        """Return how many photos like one of so many pixels may be in `run_beside` at a time; 0: it goes by `run`."""
        return self._beside.most(pixels) if self._beside else 0

    def run_beside(self, tensor: F32) -> NDArray[np.generic]:
        """Do what `run` does, bit for bit, with a share of the threads. May be called from `runs` threads at a time."""
        session = self._beside.session() if self._beside else None
        if session is None:
            return self.run(tensor)
        try:
            return session.run(tensor)
        except Exception as error:
            raise ModelError(_("The network failed ({why}).").format(why=error)) from error

    def run(self, tensor: F32) -> NDArray[np.generic]:
        """Return the raw output for a (1, 3, S, S) tensor.

        Where a provider other than the CPU fails, or says what is no number, this and all later photos run on the
        CPU and `note` says why. Raises ModelError where the CPU fails too.
        """
        if self.provider == providers.CPU:
            try:
                return self._session.run(tensor)
            except Exception as error:
                raise ModelError(_("The network failed ({why}).").format(why=error)) from error
        try:
            raw = self._session.run(tensor)
            why = "" if np.isfinite(raw).all() else _("its output holds values that are no numbers")
        except Exception as error:  # noqa: BLE001 - drivers raise what they like
            why = str(error)
        if not why:
            return raw
        log.warning(_("%s failed, this photo and the next ones run on the CPU: %s"), self.provider, why)
        self.note = f"{self.provider}: {why}"
        del self._session  # before the next one is loaded: both may be more than there is room for
        self._session = _Session(self._weights, self._card, Candidate("cpu", providers.CPU), self._threads, stays=True)
        self._weights, self.provider = b"", providers.CPU
        return self.run(tensor)


def _as_prepared(card: ModelCard, sha256: str) -> ModelCard:
    changed = {"file": f"{card.file} (prepared)", "sha256": sha256, "size_bytes": None}
    return card.model_copy(update=changed)


def _is_verified(weights: bytes, card: ModelCard, *, allow_unverified: bool) -> bool:
    """Say whether the weights are the card's and stand for themselves. Raises ModelError where that is asked for."""
    try:
        verify(weights, card)
    except ModelError as error:
        if not allow_unverified:
            raise
        log.warning(_("%s It is used all the same (model.allow_unverified)."), error)
        return False
    return True
