"""Which driver a provider stands on, as far as the kernel tells: another one has to prove itself anew."""

import re
from pathlib import Path

_PLACES = {"cuda": "/proc/driver/nvidia/version", "tensorrt": "/proc/driver/nvidia/version",
           "tensorrt-rtx": "/proc/driver/nvidia/version", "migraphx": "/sys/module/amdgpu/version",
           "rocm": "/sys/module/amdgpu/version"}  # fmt: skip
_VERSION = re.compile(r"\d+(\.\d+)+")


def driver_of(name: str) -> str:
    """Return the driver's version, "-" where there is none to be read. Never run: no such driver was at hand."""
    try:
        found = _VERSION.search(Path(_PLACES.get(name, "/nonexistent")).read_text(encoding="ascii", errors="replace"))
    except OSError:
        return "-"
    return found[0] if found else "-"
