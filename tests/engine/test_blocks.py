"""Rewrites for convolutions in blocks of channels: less is copied and computed, and the mask stays the same."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import AttributeProto, GraphProto, NodeProto, TensorProto, helper, numpy_helper

from bgzero_daemon.engine import recipe

SIDE_PX = 24
F32 = NDArray[np.float32]


@dataclass
class Network:
    """A network of one picture "x" of three channels and one output "y", made node by node."""

    nodes: list[NodeProto] = field(default_factory=list)
    weights: dict[str, F32] = field(default_factory=dict)

    def conv(self, source: str, name: str, shape: Sequence[int], *, bias: bool = True, **options: object) -> str:
        """Add a convolution with random weights of this shape, or those that are there under the name."""
        random = np.random.default_rng(len(self.nodes))
        for kept, sides in ((f"w {name}", tuple(shape)), (f"b {name}", (shape[0],))):
            self.weights.setdefault(kept, random.normal(0, 0.2, sides).astype(np.float32))
        stored = [f"w {name}", f"b {name}"] if bias else [f"w {name}"]
        return self.add("Conv", [source, *stored], f"{name} of {source}", **options)

    def add(self, kind: str, sources: Sequence[str], output: str, **options: object) -> str:
        """Add any other node."""
        node = helper.make_node(kind, sources, [output])
        node.attribute.extend(helper.make_attribute(key, value) for key, value in options.items())
        self.nodes.append(node)
        return output

    def parts(self, *channels: int) -> list[str]:
        """Add pictures of so many channels each."""
        return [self.conv("x", f"p{number}", (count, 3, 1, 1)) for number, count in enumerate(channels)]

    def ended(self, last: str, *, opset: int = 17, ir_version: int = 8, as_inputs: bool = False) -> bytes:
        """Return the network, whose output is the sigmoid of `last`."""
        self.add("Sigmoid", [last], "y")
        stored = [numpy_helper.from_array(values, name) for name, values in self.weights.items()]
        inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, SIDE_PX, SIDE_PX])]
        if as_inputs:
            inputs += [helper.make_tensor_value_info(one.name, TensorProto.FLOAT, list(one.dims)) for one in stored]
        output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, None, None, None])
        graph = helper.make_graph(self.nodes, "n", inputs, [output], stored)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version)
        return bytes(model.SerializeToString())


def prepared(network: bytes, workplace: Path) -> onnx.ModelProto:
    """Prepare a network, and see that it says what it said before."""
    graph = recipe.prepare(network, "", workplace)
    picture = np.random.default_rng(9).normal(0, 1, (1, 3, SIDE_PX, SIDE_PX)).astype(np.float32)
    before, after = (
        onnxruntime.InferenceSession(one, providers=["CPUExecutionProvider"]).run(None, {"x": picture})[0]
        for one in (network, graph)
    )
    assert before.std() > 0.01
    assert np.abs(before - after).max() < 1e-5
    return onnx.load_model_from_string(graph)


def shapes(graph: GraphProto, outer: GraphProto | None = None) -> list[tuple[int, ...]]:
    """Return the shapes of all convolutions' weights, which a branch may have from outside."""
    stored = {one.name: tuple(one.dims) for one in (outer or graph).initializer}
    return [stored[node.input[1]] for node in graph.node if node.op_type == "Conv"]


