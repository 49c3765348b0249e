"""Rewrites for ONNX Runtime's convolutions on a CPU, which keep pictures in blocks of 8 or 16 channels.

What comes out is plain ONNX, and the same but for the order of sums. Where pictures are not kept in blocks (measured
with that optimisation off) one rewrite wins what the other costs, 2 % at most.
"""

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

_BLOCK = 16
_LEAST_CHANNELS = 32  # with fewer, a lone filter costs hardly more than what takes its place
_Stored = dict[str, TensorProto]


def suit(model: ModelProto, uses: Counter[str]) -> None:
    """Rewrite a network in place. `uses` says how often each name is taken, by nodes and their branches."""
    graph, channels = model.graph, _channels(model)
    stored = {one.name: one for one in graph.initializer}
    nodes = [new for node in graph.node for new in _spread(node, stored)]
    joins = {
        node.output[0]: node
        for node in nodes
        if node.op_type == "Concat" and not node.domain and len(node.input) > 1 and _numbers(node, "axis") == [1]
        and uses[node.output[0]] == 1 and all(channels.get(name, 1) % _BLOCK == 0 for name in node.input)
    }  # fmt: skip
    split = {node.input[0] for node in nodes if _filters(node, stored) and node.input[0] in joins}
    rewritten: list[NodeProto] = []
    for node in nodes:
        if node.input and node.input[0] in split:
            rewritten += _split(node, joins[node.input[0]], channels, stored)
        elif not split.intersection(node.output):
            rewritten.append(node)
    before, after = (Counter(name for node in some for name in node.input) for some in (graph.node, rewritten))
    kept = uses - before + after
    for field, remaining in (
        (graph.node, rewritten), (graph.initializer, [one for name, one in stored.items() if kept[name]]),
        (graph.value_info, []),
    ):  # fmt: skip
        copies = [type(one).FromString(one.SerializeToString()) for one in remaining]
        del field[:]
        field.extend(copies)


def _spread(node: NodeProto, stored: _Stored) -> Iterator[NodeProto]:
    """Yield a node, or what takes the place of a convolution with one filter.

    A lone filter is computed as a whole block of them, most of it for nothing. Here a filter of one pixel for each
    place of the kernel looks at all channels, a convolution channel by channel moves what they say to where it belongs,
    and the last one adds it up.
    """
    filters = _filters(node, stored)
    area = int(np.prod(filters.dims[2:])) if filters else 0
    is_lone = filters and filters.dims[0] == 1 and filters.dims[1] >= _LEAST_CHANNELS and 1 < area <= _BLOCK
    if filters is None or not is_lone or set(_numbers(node, "strides")) - {1}:
        yield node
        return
    name, channels = node.output[0], filters.dims[1]
    looking = np.zeros((_BLOCK, channels, 1, 1), np.float32)
    looking[:area, :, 0, 0] = numpy_helper.to_array(filters).reshape(channels, area).T
    moving = np.zeros((_BLOCK, 1, area), np.float32)
    moving[range(area), 0, range(area)] = 1.0
    looked, moved = f"{name}/looked", f"{name}/moved"
    yield _sum_up([node.input[0], _store(stored, f"{name}/looking", looking)], looked)
    moving = moving.reshape(_BLOCK, 1, *filters.dims[2:])
    yield _like(node, [looked, _store(stored, f"{name}/moving", moving)], moved, group=_BLOCK)
    ones = np.ones((1, _BLOCK, 1, 1), np.float32)
    yield _sum_up([moved, _store(stored, f"{name}/ones", ones), *node.input[2:]], name)


def _split(node: NodeProto, join: NodeProto, channels: Mapping[str, int], stored: _Stored) -> Iterator[NodeProto]:
    """Yield a convolution over joined pictures as one for each of them, and their sum: nothing is copied together.

    ONNX Runtime makes one of a sum and the convolution before it.
    """
    weights, name, last = numpy_helper.to_array(stored[node.input[1]]), node.output[0], len(join.input) - 1
    first, so_far = 0, ""
    for number, source in enumerate(join.input):
        after, part = first + channels[source], f"{name}/part {number}"
        mine = _store(stored, f"{name}/weights {number}", weights[:, first:after])
        yield _like(node, [source, mine, *(node.input[2:] if number == last else [])], part)
        if so_far:
            whole = name if number == last else f"{name}/sum {number}"
            yield helper.make_node("Add", [so_far, part], [whole], name=whole)
            part = whole
        first, so_far = after, part


def _filters(node: NodeProto, stored: _Stored) -> TensorProto | None:
    """Return the weights of a plain convolution of pictures, None for everything else."""
    if node.op_type != "Conv" or node.domain or _numbers(node, "group") not in ([], [1]):
        return None
    found = stored.get(node.input[1])
    return found if found and found.data_type == TensorProto.FLOAT and len(found.dims) == 4 else None


def _channels(model: ModelProto) -> dict[str, int]:
    """Return how many channels each picture within the network has, where that can be told."""
    found = {}
    for value in onnx.shape_inference.infer_shapes(model).graph.value_info:
        sides = value.type.tensor_type.shape.dim
        if len(sides) == 4 and sides[1].dim_value > 0:
            found[value.name] = int(sides[1].dim_value)
    return found


def _numbers(node: NodeProto, wanted: str) -> list[int]:
    """Return an attribute's whole numbers; none where it is not there."""
    for attribute in node.attribute:
        if attribute.name == wanted:
            return list(attribute.ints) or [attribute.i]
    return []


def _like(node: NodeProto, inputs: list[str], output: str, *, group: int = 1) -> NodeProto:
    """Return another convolution of the same kind."""
    other = helper.make_node(node.op_type, inputs, [output], name=output, group=group)
    other.attribute.extend(attribute for attribute in node.attribute if attribute.name != "group")
    return other


def _sum_up(inputs: list[str], output: str) -> NodeProto:
    """Return a convolution of one pixel."""
    return helper.make_node("Conv", inputs, [output], name=output, kernel_shape=[1, 1])


def _store(stored: _Stored, name: str, values: NDArray[np.float32]) -> str:
    stored[name] = numpy_helper.from_array(np.ascontiguousarray(values), name)
    return name
