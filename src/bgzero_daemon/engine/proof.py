"""Whether a provider does what it is there for: the same masks as the CPU's, by itself, and sooner.

ONNX Runtime lists providers that do not work, leaves nodes to the CPU without a word, and drivers compute nonsense. So
each provider runs a picture that nothing can be confused with, and is compared with the CPU, before any photo.
"""

import re
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
# Another program may have had a card's memory: that says nothing of the provider.
_SHORTAGE = re.compile(r"out.?of.?memory|alloc|available memory", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Proof:
    """What came out: `share` of the nodes it took, mean `difference` from the CPU's mask, seconds of a run.

    `reason` says in a sentence why it is not used, "" where it is. Where it failed before anything was measured, the
    figures are those of one that does nothing. `memory_bytes` is what this process grew by, None where that is not
    known; a card's own memory is not in it.
    """

    provider: str
    share: float = 0.0
    difference: float = 1.0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    reason: str = ""
    memory_bytes: int | None = None


def is_passing(reason: str) -> bool:
    """Say whether a provider failed for what may be over in a minute, so that it is not to be remembered."""
    return bool(_SHORTAGE.search(reason))


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
