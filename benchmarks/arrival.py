"""Arrival: how soon a finished photo is begun, and what becomes of photos that arrive in awkward ways.

The second part runs beside `rembg p -w`: one writer does the same at the same moments in both inboxes.
"""

import argparse
import io
import os
import platform
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage import data

import peer
from bgzero_daemon.settings.schema import Watch
from harness import BenchmarkError

MODEL = "u2netp"
WEIGHTS = Path(__file__).resolve().parents[1] / "models" / f"{MODEL}.onnx"
BGZERO = Path(sys.executable).with_name("bgzero")
CONTESTANTS = ("bgzero", "rembg")
PHOTO, ANOTHER = 0, 1

_START_SECONDS = 180.0
_VAIN_SECONDS = 20.0  # an output that has not come this long after the last write counts as lost
_NOISE_SECONDS = 6.0
_POLL_SECONDS = 0.001
_AT_ONCE = 4
_ALIKE = 1.0  # of 255, on average: the same picture, cut in another process
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Running:
    """A watching program, with folders of its own. `sign` is what it says once it watches, "" if it says nothing."""

    process: "subprocess.Popen[bytes]"
    inbox: Path
    outbox: Path
    log: Path
    sign: str

    def said(self) -> str:
        """Return what it has printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def is_watching(self) -> bool:
        """Say whether its watch is armed: bgzero says so, of rembg the kernel knows."""
        if self.process.poll() is not None:
            raise BenchmarkError(f"It ended with status {self.process.returncode} and said:\n{self.said()[-2000:]}")
        if self.sign:
            return self.sign in self.said()
        return any(b"inotify wd" in _content(path) for path in Path(f"/proc/{self.process.pid}/fdinfo").iterdir())


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # closed or ended meanwhile
        return b""


def family(pid: int) -> list[int]:
    """Return a process and its descendants."""
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*"):
            found += [int(child) for child in _content(task / "children").split()]
    return found


def cpu_seconds(pid: int) -> float:
    """Return user and system time of a process, its children, and those of them that ended."""
    ticks = 0
    for one in family(pid):
        fields = _content(Path(f"/proc/{one}/stat")).rpartition(b")")[2].split()
        ticks += sum(map(int, fields[11:15]))
    return ticks / _TICKS


def until(condition: Callable[[], bool], seconds: float, *, step: float = 0.05) -> bool:
    """Wait for a condition; say whether it came."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(step)
    return True


def plain_environment() -> dict[str, str]:
    """Return this process's environment without what configures either program."""
    dropped = ("OMP_NUM_THREADS", "STATE_DIRECTORY", "PYTHONPATH")
    return {
        name: value
        for name, value in os.environ.items()
        if name not in dropped and not name.startswith(("BGZERO_", "REMBG_", "XDG_"))
    }


def account(place: Path) -> dict[str, str]:
    """Return an environment in which bgzero finds nothing of this account's."""
    homes = {f"XDG_{kind}_HOME": str(place / kind.lower()) for kind in ("CONFIG", "DATA", "STATE", "CACHE")}
    (place / "home").mkdir(parents=True, exist_ok=True)
    return plain_environment() | homes | {"HOME": str(place / "home"), "LC_ALL": "C.UTF-8"}


@contextmanager
def started(
    command: Sequence[str | Path], environment: Mapping[str, str], place: Path, *, sign: str = ""
) -> Iterator[Running]:
    """Run a program in the background while the block lasts. Its folders are `in` and `out` in `place`."""
    running_log = place / "log.txt"
    with running_log.open("wb") as log:
        process = subprocess.Popen(
            list(map(str, command)), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=dict(environment)
        )
    try:
        yield Running(process, place / "in", place / "out", running_log, sign)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def folders(place: Path) -> Path:
    """Make `in` and `out` in a new folder."""
    for name in ("in", "out"):
        (place / name).mkdir(parents=True)
    return place


def bgzero_watching(place: Path, **settings: str) -> AbstractContextManager[Running]:
    """Start `bgzero run` on the folders of `place`, in an account of its own."""
    command: list[str | Path] = [BGZERO, "run", "--inbox", place / "in", "--outbox", place / "out", "--model", MODEL]
    return started(command, account(place) | settings, place, sign="Drop photos")


def rembg_watching(place: Path, rival: peer.Peer, weights: Path) -> AbstractContextManager[Running]:
    """Start `rembg p -w` on the folders of `place`. Unbuffered, so that its log shows what it has said."""
    command: list[str | Path] = [rival.command, "p", "-m", MODEL, "-w", place / "in", place / "out"]
    environment = plain_environment() | peer.environment(weights) | {"PYTHONUNBUFFERED": "1"}
    return started(command, environment, place)


