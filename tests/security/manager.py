"""A real `systemd --user` of the test's own, with the account's environment.

It needs a control group that it may divide. Where this account has none, `.ci/run` (as root) makes one and leaves
its folders in BGZERO_CI_GROUPS; a machine that cannot have one skips the tests, and says so.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.home import PROGRAM, Home, until

SYSTEMD = Path("/lib/systemd/systemd")
UNITS = Path(__file__).parents[2] / "systemd"


class Manager:
    """The service manager of one test's account."""

    def __init__(self, home: Home, runtime: Path) -> None:
        self.home, self.runtime = home, runtime
        self.units = home.root / "config" / "systemd" / "user"
        self.env = home.env | {"XDG_RUNTIME_DIR": str(runtime)}

    def ctl(self, *words: str, check: bool = True) -> str:
        """`systemctl --user ...`; returns what it printed."""
        done = subprocess.run(
            ["systemctl", "--user", "--no-pager", *words], env=self.env, capture_output=True, text=True, timeout=90
        )
        assert not check or not done.returncode, f"{words}: {done.stdout}{done.stderr}\n{self.log()}"
        return done.stdout

    def show(self, unit: str, name: str) -> str:
        """Return a property of a unit."""
        return self.ctl("show", "--value", "-p", name, unit).strip()

    def log(self) -> str:
        """What the manager and the services have said."""
        logs = (self.home.root / name for name in ("manager.log", "service.log"))
        return "".join(log.read_text(errors="replace") for log in logs if log.exists())

    def install(self, unit: str, text: str, drop_in: str = "", **env: str) -> None:
        """Copy a unit as a user would, with a drop-in and environment of the test's."""
        self.units.mkdir(parents=True, exist_ok=True)
        (self.units / unit).write_text(text)
        folder = self.units / f"{unit}.d"
        folder.mkdir(exist_ok=True)
        # the manager starts with its own environment: name what makes this account one of the test's
        wanted = {key: value for key, value in (self.env | env).items() if key not in ("PATH", "HOME")}
        lines = [f'Environment="{key}={value}"' for key, value in wanted.items()]
        lines += [f"StandardError=append:{self.home.root}/service.log", drop_in, ""]
        (folder / "test.conf").write_text("\n".join(["[Service]", *lines]))
        program = self.home.root / "home" / ".local" / "bin" / "bgzero"
        program.parent.mkdir(parents=True, exist_ok=True)
        if not program.exists():
            program.symlink_to(PROGRAM[0])
        self.ctl("daemon-reload")


@contextmanager
def running(home: Home) -> Iterator[Manager]:
    """Start a manager; skip the test where this machine has none, or no room for one."""
    groups = [Path(place) for place in os.environ.get("BGZERO_CI_GROUPS", "").split(":") if place]
    expected = bool(groups)
    if not SYSTEMD.exists() or not Path("/run/systemd/system").is_dir():
        assert not expected
        pytest.skip("NO SERVICE MANAGER HERE: no unit was started")
    # a socket's path is short, and a test's folder may be long
    runtime = Path(f"/tmp/bgz-{os.getpid()}-{time.monotonic_ns() % 1_000_000}")
    runtime.mkdir(mode=0o700)
    manager = Manager(home, runtime)
    home.env["XDG_RUNTIME_DIR"] = str(runtime)
    manager.units.mkdir(parents=True, exist_ok=True)  # nothing else is started: not what this machine has enabled
    (manager.units / "test.target").write_text("[Unit]\nDescription=test\nDefaultDependencies=no\n")
    own = [group / f"manager-{os.getpid()}-{time.monotonic_ns()}" for group in groups]
    for group in own:
        group.mkdir()

    enter = "".join(f"echo $$ > {group}/cgroup.procs; " for group in own)
    with (home.root / "manager.log").open("w") as log:
        process = subprocess.Popen(
            ["sh", "-c", f"{enter}exec {SYSTEMD} --user --unit=test.target --log-target=console"],
            env=manager.env | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{home.env['PATH']}"},
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        is_up = _wait_until_up(manager, process)
        if not is_up:
            assert not expected, manager.log()
            pytest.skip("NO ROOM FOR A SERVICE MANAGER HERE: no unit was started")
        yield manager
        manager.ctl("stop", "bgzero*", check=False)
    finally:
        process.terminate()
        process.wait(20)
        until(lambda: not any(_pids(group) for group in own), "all of its processes are gone")
        shutil.rmtree(runtime, ignore_errors=True)


def _pids(group: Path) -> list[str]:
    return [pid for file in group.rglob("cgroup.procs") for pid in file.read_text().split()]


def _wait_until_up(manager: Manager, process: "subprocess.Popen[bytes]") -> bool:
    end = time.monotonic() + 15
    while time.monotonic() < end and process.poll() is None:
        if manager.ctl("is-system-running", check=False).strip() in ("running", "degraded"):
            return True
        time.sleep(0.1)
    return False
