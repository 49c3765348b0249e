"""Whether a provider does what it is there for: the same masks as the CPU's, by itself, and sooner.

ONNX Runtime lists providers that do not work, leaves nodes to the CPU without a word, and drivers compute nonsense. So
each provider runs a picture that nothing can be confused with, and is compared with the CPU, before any photo.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bgzero_daemon.core.errors import ModelError
from bgzero_daemon.core.specs import OutputSpec
from bgzero_daemon.core.texts import _
from bgzero_daemon.photo.matte import to_mask

F32 = NDArray[np.float32]
Run = Callable[[F32], NDArray[np.generic]]
Measured = tuple[NDArray[np.generic], float]  # what a session says of the test picture, and the seconds of a run

MOST_DIFFERENCE = 0.01  # of the masks' mean; half precision stays below a third of it
LEAST_SHARE = 0.5  # of the nodes; shape arithmetic stays on the CPU by design
_LARGEST_PART = 0.9  # of the CPU's time: a session that is the CPU's own is as quick, now and then quicker
_RUNS = 3


@dataclass(frozen=True, slots=True)
class Proof:
    """What came out: `share` of the nodes it took, mean `difference` from the CPU's mask, seconds of a run.

    `reason` says in a sentence why it is not used, "" where it is.
    """

    provider: str
    share: float
    difference: float
    seconds: float
    cpu_seconds: float
    reason: str = ""


def test_picture(side: int) -> F32:
    """Return a (1, 3, side, side) picture of a shaded disc off the middle: moved, turned or mirrored it is another."""
    line = np.linspace(-1.0, 1.0, side, dtype=np.float32)
    across, down = line[None, :] - np.float32(0.15), line[:, None] + np.float32(0.1)
    inside = across**2 + 1.6 * down**2 < 0.3
    shade = (1.0 + 0.3 * across - 0.2 * down) * np.float32(1.5)
    picture = np.where(inside, shade, np.float32(-1.2) + np.float32(0.2) * down)
    return np.ascontiguousarray(np.broadcast_to(picture, (1, 3, side, side)), np.float32)


def measure(run: Run, picture: F32) -> Measured:
    """Return what a session says, and the seconds of the quickest of a few runs after one that warms up.

    The quickest: whatever else the machine does makes a run slower, never quicker.
    """
    raw, seconds = run(picture), []
    for _time in range(_RUNS):
        began = time.monotonic()
        raw = run(picture)
        seconds.append(time.monotonic() - began)
    return raw, min(seconds)


def judge(provider: str, run: Run, cpu: Measured, share: float, picture: F32, spec: OutputSpec) -> Proof:
    """Compare a provider with the CPU on the test picture."""
    raw, seconds = measure(run, picture)
    cpu_raw, cpu_seconds = cpu
    try:
        expected = to_mask(cpu_raw, spec)
        difference = float(np.abs(to_mask(raw, spec) - expected).mean())
    except ModelError as error:
        return Proof(provider, share, 1.0, seconds, cpu_seconds, str(error))
    reason = ""
    if share < LEAST_SHARE:
        reason = _("it left {share:.0f} % of the network to the CPU").format(share=100 * (1 - share))
    elif difference > MOST_DIFFERENCE:
        reason = _("its mask differs from the CPU's by {difference:.3f}").format(difference=difference)
    elif seconds > _LARGEST_PART * cpu_seconds:
        reason = _("it takes {seconds:.3f} s where the CPU takes {cpu:.3f} s").format(seconds=seconds, cpu=cpu_seconds)
    return Proof(provider, share, difference, seconds, cpu_seconds, reason)