def kinds(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


@pytest.mark.parametrize(
    ("kernel", "options"),
    [
        ((3, 3), {"pads": [1, 1, 1, 1]}),
        ((3, 3), {"pads": [2, 2, 2, 2], "dilations": [2, 2]}),
        ((3, 2), {"pads": [0, 1, 2, 3]}),
        ((1, 5), {"auto_pad": "SAME_UPPER"}),
        ((4, 4), {"group": 1, "strides": [1, 1]}),
    ],
)
@pytest.mark.parametrize("bias", [True, False])
def test_lone_filter_becomes_one_for_each_of_its_places(
    kernel: tuple[int, int], options: dict[str, object], bias: bool, tmp_path: Path
) -> None:
    """With padding, dilation and bias as they were."""
    network = Network()
    (wide,) = network.parts(40)
    model = prepared(network.ended(network.conv(wide, "lone", (1, 40, *kernel), bias=bias, **options)), tmp_path)
    assert shapes(model.graph) == [(40, 3, 1, 1), (16, 40, 1, 1), (16, 1, *kernel), (1, 16, 1, 1)]
    assert "w lone" not in [one.name for one in model.graph.initializer]


@pytest.mark.parametrize("channels", [(16, 32), (32, 16, 48), (16, 16, 16, 16)])
def test_joined_pictures_are_not_copied_together(channels: tuple[int, ...], tmp_path: Path) -> None:
    """Each has its share of the weights; the bias counts once; the activation comes after the sum."""
    network = Network()
    joined = network.add("Concat", network.parts(*channels), "joined", axis=1)
    last = network.conv(joined, "c", (8, sum(channels), 3, 3), pads=[2, 2, 2, 2], dilations=[2, 2])
    model = prepared(network.ended(network.add("Relu", [last], "relu")), tmp_path)
    assert "Concat" not in kinds(model)
    expected = [shape for count in channels for shape in ((count, 3, 1, 1), (8, count, 3, 3))]
    assert sorted(shapes(model.graph)) == sorted(expected)
    assert kinds(model).count("Add") == len(channels) - 1
    assert kinds(model)[-2:] == ["Relu", "Sigmoid"]


def test_lone_filter_over_joined_pictures_is_rewritten_both_ways(tmp_path: Path) -> None:
    """Neither takes away what the other needs."""
    network = Network()
    joined = network.add("Concat", network.parts(16, 32), "joined", axis=1)
    model = prepared(network.ended(network.conv(joined, "c", (1, 48, 3, 3))), tmp_path)
    assert sorted(shapes(model.graph)[2:]) == [(1, 16, 1, 1), (16, 1, 3, 3), (16, 16, 1, 1), (16, 32, 1, 1)]


def test_weights_that_others_use_too_are_kept(tmp_path: Path) -> None:
    """One convolution is rewritten, the other with the same weights is not."""
    network = Network()
    joined = network.add("Concat", network.parts(16, 32), "joined", axis=1)
    whole = network.conv("x", "whole", (48, 3, 1, 1))
    both = [network.conv(source, "c", (8, 48, 3, 3)) for source in (joined, whole)]
    model = prepared(network.ended(network.add("Add", both, "sum")), tmp_path)
    assert (8, 48, 3, 3) in shapes(model.graph)
    assert (8, 16, 3, 3) in shapes(model.graph)
    assert "Concat" not in kinds(model)


def test_what_would_win_nothing_or_say_something_else_is_left_alone(tmp_path: Path) -> None:
    """Pictures joined for two or for a branch, by rows, of a few channels; groups; lone filters of other kinds."""

    def joined(network: Network, *channels: int, axis: int = 1) -> str:
        return network.add("Concat", network.parts(*channels), "joined", axis=axis)

    def for_two(network: Network) -> str:
        source = joined(network, 16, 16)
        return network.add("Add", [network.conv(source, name, (8, 32, 3, 3)) for name in "cd"], "sum")

    def for_a_branch(network: Network) -> str:
        source, branches = joined(network, 16, 16), Network()
        branches.conv(source, "branch", (8, 32, 3, 3))
        branch = helper.make_graph(
            branches.nodes, "b", [], [helper.make_tensor_value_info(f"branch of {source}", TensorProto.FLOAT, None)]
        )
        network.weights |= branches.weights
        network.add("ReduceSum", ["x"], "bright", keepdims=0)
        network.add("Cast", ["bright"], "is bright", to=TensorProto.BOOL)
        network.add("If", ["is bright"], "either", then_branch=branch, else_branch=branch)
        return network.add("Add", [network.conv(source, "c", (8, 32, 3, 3)), "either"], "sum")

    cases: dict[str, Callable[[Network], str]] = {
        "for two": for_two,
        "for a branch": for_a_branch,
        "by rows": lambda network: network.conv(joined(network, 16, 16, axis=2), "c", (8, 16, 3, 3)),
        "few channels": lambda network: network.conv(joined(network, 16, 6), "c", (8, 22, 3, 3)),
        "groups": lambda network: network.conv(joined(network, 16, 16), "c", (8, 16, 3, 3), group=2),
        "strides": lambda network: network.conv(network.parts(40)[0], "c", (1, 40, 3, 3), strides=[1, 2]),
        "large": lambda network: network.conv(network.parts(40)[0], "c", (1, 40, 5, 5)),
        "narrow": lambda network: network.conv(network.parts(16)[0], "c", (1, 16, 3, 3)),
        "one pixel": lambda network: network.conv(network.parts(40)[0], "c", (1, 40, 1, 1)),
    }
    for title, make in cases.items():
        network = Network()
        last = make(network)
        wanted = sorted(values.shape for name, values in network.weights.items() if name.startswith("w "))
        model = prepared(network.ended(last), tmp_path)
        branches = [one.g for node in model.graph.node for one in node.attribute if one.type == AttributeProto.GRAPH]
        found = [shape for graph in (model.graph, *branches[:1]) for shape in shapes(graph, model.graph)]
        assert sorted(found) == wanted, title
        is_joined = title in ("for two", "for a branch", "by rows", "few channels", "groups")
        assert kinds(model).count("Concat") == is_joined, title


def test_stored_values_are_no_inputs(tmp_path: Path) -> None:
    """Old converters list them there too, where ONNX Runtime takes them for something that may change."""
    network = Network()
    (wide,) = network.parts(40)
    last = network.conv(wide, "lone", (1, 40, 3, 3))
    model = prepared(network.ended(last, opset=9, ir_version=3, as_inputs=True), tmp_path)
    assert [one.name for one in model.graph.input] == ["x"]
    assert (16, 1, 3, 3) in shapes(model.graph)
