"""Nothing leaves the machine: ONNX Runtime's telemetry is off in every process, and the check can fail."""

import os
import plistlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bgzero_daemon.core import paths
from tests.home import Home, photo, until

VARIABLE = "ORT_DISABLE_TELEMETRY"
# ONNX Runtime stays silent by itself where it sees a CI machine, so a test has to look like a user's.
NO_CI = {key: value for key, value in os.environ.items() if key in ("PATH", "PYTHONPATH")}


def telemetry_traces(root: Path) -> list[Path]:
    """Files that ONNX Runtime's telemetry leaves in a home folder."""
    return [path for path in root.rglob("*") if path.is_file() and "Microsoft" in str(path)]


def test_control_without_the_variable_telemetry_wakes_up(tmp_path: Path) -> None:
    """The positive control: the traces that the next test looks for do appear, in a namespace without a network."""
    unshare = shutil.which("unshare")
    if not unshare or subprocess.run([unshare, "-Urn", "true"], capture_output=True).returncode:
        pytest.skip("this machine allows no user namespaces, so the control would send for real")
    model = paths.shipped("models", "u2netp.onnx")
    code = f"import onnxruntime, time; onnxruntime.InferenceSession({str(model)!r}); time.sleep(1)"
    command = [unshare, "-Urn", sys.executable, "-c", code]
    subprocess.run(
        command, env=NO_CI | {"HOME": str(tmp_path), "TMPDIR": str(tmp_path)}, check=True, capture_output=True
    )
    assert telemetry_traces(tmp_path)


def test_cutting_leaves_no_trace_of_telemetry(home: Home) -> None:
    """The same traces do not appear when the program cuts a photo, without any variable set by the user."""
    account = home.root / "home"
    keep = {key: value for key, value in home.env.items() if key.startswith(("XDG_", "BGZERO_", "COVERAGE_", "PYTHON"))}
    home.env = NO_CI | keep | {"HOME": str(account)}
    photo(home.inbox / "a.jpg")
    assert home.once().returncode == 0
    assert (home.outbox / "a.png").is_file()
    assert not telemetry_traces(home.root)


def test_every_process_has_the_variable_set(home: Home) -> None:
    """The package sets it before anything else; the worker's environment carries it from birth."""
    code = f"import sys; before = set(sys.modules); import bgzero_daemon, os; print(os.environ.get({VARIABLE!r})); "
    code += "print(sorted({m.split('.')[0] for m in set(sys.modules) - before}))"
    done = subprocess.run([sys.executable, "-c", code], env=NO_CI, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["1", "['bgzero_daemon']"]
    photo(home.inbox / "a.jpg")
    with home.daemon() as daemon:
        until(daemon.worker, "a worker")
        environ = Path(f"/proc/{daemon.worker()}/environ").read_bytes().split(b"\0")
    assert f"{VARIABLE}=1".encode() in environ


def test_units_carry_the_variable() -> None:
    """systemd's unit and launchd's agent set it too."""
    assert f"Environment={VARIABLE}=1" in paths.shipped("systemd", "bgzero.service").read_text().splitlines()
    agent = plistlib.loads(paths.shipped("systemd", "launchd", "bgzero.plist").read_bytes())
    assert agent["EnvironmentVariables"] == {VARIABLE: "1"}
