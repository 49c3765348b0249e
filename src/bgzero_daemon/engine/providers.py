"""The only room that knows execution providers: which there are, how each is set up, and what it really took.

Beside those that are built into ONNX Runtime there are plug-ins: packages `onnxruntime_ep_*`, which bring a library
that is registered here. Options that differ from ONNX Runtime's own are explained where they stand. All but the CPU:
never run here, no machine at hand had such a device.
"""

import importlib
import logging
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata

import onnxruntime

from bgzero_daemon.core import providers as names
from bgzero_daemon.core.errors import ModelError
from bgzero_daemon.core.texts import _

log = logging.getLogger(__name__)

CPU = names.RUNTIME_NAMES[names.CPU]

# What "auto" tries, best first. TensorRT has to be asked for: it builds an engine for minutes, and may write no cache.
_AUTO = ("cuda", "migraphx", "rocm", "openvino", "coreml")

_OPTIONS: Mapping[str, Mapping[str, str]] = {
    # memory grows by what is asked for, not by powers of two: it is to be given back to others; and the search for the
    # best convolution (EXHAUSTIVE) takes minutes and gigabytes at the first photo
    "cuda": {"arena_extend_strategy": "kSameAsRequested", "cudnn_conv_algo_search": "HEURISTIC"},
    "rocm": {"arena_extend_strategy": "kSameAsRequested"},
    "coreml": {"ModelFormat": "MLProgram", "MLComputeUnits": "ALL"},
}


_SMALL_BYTES = 64_000_000  # of weights


@dataclass(frozen=True, slots=True)
class Candidate:
    """A provider that may be tried: what people call it, and ONNX Runtime.

    `devices` are a plug-in's, `version` is that of its package, with the kinds of these devices.
    """

    name: str
    runtime_name: str
    devices: tuple[onnxruntime.OrtEpDevice, ...] = ()
    version: str = ""


def candidates(asked: str) -> tuple[list[Candidate], list[str]]:
    """Return the providers to try, best first, and a sentence for each that was asked for and is not here.

    The CPU is the last one. `asked` is what `core.providers.read_order` takes.
    """
    order = names.read_order(asked)
    if order == (names.AUTO,):
        found = [offered for name in _AUTO if (offered := _offered(name, only_accelerators=True))]
        return [*found, Candidate(names.CPU, CPU)], []
    found, missing = [], []
    for name in order:
        if offered := _offered(name):
            found.append(offered)
        else:
            here = ", ".join(onnxruntime.get_available_providers())
            missing.append(_("{name} is not in this ONNX Runtime, which offers {here}").format(name=name, here=here))
    return found, missing


def _offered(name: str, *, only_accelerators: bool = False) -> Candidate | None:
    """Return a provider that is here. A plug-in runs on its accelerators; on the CPU where it is asked for by name."""
    runtime_name = names.RUNTIME_NAMES[name]
    if runtime_name in onnxruntime.get_available_providers():
        return Candidate(name, runtime_name)
    offers = [offer for offer in _plugged_in() if offer.device.ep_name == runtime_name]
    cpu = onnxruntime.OrtHardwareDeviceType.CPU
    accelerators = [offer for offer in offers if offer.device.device.type != cpu]
    if not (chosen := accelerators if accelerators or only_accelerators else offers):
        return None
    kinds = sorted({offer.device.device.type.name for offer in chosen})
    return Candidate(name, runtime_name, tuple(offer.device for offer in chosen), "+".join([chosen[0].version, *kinds]))


@dataclass(frozen=True, slots=True)
class _Offer:
    """A device, and the version of the plug-in that offers it."""

    device: onnxruntime.OrtEpDevice
    version: str


