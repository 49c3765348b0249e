"""The NVIDIA card as nvidia-smi and its driver tell of it. Standard library only: any Python runs it.

`python gpu_card.py fill` takes all its memory, says so, and keeps it until its standard input closes.
Never run with a card: no machine at hand had one.
"""

import ctypes
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_QUERY = ("name", "driver_version", "memory.total", "memory.used")
_SECONDS = 20.0
_MIB = 1 << 20
_LEAST_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Card:
    """What nvidia-smi says of one card; None where it does not say. `mib` are its units."""

    name: str
    driver: str
    total_mib: int | None
    used_mib: int | None


def parse(said: str) -> list[Card]:
    """Return the cards in what nvidia-smi printed as CSV without head and units; lines that are none are left out."""
    cards = []
    for line in said.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) == len(_QUERY):
            cards.append(Card(cells[0], cells[1], _number(cells[2]), _number(cells[3])))
    return cards


def _number(cell: str) -> int | None:
    return int(cell) if cell.isdecimal() else None


def look() -> Card | None:
    """Ask nvidia-smi for the first card; None where there is no nvidia-smi, no card, or no answer."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    command = [program, f"--query-gpu={','.join(_QUERY)}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    cards = parse(done.stdout) if done.returncode == 0 else []
    return cards[0] if cards else None


def used_mib() -> int | None:
    """Return how much of the card's memory is used, by whomever."""
    card = look()
    return card.used_mib if card else None


@contextmanager
def filled() -> Iterator[None]:
    """Have another process hold all of the card's memory while the block lasts. Raises OSError where it cannot."""
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).resolve()), "fill"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as hog:  # fmt: skip
        assert hog.stdin
        assert hog.stdout
        said = hog.stdout.readline().strip()
        try:
            if not said.startswith("full"):
                raise OSError(f"The card's memory could not be filled: {said or 'it ended'}")
            yield
        finally:
            hog.stdin.close()


def _fill() -> int:
    """CUDA driver API: cuInit, a context on device 0, then cuMemAlloc in ever smaller pieces."""
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        print(error, flush=True)
        return 1
    device, context = ctypes.c_int(), ctypes.c_void_p()
    calls: tuple[tuple[str, Callable[[], int]], ...] = (
        ("cuInit", lambda: int(cuda.cuInit(0))),
        ("cuDeviceGet", lambda: int(cuda.cuDeviceGet(ctypes.byref(device), 0))),
        ("cuCtxCreate", lambda: int(cuda.cuCtxCreate_v2(ctypes.byref(context), 0, device))),
    )
    for name, call in calls:
        if status := call():
            print(f"{name} failed with {status}", flush=True)
            return 1
    held, piece = 0, 1024 * _MIB
    while piece >= _LEAST_BYTES:
        pointer = ctypes.c_uint64()
        if cuda.cuMemAlloc_v2(ctypes.byref(pointer), ctypes.c_size_t(piece)) == 0:
            held += piece
        else:
            piece //= 2
    print(f"full {held // _MIB}", flush=True)
    sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(_fill() if sys.argv[1:] == ["fill"] else 2)
