"""Accelerators that are not what they seem: rows F45 and F46. No GPU here: ONNX Runtime has to lie to the worker."""

import os
from pathlib import Path

import pytest

from tests.fault.oracle import Oracle
from tests.home import Home, photo, until

# Python runs this at the start of every process of the daemon's; only the worker heeds it.
LIES = """
import sys
if "bgzero_daemon.worker.main" in sys.orig_argv:
    import onnxruntime
    GPU, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
    onnxruntime.get_available_providers = lambda: [GPU, CPU]
"""
OUT_OF_MEMORY = """
    class Session(onnxruntime.InferenceSession):
        def __init__(self, weights, options, providers):
            self.first, self.runs = providers[0], 0
            super().__init__(weights, options, providers=[CPU])

        def get_providers(self):
            return [self.first, CPU]

        def run(self, *arguments):
            self.runs += 1
            if self.first == GPU and self.runs > 3:  # a test picture, and two photos
                raise RuntimeError("BFCArena::AllocateRawInternal Failed to allocate memory for requested buffer")
            return super().run(*arguments)

    onnxruntime.InferenceSession = Session
"""


def lying(home: Home, code: str) -> dict[str, str]:
    """Leave code for the worker; return the environment that makes Python run it."""
    folder = home.root / "lies"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(code)
    places = [str(folder), *filter(None, [home.env.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(places), "BGZERO_WATCH__SETTLE_SECONDS": "0.1"}


def worker_of(home: Home) -> dict[str, str]:
    """What the status says of the one worker."""
    (worker,) = Oracle(home).status()["workers"]
    return {key: str(value) for key, value in worker.items()}


@pytest.mark.fault("F45")
def test_accelerator_out_of_memory_costs_no_photo(home: Home) -> None:
    """Two photos run on it, the third finds its memory full: that one and all others run on the CPU, and it is said."""
    with home.daemon(**lying(home, LIES + OUT_OF_MEMORY)) as daemon:
        for number in range(2):
            photo(home.inbox / f"{number}.jpg", seed=number)
        daemon.wait_for("0.png", "1.png")
        assert worker_of(home)["provider"] == "CUDAExecutionProvider"
        for number in range(2, 6):
            photo(home.inbox / f"{number}.jpg", seed=number)
        daemon.wait_for(*(f"{number}.png" for number in range(6)))
        until(lambda: daemon.log.count(": done, ") == 6, lambda: daemon.log)
        assert daemon.log.count("on CUDAExecutionProvider,") == 3, "loaded, and two photos"
        assert daemon.log.count("on CPUExecutionProvider,") == 4
        assert "CUDAExecutionProvider failed" in daemon.log
        assert worker_of(home)["provider"] == "CPUExecutionProvider"
        assert b"on CPUExecutionProvider" in home.bgzero("status").stdout
        assert b"(CUDAExecutionProvider failed)" in home.bgzero("status").stdout


@pytest.mark.fault("F46")
def test_accelerator_that_is_listed_and_not_there_is_never_claimed(home: Home) -> None:
    """The runtime lists it and quietly goes to the CPU: log, cut-out's line and status name the CPU, and say why."""
    with home.daemon(**lying(home, LIES)) as daemon:
        photo(home.inbox / "a.jpg")
        daemon.wait_for("a.png")
        until(lambda: "a.jpg: done, tiny on CPUExecutionProvider" in daemon.log, lambda: daemon.log)
        worker = worker_of(home)
        assert worker["provider"] == "CPUExecutionProvider"
        assert "CUDAExecutionProvider" in worker["note"]
        assert Path(home.outbox / "a.png").exists()
