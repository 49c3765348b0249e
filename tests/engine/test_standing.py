"""What a proof is of, and plug-ins: a change of any part of it makes another key."""

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import onnxruntime
import pytest

from bgzero_daemon.engine import providers, standing
from bgzero_daemon.engine.driver import cards_of, driver_of
from bgzero_daemon.engine.providers import Candidate
from bgzero_daemon.engine.standing import key_of
from tests.engine.test_proof import CARD, WEIGHTS

CANDIDATE = Candidate("openvino", "OpenVINOExecutionProvider", version="1.8.1+GPU")


def test_every_part_that_a_proof_stands_on_is_in_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Model, bytes, output, threads, plug-in, runtime, program, driver, cards; and it begins with the card's hash."""
    keys = [key_of(CARD, "a" * 64, CANDIDATE, 2)]
    assert keys[0] == key_of(CARD, "a" * 64, CANDIDATE, 2)
    keys.append(key_of(CARD.model_copy(update={"sha256": "c" * 64}), "a" * 64, CANDIDATE, 2))
    keys.append(key_of(CARD, "b" * 64, CANDIDATE, 2))
    keys.append(key_of(CARD, "a" * 64, CANDIDATE, 4))
    output = CARD.output.model_copy(update={"output": "d3"})
    keys.append(key_of(CARD.model_copy(update={"output": output}), "a" * 64, CANDIDATE, 2))
    keys.append(key_of(CARD, "a" * 64, Candidate("openvino", CANDIDATE.runtime_name, version="1.9.0+GPU"), 2))
    for place, value in (("__version__", "9"), ("driver_of", lambda _name: "9"), ("cards_of", lambda _name: "9")):
        with monkeypatch.context() as patched:
            patched.setattr(standing, place, value)
            keys.append(key_of(CARD, "a" * 64, CANDIDATE, 2))
    monkeypatch.setattr(onnxruntime, "__version__", "9")
    keys.append(key_of(CARD, "a" * 64, CANDIDATE, 2))
    assert len(set(keys)) == len(keys) == 10
    assert sum(key.startswith(CARD.sha256[:16]) for key in keys) == 9


NVIDIA = (
    "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu Feb 22 01:44:30 UTC 2024\nGCC version: 12.2.0\n"
)


@pytest.mark.parametrize(
    ("name", "files", "driver"),
    [
        ("cuda", {"proc/driver/nvidia/version": NVIDIA}, "550.54.14"),
        ("tensorrt-rtx", {"proc/driver/nvidia/version": NVIDIA}, "550.54.14"),
        ("rocm", {"sys/module/amdgpu/version": "6.7.0\n"}, "6.7.0"),
        ("migraphx", {"opt/rocm/.info/version": "6.2.1-115\n"}, "{kernel}+6.2.1"),
        ("migraphx", {"sys/module/amdgpu/version": "no number", "opt/rocm/.info/version": "7.0.0"}, "{kernel}+7.0.0"),
        ("rocm", {}, "{kernel}"), ("openvino", {}, "{kernel}"), ("cuda", {}, "{kernel}"), ("cpu", {}, "-"),
    ],
)  # fmt: skip
def test_driver_is_read_where_it_tells_its_version(
    tmp_path: Path, name: str, files: dict[str, str], driver: str
) -> None:
    """Drivers that came with the kernel have its release for a version."""
    for place, text in files.items():
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(text)
    assert driver_of(name, tmp_path) == driver.format(kernel=os.uname().release)


def test_cards_are_told_by_maker_and_kind(tmp_path: Path) -> None:
    """Not what is no card; two of a kind are one."""
    for number, (kind, vendor, device) in enumerate([
        ("0x030200", "0x10de", "0x2330"), ("0x030200", "0x10de", "0x2330"), ("0x120000", "0x1002", "0x74a1"),
        ("0x020000", "0x8086", "0x1234"),
    ]):  # fmt: skip
        place = tmp_path / "sys" / "bus" / "pci" / "devices" / f"0000:00:0{number}.0"
        place.mkdir(parents=True)
        for name, text in (("class", kind), ("vendor", vendor), ("device", device)):
            (place / name).write_text(f"{text}\n")
    assert cards_of("cuda", tmp_path) == "1002-74a1+10de-2330"
    assert cards_of("cpu", tmp_path) == cards_of("cuda", tmp_path / "none") == "-"


@pytest.fixture
def plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package that brings a plug-in, whose device is a real one: ONNX Runtime's own for the CPU."""
    (tmp_path / "onnxruntime_ep_tests").mkdir()
    (tmp_path / "onnxruntime_ep_tests" / "__init__.py").write_text("def get_library_path(): return 'libtests.so'\n")
    about = tmp_path / "onnxruntime_ep_tests-3.1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: onnxruntime-ep-tests\nVersion: 3.1\n")
    real, registered = onnxruntime.get_ep_devices, []
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(onnxruntime, "register_execution_provider_library", lambda *_what: registered.append(1))
    monkeypatch.setattr(onnxruntime, "get_ep_devices", lambda: real() if registered else [])
    monkeypatch.setattr(onnxruntime, "get_available_providers", list)
    importlib.invalidate_caches()
    providers._plugged_in.cache_clear()
    yield tmp_path
    providers._plugged_in.cache_clear()
    sys.modules.pop("onnxruntime_ep_tests", None)


def test_plug_in_is_tried_on_the_devices_that_it_offers(plug_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its package's version; a device that is the CPU's only where it is asked for by name."""
    offered = providers._offered("cpu")
    assert offered
    assert (offered.runtime_name, offered.version, len(offered.devices)) == (providers.CPU, "3.1+CPU", 1)
    assert providers._offered("cpu", only_accelerators=True) is None
    assert providers._offered("cuda") is None
    given: list[list[onnxruntime.OrtEpDevice]] = []
    real = onnxruntime.SessionOptions.add_provider_for_devices

    def add(options: object, devices: list[onnxruntime.OrtEpDevice], settings: dict[str, str]) -> None:
        given.append(devices)
        real(options, devices, settings)

    monkeypatch.setattr(onnxruntime.SessionOptions, "add_provider_for_devices", add)
    session = providers.open_session(WEIGHTS, offered, 1)
    assert providers.share_of(session, offered) == 1.0
    assert given == [list(offered.devices)]


def test_plug_in_that_cannot_be_registered_is_passed_over(plug_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A library of somebody else's, or none: no device, and no exception."""
    monkeypatch.undo()
    monkeypatch.syspath_prepend(str(plug_in))
    providers._plugged_in.cache_clear()
    found, missing = providers.candidates("openvino")
    assert [candidate.name for candidate in found] == ["cpu"]
    assert "openvino is not in this ONNX Runtime" in missing[0]
