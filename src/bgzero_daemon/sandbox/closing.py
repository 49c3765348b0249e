"""Closing the sandbox: everything that a worker gives up, in the order in which it can, and what came of it."""

import os
import pkgutil
import resource
import signal
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from bgzero_daemon.core.paths import home
from bgzero_daemon.core.texts import _
from bgzero_daemon.sandbox import landlock, libc, probes, seccomp, syscalls

_SYSTEM = ("/usr", "/lib", "/lib64", "/nix/store", "/etc/ld.so.cache", "/etc/localtime")
_KERNEL = (
    "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/sys/vm", "/sys/devices/system", "/sys/fs/cgroup",
    "/dev/null", "/dev/zero", "/dev/urandom",
)  # fmt: skip
# Never run: no machine at hand had a GPU.
_GPU_READABLE = (
    "/proc/driver/nvidia",
    "/proc/sys/kernel",
    "/proc/devices",
    "/sys/bus/pci",
    "/sys/class",
    "/sys/devices",
    "/sys/module/amdgpu",
    # where these runtimes are installed; a link's target is what counts
    "/opt/rocm",
    "/opt/amdgpu",
    "/opt/intel",
    "/opt/cuda",
    "/etc/OpenCL/vendors",
)
_GPU_DEVICES = ("/dev/dri", "/dev/kfd")
_GPU_LIBRARIES = ("cuda", "tensorrt", "rocm", "migraphx", "openvino", "cann")
_OWN = ("maps", "smaps", "status", "stat", "statm", "cmdline", "cgroup", "mountinfo", "fd", "auxv")
_MOST_OPEN = 256


@dataclass(frozen=True, slots=True)
class Closed:
    """What became of it: what is still allowed, by the names of `probes`, and why. Nothing: it is closed."""

    allowed: tuple[str, ...]
    why: str = ""

    def __str__(self) -> str:
        """Return "closed", or what is not."""
        if self.is_closed:
            return "closed"
        what = [_("it still allows {what}").format(what=", ".join(self.allowed))] if self.allowed else []
        return "; ".join([*what, *filter(None, [self.why])])

    @property
    def is_closed(self) -> bool:
        """Say whether all of it could be done, and everything that was tried was refused."""
        return not (self.allowed or self.why)


def close(*, gpu: bool, largest_file: int = 1 << 62) -> Closed:
    """Close the sandbox around this process, while it has one thread and nothing heavy is loaded; measure what holds.

    No file that it writes to may grow beyond `largest_file` bytes. `gpu` leaves the device nodes of GPUs open where
    ONNX Runtime has a provider for one. There is no way back.
    """
    _limit(largest_file)
    machine = os.uname().machine
    if sys.platform != "linux" or machine not in syscalls.MACHINES:
        return Closed(
            (_("everything"),),
            _("there is none for {system} on {machine}").format(system=sys.platform, machine=machine),
        )
    wrong = [] if len(os.listdir("/proc/self/task")) == 1 else [_("other threads run already")]
    try:
        libc.give_up_new_privileges()
    except OSError as error:
        wrong.append(_("new privileges cannot be given up ({why})").format(why=error.strerror))
    has_gpu = gpu and _has_gpu_provider()
    try:
        devices = _gpu_devices() if has_gpu else ()
        landlock.restrict(machine, [*_readable(), *(map(Path, _GPU_READABLE) if has_gpu else ())], devices)
    except OSError as error:
        wrong.append(landlock.why_not(error))
    try:
        seccomp.install(machine, gpu=has_gpu)
    except OSError as error:
        wrong.append(_("system calls cannot be filtered ({why})").format(why=error.strerror))
    return Closed(probes.allowed(machine), "; ".join(wrong))


def _limit(largest_file: int) -> None:
    """No core file holds a photo, a cut-out does not fill the disk, and descriptors do not run out of hand."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # writing fails instead
    _soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    most = largest_file if hard == resource.RLIM_INFINITY else min(hard, largest_file)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_OPEN if hard == resource.RLIM_INFINITY else min(hard, _MOST_OPEN)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _readable() -> Iterator[Path]:
    """Yield where libraries and Python's modules lie, and what tells of the machine's cores and memory."""
    yield from map(Path, (*_SYSTEM, *_KERNEL))
    yield from (Path("/proc/self", name) for name in _OWN)
    forbidden = {Path("/"), (home() or Path("/")).resolve()}
    installed = sysconfig.get_paths()
    places = [*sys.path, *(installed[kind] for kind in ("stdlib", "platstdlib", "purelib", "platlib"))]
    modules = {Path(place) for place in places if place} | {Path(sys.base_prefix, "lib")}
    for place in sorted(modules):
        if not any(above.is_relative_to(place.resolve()) for above in forbidden):
            yield place


def _has_gpu_provider() -> bool:
    """Say whether the ONNX Runtime that would be loaded has a provider for a GPU, or a plug-in, without loading it."""
    if any(module.name.startswith("onnxruntime_ep_") for module in pkgutil.iter_modules()):
        return True
    spec = find_spec("onnxruntime")
    places = spec.submodule_search_locations if spec else None
    return any(
        Path(place, "capi", f"libonnxruntime_providers_{name}.so").exists()
        for place in places or ()
        for name in _GPU_LIBRARIES
    )


def _gpu_devices() -> tuple[Path, ...]:
    return (*map(Path, _GPU_DEVICES), *Path("/dev").glob("nvidia*"))
