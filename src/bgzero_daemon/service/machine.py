"""What this process may use of the machine: cores and memory, as affinity and control groups allow; and its name."""

import math
import os
import platform
import re
from collections.abc import Iterator
from pathlib import Path

import psutil

_GROUPS = Path("/sys/fs/cgroup")


def cores(groups: Path = _GROUPS) -> int:
    """Return how many cores this process may keep busy, at least 1: affinity, and the quota of its control groups."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for text in _settings("cpu.max", groups):
        quota, _space, period = text.partition(" ")
        if quota != "max":
            allowed = min(allowed, math.ceil(int(quota) / int(period)))
    return max(1, allowed)


def memory_bytes(groups: Path = _GROUPS) -> int:
    """Return how much memory this process may use: the machine's, or less where a control group says so."""
    limits = [int(text) for text in _settings("memory.max", groups) if text != "max"]
    return min([psutil.virtual_memory().total, *limits])


def free_bytes() -> int:
    """Return how much memory could be had at present without swapping."""
    return int(psutil.virtual_memory().available)


def processor() -> str:
    """Return what the processor calls itself, as far as the system tells."""
    try:
        told = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        told = ""
    named = re.search(r"^model name\s*:\s*(.+)$", told, re.MULTILINE)
    name = named[1] if named else platform.processor() or platform.machine()
    return " ".join(re.sub(r"\((?:R|TM)\)", " ", name).split())


def _settings(name: str, groups: Path) -> Iterator[str]:
    """Yield a setting of this process's control group and of all groups around it (cgroup v2 only)."""
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        if line.startswith("0::/"):
            group = groups / line[4:]
            for place in (group, *group.parents):
                if place.is_relative_to(groups):
                    try:
                        yield (place / name).read_text(encoding="ascii").strip()
                    except OSError:
                        continue  # the root group has no limits