# --- how soon ---------------------------------------------------------------------------------------------------------


def delays(running: Running, photos: int, content: bytes) -> list[float]:
    """Drop photos one by one at random moments; return the seconds from each close to the start of its job.

    A job starts with its staged file, `.bgz-*` in the outbox, which is looked for every millisecond.
    The first photo, for which the worker starts, is not counted.
    """
    chance = random.Random(1)
    found = []
    for number in range(photos + 1):
        time.sleep(chance.uniform(0.0, 0.3))
        former = _staged(running.outbox)
        cuts = sorted(chance.sample(range(1, len(content)), 3))
        with (running.inbox / f"photo-{number:04d}.jpg").open("wb", buffering=0) as writer:
            for start, end in zip([0, *cuts], [*cuts, len(content)], strict=True):
                writer.write(content[start:end])
                time.sleep(chance.uniform(0.0, 0.03))
        closed = time.monotonic()
        if _staged(running.outbox) - former:
            raise BenchmarkError(f"Photo {number} was begun while it was being written.")
        if not until(lambda: bool(_staged(running.outbox) - former), 40.0, step=_POLL_SECONDS):  # noqa: B023 - at once
            raise BenchmarkError(f"Photo {number} was not begun within 40 s.\n{running.said()[-2000:]}")
        found.append(time.monotonic() - closed)
        if number == 0 and not until((running.outbox / "photo-0000.png").exists, 60.0):
            raise BenchmarkError(f"The first photo was not cut.\n{running.said()[-2000:]}")
    last = running.outbox / f"photo-{photos:04d}.png"
    if not until(last.exists, 60.0):
        raise BenchmarkError(f"{last.name} did not come.\n{running.said()[-2000:]}")
    return found[1:]


def _staged(outbox: Path) -> set[str]:
    return {name for name in os.listdir(outbox) if name.startswith(".bgz-")}


def tell_delays(found: Sequence[float]) -> str:
    """Lay delays out as text, with the part beyond settle_seconds and the goals."""
    settle = Watch().settle_seconds
    percentiles = statistics.quantiles(found, n=100, method="inclusive")
    rows = [
        ("median", percentiles[49], 0.3),
        ("90 %", percentiles[89], None),
        ("99 %", percentiles[98], 1.0),
        ("longest", max(found), None),
    ]
    lines = [f"{'':10}{'seconds':>9}{'beyond settle':>15}  goal"]
    for title, value, goal in rows:
        aim = "" if goal is None else f"{goal:.1f} s or less: {'kept' if value - settle <= goal else 'MISSED'}"
        lines.append(f"{title:10}{value:9.3f}{value - settle:15.3f}  {aim}".rstrip())
    return "\n".join(lines)


# --- what becomes of it -----------------------------------------------------------------------------------------------


def picture(which: int = PHOTO) -> bytes:
    """Return a photo as JPEG; ANOTHER one is its mirror image in other colours."""
    pixels = np.asarray(data.astronaut())  # type: ignore[no-untyped-call]
    if which == ANOTHER:
        pixels = np.ascontiguousarray(pixels[:, ::-1, ::-1])
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=92)
    return stream.getvalue()


@dataclass(frozen=True, slots=True)
class Scenario:
    """A way to arrive. `write` does it in every inbox given; the second argument is a folder beside the first inbox.

    `wanted` names the outputs that ought to come, with the photo each shows. With `is_early` the writing
    begins when the programs are started, else when they watch. `tell` may add to the outcome.
    """

    title: str
    write: Callable[[Sequence[Path], bytes], None]
    wanted: Mapping[str, int]
    is_early: bool = False
    tell: Callable[[Running], str] = lambda _running: ""
    is_noise: bool = False


