"""The only room that knows execution providers."""

import onnxruntime

from bgzero_daemon.core.errors import ModelError

CPU = "CPUExecutionProvider"

# What "auto" tries, best first. Never run here: no machine at hand had one of these devices.
_ACCELERATORS = (
    "CUDAExecutionProvider",
    "MIGraphXExecutionProvider",
    "ROCMExecutionProvider",
    "CoreMLExecutionProvider",
)


def candidates(asked: str) -> list[str]:
    """Return the providers to try for "auto" or "cpu", best first; the CPU is always last."""
    if asked == "cpu":
        return [CPU]
    built_in = set(onnxruntime.get_available_providers())
    return [*(provider for provider in _ACCELERATORS if provider in built_in), CPU]


def open_session(weights: bytes, provider: str, threads: int) -> onnxruntime.InferenceSession:
    """Load `weights` on exactly this provider, with the CPU behind it for nodes it does not know.

    Raises ModelError where it does not load, or where ONNX Runtime went to another provider.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors; its warnings are about graph clean-up nobody can act on
    # A waiting pool must not burn a core.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers = [provider] if provider == CPU else [provider, CPU]
    try:
        session = onnxruntime.InferenceSession(weights, options, providers=providers)
    except Exception as error:  # onnxruntime raises classes of its own that share no base but Exception
        raise ModelError(f"{provider}: {_short(error)}") from error
    if session.get_providers()[0] != provider:
        raise ModelError(f"{provider}: ONNX Runtime went to {session.get_providers()[0]} instead")
    return session


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
