"""Which runtime is installed decides what may be asked of it, before it is loaded."""

import sys

import pytest

from bgzero_daemon.catalog import runtime
from bgzero_daemon.service.allowance import Allowance


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Some packages, by the last parts of their names; "ep" is a plug-in."""
    words = set(request.param.split())
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(runtime, "has_plug_ins", lambda: "ep" in words)
    monkeypatch.setattr(runtime, "versions", lambda: {f"onnxruntime{word.strip('.')}": "1" for word in words - {"ep"}})


@pytest.mark.parametrize(
    ("installed", "asked", "is_cpu", "compiles"),
    [
        (".", "auto", True, False), (".", "tensorrt", True, False), (". ep", "auto", False, True),
        (". ep", "cpu", True, False), ("-gpu", "auto", False, False), ("-gpu", "cuda", False, False),
        ("-gpu", "tensorrt,cuda", False, True), ("-openvino", "auto", False, True), ("-rocm", "rocm", False, False),
        ("-migraphx", "auto", False, True), ("-gpu", "cpu", True, False),
        ("", "auto", False, True), ("", "cuda", False, False), ("", "cpu", True, False),
    ],
    indirect=["installed"],
)  # fmt: skip
def test_cpu_is_taken_for_sure_only_where_packages_say_so(
    installed: None, asked: str, is_cpu: bool, compiles: bool
) -> None:
    """A runtime without any package's data may be anything. Only those that compile have minutes for it."""
    assert runtime.runs_on_cpu(asked) is is_cpu
    assert runtime.may_compile(asked) is compiles
    seconds = Allowance(1.0, 1).to_prove(asked)
    assert seconds == (0 if asked == "cpu" else 120) + (900 if compiles else 0)
