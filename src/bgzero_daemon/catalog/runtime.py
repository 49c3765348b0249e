"""Which ONNX Runtime is installed, without loading it."""

import pkgutil
import sys
from contextlib import suppress
from importlib import metadata

from bgzero_daemon.core.providers import AUTO, read_order

PLAIN = "onnxruntime"
# All of them install the same module, over one another.
FLAVOURS = frozenset(
    f"{PLAIN}{ending}"
    for ending in (
        "", "-gpu", "-openvino", "-directml", "-rocm", "-migraphx", "-qnn", "-silicon", "-training", "-cann",
        "-vitisai",
    )
)  # fmt: skip
# Providers that compile the network for their device each time it is loaded, and packages whose "auto" may be one.
_COMPILING = frozenset({"tensorrt", "tensorrt-rtx", "migraphx", "openvino"})
_WITH_COMPILING = frozenset(f"{PLAIN}-{name}" for name in ("openvino", "migraphx", "rocm"))


def versions() -> dict[str, str]:
    """Return the ONNX Runtime packages that are installed, with their versions."""
    found = {}
    for name in sorted(FLAVOURS):
        with suppress(metadata.PackageNotFoundError, KeyError):  # KeyError: the rest of one that was taken away
            found[name] = metadata.version(name)
    return found


def runs_on_cpu(provider: str) -> bool:
    """Say whether what is asked for ends on the CPU in any case: asked for, or nothing else is installed.

    The plain package knows the CPU alone, but on a Mac, or where plug-ins are beside it. Where no package says what is
    installed (a runtime that was built here), nobody can be sure.
    """
    return provider == "cpu" or (sys.platform != "darwin" and set(versions()) == {PLAIN} and not has_plug_ins())


def has_plug_ins() -> bool:
    """Say whether a package is installed that brings a provider as a plug-in."""
    return any(module.name.startswith("onnxruntime_ep_") for module in pkgutil.iter_modules())


def may_compile(provider: str) -> bool:
    """Say whether what is asked for may compile the network for its device, which takes minutes at each load."""
    if runs_on_cpu(provider):
        return False
    order = read_order(provider)
    if order != (AUTO,):
        return not _COMPILING.isdisjoint(order)
    installed = set(versions())
    return not installed or not _WITH_COMPILING.isdisjoint(installed) or has_plug_ins()
