"""What may be asked of the daemon, and how a Snapshot travels."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgzero_daemon.service.board import Board
from bgzero_daemon.wire import snapshot
from bgzero_daemon.wire.control import MAX_REQUEST_BYTES, PROTOCOL, VERBS, BadRequest, encode, parse_request
from bgzero_daemon.wire.snapshot import (
    AtWork,
    Choice,
    Counts,
    Folder,
    Outcome,
    Provider,
    Snapshot,
    WorkerState,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.binary(max_size=300) | JSON.map(lambda value: json.dumps(value).encode()))
def test_anything_is_a_request_or_a_bad_one(line: bytes) -> None:
    """Never another exception, and what is a request names a verb."""
    said = ""
    try:
        request = parse_request(line)
    except BadRequest as error:
        said = str(error)
    assert ("\n" not in said) if said else request["verb"] in VERBS


@given(st.sampled_from(sorted(VERBS)), st.dictionaries(st.sampled_from(["paths", "seconds", "name", "on", "x"]), JSON))
def test_arguments_are_what_the_verb_takes(verb: str, arguments: dict[str, object]) -> None:
    """None missing, none strange, each of its kind."""
    try:
        request = parse_request(encode({"verb": verb, **arguments}))
    except BadRequest:
        return
    known = {*VERBS[verb].needs, *VERBS[verb].takes, "verb"}
    assert set(VERBS[verb].needs) <= set(request) <= known
    assert isinstance(request.get("on", True), bool)
    assert 0 < float(str(request.get("seconds", 1.0))) <= 366 * 86400


@pytest.mark.parametrize(
    ("line", "word"),
    [
        (b"[" * 100_000, "at most"),
        (b"[" * 60_000, "line of JSON"),
        (b'{"verb":"add","paths":["\\ud800"]}', "line of JSON"),
        (b'{"verb":"add"}', "needs paths"),
        (b'{"verb":"add","paths":[1]}', "list of texts"),
        (b'{"verb":"add","paths":[""]}', "not empty"),
        (b'{"verb":"pause","seconds":1e400}', "above 0"),
        (b'{"verb":"pause","seconds":NaN}', "above 0"),
        (b'{"verb":"pause","for":3}', "takes no for"),
        (b'{"verb":"redo","paths":["a"],"edges":"fine"}', "off, refine, best"),
        (b'{"verb":"rm"}', "one of the verbs"),
        (b'{"verb":["status"]}', "one of the verbs"),
        (b'{"verb":"status","protocol":2}', "version 1"),
        (b"9" * 5000, "line of JSON"),
    ],
)
def test_bad_request_is_told_what_is_wrong(line: bytes, word: str) -> None:
    """In a few words."""
    with pytest.raises(BadRequest, match=word) as caught:
        parse_request(line)
    assert len(str(caught.value)) < 300


def test_present_protocol_may_be_named_or_not() -> None:
    """Programs that are written down once go on working, and say so."""
    assert parse_request(b'{"verb":"status"}') == parse_request(encode({"verb": "status", "protocol": PROTOCOL}))
    assert len(parse_request(encode({"verb": "add", "paths": ["x" * (MAX_REQUEST_BYTES - 40)]}))) == 2


def picture(**changes: object) -> Snapshot:
    """A Snapshot with something everywhere."""
    values: dict[str, object] = {
        "version": "1", "pid": 2, "started_at": 1.0, "taken_at": 2.0, "state": "working", "why": "", "paused": False,
        "paused_until": 0.0, "notifications": True, "quiet_until": 0.0, "model": Choice("m", "default"),
        "switching_to": "", "provider": Provider("auto", "default", "CPUExecutionProvider", ""), "waiting": 3,
        "running": 1, "arriving": 0, "finishing": 0, "done": 4, "failed": 1, "skipped": 0, "today": Counts(1, 1, 0),
        "seconds_left": 2.5, "photos_per_minute": None, "at_work": (AtWork("1", "a", "a", "m", "cutting", 0.5),),
        "latest": (Outcome("b", "b", "done", "", "b.png", "b.png", "m", 1.0),),
        "folders": (Folder("/i", "/o", "/i", "/o", "m", False, 0, None, ("gone",)),),
        "workers": (WorkerState(5, "m", "p", "", "closed", 3, True, 100, {"1": "cutting"}, False, 0.1, True),),
        "sandbox": "closed",
        "memory_mb": 120, "trouble": "", "config_file": "", "config_error": "", "needs_restart": (),
    }  # fmt: skip
    return Snapshot(**(values | changes))  # type: ignore[arg-type]


def test_snapshot_survives_the_way_and_a_newer_daemon() -> None:
    """As JSON there and back; keys of a later version are passed over, missing ones and other schemas are not."""
    told = json.loads(json.dumps(picture().told()))
    assert snapshot.read(told).told() == picture().told()
    told["folders"][0]["colour"] = told["mood"] = "new"
    assert snapshot.read(told).without_time() == snapshot.read(json.loads(json.dumps(picture().told()))).without_time()
    del told["workers"][0]["prepared"]  # a daemon that runs since before an update
    assert not snapshot.read(told).workers[0].prepared
    for broken in ({**told, "schema": 2}, {key: value for key, value in told.items() if key != "model"}):
        with pytest.raises(ValueError, match="snapshot"):
            snapshot.read(broken)


def test_board_calls_only_where_something_is_new() -> None:
    """Time and memory alone are no news; the event is the one of the latest picture."""
    board, calls = Board(), []
    board.on_change = lambda: calls.append(1)
    assert board.snapshot is None
    assert board.event == b""
    assert board.post(picture())
    assert not board.post(picture(taken_at=3.0, memory_mb=130, seconds_left=1.0))
    assert json.loads(board.event)["taken_at"] == 3.0
    assert board.post(picture(waiting=2))
    assert len(calls) == 2
    assert json.loads(board.event)["waiting"] == 2


def test_every_verb_is_described_for_people() -> None:
    """docs/control.md has a row for each, with its arguments."""
    text = (Path(__file__).parents[2] / "docs" / "control.md").read_text()
    for name, verb in VERBS.items():
        row = next((line for line in text.splitlines() if line.startswith(f"| `{name}` |")), "")
        assert verb.does in row, name
        assert all(f"`{key}`" in row for key in (*verb.needs, *verb.takes)), name
