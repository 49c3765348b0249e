"""Crashes and trouble: what becomes of photos when a program is killed in the middle, or cannot write.

Each scenario happens to `bgzero run`, which moves originals to a folder Done, and to `rembg p -w -d`, which deletes
them. Both are driven from outside, by files, signals, limits and mounts; then every photo is looked for. It is lost
(neither original nor whole cut-out) or missing (never cut); an output is partial (no whole cut-out) or doubled. Linux.
"""

import argparse
import contextlib
import errno
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Container, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import arrival
import peer
import pictures
from arrival import BGZERO, CONTESTANTS, MODEL, WEIGHTS, Running, until
from harness import BenchmarkError

_PATIENCE_SECONDS = 120.0  # for what has to come
_VAIN_SECONDS = 20.0  # no change and no CPU time: nothing will come. bgzero looks at a bad outbox every 15 s at least
_ROOM = 'mount -t tmpfs -o size=4m none "$0" && head -c 4130000 /dev/zero > "$0/ballast" && echo full && exec sleep 900'
_SMALL = {f"{number}.jpg": f"small-{number}.jpg" for number in range(1, 6)}
_LARGE = {f"{number}.jpg": f"large-{number}.jpg" for number in range(1, 6)}
_ALL = _LARGE | {f"small-{rel}": name for rel, name in _SMALL.items()}


@cache
def look(path: Path, _bytes: int, _mtime_ns: int) -> tuple[tuple[int, int], NDArray[np.int16]] | None:
    """Decode a picture to its end; return its size and a small RGBA copy, None for what is no whole picture."""
    try:
        with Image.open(path) as opened:
            return opened.size, np.asarray(opened.convert("RGBA").resize((64, 64), Image.Resampling.BOX), np.int16)
    except (OSError, SyntaxError):  # Pillow's word for a broken chunk
        return None


def shows(path: Path, stat: os.stat_result, photo: Path) -> bool:
    """Say whether a file is a whole cut-out of a photo: decodable, of its size, with some of its pixels opaque."""
    got, source = look(path, stat.st_size, stat.st_mtime_ns), look(photo, 0, 0)
    if got is None or source is None or got[0] != source[0]:
        return False
    solid = got[1][..., 3] >= 250
    return bool(solid.mean() > 0.01 and np.abs(got[1] - source[1])[solid].mean() < 4.0)  # of 255


