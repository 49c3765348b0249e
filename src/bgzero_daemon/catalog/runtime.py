"""Which ONNX Runtime is installed, without loading it."""

import pkgutil
import sys
from contextlib import suppress
from importlib import metadata

PLAIN = "onnxruntime"
# All of them install the same module, over one another.
FLAVOURS = frozenset(
    f"{PLAIN}{ending}"
    for ending in (
        "", "-gpu", "-openvino", "-directml", "-rocm", "-migraphx", "-qnn", "-silicon", "-training", "-cann",
        "-vitisai",
    )
)  # fmt: skip


def versions() -> dict[str, str]:
    """Return the ONNX Runtime packages that are installed, with their versions."""
    found = {}
    for name in sorted(FLAVOURS):
        with suppress(metadata.PackageNotFoundError, KeyError):  # KeyError: the rest of one that was taken away
            found[name] = metadata.version(name)
    return found


def runs_on_cpu(provider: str) -> bool:
    """Say whether what is asked for ends on the CPU in any case: asked for, or nothing else is installed.

    The plain package knows the CPU alone, but on a Mac, or where plug-ins are beside it.
    """
    has_plug_ins = any(module.name.startswith("onnxruntime_ep_") for module in pkgutil.iter_modules())
    return provider == "cpu" or (sys.platform != "darwin" and set(versions()) <= {PLAIN} and not has_plug_ins)
