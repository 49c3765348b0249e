"""The process of `bgzero model prepare`: a graph for the CPU from a model's verified weights. It never sees a photo.

Its one argument is the model's name. It says in one sentence what it did, or why it did not.
"""

import hashlib
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bgzero_daemon import __version__
from bgzero_daemon.catalog import prepared, shelf
from bgzero_daemon.catalog.card import ModelCard
from bgzero_daemon.core import paths
from bgzero_daemon.core.errors import BgzeroError, ModelError
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _
from bgzero_daemon.engine.session import Engine
from bgzero_daemon.engine.verify import verify
from bgzero_daemon.photo.matte import to_mask

LIKENESS = 0.002  # mean difference of the masks, of 1


def main() -> int:
    """Prepare one model. Returns the exit status."""
    try:
        print(prepare(sys.argv[1]))
    except BgzeroError as error:
        print(f"bgzero: {error}", *([error.hint] if error.hint else []), sep="\n", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


def prepare(name: str) -> str:
    """Prepare a model and return a sentence. Raises ModelError where that is impossible."""
    try:
        from bgzero_daemon.engine import recipe
    except ModuleNotFoundError as error:
        if error.name != "onnx":
            raise
        raise ModelError(
            _("Models are prepared with the package onnx, which is not installed."),
            hint=_("Install bgzero-daemon[prepare] where bgzero-daemon is, then try again."),
        ) from None
    model = shelf.installed(name)
    assert model.weights
    card, top = model.card, paths.prepared_dir()
    if top is None:
        raise ModelError(_("This account has no home, so there is no cache to put a prepared graph into."))
    try:
        weights = model.weights.read_bytes()
        verify(weights, card)
        prepared.sweep(paths.make_private(top), time.time())
        with tempfile.TemporaryDirectory(prefix=prepared.WORKPLACE, dir=top) as workplace:
            graph = recipe.prepare(weights, card.output.output, Path(workplace))
        digits = hashlib.sha256(graph).hexdigest()
        if (difference := _difference(weights, graph, digits, card)) > LIKENESS:
            raise ModelError(
                _("Nothing was kept: masks would differ by {difference} on average.").format(
                    difference=round(difference, 4)
                )
            )
        manifest = prepared.Manifest(
            recipe=prepared.RECIPE, source_sha256=card.sha256, output=card.output.output, sha256=digits,
            size_bytes=len(graph), onnxruntime=prepared.runtime_version(), onnx=metadata.version("onnx"),
            program=__version__,
        )  # fmt: skip
        prepared.store(card, graph, manifest)
    except ValueError as error:
        raise ModelError(_("{name} cannot be prepared: {why}.").format(name=display(name), why=error)) from error
    except OSError as error:
        raise ModelError(
            _("The prepared graph of {name} cannot be made: {why}.").format(name=display(name), why=error)
        ) from error
    return _("{name} is prepared for the CPU ({mb} MB in {folder}); workers that start from now on use it.").format(
        name=display(name), mb=round(len(graph) / 1e6, 1), folder=display(top)
    )


def _difference(weights: bytes, graph: bytes, digits: str, card: ModelCard) -> float:
    """Return how far two masks are apart on average, for a picture that is no photo: noise over a disc."""
    return float(np.abs(_mask(weights, card, "") - _mask(graph, card, digits)).mean())


def _mask(weights: bytes, card: ModelCard, prepared_sha256: str) -> NDArray[np.float32]:
    engine = Engine(weights, card, asked="cpu", threads=2, prepared_sha256=prepared_sha256)
    side = card.input.size_px
    line = np.linspace(-1.0, 1.0, side, dtype=np.float32)
    disc = np.where(line[None, :] ** 2 + line[:, None] ** 2 < 0.4, np.float32(0.5), np.float32(-0.5))
    noise = np.random.default_rng(0).normal(0.0, 0.2, (1, 3, side, side)).astype(np.float32)
    return to_mask(engine.run(noise + disc), card.output.spec())


if __name__ == "__main__":
    sys.exit(main())
