"""An account of its own for each test, and the installed program as a process in it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

DEADLINE_SECONDS = 60.0
SHARED = Path(__file__).parents[2] / "shared"


def until(condition: Callable[[], object], what: str | Callable[[], str], seconds: float = DEADLINE_SECONDS) -> None:
    """Wait for a condition with a generous deadline. `what` may be asked for when that has passed.

    Whoever is waited for needs the processor: a look that takes long is taken less often.
    """
    end = time.monotonic() + seconds
    began = time.monotonic()
    while not condition():
        if (now := time.monotonic()) >= end:
            raise AssertionError(f"waited {seconds} s in vain: {what() if callable(what) else what}")
        time.sleep(max(0.02, 2 * (now - began)))
        began = time.monotonic()


def photo(path: Path, size: tuple[int, int] = (120, 80), seed: int = 0, **options: object) -> Path:
    """Write a photo of a bright, textured shape on a dark ground: what the tiny network cuts out."""
    width, height = size
    noise = np.random.default_rng(seed).integers(0, 30, (height, width, 3), dtype=np.uint8)
    noise[height // 4 : 3 * height // 4, width // 4 : 3 * width // 4] += 220
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise).save(path, **options)  # type: ignore[arg-type]
    return path


def is_alive(pid: int | None) -> bool:
    """Say whether a process is there and no zombie: not every first process of a container reaps orphans."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _proc(path: Path) -> str:
    """Return what the kernel tells there, and nothing where the process or thread has ended."""
    try:
        return path.read_text(errors="surrogateescape")
    except OSError:
        return ""


class Daemon:
    """`bgzero run` as a child process."""

    def __init__(self, process: "subprocess.Popen[str]", log: Path, outbox: Path) -> None:
        self.process, self._log, self.outbox = process, log, outbox

    @property
    def log(self) -> str:
        """What it has said so far."""
        return self._log.read_text(errors="surrogateescape")

    def worker(self) -> int | None:
        """Return the pid of the worker process, if there is one."""
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            for child in _proc(task / "children").split():  # threads and children may be gone since we heard of them
                if "worker.main" in _proc(Path(f"/proc/{child}/cmdline")):
                    return int(child)
        return None

    def outputs(self) -> list[str]:
        """Return the visible outputs, relative and sorted."""
        return sorted(str(path.relative_to(self.outbox)) for path in self.outbox.rglob("*.png"))

    def wait_for(self, *outputs: str) -> None:
        """Wait until these outputs stand in the outbox."""
        until(lambda: set(outputs) <= set(self.outputs()), lambda: f"{outputs}, have {self.outputs()}\n{self.log}")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(DEADLINE_SECONDS)


class Home:
    """A fresh account: HOME and all that hangs on it below `root`; the tiny network is installed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.inbox, self.outbox = root / "in", root / "out"
        self.models = root / "data" / "bgzero" / "models"
        for folder in (self.inbox, self.outbox, root / "home", root / "run"):
            folder.mkdir()
        (root / "run").chmod(0o700)
        kept = ("PATH", "COVERAGE_", "PYTHON")
        self.env = {key: value for key, value in os.environ.items() if key.startswith(kept)}
        self.env |= {
            "HOME": str(root / "home"),
            "LANG": "C.UTF-8",  # tests read what it says
            "XDG_DATA_HOME": str(root / "data"),
            "XDG_STATE_HOME": str(root / "state"),
            "XDG_CONFIG_HOME": str(root / "config"),
            "XDG_RUNTIME_DIR": str(root / "run"),
            "BGZERO_MODEL__NAME": "tiny",
            "BGZERO_WATCH__SETTLE_SECONDS": "0.1",
            "BGZERO_WATCH__PAIR_WAIT": "0.5",
            "BGZERO_WORKER__NICE": "0",  # a busy machine's own tests would come first else
            "BGZERO_OUTPUT__KEEP_FREE": "0",
        }

    def bgzero(self, *arguments: str | Path, stdin: bytes = b"", **env: str) -> "subprocess.CompletedProcess[bytes]":
        """Run a command to its end."""
        return subprocess.run(
            [*PROGRAM, *map(str, arguments)],
            input=stdin,
            capture_output=True,
            env=self.env | env,
            timeout=DEADLINE_SECONDS,
        )

    def once(self, **env: str) -> "subprocess.CompletedProcess[bytes]":
        """`bgzero run --once` on this account's folders."""
        return self.bgzero("run", "--once", "--inbox", self.inbox, "--outbox", self.outbox, stdin=b"", **env)

    def visible(self) -> list[str]:
        """Return everything in the outbox that does not begin with a dot, relative and sorted."""
        files = (path.relative_to(self.outbox) for path in self.outbox.rglob("*") if not path.is_dir())
        return sorted(str(path) for path in files if not any(part.startswith(".") for part in path.parts))

    @contextmanager
    def started_in(self, log: Path, *arguments: str | Path) -> Iterator[Daemon]:
        """A command of the program beside another one, with a log of its own."""
        with self._started([*PROGRAM, *map(str, arguments)], log, {}) as daemon:
            yield daemon

    @contextmanager
    def started_by(self, command: Sequence[str], **env: str) -> Iterator[Daemon]:
        """Any command, running while the block lasts; ended, if it has to be by force, when it is left."""
        with self._started(command, self.root / "daemon.log", env) as daemon:
            yield daemon

    @contextmanager
    def _started(self, command: Sequence[str], log: Path, env: dict[str, str]) -> Iterator[Daemon]:
        log.write_text("")
        path = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{self.env['PATH']}"}
        with log.open("a") as stream:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stream,
                text=True,
                env=self.env | path | env,
            )
        try:
            yield Daemon(process, log, self.outbox)
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(DEADLINE_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                    raise AssertionError(f"it did not end when it was told to:\n{log.read_text()[-4000:]}") from None

    @contextmanager
    def started(self, *arguments: str | Path, **env: str) -> Iterator[Daemon]:
        """A command of the program, running while the block lasts."""
        with self.started_by([*PROGRAM, *map(str, arguments)], **env) as daemon:
            yield daemon

    @contextmanager
    def daemon(self, *arguments: str | Path, **env: str) -> Iterator[Daemon]:
        """`bgzero run` on this account's folders, watching when the block begins."""
        places = arguments or ("--inbox", self.inbox, "--outbox", self.outbox)
        with self.started("run", *places, **env) as daemon:
            until(lambda: "Drop photos" in daemon.log or daemon.process.poll() is not None, "the daemon watches")
            yield daemon


# The command as it is installed beside this interpreter.
PROGRAM = [str(Path(sys.executable).with_name("bgzero"))]
