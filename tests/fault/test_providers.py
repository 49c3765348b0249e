"""Accelerators that are not what they seem: rows F45 and F46. No GPU here: ONNX Runtime has to lie to the worker."""

import json
import os
import re
from pathlib import Path

import pytest

from tests.fault.oracle import Oracle
from tests.home import Home, photo, until

# Python runs this at the start of every process; those heed it that load ONNX Runtime, to cut or to look at it.
LIES = """
import sys
if "bgzero_daemon.worker.main" in sys.orig_argv or any("bgzero_daemon.engine" in word for word in sys.orig_argv):
    import onnxruntime
    GPU, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
    onnxruntime.get_available_providers = lambda: [GPU, CPU]
"""
OUT_OF_MEMORY = """
    import os, time

    class Session(onnxruntime.InferenceSession):
        def __init__(self, weights, options, providers):
            first = providers[0]
            self.first, self.runs = first if isinstance(first, str) else first[0], 0
            if self.first == GPU and os.path.exists(os.environ.get("ORT_MISSING", "/nowhere")):
                raise RuntimeError("libcudart.so.13: cannot open shared object file")
            if self.first == "ROCMExecutionProvider":  # its driver takes the process with it
                os._exit(7)
            super().__init__(weights, options, providers=[CPU])

        def get_providers(self):
            return [self.first, CPU]

        def get_provider_graph_assignment_info(self):
            return []

        def run(self, *arguments):
            self.runs += 1
            if self.first == CPU and self.runs <= 5:  # while it is compared with
                time.sleep(0.15)
            if self.first == GPU and self.runs > 4 + {photos}:  # its proof, and so many photos
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
    with home.daemon(**lying(home, LIES + OUT_OF_MEMORY.replace("{photos}", "2"))) as daemon:
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


@pytest.mark.fault("F45")
def test_accelerator_that_fails_at_the_17th_of_50_photos_changes_nothing_but_the_provider(home: Home) -> None:
    """In the sandboxed worker: 50 cut-outs, byte for byte those of the CPU, one sentence in the log; it is shown."""
    for number in range(50):
        photo(home.inbox / f"{number}.png", (40, 30), number)
    env = lying(home, LIES + OUT_OF_MEMORY.replace("{photos}", "16"))
    with home.daemon(**env, BGZERO_WORKER__LANES="1") as daemon:
        until(lambda: len(home.visible()) == 50, lambda: daemon.log)
        until(lambda: daemon.log.count(": done, ") == 50, lambda: daemon.log)
        assert daemon.log.count("done, tiny on CUDAExecutionProvider,") == 16
        assert daemon.log.count("CUDAExecutionProvider failed") == 1
        worker = worker_of(home)
        assert (worker["provider"], worker["sandbox"]) == ("CPUExecutionProvider", "closed")
        provider = Oracle(home).status()["provider"]
        assert (provider["asked"], provider["ran"]) == ("auto", "CPUExecutionProvider")
        assert "CUDAExecutionProvider failed" in provider["why"]
    on_gpu = {name: (home.outbox / name).read_bytes() for name in home.visible()}
    for name in on_gpu:
        (home.outbox / name).unlink()
    (home.root / "state").rename(home.root / "former-state")
    assert home.once(BGZERO_MODEL__PROVIDER="cpu").returncode == 0
    assert {name: (home.outbox / name).read_bytes() for name in home.visible()} == on_gpu


def test_proof_is_remembered(home: Home) -> None:
    """Beside the ledger, with its figures: the next worker asks the CPU for nothing."""
    env = lying(home, LIES + OUT_OF_MEMORY.replace("{photos}", "1000"))
    file = home.root / "state" / "bgzero" / "proofs.json"
    for seed in range(2):
        with home.daemon(**env) as daemon:
            photo(home.inbox / f"{seed}.png", seed=seed)
            daemon.wait_for(f"{seed}.png")
            until(lambda: "done, tiny on CUDAExecutionProvider" in daemon.log, lambda: daemon.log)
            assert daemon.log.count("times as fast") == (1 if seed == 0 else 0)
    (entry,) = json.loads(file.read_text()).values()
    assert entry["proof"]["cpu_seconds"] > entry["proof"]["seconds"]
    assert file.parent.stat().st_mode & 0o777 == 0o700
    file.write_text("{")
    with home.daemon(**env) as daemon:
        photo(home.inbox / "x.png", seed=9)
        daemon.wait_for("x.png")
        until(lambda: "times as fast" in daemon.log, lambda: daemon.log)


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


def with_plug_in(home: Home) -> None:
    """Leave a package beside the lies that makes the daemon believe in accelerators; it brings nothing."""
    (home.root / "lies" / "onnxruntime_ep_tests.py").touch()


def remembered(home: Home) -> dict[str, str]:
    """Return what is remembered: providers, and "" or why they were turned down."""
    file = home.root / "state" / "bgzero" / "proofs.json"
    proofs = [entry["proof"] for entry in json.loads(file.read_text()).values()] if file.exists() else []
    return {proof["provider"]: proof["reason"] for proof in proofs}


def test_provider_that_cannot_be_loaded_is_left_alone_until_somebody_says_so(home: Home) -> None:
    """Its library is missing: remembered across starts. Once that is mended, `bgzero provider` has it tried anew."""
    missing = home.root / "missing"
    missing.touch()
    env = lying(home, LIES + OUT_OF_MEMORY.replace("{photos}", "1000")) | {"ORT_MISSING": str(missing)}
    with_plug_in(home)
    why = "libcudart.so.13: cannot open shared object file"
    with home.daemon(**env) as daemon:
        photo(home.inbox / "a.png")
        daemon.wait_for("a.png")
        until(lambda: remembered(home) == {"CUDAExecutionProvider": why}, lambda: daemon.log)
    missing.unlink()
    with home.daemon(**env) as daemon:
        photo(home.inbox / "b.png", seed=1)
        daemon.wait_for("b.png")
        until(lambda: "b.png: done, tiny on CPUExecutionProvider" in daemon.log, lambda: daemon.log)
        assert why in worker_of(home)["note"]
        assert home.bgzero("provider", "auto").returncode == 0
        until(lambda: remembered(home) == {"CUDAExecutionProvider": ""}, lambda: daemon.log)
        photo(home.inbox / "c.png", seed=2)
        daemon.wait_for("c.png")
        until(lambda: "c.png: done, tiny on CUDAExecutionProvider" in daemon.log, lambda: daemon.log)


def test_provider_that_failed_at_work_has_to_prove_itself_anew(home: Home) -> None:
    """What it proved before is forgotten, in the file too, as soon as a photo went to the CPU instead."""
    with home.daemon(**lying(home, LIES + OUT_OF_MEMORY.replace("{photos}", "1"))) as daemon:
        photo(home.inbox / "a.png")
        daemon.wait_for("a.png")
        assert remembered(home) == {"CUDAExecutionProvider": ""}
        photo(home.inbox / "b.png", seed=1)
        daemon.wait_for("b.png")
        until(lambda: not remembered(home), lambda: daemon.log)


def test_bench_has_every_provider_prove_itself_and_remembers_it(home: Home) -> None:
    """Anew, with figures and verdicts, the CPU's too; one that kills its worker keeps no other from it.

    The driver is asked for the memory on its card from outside: a worker may start no program.
    """
    missing = home.root / "missing"
    missing.touch()
    lies = LIES.replace("[GPU, CPU]", '["ROCMExecutionProvider", GPU, CPU]')
    home.env |= lying(home, lies + OUT_OF_MEMORY.replace("{photos}", "1000")) | {"ORT_MISSING": str(missing)}
    (home.root / "bin").mkdir()
    smi = home.root / "bin" / "nvidia-smi"
    smi.write_text('#!/bin/sh\nfor pid in $(cat /proc/$PPID/task/*/children); do echo "$pid, 300"; done\necho "1, 5"\n')
    smi.chmod(0o755)
    home.env["PATH"] = os.pathsep.join([str(smi.parent), home.env["PATH"]])

    told = json.loads(home.bgzero("model", "bench", "--provider", "cuda", "--json").stdout)
    assert (told["schema"], told["provider"]) == (1, "CPUExecutionProvider")
    cuda, cpu = told["proofs"]
    assert (cuda["provider"], cuda["reason"]) == (
        "CUDAExecutionProvider", "libcudart.so.13: cannot open shared object file",
    )  # fmt: skip
    assert told["note"] == f"CUDAExecutionProvider: {cuda['reason']}"
    assert told["network_seconds"] == cpu["seconds"] == cpu["cpu_seconds"] > 0
    assert cpu["memory_bytes"] > 0
    assert remembered(home) == {"CUDAExecutionProvider": cuda["reason"], "CPUExecutionProvider": ""}

    missing.unlink()
    done = home.bgzero("model", "bench", "tiny")
    assert done.returncode == 0, done.stderr
    first, *lines = done.stdout.decode().splitlines()
    by_name = {line.partition(":")[0].strip(): line for line in lines[:3]}
    assert re.fullmatch(r"tiny on CUDAExecutionProvider: 0\.\d{3} s a run, \d+ MB, sandbox closed", first)
    assert re.fullmatch(
        r"  CUDAExecutionProvider: 0\.\d{3} s, the CPU 0\.\d{3} s; \d+ MB of memory; 315 MB on the device;"
        r" masks differ by 0\.0000; 100% of the network; used",
        by_name["CUDAExecutionProvider"],
    )
    assert by_name["ROCMExecutionProvider"].startswith("  ROCMExecutionProvider: turned down: ")
    assert "exit status 7" in by_name["ROCMExecutionProvider"]
    assert re.fullmatch(
        r"  CPUExecutionProvider: 0\.\d{3} s; \d+ MB of memory; accepted", by_name["CPUExecutionProvider"]
    )
    assert remembered(home) == {"CUDAExecutionProvider": "", "CPUExecutionProvider": ""}

    with home.daemon() as daemon:
        photo(home.inbox / "a.png")
        daemon.wait_for("a.png")
        until(lambda: "a.png: done, tiny on CUDAExecutionProvider" in daemon.log, lambda: daemon.log)
        assert "times as fast" not in daemon.log, "the daemon goes by it"
    assert home.bgzero("model", "bench", "--provider", "gpu").returncode == 78
