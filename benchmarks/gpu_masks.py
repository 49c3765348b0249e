"""Masks of two providers, compared on the photos that travel with scikit-image."""

import logging
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import pictures
from bgzero_daemon.catalog.shelf import installed
from bgzero_daemon.engine.session import Engine
from bgzero_daemon.photo.decode import decode
from bgzero_daemon.photo.matte import to_mask
from bgzero_daemon.photo.tensor import to_tensor
from gpu_report import Figure, Step

F32 = NDArray[np.float32]
MEAN_ALLOWED, MOST_ALLOWED = 0.002, 0.05  # TF32 and other sums than the CPU's; half a step of 8 bits is 0.002
_RUNS = 9


@dataclass(frozen=True, slots=True)
class Distance:
    """How far two masks are apart, in parts of full opacity."""

    mean: float
    most: float


def distance(one: F32, other: F32) -> Distance:
    """Compare two masks of one size."""
    apart = np.abs(one.astype(np.float64) - other.astype(np.float64))
    return Distance(float(apart.mean()), float(apart.max()))


def compare(provider: str, model: str) -> Step:
    """Run the network on every photo on the CPU and with "auto", which has to come to this provider."""
    logging.basicConfig(level=logging.ERROR)
    found = installed(model)
    assert found.weights is not None
    weights = found.weights.read_bytes()
    engines = [Engine(weights, found.card, asked=asked, threads=0) for asked in ("cpu", "auto")]
    if engines[1].provider != provider:
        return Step("masks", broken=(f"auto came to {engines[1].provider}: {engines[1].note}", _preloaded(provider)))
    apart, ratios = [], []
    for path in pictures.shipped():
        photo = decode(path.read_bytes(), max_pixels=100_000_000)
        tensor = to_tensor(photo, found.card.input.spec())
        masks = [to_mask(engine.run(tensor), found.card.output.spec()) for engine in engines]
        apart.append(distance(*masks))
    for _run in range(_RUNS):
        seconds = [_timed(engine, tensor) for engine in engines]
        ratios.append(seconds[0] / seconds[1])
    mean, most = max(one.mean for one in apart), max(one.most for one in apart)
    figures: dict[str, Figure] = {
        "photos": len(apart), "mean difference, worst photo": mean, "greatest difference of a pixel": most,
        "the network alone, times as fast as the CPU": f"{sorted(ratios)[_RUNS // 2]:.2f} "
        f"({min(ratios):.2f} to {max(ratios):.2f})",
    }  # fmt: skip
    broken = [f"masks are {mean:.4f} apart on average"] if mean > MEAN_ALLOWED else []
    broken += [f"a pixel is {most:.3f} apart"] if most > MOST_ALLOWED else []
    return Step("masks", tuple(broken), figures=figures)


def _timed(engine: Engine, tensor: F32) -> float:
    began = time.perf_counter()
    engine.run(tensor)
    return time.perf_counter() - began


def _preloaded(provider: str) -> str:
    """Say whether loading the libraries of the nvidia-* wheels first would have helped."""
    import onnxruntime

    if not hasattr(onnxruntime, "preload_dlls"):
        return "this ONNX Runtime has no preload_dlls()"
    onnxruntime.preload_dlls()
    found = installed("u2netp")
    assert found.weights is not None
    engine = Engine(found.weights.read_bytes(), found.card, asked="auto", threads=0)
    return f"after onnxruntime.preload_dlls() auto comes to {engine.provider}, {provider} was wanted"
