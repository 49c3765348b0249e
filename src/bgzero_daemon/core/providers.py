"""Names of execution providers, as people write them and as ONNX Runtime calls them. What they are, `engine` knows."""

import difflib

from bgzero_daemon.core.texts import _

AUTO, CPU = "auto", "cpu"

RUNTIME_NAMES = {
    CPU: "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "tensorrt-rtx": "NvTensorRTRTXExecutionProvider",
    "migraphx": "MIGraphXExecutionProvider",
    "rocm": "ROCMExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
}


def read_order(text: str) -> tuple[str, ...]:
    """Read "auto", a name, or names in the order in which they are tried, with commas between them.

    The CPU is always the last, named or not. Raises ValueError with a sentence for anything else.
    """
    names = tuple(dict.fromkeys(part.strip().lower() for part in text.split(",")))
    for name in names:
        if name == AUTO and len(names) > 1:
            raise ValueError(_("auto stands alone"))
        if name != AUTO and name not in RUNTIME_NAMES:
            nearest = difflib.get_close_matches(name, [AUTO, *RUNTIME_NAMES], n=1)
            said = (
                _("there is no provider {name}, but {names}; did you mean {nearest}?")
                if nearest
                else (_("there is no provider {name}, but {names}"))
            )
            names_here = ", ".join([AUTO, *RUNTIME_NAMES])
            raise ValueError(said.format(name=repr(name), names=names_here, nearest=next(iter(nearest), "")))
    if names == (AUTO,):
        return names
    return (*names[: names.index(CPU)], CPU) if CPU in names else (*names, CPU)