class Side:
    """One contestant with folders of its own. `photos` maps names in the inbox to photos."""

    def __init__(self, who: str, place: Path, rival: peer.Peer, photos: Mapping[str, Path]) -> None:
        self.who, self.place, self.rival, self.photos = who, place, rival, photos
        self.running: Running
        self.inbox, self.outbox = place / "in", place / "out"
        self.seen, self.enter = self.outbox, list[str]()  # where we see the outbox; the way into its mounts
        self.notes, self.processes = list[str](), list[subprocess.Popen[bytes]]()
        self.sums, self.bad, self.redone = dict[Path, int](), set[Path](), 0
        arrival.folders(place)

    def fill(self) -> None:
        """Move the photos into the inbox, each whole at once: how they arrive is another benchmark's matter."""
        for rel, source in self.photos.items():
            arriving = self.place / f"arriving{Path(rel).suffix}"
            Image.open(source).save(arriving, quality=pictures.JPEG_QUALITY)
            self.sums[source] = hash(arriving.read_bytes())
            (self.inbox / rel).parent.mkdir(exist_ok=True)
            arriving.rename(self.inbox / rel)

    def start(self, *before: str) -> None:
        """Start the program, behind the command `before` if there is one."""
        command: list[str | Path] = [BGZERO, "run", "--inbox", self.inbox, "--outbox", self.outbox, "--model", MODEL]
        environment = arrival.account(self.place) | {
            "BGZERO_FOLDER__ORIGINALS": "move",
            "BGZERO_OUTPUT__KEEP_FREE": "0",
        }
        if self.who == "rembg":
            command = [self.rival.command, "p", "-m", MODEL, "-w", "-d", self.inbox, self.outbox]
            environment = arrival.plain_environment() | peer.environment(self.place.parent) | {"PYTHONUNBUFFERED": "1"}
        words, log = [*self.enter, *before, *map(str, command)], self.place / f"log-{len(self.processes)}.txt"
        with log.open("wb") as said:
            process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=environment)
        self.processes.append(process)
        self.running = Running(process, self.inbox, self.outbox, log, "Drop photos" if self.who == "bgzero" else "")

    def wait(self, condition: Callable[[], bool], what: str, step: float = 0.05) -> None:
        """Wait for what makes the scenario happen at all."""
        if not until(condition, _PATIENCE_SECONDS, step=step):
            raise BenchmarkError(f"{what}: waited in vain")

    def end(self, number: int) -> int:
        """Send a signal to the first process alone, wait for its end, and look for half outputs."""
        self.running.process.send_signal(number)
        status = self.running.process.wait(_PATIENCE_SECONDS)
        self.bad |= {path for path, photo in self.outputs().items() if not photo}
        return status

    def settle(self) -> None:
        """Wait until all photos are cut and nothing changes, or nothing has happened for long."""
        state, since = "", time.monotonic()
        while self.running.process.poll() is None:
            seen = sorted([*self.files(), *self.inbox.rglob("*")])
            if (new := f"{seen} {arrival.cpu_seconds(self.running.process.pid):.0f}") != state:
                state, since = new, time.monotonic()
            is_complete = set(self.outputs().values()) >= set(self.photos.values())
            if time.monotonic() - since > (5.0 if is_complete else _VAIN_SECONDS):
                return
            time.sleep(0.2)
        self.notes.append(f"ended by itself with status {self.running.process.returncode}")

    def again(self) -> None:
        """Start, and wait until it has settled."""
        self.start()
        self.settle()

    def files(self, before: Container[Path] = ()) -> dict[Path, os.stat_result]:
        """Return the outputs in the outbox that were not there before, those staged under a hidden name too."""
        found = {}
        for path in (path for path in self.seen.rglob("*.*") if path.suffix in {".png", ".tmp"} and path not in before):
            with contextlib.suppress(FileNotFoundError):
                found[path] = path.stat()
        return found

    def outputs(self) -> dict[Path, Path | None]:
        """Return the visible outputs, and which photo's whole cut-out each is."""
        visible = {path: stat for path, stat in self.files().items() if path.suffix == ".png"}
        return {p: next((o for o in self.photos.values() if shows(p, s, o)), None) for p, s in visible.items()}

    def note_progress(self, what: str) -> None:
        """Note how far it had come; had it come to the end, the scenario did not happen."""
        done = sum(map(bool, self.outputs().values()))
        self.notes.append(f"{what} with {done} of {len(self.photos)} cut")
        if done == len(self.photos):
            raise BenchmarkError(f"{what} too late, all were cut")

    def verdict(self) -> tuple[str, Counter[str]]:
        """Return the outcome in words and numbers."""
        whole = Counter(filter(None, self.outputs().values()))
        here = {hash(path.read_bytes()) for path in self.place.rglob("*.[jp][pn]g") if path.is_file()}
        uncut = {total for photo, total in self.sums.items() if not whole[photo]}
        bad = self.bad | {path for path, photo in self.outputs().items() if not photo}
        extra = whole.total() - len(whole) + self.redone
        found = Counter(lost=len(uncut - here), partial=len(bad), doubled=extra, missing=len(uncut & here))
        is_refused = self.running.process.poll() == 78 and self.inbox in self.outbox.parents
        if is_refused and uncut == set(self.sums.values()) <= here:
            return "right: refused with exit 78, originals intact", Counter()
        if staged := sum(path.suffix == ".tmp" for path in self.files()):
            self.notes.append(f"{staged} staged files left")
        wrong = ", ".join(f"{count} {what}" for what, count in found.items() if count)
        return "; ".join([f"WRONG: {wrong}" if wrong else f"right: {len(whole)} cut", *self.notes]), found


def _ended(number: int, pause: float, side: Side, *, is_workers: bool = False) -> None:
    """The program, or the processes that it started, get a signal `pause` seconds after the first output appeared."""
    side.fill()
    side.start()
    side.wait(lambda: any(path.suffix == ".png" for path in side.files()), "first output", step=0.001)
    time.sleep(pause)
    workers = arrival.family(side.running.process.pid)[1:] if is_workers else []
    for pid in workers:
        os.kill(pid, number)
    side.note_progress("killed" if workers else f"{'has no worker, ' * is_workers}ended ({side.end(number)})")
    side.settle() if workers else side.again()


def _killed_writing(side: Side) -> None:
    side.fill()
    before, half = set[Path](), 0
    for _turn in range(3):
        side.start()
        side.wait(lambda: any(p.suffix == ".png" or s.st_size for p, s in side.files(before).items()), "output", 0.0)
        side.end(signal.SIGKILL)
        half += sum(look(p, s.st_size, s.st_mtime_ns) is None for p, s in side.files(before).items())
        before.update(side.files())
    side.notes.append(f"three kills met {half} half files, staged ones too")
    side.again()


def _cannot_write(number: int, side: Side) -> None:
    if number == errno.ENOSPC:
        holder = subprocess.Popen(["unshare", "-Urm", "sh", "-c", _ROOM, side.outbox], stdout=subprocess.PIPE)
        side.processes.append(holder)
        if holder.stdout is None or holder.stdout.readline() != b"full\n":
            raise BenchmarkError("THIS MACHINE ALLOWS NO USER NAMESPACES")
        side.enter = ["nsenter", "-t", str(holder.pid), "-U", "-m", "--preserve-credentials"]
        side.seen = Path(f"/proc/{holder.pid}/root{side.outbox}")
    side.fill()
    side.start(*["prlimit", "--fsize=500000"] * (number == errno.EFBIG))  # room for ledgers, not for large cut-outs
    side.wait(lambda: os.strerror(number) in side.running.said(), os.strerror(number))
    time.sleep(5.0)
    side.note_progress("in trouble")
    if number == errno.ENOSPC:
        (side.seen / "ballast").unlink()
        side.settle()
        side.notes.append(f"{len(set(filter(None, side.outputs().values())))} before the second start")
    side.end(signal.SIGTERM)
    side.again()


