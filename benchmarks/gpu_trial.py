"""The steps of `gpu.py`, run by the Python of the environment that it made."""

import json
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

import gpu_card
import gpu_lies
import pictures
from arrival import BGZERO, Running, account, folders, started, until
from gpu_report import Figure, Step, rates
from harness import BenchmarkError

CPU = "CPUExecutionProvider"
LANES = (1, 2, 4)
GIVEN_BACK_MIB = 64
_MEGAPIXELS = 2.0
_SECONDS = 180.0
_OPEN = re.compile(r"sandbox is not closed: (.*)")


class Album:
    """Different photos, without end: scikit-image's, scaled, each with some columns less than the one before."""

    def __init__(self) -> None:
        self._photos = []
        for path in pictures.shipped():
            with Image.open(path) as opened:
                rgb = opened.convert("RGB")
            grow = (_MEGAPIXELS * 1e6 / (rgb.width * rgb.height)) ** 0.5
            self._photos.append(rgb.resize((round(rgb.width * grow), round(rgb.height * grow))))

    def fill(self, inbox: Path, numbers: range) -> None:
        """Write photos under other names first, so that none is seen half."""
        for number in numbers:
            photo = self._photos[number % len(self._photos)]
            part = inbox / f"photo-{number:03d}.jpg.part"
            photo.crop((number, 0, photo.width, photo.height)).save(part, "JPEG", quality=92)
            part.rename(part.with_suffix(""))


class Watch(threading.Thread):
    """Asks the card for its memory, and a daemon that answers for its status, again and again until `end`."""

    def __init__(self, place: Path | None = None) -> None:
        super().__init__(name="watch", daemon=True)
        self._place, self._over = place, threading.Event()
        self.seen: set[tuple[str, str]] = set()
        self.most_mib: int | None = None

    def run(self) -> None:
        """What the thread does."""
        while not self._over.wait(0.3):
            told = workers(self._place) if self._place else []
            self.seen |= {(worker["provider"], worker["sandbox"]) for worker in told}
            if (used := gpu_card.used_mib()) is not None:
                self.most_mib = max(self.most_mib or 0, used)

    def end(self) -> None:
        """Ask no more."""
        self._over.set()
        self.join(30)

    def told(self, which: int) -> list[str]:
        """Return the providers (0) or sandboxes (1) that a status named."""
        return sorted({one[which] for one in self.seen if one[which]})


def workers(place: Path) -> list[dict[str, str]]:
    """Return what the status says of the workers."""
    done = subprocess.run([BGZERO, "status", "--json"], env=account(place), capture_output=True, check=False)
    told: list[dict[str, str]] = json.loads(done.stdout or b"{}").get("workers", [])
    return told


