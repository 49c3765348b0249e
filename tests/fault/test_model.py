"""Anything in any order: seeded runs of random writes, renames, deletes, moves, deaths and full disks (I1 to I4).

A seed is a program of steps. Steps act through files and signals only. At every moment what is visible is
whole and no original is gone; in the end, with a daemon that lives, every photo is cut once, from the bytes
that are there. `BGZERO_SEEDS=100-200 pytest tests/fault/test_model.py -m soak` runs others.
"""

import os
import random
import resource
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from bgzero_daemon.core.crash import VARIABLE
from tests import tiny
from tests.fault.oracle import Oracle, files
from tests.home import Daemon, Home, photo, until

QUICK = {"BGZERO_WATCH__SETTLE_SECONDS": "0.1", "BGZERO_WATCH__RESCAN_SECONDS": "1"}
SUFFIXES = (".png", ".jpg", ".webp", ".tif", ".bmp")


class Run:
    """One seed: an account, a daemon that comes and goes, and the steps."""

    def __init__(self, home: Home, seed: int) -> None:
        self.home, self.chance, self.seed = home, random.Random(seed), seed
        self.moved = self.chance.random() < 0.4
        self.env = QUICK | {"BGZERO_FOLDER__ORIGINALS": "move" if self.moved else "keep"}
        if self.chance.random() < 0.3:
            self.env["BGZERO_WORKER__ORDER"] = "newest"
        self.oracle = Oracle(home)
        self.stack = ExitStack()
        self.daemon: Daemon | None = None
        self.done: list[str] = []
        self.said = ""  # by the daemons that are gone
        self.number = 0

    def go(self) -> None:
        """Take random steps, then let everything settle and ask the oracle."""
        with self.stack:
            self.start()
            for _step in range(self.chance.randint(5, 10)):
                step = self.chance.choice(STEPS)
                self.done.append(step.__name__)
                step(self)
                self.oracle.check_now()
                if self.chance.random() < 0.5:
                    time.sleep(self.chance.random() * 0.25)
            self.end()
            self.start(to_live=True)
            self.oracle.wait_until_settled()
            self.oracle.check_in_the_end(moved=self.moved)

    def start(self, *, to_live: bool = False) -> None:
        """Start a daemon where none is. Some will die at a step of their work, if they come there."""
        if self.daemon and self.daemon.process.poll() is not None:
            assert self.daemon.process.returncode == -signal.SIGKILL, self.daemon.log
            self.said += f"{self.daemon.log}-- died\n"
            self.daemon = None
        if self.daemon is None:
            doom = {VARIABLE: f"{self.chance.choice(POINTS)}:{self.chance.randint(1, 3)}"}
            env = self.env if to_live or self.chance.random() < 0.6 else self.env | doom
            self.daemon = self.stack.enter_context(
                self.home.started("run", "--inbox", self.home.inbox, "--outbox", self.home.outbox, **env)
            )
            daemon = self.daemon
            until(lambda: "Drop photos" in daemon.log or daemon.process.poll() is not None, "it watches")

    def end(self, number: int = signal.SIGTERM) -> None:
        """End the daemon by a signal."""
        if self.daemon:
            self.signal(number)
            status = self.daemon.process.wait(60)
            assert status in (0, -number, -signal.SIGKILL), self.daemon.log
            self.said += f"{self.daemon.log}-- ended with {status}\n"
            self.daemon = None

    def signal(self, number: int) -> None:
        """Send the daemon a signal, if it lives."""
        if self.daemon and self.daemon.process.poll() is None:
            self.daemon.process.send_signal(number)

    def photos(self) -> list[Path]:
        """The photos in the inbox."""
        return sorted(file for file in files(self.home.inbox) if file.suffix in SUFFIXES)

    def a_path(self) -> Path:
        """A path for a photo, often in a sub-folder, sometimes one that is taken."""
        taken = self.photos()
        if taken and self.chance.random() < 0.25:
            return self.chance.choice(taken)
        self.number += 1
        folder = self.chance.choice(("", "", "a", "a/b", "c"))
        stem = self.chance.choice(("x", "y", f"n{self.number}"))
        return self.home.inbox / folder / f"{stem}{self.chance.choice(SUFFIXES)}"

    def write(self) -> None:
        """A photo appears: at once, slowly, by rename, or over another one."""
        path = self.a_path()
        size = self.chance.randint(20, 90), 40
        made = photo(self.home.root / f"made{path.suffix}", size, self.chance.getrandbits(30))
        content = made.read_bytes()
        path.parent.mkdir(parents=True, exist_ok=True)
        with self.held(path):
            self.oracle.forget(path)
            self.put(path, made, content)
        self.oracle.remember_content(content, path.name)

    def put(self, path: Path, made: Path, content: bytes) -> None:
        """Bring a photo into the inbox in one of several ways."""
        match self.chance.randrange(3):
            case 0:
                path.write_bytes(content)
            case 1:
                os.replace(made, path)
            case 2:
                with path.open("wb") as file:
                    file.write(content[: len(content) // 2])
                    file.flush()
                    time.sleep(0.15)
                    file.write(content[len(content) // 2 :])

    def delete(self) -> None:
        """The user deletes a photo."""
        if taken := self.photos():
            path = self.chance.choice(taken)
            with self.held(path):
                self.oracle.forget(path)
                path.unlink(missing_ok=True)

    @contextmanager
    def held(self, path: Path) -> Iterator[None]:
        """Let nothing move a photo while the test looks at it and changes it."""
        if self.moved:
            self.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            if self.moved:
                self.signal(signal.SIGCONT)

    def rename(self) -> None:
        """The user renames a photo, into another folder too."""
        self.bring(Path.rename)

    def copy(self) -> None:
        """The user copies a photo: the same bytes, another photo."""
        self.bring(shutil.copy2)

    def bring(self, how: Callable[[Path, Path], object]) -> None:
        """Bring a photo to a path where there is none."""
        if taken := self.photos():
            path, target = self.chance.choice(taken), self.a_path()
            with self.held(path):
                target = target.with_suffix(path.suffix)
                if path.exists() and not target.exists():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    how(path, target)

    def move_folder(self) -> None:
        """A whole folder gets another name, or comes back."""
        source, target = self.home.inbox / "a", self.home.inbox / self.chance.choice(("d", "e"))
        if source.is_dir() and not target.exists():
            source.rename(target)
        elif target.is_dir() and not source.exists():
            target.rename(source)

    def remove_output(self) -> None:
        """The user deletes a cut-out: done is done all the same."""
        if found := self.oracle.outputs():
            self.chance.choice(found).unlink(missing_ok=True)

    def kill_service(self) -> None:
        """kill -9 of the service; its worker follows."""
        self.end(signal.SIGKILL)
        if self.chance.random() < 0.5:
            time.sleep(0.1)
        self.start()

    def kill_worker(self) -> None:
        """kill -9 of the worker, wherever it is."""
        with suppress(ProcessLookupError, FileNotFoundError):
            if self.daemon and (worker := self.daemon.worker()):
                os.kill(worker, signal.SIGKILL)

    def stop_and_go(self) -> None:
        """The service is frozen for a moment while photos come."""
        self.signal(signal.SIGSTOP)
        self.write()
        self.signal(signal.SIGCONT)

    def restart(self) -> None:
        """An ordinary end, and photos that come while nobody looks."""
        self.end()
        self.write()
        self.start()

    def lose_outbox(self) -> None:
        """The outbox is away for a moment, as a full or unmounted disk is."""
        away = self.home.root / "away"
        self.home.outbox.rename(away)
        self.write()
        time.sleep(0.2)
        away.rename(self.home.outbox)

    def lose_ledger(self) -> None:
        """Somebody deletes the ledger while no daemon runs."""
        if self.moved:
            return
        self.end()
        shutil.rmtree(self.home.root / "state", ignore_errors=True)
        self.start()

    def fill_disk(self) -> None:
        """Nothing can be written beyond a few bytes of any file, neither outputs nor ledger, for a moment."""
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        self.limit(2_000, limits[1])
        self.write()
        time.sleep(0.4)
        self.limit(*limits)

    def limit(self, soft: int, hard: int) -> None:
        """Set the longest file that the daemon and its worker may write, in bytes."""
        with suppress(ProcessLookupError, FileNotFoundError):
            if self.daemon and self.daemon.process.poll() is None:
                resource.prlimit(self.daemon.process.pid, resource.RLIMIT_FSIZE, (soft, hard))
                if worker := self.daemon.worker():
                    _now, own = resource.prlimit(worker, resource.RLIMIT_FSIZE)  # it has set itself one
                    resource.prlimit(worker, resource.RLIMIT_FSIZE, (own if soft == -1 else min(soft, own), own))

    def strange_output(self) -> None:
        """Somebody puts a file of their own where a cut-out might go."""
        self.number += 1
        path = self.home.outbox / self.chance.choice(("x.png", "y.png", "a/x.png", f"n{self.number}.png"))
        path.parent.mkdir(exist_ok=True)
        if not path.exists():
            with suppress(FileExistsError), path.open("xb") as file:
                file.write(b"mine")
                self.oracle.strangers[path] = b"mine"

    def touch(self) -> None:
        """A program rewrites times or modes, not bytes."""
        if taken := self.photos():
            path = self.chance.choice(taken)
            with self.held(path):
                if path.exists():
                    os.utime(path, (self.chance.randrange(2**31), self.chance.randrange(2**31)))


# Where a death leaves something half-done that the next start has to recognise.
POINTS = [
    "arrived", "admitted", "opened", "staged", "submitted", "verified", "flushed", "name-chosen", "linked", "unlinked",
    "replaced", "folder-flushed", "published", "published-written", "output-read-back", "disposed", "done-written",
    "follow-chosen", "followed", "caught-up", "recovering",
]  # fmt: skip
STEPS = [
    *[Run.write] * 6, *[Run.rename] * 2, Run.copy, Run.delete, Run.move_folder, Run.kill_service, Run.kill_service,
    Run.kill_worker, Run.stop_and_go, Run.restart, Run.lose_outbox, Run.lose_ledger, Run.touch, Run.remove_output,
    Run.fill_disk, Run.strange_output,
]  # fmt: skip


def seeds() -> range:
    """The seeds of the soak."""
    first, _dash, last = os.environ.get("BGZERO_SEEDS", "1000-3000").partition("-")
    return range(int(first), int(last))


def run(tmp_path: Path, seed: int) -> None:
    """Run one seed in a fresh account."""
    account = Home(tmp_path)
    tiny.install(account.models)
    made = Run(account, seed)
    try:
        made.go()
    except BaseException as error:
        log = (tmp_path / "daemon.log").read_text(errors="replace")
        error.add_note(f"seed {seed}: {made.done}\n{made.said[-5000:]}{log[-3000:]}")
        raise


@pytest.mark.parametrize("seed", range(60))
def test_nothing_is_lost_or_doubled_whatever_happens(tmp_path: Path, seed: int) -> None:
    """60 seeds in the suite."""
    run(tmp_path, seed)


@pytest.mark.soak
@pytest.mark.parametrize("seed", seeds())
def test_the_same_for_many_more_seeds(tmp_path: Path, seed: int) -> None:
    """2,000 seeds, by hand."""
    run(tmp_path, seed)
    shutil.rmtree(tmp_path)
