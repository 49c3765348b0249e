"""Which driver and card a provider stands on, as far as the kernel tells: others have to prove themselves anew."""

import os
import re
from pathlib import Path

from bgzero_daemon.core.providers import CPU

_NVIDIA, _AMD, _ROCM = "proc/driver/nvidia/version", "sys/module/amdgpu/version", "opt/rocm/.info/version"
_DRIVERS = {"cuda": _NVIDIA, "tensorrt": _NVIDIA, "tensorrt-rtx": _NVIDIA, "migraphx": _AMD, "rocm": _AMD}
_RUNTIMES = {"migraphx": _ROCM, "rocm": _ROCM}
_VERSION = re.compile(r"\d+(\.\d+)+")
_CARDS = ("0x03", "0x12")  # PCI's classes of displays and of what computes beside a processor


def driver_of(name: str, root: Path = Path("/")) -> str:
    """Return the versions of a provider's driver, and of the runtime beside it where that tells; "-" for the CPU.

    A driver that came with the kernel (amdgpu, i915, xe) has no version but the kernel's: that is returned wherever
    nothing else can be read. Never run with a card: none was at hand.
    """
    if name == CPU:
        return "-"
    driver = _version_in(root / _DRIVERS[name]) if name in _DRIVERS else ""
    runtime = _version_in(root / _RUNTIMES[name]) if name in _RUNTIMES else ""
    return "+".join(filter(None, [driver or os.uname().release, runtime]))


def cards_of(name: str, root: Path = Path("/")) -> str:
    """Return what PCI calls this machine's cards, by maker and kind, once each; "-" for the CPU, and without any."""
    places = () if name == CPU else (root / "sys/bus/pci/devices").glob("*")
    cards = [place for place in places if _text_of(place / "class").startswith(_CARDS)]
    kinds = {
        "-".join(_text_of(card / part).strip().removeprefix("0x") for part in ("vendor", "device")) for card in cards
    }
    return "+".join(sorted(kinds)) or "-"


def _version_in(file: Path) -> str:
    found = _VERSION.search(_text_of(file))
    return found[0] if found else ""


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