class Trial:
    """All steps. Where the provider is the CPU it stands in for CUDA: what needs the card is told as not measured."""

    def __init__(self, provider: str, model: str, work: Path) -> None:
        self.provider, self._model, self._work = provider, model, work
        self._is_stand_in = provider == CPU
        self._album = Album()
        self._places = 0

    def _place(self) -> Path:
        self._places += 1
        return folders(self._work / f"place-{self._places}")

    @contextmanager
    def _daemon(self, place: Path, *options: str, **settings: str) -> Iterator[Running]:
        command: list[str | Path] = [BGZERO, "run", "--inbox", place / "in", "--outbox", place / "out"]
        environment = account(place) | settings
        with started([*command, "--model", self._model, *options], environment, place, sign="Drop photos") as running:
            yield running

    def _once(self, place: Path, **settings: str) -> str:
        with self._daemon(place, "--once", **settings) as running:
            try:
                running.process.wait(_SECONDS)
            except subprocess.TimeoutExpired:
                raise BenchmarkError(f"It did not end in {_SECONDS:.0f} s:\n{running.said()[-2000:]}") from None
            return running.said()

    def batch(self, photos: int) -> Step:
        """Cut photos with `run --once`, provider auto, the sandbox as it is."""
        place = self._place()
        self._album.fill(place / "in", range(photos))
        before = gpu_card.used_mib()
        watch = Watch()
        watch.start()
        began = time.monotonic()
        said = self._once(place)
        seconds = time.monotonic() - began
        watch.end()
        broken = _missing(place, range(photos))
        by_log, sandbox = providers(said), " | ".join(sorted(set(_OPEN.findall(said)))) or "closed"
        if by_log != {self.provider: photos}:
            broken.append(f"the log says {by_log}, not {photos} on {self.provider}")
        if sandbox != "closed":
            broken.append(f"sandbox: {sandbox}")
        figures: dict[str, Figure] = {
            "photos": photos, "provider by log": ", ".join(by_log), "sandbox": sandbox,
            "seconds, start included": round(seconds, 1),
            "photos a minute, start apart": round(rate(place), 1),
            "card MiB before": before, "card MiB at most": watch.most_mib,
        }  # fmt: skip
        return Step("batch", tuple(broken), figures=figures)

    def given_back(self) -> Step:
        """Cut three photos, ask for the status, and wait until the idle worker has ended and the service lives on."""
        place = self._place()
        before = gpu_card.used_mib()
        watch = Watch(place)
        watch.start()
        broken = []
        with self._daemon(place, BGZERO_WORKER__IDLE_SECONDS="3") as running:
            self._album.fill(place / "in", range(3))
            if not until(lambda: not _missing(place, range(3)), _SECONDS):
                broken.append("three photos were not cut")
            during = gpu_card.used_mib()
            if not until(lambda: not workers(place), 60, step=0.3):
                broken.append("the idle worker does not end")
            watch.end()
            time.sleep(1)
            after = gpu_card.used_mib()
            if running.process.poll() is not None:
                broken.append("the service has ended")
        if watch.told(0) != [self.provider]:
            broken.append(f"the status says {watch.told(0)}, not {self.provider}")
        if watch.told(1) != ["closed"]:
            broken.append(f"sandbox: {' | '.join(watch.told(1))}")
        if before is not None and after is not None and after > before + GIVEN_BACK_MIB:
            broken.append(f"{after - before} MiB of the card were not given back")
        unmeasured = () if before is not None else ("the card's memory: nvidia-smi does not tell",)
        figures: dict[str, Figure] = {
            "provider by status": ", ".join(watch.told(0)), "sandbox by status": " | ".join(watch.told(1)),
            "card MiB before": before, "with a worker": during, "after it": after,
        }  # fmt: skip
        return Step("memory given back", tuple(broken), unmeasured, figures)

    def out_of_memory(self, *, at_start: bool) -> Step:
        """Take all the card's memory before the daemon starts, or after its third photo; six photos have to come."""
        place = self._place()
        full = place / "full"
        lies = gpu_lies.leave(place / "lies", gpu_lies.STAND_IN if self._is_stand_in else gpu_lies.HONEST, full)
        asked = "CUDAExecutionProvider" if self._is_stand_in else self.provider
        filled = _file(full) if self._is_stand_in else gpu_card.filled()
        with self._daemon(place, **lies) if not at_start else _nothing():
            if not at_start:
                self._album.fill(place / "in", range(3))
                until(lambda: not _missing(place, range(3)), _SECONDS)
            with filled, self._daemon(place, **lies) if at_start else _nothing():
                self._album.fill(place / "in", range(3 * (not at_start), 6))
                until(lambda: not _missing(place, range(6)), _SECONDS)
                until(lambda: sum(providers(_log(place)).values()) == 6, 10)
                told = [worker["note"] for worker in workers(place)]
        said = _log(place)
        broken = _missing(place, range(6))
        wanted = {CPU: 6} if at_start else {asked: 3, CPU: 3}
        if providers(said) != wanted:
            broken.append(f"the log says {providers(said)}, not {wanted}")
        if not any(asked in note for note in told):
            broken.append(f"the status does not say why: {told}")
        figures: dict[str, Figure] = {
            "ran on": ", ".join(f"{count} on {name}" for name, count in providers(said).items()),
            "the status says": " | ".join(told)[:200],
        }  # fmt: skip
        if not at_start:  # the status says no more than that it failed
            broken += [] if asked in reasons(said) else ["the log does not say why"]
            figures["the log says"] = reasons(said).get(asked, "")[:200]
        unmeasured = ("a card's memory: a lie to the worker stood in for it",) if self._is_stand_in else ()
        title = f"out of memory {'at the start' if at_start else 'in the middle'}"
        return Step(title, tuple(broken), unmeasured, figures)

    def lanes(self, photos: int, rounds: int, *, until_second: float) -> Step:
        """Compare lanes in turns, with a batch for each; rounds that would begin after `until_second` are left out."""
        found: dict[int, list[float]] = {lanes: [] for lanes in LANES}
        broken: list[str] = []
        done = 0
        while done < rounds and time.monotonic() < until_second and not broken:
            for lanes in LANES:
                place = self._place()
                self._album.fill(place / "in", range(photos))
                self._once(place, BGZERO_WORKER__LANES=str(lanes))
                broken += _missing(place, range(photos))
                found[lanes].append(rate(place) if not broken else 0.0)
            done += 1
        unmeasured = (f"{rounds - done} of {rounds} rounds: no time was left",) if done < rounds else ()
        figures: dict[str, Figure] = {"photos in a run": photos, "rounds": done}
        return Step("lanes", tuple(broken), unmeasured, figures | (rates(found) if done and not broken else {}))


def providers(said: str) -> dict[str, int]:
    """Count by provider what a log says was done."""
    found: dict[str, int] = {}
    for name in re.findall(r": done, \S+ on (\w+)", said):
        found[name] = found.get(name, 0) + 1
    return found


def reasons(said: str) -> dict[str, str]:
    """Return by provider why a log says that it failed in the middle of work."""
    return dict(
        re.findall(r"WARNING worker \d+: (\w+) failed, this photo and the next ones run on the CPU: (.+)", said)
    )


def rate(place: Path) -> float:
    """Return photos a minute, from the first cut-out to the last, so without the start."""
    moments = sorted(path.stat().st_mtime for path in (place / "out").glob("*.png"))
    return 60.0 * (len(moments) - 1) / max(moments[-1] - moments[0], 1e-3)


def _missing(place: Path, numbers: range) -> list[str]:
    missing = [number for number in numbers if not (place / "out" / f"photo-{number:03d}.png").exists()]
    return [f"{len(missing)} photos were not cut: {missing[:9]}"] if missing else []


def _log(place: Path) -> str:
    return (place / "log.txt").read_text(encoding="utf-8", errors="replace")


@contextmanager
def _file(path: Path) -> Iterator[None]:
    path.touch()
    yield
    path.unlink()


@contextmanager
def _nothing() -> Iterator[None]:
    yield