def _outbox_removed(side: Side) -> None:
    side.start()
    side.wait(side.running.is_watching, "watching")
    shutil.rmtree(side.outbox)
    side.fill()
    time.sleep(6.0)
    side.outbox.mkdir(exist_ok=True)
    side.settle()


def _twice(side: Side, outbox: str = "out") -> None:
    side.outbox = side.seen = side.place / outbox
    side.outbox.mkdir(exist_ok=True)
    side.fill()
    side.again()
    if side.running.process.poll() is None:
        side.end(signal.SIGKILL)
        before = {path: stat.st_ctime_ns for path, stat in side.files().items()}
        side.again()
        side.redone = sum(before.get(path, stat.st_ctime_ns) != stat.st_ctime_ns for path, stat in side.files().items())


SCENARIOS: tuple[tuple[str, Callable[[Side], None], Mapping[str, str]], ...] = (
    ("kill -9 while an output is written, thrice", _killed_writing, _LARGE),
    ("kill -9 while cutting", partial(_ended, signal.SIGKILL, 0.5), _LARGE),
    ("kill -9 right after the first output", partial(_ended, signal.SIGKILL, 0.0), _SMALL),
    ("SIGTERM while cutting", partial(_ended, signal.SIGTERM, 0.0), _ALL),
    ("worker killed while cutting", partial(_ended, signal.SIGKILL, 0.3, is_workers=True), _LARGE),
    ("kill -9 when all is done, second start", _twice, _SMALL),
    ("disk full (ENOSPC), then space", partial(_cannot_write, errno.ENOSPC), _SMALL),
    ("file size limit (EFBIG), then none", partial(_cannot_write, errno.EFBIG), _LARGE),
    ("outbox removed, made again after 6 s", _outbox_removed, _SMALL),
    ("same stem: a.jpg and a.png", _twice, {"a.jpg": "small-1.jpg", "a.png": "small-3.jpg"}),
    ("same name in two sub-folders", _twice, {"x/a.jpg": "small-1.jpg", "y/a.jpg": "small-3.jpg"}),
    ("outbox inside the inbox, two starts", partial(_twice, outbox="in/out"), _SMALL),
)


def prepare(work: Path) -> peer.Peer:
    """Find rembg and lay out weights and photos, no two of one size: `small-1.jpg` and so on."""
    shutil.copyfile(WEIGHTS, work / WEIGHTS.name)
    folder = pictures.gather(None, work, megapixels=8.0).folder
    for number in range(1, 6):
        opened = Image.open(folder / f"photo-{number:03d}.jpg")
        photo = opened.crop((0, 0, opened.width - 40 * number, opened.height))
        photo.save(work / f"large-{number}.jpg")
        photo.thumbnail((600, 600))
        photo.save(work / f"small-{number}.jpg")
    return peer.rembg()


def run(work: Path, rival: peer.Peer, job: tuple[int, str]) -> tuple[str, Counter[str]]:
    """Let one scenario happen to one contestant; where that is bgzero and it goes wrong, show what it said."""
    title, drive, photos = SCENARIOS[job[0]]
    side = Side(job[1], work / f"{job[0]:02d}-{job[1]}", rival, {rel: work / name for rel, name in photos.items()})
    try:
        drive(side)
        found = side.verdict()
    except (BenchmarkError, OSError, subprocess.TimeoutExpired) as error:
        found = f"NOT TESTED: {str(error).partition(chr(10))[0]}", Counter()
    for process in reversed(side.processes):
        process.kill()
        process.wait()
    if job[1] == "bgzero" and not found[0].startswith("right"):
        logs = "\n".join(log.read_text(errors="replace")[-2000:] for log in sorted(side.place.glob("log-*.txt")))
        print(f"{title}: bgzero: {found[0]}\n{logs}", file=sys.stderr)
    return found


def main() -> int:
    """Let everything happen and tell. Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="TEXT", help="only the scenarios whose title has this in it")
    only = parser.parse_args().only
    jobs = [(number, who) for number, one in enumerate(SCENARIOS) if only in one[0] for who in CONTESTANTS]
    with tempfile.TemporaryDirectory(prefix="bgzero-benchmark-") as name, ThreadPoolExecutor(4) as crew:
        act = partial(run, Path(name), prepare(Path(name)))
        found = [*map(act, jobs[:2]), *crew.map(act, jobs[2:])]  # the first alone: microseconds count
    print(f"| {MODEL}, {os.cpu_count()} cores | bgzero run, move | rembg {peer.VERSION} p -w -d |\n|---|---|---|")
    for (number, _who), ours, theirs in zip(jobs[::2], found[::2], found[1::2], strict=True):
        print(f"| {SCENARIOS[number][0]} | {ours[0]} | {theirs[0]} |")
    sums = [sum((numbers for _words, numbers in side), Counter()) for side in (found[::2], found[1::2])]
    told = [", ".join(f"{one[what]} {what}" for what in ("lost", "partial", "doubled", "missing")) for one in sums]
    print(f"| in all | {' | '.join(told)} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
