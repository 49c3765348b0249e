"""How a published network becomes one that suits a CPU: one output, single precision, constants folded, less to copy.

The result is plain ONNX: ONNX Runtime's own optimisation is done at the level "basic", which knows nothing of the
machine it runs on.
"""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, numpy_helper

from bgzero_daemon.catalog.prepared import FOLDED
from bgzero_daemon.engine import blocks

_HALF, _SINGLE = TensorProto.FLOAT16, TensorProto.FLOAT
_STORED_APART = 4  # the first ONNX format in which what is stored need not be an input as well


def prepare(weights: bytes, output: str, workplace: Path) -> bytes:
    """Return a network with this output alone ("" for the first), in single precision, whose constants are folded.

    `workplace` is a folder for what ONNX Runtime writes meanwhile, which it does by name only.

    Raises ValueError where it cannot be rewritten so: no such output, or what is half precision in another way.
    """
    try:
        model = onnx.load_model_from_string(weights)
        _keep_output(model.graph, output)
        model.ir_version = max(model.ir_version, _STORED_APART)
        _widen_graph(model.graph)
        onnx.checker.check_model(model)
        folded = onnx.load_model_from_string(_fold(model.SerializeToString(), workplace))
        blocks.suit(folded, _uses(folded.graph))
        _trim(folded)
        onnx.checker.check_model(folded)
        return bytes(folded.SerializeToString())
    except ValueError:
        raise
    except Exception as error:  # protobuf, the checker and ONNX Runtime raise what they like
        raise ValueError(" ".join(str(error).split())[:200]) from error


def _keep_output(graph: GraphProto, wanted: str) -> None:
    """Cut all outputs but one, and what only they need; what is stored is no input, which might change."""
    kept = next((one for one in graph.output if wanted in ("", one.name)), None)
    if kept is None:
        raise ValueError(f"it has no output {wanted}")
    nodes = _in_order(graph, kept.name)
    needed = {kept.name}.union(*map(_taken, nodes))
    stored = {one.name for one in graph.initializer}
    inputs = [one for one in graph.input if one.name not in stored]
    outputs, initialisers = [kept], [one for one in graph.initializer if one.name in needed]
    for field, remaining in (
        (graph.node, nodes), (graph.input, inputs), (graph.output, outputs), (graph.initializer, initialisers),
        (graph.value_info, []),
    ):  # fmt: skip
        copies = [type(one).FromString(one.SerializeToString()) for one in remaining]
        del field[:]
        field.extend(copies)


def _in_order(graph: GraphProto, output: str) -> list[NodeProto]:
    """Return the nodes that an output needs, whoever makes something before whoever takes it.

    ONNX asks for that order; ONNX Runtime does not, and converters to half precision append their casts at the end.
    """
    makers = {name: number for number, node in enumerate(graph.node) for name in node.output if name}
    order: dict[int, None] = {}
    begun: set[int] = set()
    waiting = [makers[output]] if output in makers else []
    while waiting:
        number = waiting[-1]
        others = [makers[name] for name in _taken(graph.node[number]) if name in makers]
        missing = [other for other in others if other not in order]
        if number in order or not missing:
            order[waiting.pop()] = None
        elif number in begun and begun.intersection(missing):
            raise ValueError("its nodes go round in a circle")
        else:
            begun.add(number)
            waiting += missing
    return [graph.node[number] for number in order]


def _taken(node: NodeProto) -> Iterator[str]:
    """Yield every name that a node may take: its inputs, and whatever is named within its branches."""
    yield from node.input
    for branch in _branches(node):
        yield from (one.name for one in branch.output)
        for inner in branch.node:
            yield from _taken(inner)


def _uses(graph: GraphProto) -> Counter[str]:
    """Count how often each name is taken by nodes and their branches. Nothing takes the one output."""
    return Counter(name for node in graph.node for name in _taken(node))


def _branches(node: NodeProto) -> Iterator[GraphProto]:
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            yield attribute.g
        yield from attribute.graphs


def _widen_graph(graph: GraphProto) -> None:
    """Make single precision of all half precision: what is stored, what is cast to, what goes in and comes out."""
    for value in (*graph.input, *graph.output, *graph.value_info):
        if value.type.tensor_type.elem_type == _HALF:
            value.type.tensor_type.elem_type = _SINGLE
    _widen(graph.initializer)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.TENSOR:
                _widen([attribute.t])
            elif attribute.name in ("to", "dtype") and attribute.i == _HALF:
                attribute.i = _SINGLE
        for branch in _branches(node):
            _widen_graph(branch)


def _widen(tensors: Iterable[TensorProto]) -> None:
    for tensor in tensors:
        if tensor.data_type == _HALF:
            values = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def _trim(model: ModelProto) -> None:
    """Take out the domains of operators that nothing uses: ONNX Runtime names all that it knows."""
    used = {""}.union(*map(_domains, model.graph.node))
    kept = [one for one in model.opset_import if one.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)


def _domains(node: NodeProto) -> set[str]:
    return {node.domain}.union(*(_domains(inner) for branch in _branches(node) for inner in branch.node))


def _fold(model: bytes, workplace: Path) -> bytes:
    """Let ONNX Runtime do once what it would do at every start."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = os.fspath(workplace / FOLDED)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return (workplace / FOLDED).read_bytes()
