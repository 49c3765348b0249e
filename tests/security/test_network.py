"""Promise I6: no process of the daemon makes an internet socket, and the check that says so can fail."""

import os
import re
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests import tiny
from tests.fault.test_providers import lying
from tests.home import Home, photo, until

# ONNX Runtime's telemetry keeps silent by itself where it sees a CI machine, so a test has to look like a user's.
KEPT = ("PATH", "PYTHON", "XDG_", "BGZERO_", "HOME", "COVERAGE_")
CALLS = "socket,connect,bind,sendto,sendmsg,sendmmsg,io_uring_setup"
# Just before the runtime is loaded in the worker, somebody takes the switch away.
TELEMETRY_ON = """
import os, sys

if "bgzero_daemon.worker.main" in sys.orig_argv:

    class Finder:
        @staticmethod
        def find_spec(name, path=None, target=None):
            if name == "onnxruntime":
                os.environ.pop("ORT_DISABLE_TELEMETRY", None)

    sys.meta_path.insert(0, Finder)
"""
NOWHERE = ["unshare", "-Urn"]


def traced(root: Path, seconds: float, *around: str, **env: str) -> list[str]:
    """Run the daemon of an account of its own under strace for a while, cutting photos.

    Returns its calls that have to do with sockets.
    """
    root.mkdir()
    home = Home(root)
    tiny.install(home.models)
    trace = root / "trace"
    home.env = {key: value for key, value in home.env.items() if key.startswith(KEPT)}
    command = [*around, "strace", "-D", "-f", "-o", str(trace), "-e", f"trace={CALLS}", "bgzero", "run"]
    with home.started_by([*command, "--inbox", str(home.inbox), "--outbox", str(home.outbox)], **env) as daemon:
        until(lambda: "Drop photos" in daemon.log, lambda: daemon.log)
        end = time.monotonic() + seconds
        number = 0
        while time.monotonic() < end:
            photo(home.inbox / f"{number}.jpg", seed=number)
            daemon.wait_for(f"{number}.png")
            number += 1
            time.sleep(1.0)
        assert number >= 3
        assert home.bgzero("status").returncode == 0
    return [line for line in trace.read_text().splitlines() if re.search(r"^\d+ +\w+\(", line)]


def to_the_internet(calls: list[str]) -> list[str]:
    """Those that are not local. What the sandbox tries on itself is of no family at all, and refused."""
    probes = re.compile(r"(socket\(0xff.*|io_uring_setup\(0, NULL\) *)= -1 EPERM")
    made = [call for call in calls if re.search(r" (socket|io_uring_setup)\(", call) and "AF_UNIX" not in call]
    made += [call for call in calls if re.search(r"AF_INET|AF_NETLINK|AF_PACKET", call)]
    return [call for call in made if not probes.search(call)]


def has_nowhere() -> bool:
    """Say whether a network namespace without a network can be had."""
    return bool(shutil.which("unshare")) and not subprocess.run([*NOWHERE, "true"], capture_output=True).returncode


def needs_nowhere() -> None:
    """Skip where it cannot: a control would send for real."""
    if not has_nowhere():
        pytest.skip("this machine allows no user namespaces, so the control would send for real")


def prove(home: Home, seconds: float) -> None:
    """The proof and its controls, which differ in one thing each, all at once."""
    on = lying(home, TELEMETRY_ON)
    with ThreadPoolExecutor() as pool:
        proof = pool.submit(traced, home.root / "proof", seconds)
        if has_nowhere():
            stopped = pool.submit(traced, home.root / "stopped", seconds, *NOWHERE, **on)
            free = pool.submit(traced, home.root / "free", seconds, *NOWHERE, **on, BGZERO_WORKER__SANDBOX="off")
    calls = proof.result()
    assert not to_the_internet(calls)
    local = [call for call in calls if "AF_UNIX" in call]
    assert local, "the control socket is seen, so the harness is not blind"
    print(f"{seconds} s: {len(calls)} calls, {len(local)} local, 0 to the internet")
    needs_nowhere()
    refused = to_the_internet(stopped.result())
    assert refused, "telemetry wakes up"
    assert all("EPERM" in call for call in refused), "and the sandbox stops it"
    escaped = to_the_internet(free.result())
    assert [call for call in escaped if "EPERM" not in call], "without both of them it would send"
    print(f"telemetry on: {len(refused)} refused; without the sandbox {len(escaped)} made")


@pytest.mark.fault("F56")
def test_no_process_makes_an_internet_socket(home: Home) -> None:
    """Twelve seconds and a few photos: telemetry, where it is on, wakes up after some eight."""
    prove(home, 12)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_no_process_makes_an_internet_socket_for_a_minute(home: Home) -> None:
    """The same for long enough that anything periodic shows."""
    prove(home, 60)


def test_without_a_network_the_cutouts_are_the_same(home: Home) -> None:
    """Byte for byte: nothing is asked of anybody."""
    needs_nowhere()
    for number in range(3):
        photo(home.inbox / f"{number}.jpg", (300, 200), number)
    assert home.once().returncode == 0
    here = {path.name: path.read_bytes() for path in home.outbox.glob("*.png")}
    shutil.rmtree(home.root / "state")
    for path in home.outbox.glob("*.png"):
        path.unlink()
    command = [*NOWHERE, "bgzero", "run", "--once", "--inbox", str(home.inbox), "--outbox", str(home.outbox)]
    with home.started_by(command) as daemon:
        assert daemon.process.wait(60) == 0, daemon.log
    assert {path.name: path.read_bytes() for path in home.outbox.glob("*.png")} == here
    assert len(here) == 3


def test_private_files_are_private_and_cutouts_are_not(home: Home) -> None:
    """State, ledger and socket are this account's alone; outputs follow the umask and their folder's group."""
    home.outbox.chmod(0o2775)
    mask = os.umask(0o002)
    try:
        with home.daemon(BGZERO_WATCH__SETTLE_SECONDS="0.1") as daemon:
            photo(home.inbox / "a.jpg")
            daemon.wait_for("a.png")
            private = [path for place in ("state", "run") for path in (home.root / place).rglob("*")]
            assert any(path.name == "control.sock" for path in private)
            assert any(path.name == "ledger.db" for path in private)
            for path in private:
                expected = 0o700 if path.is_dir() else 0o600
                assert path.stat().st_mode & 0o777 == expected, path
            cut = (home.outbox / "a.png").stat()
            assert cut.st_mode & 0o777 == 0o664
            assert cut.st_gid == home.outbox.stat().st_gid
    finally:
        os.umask(mask)


def test_nothing_of_a_photo_passes_through_a_shell() -> None:
    """No call in the program asks for one."""
    source = Path(__file__).parents[2] / "src"
    for file in source.rglob("*.py"):
        text = file.read_text()
        assert "shell=True" not in text, file
        assert not re.search(r"os\.(system|popen)\(", text), file
