"""Commands and the service: one line of JSON each way over a Unix socket. Standard library only.

A request is an object with a `verb`, that verb's arguments, and `protocol`, the version that its sender speaks
(taken for the present one where it is missing). A reply is an object with `ok`; without it a `sentence` and a
`hint` say why not. Replies come in the order of their requests. After `subscribe` lines with an `event` come
between them: {"event": "snapshot", ...} whenever something has changed. Paths travel as
`core.names.to_wire` writes them. A line has 64 KiB at most on its way to the service.
"""

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from bgzero_daemon.core.confidence import Confidence
from bgzero_daemon.core.recipe import Edges

SOCKET = "control.sock"  # in core.paths.runtime_dir()
STATUS = "status.json"  # beside it: the last Snapshot, for who cannot ask
PROTOCOL = 1
MAX_REQUEST_BYTES = 64 * 1024
CARD_ANSWERS = ("import", "day", "no")
_MOST_SECONDS = 366 * 86400.0


class BadRequest(Exception):
    """Not a request; the message says why."""


def _paths(value: object) -> object:
    if not isinstance(value, list) or not all(isinstance(path, str) and path and "\0" not in path for path in value):
        raise BadRequest("paths is a list of texts that are not empty")
    return value


def _count(value: object) -> object:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 1_000_000:
        raise BadRequest("limit is a whole number from 0 to a million")
    return value


def _seconds(value: object) -> object:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= _MOST_SECONDS:
        raise BadRequest("seconds is a number above 0, a year at most")
    return float(value)


def _name(value: object) -> object:
    if not isinstance(value, str) or len(value) > 4096 or "\0" in value:
        raise BadRequest("a name is a text")
    return value


def _confidence(value: object) -> object:
    if value not in [*Confidence]:
        raise BadRequest(f"confidence is one of {', '.join(filter(None, Confidence))}")
    return value


def _edges(value: object) -> object:
    if value not in [*Edges]:
        raise BadRequest(f"edges is one of {', '.join(Edges)}")
    return value


def _card(value: object) -> object:
    if value not in CARD_ANSWERS:
        raise BadRequest(f"an answer is one of {', '.join(CARD_ANSWERS)}")
    return value


def _switch(value: object) -> object:
    if not isinstance(value, bool):
        raise BadRequest("a switch is true or false")
    return value


Check = Callable[[object], object]


class Verb(NamedTuple):
    """One thing that can be asked for: what it does, its arguments, and the keys of a reply that is ok.

    `needs` are arguments that have to be there, `takes` those that may. `may_take_long`: the answer comes when
    it is done, which may be minutes.
    """

    does: str
    replies: tuple[str, ...] = ()
    needs: Mapping[str, Check] = MappingProxyType({})
    takes: Mapping[str, Check] = MappingProxyType({})
    may_take_long: bool = False


VERBS: Mapping[str, Verb] = {
    "hello": Verb("say who is there", ("protocol", "version", "pid", "verbs")),
    "status": Verb("the Snapshot of this moment", ("schema", "state", "...")),
    "subscribe": Verb("the Snapshot now, and from here on whenever it changes", ("schema", "state", "...")),
    "pause": Verb("begin with no more photos, for a while or until resume", ("until",), takes={"seconds": _seconds}),
    "resume": Verb("go on, and look through all inboxes"),
    "set_model": Verb(
        "cut the next photo with this model, once it has proved itself; '' goes back to the configured one",
        ("model", "provider"), needs={"name": _name}, takes={"accept_licence": _switch}, may_take_long=True,
    ),
    "set_provider": Verb(
        "the same with this provider", ("model", "provider"), needs={"name": _name}, may_take_long=True,
    ),
    "set_notifications": Verb(
        "let the tray speak, or keep it quiet, for a while or for good",
        ("until",), needs={"on": _switch}, takes={"seconds": _seconds},
    ),
    "add": Verb("cut these photos of an inbox first", ("photos",), needs={"paths": _paths}),
    "redo": Verb(
        "cut again, whatever was decided, with another model or other edges if these are named",
        ("count",), needs={"paths": _paths}, takes={"model": _name, "edges": _edges},
    ),
    "models": Verb("all models there are cards for, the best first", ("models",), may_take_long=True),
    "failed": Verb("photos that could not be cut", ("photos", "count"), takes={"limit": _count}),
    "retry": Verb("try failed photos again; without paths all", ("count",), takes={"paths": _paths}),
    "dismiss": Verb("take failed photos off the list; without paths all", ("count",), takes={"paths": _paths}),
    "history": Verb(
        "what was decided, the latest first; all, or what is so sure",
        ("photos",), takes={"limit": _count, "confidence": _confidence},
    ),
    "review": Verb("cut-outs that want a look, the latest first", ("photos", "count"), takes={"limit": _count}),
    "accept": Verb(
        "accept cut-outs that want a look; without paths all", ("count",), takes={"paths": _paths}, may_take_long=True
    ),
    "card": Verb(
        "what becomes of a card in `cards`: import all that is new on it, or what is of the last day, or not now",
        ("state",), needs={"path": _name, "answer": _card},
    ),
    "reload": Verb(
        "read the configuration anew and take over what changed", ("changed", "needs_restart"), may_take_long=True
    ),
    "stop": Verb("finish the photos in work, and end"),
}  # fmt: skip


def parse_request(line: bytes) -> dict[str, object]:
    """Read a request. Raises BadRequest for anything that is none."""
    if len(line) > MAX_REQUEST_BYTES:
        raise BadRequest(f"a request has at most {MAX_REQUEST_BYTES} bytes")
    try:
        request = json.loads(line)
        json.dumps(request, ensure_ascii=False).encode()  # half a surrogate is no text
    except (ValueError, RecursionError) as error:
        raise BadRequest("a request is one line of JSON") from error
    if not isinstance(request, dict) or not isinstance(name := request.get("verb"), str) or name not in VERBS:
        raise BadRequest(f"a request names one of the verbs {', '.join(VERBS)}")
    protocol = request.pop("protocol", PROTOCOL)
    if protocol != PROTOCOL:
        raise BadRequest(f"this daemon speaks version {PROTOCOL} of the protocol, not {str(protocol)[:20]}")
    verb, given = VERBS[name], dict(request)
    del given["verb"]
    if missing := [key for key in verb.needs if key not in given]:
        raise BadRequest(f"{name} needs {', '.join(missing)}")
    known = {**verb.needs, **verb.takes}
    if strange := [key for key in given if key not in known]:
        raise BadRequest(f"{name} takes no {strange[0][:40]}")
    return {"verb": name, **{key: known[key](value) for key, value in given.items()}}


def encode(message: Mapping[str, object]) -> bytes:
    """Write a request or a reply as one line."""
    return json.dumps(message, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
