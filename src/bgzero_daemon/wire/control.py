"""Commands and the service: one line of JSON each way over a Unix socket. Standard library only.

A request is an object with a `verb` and that verb's arguments; paths travel as `core.names.to_wire`
writes them. A reply has `ok`; without it a `sentence` and a `hint` say why not.
"""

import json
from collections.abc import Mapping

SOCKET = "control.sock"  # in core.paths.runtime_dir()
MAX_REQUEST_BYTES = 64 * 1024
VERBS = ("status", "pause", "resume", "add", "redo", "failed", "retry", "dismiss", "history")


class BadRequest(Exception):
    """Not a request; the message says why."""


def parse_request(line: bytes) -> dict[str, object]:
    """Read a request. Raises BadRequest for anything that is none."""
    if len(line) > MAX_REQUEST_BYTES:
        raise BadRequest(f"a request has at most {MAX_REQUEST_BYTES} bytes")
    try:
        request = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadRequest("a request is one line of JSON") from error
    if not isinstance(request, dict) or request.get("verb") not in VERBS:
        raise BadRequest(f"a request names one of the verbs {', '.join(VERBS)}")
    return request


def paths_of(request: Mapping[str, object]) -> list[str]:
    """Return the request's paths, as they travel. Raises BadRequest where they are no list of texts."""
    paths = request.get("paths", [])
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise BadRequest("paths is a list of texts")
    return paths


def number_of(request: Mapping[str, object], name: str, default: int) -> int:
    """Return a number from 0 to a million out of a request. Raises BadRequest for anything else."""
    value = request.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 1_000_000:
        raise BadRequest(f"{name} is a number from 0 to a million")
    return value


def encode(message: Mapping[str, object]) -> bytes:
    """Write a request or a reply as one line."""
    return json.dumps(message, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
