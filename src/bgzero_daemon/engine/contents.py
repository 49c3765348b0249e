"""What an ONNX file asks for beside itself, read from its bytes: own code for a walk that no kept small library does.

Field numbers are those of onnx.proto of the ONNX project; the encoding is protobuf's
(https://protobuf.dev/programming-guides/encoding/). Tensors' bytes are passed over, so a file of a gigabyte takes
milliseconds.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from bgzero_daemon.core.texts import _

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_EXTERNAL = 1
_HALF = 10  # TensorProto.DataType.FLOAT16
_COMPILED = b"EPContext"  # ONNX Runtime's operator for what a provider has compiled, or for a file that holds it
_DEEPEST = 64  # graphs within graphs
_ORT_MARK = b"ORTM"  # the identifier of ONNX Runtime's own format, at offset 4 as in any flatbuffer

# message: field number -> what it holds; "operator", "domain", "own" and "location" are noted, others are walked into.
# The list of operator sets is passed over: onnx.quantize lists all that its runtime knew, and uses none of them.
_MESSAGES: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 10: "own", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {4: "operator", 5: "attribute", 7: "domain"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {2: "type", 13: "external", 14: "location"},
}


class NotOnnx(Exception):
    """These bytes are no ONNX model."""


@dataclass(slots=True)
class Contents:
    """The operators' domains ("" is ONNX itself), those of functions that it brings along, whether tensors lie in
    other files, whether any is of half precision, and whether a part is compiled for one device.
    """

    domains: set[str] = field(default_factory=set)
    own: set[str] = field(default_factory=set)
    has_external_data: bool = False
    is_half: bool = False
    is_compiled: bool = False


def contents(model: bytes) -> Contents:
    """Look through a model file. Raises NotOnnx where it makes no sense, or is ONNX Runtime's own format."""
    if model[4:8] == _ORT_MARK:
        raise NotOnnx(_("it is in ONNX Runtime's own format (.ort)"))
    found = Contents()
    try:
        _walk(memoryview(model), "model", found, 0)
    except (IndexError, ValueError, UnicodeDecodeError) as error:
        raise NotOnnx(_("it is no ONNX model, or a damaged one")) from error
    return found


def _walk(message: memoryview, kind: str, found: Contents, depth: int) -> None:
    if depth > _DEEPEST:
        raise ValueError("too deep")
    wanted = _MESSAGES[kind]
    for number, value in _fields(message):
        match wanted.get(number):
            case None:
                continue
            case "location":
                found.has_external_data = found.has_external_data or value == _EXTERNAL
            case "type":
                found.is_half = found.is_half or value == _HALF
            case _ if isinstance(value, int):
                raise ValueError("a number where a message is")
            case "operator":
                found.is_compiled = found.is_compiled or value == _COMPILED
            case "domain" | "own" as whose:
                (found.own if whose == "own" else found.domains).add(bytes(value).decode("utf-8"))
            case "external":
                found.has_external_data = True
            case inner:
                _walk(value, inner, found, depth + 1)


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield each field's number and value. Raises IndexError or ValueError for what is cut short or no protobuf."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        if key >> 32:  # readers of protobuf drop what is above, so it would be another field to them
            raise ValueError("a key that is too large")
        wire = key & 7
        if wire == _VARINT:
            value, at = _varint(message, at)
            yield key >> 3, value
            continue
        if wire == _BYTES:
            length, at = _varint(message, at)
        elif wire in (_FIXED64, _FIXED32):
            length = 8 if wire == _FIXED64 else 4
        else:
            raise ValueError(f"wire type {wire}")
        if at + length > len(message):
            raise IndexError("cut short")
        yield key >> 3, message[at : at + length]
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("a number without an end")