@cache
def _plugged_in() -> tuple[_Offer, ...]:
    """Register every plug-in that is installed, once; return the devices that they offer."""
    found: list[_Offer] = []
    for name in [module.name for module in pkgutil.iter_modules() if module.name.startswith("onnxruntime_ep_")]:
        try:
            module = importlib.import_module(name)
            before = len(onnxruntime.get_ep_devices())
            onnxruntime.register_execution_provider_library(name, module.get_library_path())
            found += [_Offer(device, _version_of(name)) for device in onnxruntime.get_ep_devices()[before:]]
        except Exception as error:  # noqa: BLE001 - a library of somebody else's
            log.warning(_("%s cannot be used: %s"), name, _short(error))
    # some offer devices that are not there, for compiling ahead
    return tuple(one for one in found if "is_virtual" not in {**one.device.ep_metadata, **one.device.device.metadata})


def _version_of(module: str) -> str:
    """Return the version of the package that brings a plug-in, "-" where it has none."""
    try:
        return metadata.version(module)
    except (metadata.PackageNotFoundError, KeyError):
        return "-"


def open_session(
    weights: bytes, candidate: Candidate, threads: int, *, stays: bool = False
) -> onnxruntime.InferenceSession:
    """Load `weights` on exactly this provider, with the CPU behind it for nodes it does not know.

    `stays`: the session lives as long as the process. Those on the CPU share their memory then, which is never given
    back. Raises ModelError where it does not load, or where ONNX Runtime went to another provider.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors; its warnings are about graph clean-up nobody can act on
    # A waiting pool must not burn a core.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # what really ran where is asked for afterwards: the list of providers says nothing about it
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    name = candidate.runtime_name
    # From the second run on it would want one large block beside the arena's, 840 MB for IS-Net, and win no time.
    options.enable_mem_pattern = name != CPU  # what it does to a GPU's memory was not measured
    if stays and name == CPU and _is_arena_shared(is_small=len(weights) < _SMALL_BYTES):
        options.add_session_config_entry("session.use_env_allocators", "1")
    settings = dict(_OPTIONS.get(candidate.name, {}))
    try:
        if candidate.devices:
            options.add_provider_for_devices(list(candidate.devices), settings)
            session = onnxruntime.InferenceSession(weights, options)
        else:
            if candidate.name in ("cuda", "tensorrt"):
                onnxruntime.preload_dlls()  # those of the nvidia-* packages, which nothing else finds
            wanted = [name] if name == CPU else [(name, settings), CPU] if settings else [name, CPU]
            session = onnxruntime.InferenceSession(weights, options, providers=wanted)
        session.disable_fallback()  # it would go to the CPU in the middle of a run, and say nothing
    except Exception as error:  # onnxruntime raises classes of its own that share no base but Exception
        raise ModelError(f"{name}: {_short(error)}") from error
    if (other := session.get_providers()[0]) != name:
        raise ModelError(_("{name}: ONNX Runtime went to {other} instead").format(name=name, other=other))
    return session


@cache
def _is_arena_shared(*, is_small: bool) -> bool:
    """Make one arena for all sessions on the CPU. Says whether there is one: without it each has its own.

    A process has one network. For a small one the arena grows by what is asked for, which took 50 MB less with two runs
    of u2netp beside each other; IS-Net takes 150 MB less with ONNX Runtime's own powers of two.
    """
    place = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    choices = {"initial_chunk_size_bytes": -1, "max_dead_bytes_per_chunk": -1}  # ONNX Runtime's own
    choices["arena_extend_strategy"] = 1 if is_small else 0
    try:
        onnxruntime.create_and_register_allocator(place, onnxruntime.OrtArenaCfg(choices))
    except Exception as error:  # noqa: BLE001 - onnxruntime raises classes of its own
        log.debug("%s", error)
        return False
    return True


def share_of(session: onnxruntime.InferenceSession, candidate: Candidate) -> float:
    """Return which part of the network's nodes this provider took, from 0 to 1; 1 where ONNX Runtime does not say."""
    try:
        parts = session.get_provider_graph_assignment_info()
    except Exception as error:  # noqa: BLE001 - older versions, and sessions that were not asked to note it
        log.debug("%s", error)
        return 1.0
    counts = [(len(part.get_nodes()), part.ep_name) for part in parts]
    whole = sum(count for count, _name in counts)
    return sum(count for count, name in counts if name == candidate.runtime_name) / whole if whole else 1.0


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
