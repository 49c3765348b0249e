"""What a driver says of a card's memory, for a process: asked from outside, since a worker starts no programs."""

import shutil
import subprocess

_SECONDS = 10.0
_ASK = ("--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits")


def device_bytes(pid: int) -> int | None:
    """Return the memory that a process has on NVIDIA's cards, as `nvidia-smi` tells it.

    None where that is not known: no such program, no answer, or none about this process (in containers, and where
    the driver does not count by process). Never run with a card; others are not asked.
    """
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, *_ASK], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    rows = [[part.strip() for part in line.split(",")] for line in done.stdout.splitlines()]
    mine = [row[1] for row in rows if len(row) == 2 and row[0] == str(pid)]
    if done.returncode or not mine or not all(part.isdecimal() for part in mine):
        return None
    return sum(map(int, mine)) << 20