def _in_pieces(inboxes: Sequence[Path], name: str, content: bytes, *, pieces: int, pause: float) -> None:
    """Write a file and keep it open, with pauses in between."""
    with ExitStack() as stack:
        writers = [stack.enter_context((inbox / name).open("wb", buffering=0)) for inbox in inboxes]
        for piece in range(pieces):
            for writer in writers:
                writer.write(content[piece * len(content) // pieces : (piece + 1) * len(content) // pieces])
            time.sleep(pause)


def _copy(inboxes: Sequence[Path], content: bytes) -> None:
    _in_pieces(inboxes, "a.jpg", content, pieces=1, pause=0.0)


def _slow(inboxes: Sequence[Path], content: bytes) -> None:
    _in_pieces(inboxes, "a.jpg", content, pieces=4, pause=1.5)


def _preallocated(inboxes: Sequence[Path], content: bytes) -> None:
    """The whole length at once, then the content in thirds, front to back, each in an opening of its own."""
    for inbox in inboxes:
        with (inbox / "a.jpg").open("wb") as writer:
            os.posix_fallocate(writer.fileno(), 0, len(content))
    time.sleep(0.5)
    third = len(content) // 3 + 1
    for start in range(0, len(content), third):
        for inbox in inboxes:
            with (inbox / "a.jpg").open("r+b") as writer:
                writer.seek(start)
                writer.write(content[start : start + third])
        time.sleep(1.5)


def _appended(inboxes: Sequence[Path], content: bytes) -> None:
    third = len(content) // 3 + 1
    for start in range(0, len(content), third):
        for inbox in inboxes:
            with (inbox / "a.jpg").open("ab") as writer:
                writer.write(content[start : start + third])
        time.sleep(1.5)


_TEMPORARY = {
    "gphoto2": "tmpfileAb3dE6",
    "digiKam": "Camera-x1y2z3.digikamtempfile.a.jpg",
    "darktable": "a.jpg.X1Y2Z3",
    "Firefox, curl": "a.jpg.part",
    "Chromium": "a.jpg.crdownload",
    "rsync": ".a.jpg.Xy12Zw",
    "Syncthing": ".syncthing.a.jpg.tmp",
}


def _renamed(temporary: str) -> Callable[[Sequence[Path], bytes], None]:
    def write(inboxes: Sequence[Path], content: bytes) -> None:
        _in_pieces(inboxes, temporary, content, pieces=2, pause=0.7)
        for inbox in inboxes:
            (inbox / temporary).rename(inbox / "a.jpg")

    return write


def _moved_in(inboxes: Sequence[Path], content: bytes) -> None:
    for inbox in inboxes:
        made = inbox.parent / "a.jpg"
        made.write_bytes(content)
        made.rename(inbox / "a.jpg")


def _folder_moved_in(inboxes: Sequence[Path], content: bytes) -> None:
    for inbox in inboxes:
        made = inbox.parent / "trip"
        made.mkdir()
        (made / "a.jpg").write_bytes(content)
        made.rename(inbox / "trip")


def _truncated(inboxes: Sequence[Path], content: bytes) -> None:
    _copy(inboxes, content[: len(content) // 2])


def _empty_first(inboxes: Sequence[Path], content: bytes) -> None:
    _copy(inboxes, b"")
    time.sleep(3.0)
    _copy(inboxes, content)


def _replaced(inboxes: Sequence[Path], content: bytes) -> None:
    _copy(inboxes, content)
    time.sleep(4.0)
    _copy(inboxes, picture(ANOTHER))


def _linked_out(inboxes: Sequence[Path], content: bytes) -> None:
    for inbox in inboxes:
        private = inbox.parent / "private.jpg"
        private.write_bytes(content)
        (inbox / "a.jpg").symlink_to(private)


def _pipe_first(inboxes: Sequence[Path], content: bytes) -> None:
    for inbox in inboxes:
        os.mkfifo(inbox / "x.jpg")
    time.sleep(1.0)
    _copy(inboxes, content)


def _waits_for_pipe(running: Running) -> str:
    """A FIFO can be opened for writing without waiting only if somebody waits in it, or reads."""
    try:
        os.close(os.open(running.inbox / "x.jpg", os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return ""
    return "hangs in the FIFO"


def _all_along(inboxes: Sequence[Path], content: bytes) -> None:
    """One photo is there already, then one every quarter of a second for eight seconds."""
    for number in range(33):
        _in_pieces(inboxes, f"{number:02d}.jpg", content, pieces=1, pause=0.25 if number else 0.0)


SCENARIOS = (
    Scenario("copied in at once", _copy, {"a.png": PHOTO}),
    Scenario("slow writer, pauses of 1.5 s", _slow, {"a.png": PHOTO}),
    Scenario("preallocated, then filled", _preallocated, {"a.png": PHOTO}),
    Scenario("appended to in three closes", _appended, {"a.png": PHOTO}),
    Scenario("replaced by another photo", _replaced, {"a.png": ANOTHER}),
    *(Scenario(f"renamed inside: {tool}", _renamed(name), {"a.png": PHOTO}) for tool, name in _TEMPORARY.items()),
    Scenario("renamed in from outside", _moved_in, {"a.png": PHOTO}),
    Scenario("sub-folder moved in", _folder_moved_in, {"trip/a.png": PHOTO}),
    Scenario("truncated for good", _truncated, {}, is_noise=True),
    Scenario("zero bytes, written 3 s later", _empty_first, {"a.png": PHOTO}),
    Scenario("symbolic link leading out", _linked_out, {}),
    Scenario("FIFO x.jpg, then a photo", _pipe_first, {"a.png": PHOTO}, tell=_waits_for_pipe),
    Scenario("33 photos, before and during start", _all_along, {f"{n:02d}.png": PHOTO for n in range(33)}, True),
)


@dataclass(frozen=True, slots=True)
class References:
    """What each contestant makes of the two photos when they lie there whole."""

    cutouts: Mapping[tuple[str, int], NDArray[np.float32]]

    def judge(self, contestant: str, output: Path, which: int) -> str:
        """Say in a word or two what an output is."""
        if not output.is_file():
            return "lost"
        got = _pixels(output)
        for photo in (PHOTO, ANOTHER):
            wanted = self.cutouts[contestant, photo]
            if got is not None and got.shape == wanted.shape and float(np.abs(got - wanted).mean()) < _ALIKE:
                return "whole" if photo == which else "stale (the first photo)"
        if got is None:
            return "damaged output"
        return "blank" if got[..., 3].max() < 128 or np.ptp(got[..., :3]) == 0 else "partial"


def _pixels(path: Path) -> NDArray[np.float32] | None:
    try:
        with Image.open(path) as opened:
            return np.asarray(opened.convert("RGBA"), np.float32)
    except OSError:
        return None


class Arena:
    """Runs scenarios in folders below `work`, both contestants beside each other."""

    def __init__(self, work: Path, rival: peer.Peer) -> None:
        self._work, self._rival = work, rival
        self._weights = work / "weights"
        self._weights.mkdir()
        shutil.copyfile(WEIGHTS, self._weights / WEIGHTS.name)
        self._references = self._make_references()

    def _start(self, contestant: str, place: Path) -> AbstractContextManager[Running]:
        if contestant == "bgzero":
            return bgzero_watching(place)
        return rembg_watching(place, self._rival, self._weights)

    def _make_references(self) -> References:
        made = {}
        with ExitStack() as stack:
            for contestant in CONTESTANTS:
                place = folders(self._work / f"reference-{contestant}")
                for which in (PHOTO, ANOTHER):
                    (place / "in" / f"{which}.jpg").write_bytes(picture(which))
                running = stack.enter_context(self._start(contestant, place))
                for which in (PHOTO, ANOTHER):
                    output = running.outbox / f"{which}.png"
                    if not until(lambda: _pixels(output) is not None, 120.0):  # noqa: B023 - called at once
                        raise BenchmarkError(f"{contestant} made no reference.\n{running.said()[-2000:]}")
                    pixels = _pixels(output)
                    assert pixels is not None
                    if pixels[..., 3].mean() < 10:
                        raise BenchmarkError(f"{contestant} found no subject: nothing can be told from that.")
                    made[contestant, which] = pixels
        return References(made)

    def run(self, number: int, scenario: Scenario) -> dict[str, str]:
        """Let one scenario happen to both and return the outcomes in words."""
        places = {who: folders(self._work / f"{number:02d}" / who) for who in CONTESTANTS}
        content = picture()
        inboxes = [place / "in" for place in places.values()]
        with ExitStack() as stack, ThreadPoolExecutor(1) as writer:
            if scenario.is_early:
                writing = writer.submit(scenario.write, inboxes, content)
                until(lambda: all(any(inbox.iterdir()) for inbox in inboxes), 10.0)
            running = {who: stack.enter_context(self._start(who, place)) for who, place in places.items()}
            for who, one in running.items():
                if not until(one.is_watching, _START_SECONDS):
                    raise BenchmarkError(f"{who} does not watch.\n{one.said()[-2000:]}")
            before = {who: (one.said(), cpu_seconds(one.process.pid)) for who, one in running.items()}
            if not scenario.is_early:
                writing = writer.submit(scenario.write, inboxes, content)
            writing.result()
            if scenario.wanted:
                self._wait(scenario, running)
            else:
                time.sleep(_NOISE_SECONDS)
            outcomes = {who: self._outcome(who, scenario, one, *before[who]) for who, one in running.items()}
        shutil.rmtree(self._work / f"{number:02d}")
        return outcomes

    def _wait(self, scenario: Scenario, running: Mapping[str, Running]) -> None:
        def is_all_there() -> bool:
            return all(
                self._references.judge(who, one.outbox / name, which) == "whole"
                for who, one in running.items()
                for name, which in scenario.wanted.items()
            )

        until(is_all_there, _VAIN_SECONDS + 0.5 * len(scenario.wanted), step=0.5)

    def _outcome(self, who: str, scenario: Scenario, running: Running, said: str, cpu: float) -> str:
        words = [self._references.judge(who, running.outbox / name, which) for name, which in scenario.wanted.items()]
        if len(words) > 1:
            words = [f"{words.count(word)} {word}" for word in sorted(set(words), reverse=True)]
        made = {path.relative_to(running.outbox).as_posix() for path in running.outbox.rglob("[!.]*.png")}
        made |= {path.relative_to(running.outbox).as_posix() for path in running.outbox.glob(".[!b]*.png")}
        if others := sorted(made - scenario.wanted.keys()):
            words.append(f"cut as {', '.join(others)}")
        elif not scenario.wanted:
            words.append("no output")
        if scenario.is_noise:
            new = running.said()[len(said) :]
            used = cpu_seconds(running.process.pid) - cpu
            words.append(f"{len(new.splitlines())} lines, {_bytes(len(new))}, {used:.1f} s of CPU")
        words.append(scenario.tell(running))
        if who == "bgzero" and "lost" in " ".join(words):
            print(f"{scenario.title}: bgzero said:\n{running.said()[-2000:]}", file=sys.stderr)
        return "; ".join(filter(None, words))


def _bytes(count: int) -> str:
    return f"{count / 1000:.0f} kB" if count >= 10_000 else f"{count} bytes"


def tell_outcomes(outcomes: Sequence[tuple[str, Mapping[str, str]]]) -> str:
    """Lay outcomes out as a table."""
    rows = [("", *CONTESTANTS), *((title, *(found[who] for who in CONTESTANTS)) for title, found in outcomes)]
    first, second = (max(len(row[column]) for row in rows) + 2 for column in (0, 1))
    return "\n".join(f"{title:{first}}{ours:{second}}{theirs}".rstrip() for title, ours, theirs in rows)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=100, metavar="N", help="photos whose delay counts (default: 100)")
    parser.add_argument("--only", metavar="REGEX", help="only the scenarios whose title matches, and no delays")
    parser.add_argument("--no-peer", action="store_true", help="delays only: rembg is neither installed nor run")
    arguments = parser.parse_args()
    if arguments.photos < 10:
        parser.error("--photos has to be at least 10")
    return arguments


def _measure_delays(work: Path, photos: int) -> None:
    print(f"Dropping {photos + 1} photos, one by one.", file=sys.stderr)
    with bgzero_watching(folders(work / "delays")) as running:
        if not until(running.is_watching, _START_SECONDS):
            raise BenchmarkError("bgzero does not watch.")
        found = delays(running, photos, picture())
    print(f"From the writer's close to the start of the job, {len(found)} photos, settle_seconds ", end="")
    print(f"{Watch().settle_seconds:.1f}:\n{tell_delays(found)}\n", flush=True)


def _compare(work: Path, only: str | None) -> None:
    rival = peer.rembg()
    arena = Arena(work, rival)
    chosen = [one for one in SCENARIOS if not only or re.search(only, one.title)]
    print(f"{len(chosen)} ways to arrive, {_AT_ONCE} at once.", file=sys.stderr)
    with ThreadPoolExecutor(_AT_ONCE) as crew:
        outcomes = list(crew.map(arena.run, range(len(chosen)), chosen))
    print(f"bgzero run beside rembg {rival.versions['rembg']} p -w, the same {MODEL}:\n")
    print(tell_outcomes([(one.title, found) for one, found in zip(chosen, outcomes, strict=True)]))


def main() -> int:
    """Measure, compare and report. Returns the exit status."""
    arguments = _arguments()
    cores = os.cpu_count()
    print(f"{MODEL}, Python {platform.python_version()}, {cores} cores, load {os.getloadavg()[0]:.1f}.", flush=True)
    try:
        with tempfile.TemporaryDirectory(prefix="bgzero-benchmark-") as name:
            if not arguments.only:
                _measure_delays(Path(name), arguments.photos)
            if not arguments.no_peer:
                _compare(Path(name), arguments.only)
    except BenchmarkError as error:
        print(f"arrival: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
