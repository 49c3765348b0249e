"""A real ONNX network that runs in milliseconds, with the signature of U²-Net: one picture in, seven masks out.

It takes bright pixels for the subject, so a test knows what comes out: a white shape on black is cut out.
"""

import hashlib
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE_PX = 320
CARD = """
title = "Bright is subject"
good_for = "tests"
file = "{name}.onnx"
size_bytes = {size}
sha256 = "{sha256}"

[licence]
name = "AGPL-3.0-or-later"
commercial = "yes"

[origin]
homepage = "https://example.org"
published = "made by the tests"

[input]
size_px = {side}
scale = 255.0
mean = [0.5, 0.5, 0.5]
std = [1.0, 1.0, 1.0]
fit = "{fit}"

[output]
activation = "probabilities"
"""


def network(
    side_px: int = SIDE_PX, entrance: str = "input.1", outputs: int = 7, blind_px: int = 0, gain: float = 20.0
) -> bytes:
    """Return the network's file: sigmoid of `gain` times the mean of the three channels, seven times over.

    With other names, sides and numbers of `outputs` it has the signature of another network. It sees nothing in
    `blind_px` columns at the left.
    """
    weights = numpy_helper.from_array(np.full((1, 3, 1, 1), gain / 3.0, np.float32), "w")
    names = [f"d{number}" for number in range(outputs)]
    nodes = [helper.make_node("Conv", [entrance, "w"], ["bright" if blind_px else "logits"])]
    constants = [weights]
    if blind_px:
        sight = np.where(np.arange(side_px) < blind_px, -1000, 0).astype(np.float32).reshape(1, 1, 1, side_px)
        nodes.append(helper.make_node("Add", ["bright", "sight"], ["logits"]))
        constants.append(numpy_helper.from_array(sight, "sight"))
    nodes += [helper.make_node("Sigmoid", ["logits"], [name]) for name in names]
    shape = [1, 1, side_px, side_px]
    graph = helper.make_graph(
        nodes,
        "bright",
        [helper.make_tensor_value_info(entrance, TensorProto.FLOAT, [1, 3, side_px, side_px])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in names],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def install(models: Path, name: str = "tiny", fit: str = "stretch", gain: float = 20.0, blind_px: int = 0) -> Path:
    """Put network and card into a folder of models; return the weight file."""
    models.mkdir(parents=True, exist_ok=True)
    content = network(gain=gain, blind_px=blind_px)
    weights = models / f"{name}.onnx"
    weights.write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    card = CARD.format(name=name, size=len(content), sha256=sha256, side=SIDE_PX, fit=fit)
    (models / f"{name}.toml").write_text(card)
    return weights
