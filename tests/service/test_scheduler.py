"""The scheduler against a workforce that does as it is told; outbox and ledger are the real ones."""

import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from PIL import Image, PngImagePlugin

from bgzero_daemon.core.confidence import Confidence
from bgzero_daemon.core.errors import BgzeroError, PhotoCrashed, PhotoDelayed, PhotoRefused, WorkforceLost
from bgzero_daemon.core.job import Fingerprint, PhotoKey, Staged, Task
from bgzero_daemon.core.recipe import NoSubject, Recipe
from bgzero_daemon.service.backlog import Backlog
from bgzero_daemon.service.breaker import Breaker
from bgzero_daemon.service.errand import Errands
from bgzero_daemon.service.ledger import Ledger
from bgzero_daemon.service.originals import Originals
from bgzero_daemon.service.outbox import Outbox
from bgzero_daemon.service.place import Place
from bgzero_daemon.service.scheduler import Scheduler
from tests.home import until


class Obedient:
    """A workforce of `size` places. `answer` decides what becomes of each task, when `work` is called."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.tasks: list[tuple[Task, Future[Staged]]] = []
        self.most_at_once = 0

    def places(self, model: str) -> int:
        return self.size - len(self.tasks)

    def submit(self, task: Task) -> "Future[Staged]":
        future: Future[Staged] = Future()
        self.tasks.append((task, future))
        self.most_at_once = max(self.most_at_once, len(self.tasks))
        return future

    def work(self, answer: Callable[[Task], Staged | BgzeroError]) -> None:
        tasks, self.tasks = self.tasks, []
        for task, future in tasks:
            result = answer(task)
            if isinstance(result, BgzeroError):
                future.set_exception(result)
            else:
                future.set_result(result)


def cut(task: Task, confidence: Confidence = Confidence.UNKNOWN, model: str = "m") -> Staged:
    """Write a small real PNG into the staged file, as a worker would; or drop content that is done."""
    content = os.pread(task.source, 1 << 20, 0)
    texts = PngImagePlugin.PngInfo()
    sha256 = hashlib.sha256(content).hexdigest()
    if task.done_sha256 == sha256:
        return Staged(sha256, dropped=True)
    tag = {"source": task.name, "source_sha256": sha256, "model": model, "confidence": confidence.value}
    texts.add_itxt("bgzero", json.dumps(tag))
    with os.fdopen(os.dup(task.staged), "wb") as staged:
        Image.new("RGBA", (3, 2)).save(staged, "PNG", pnginfo=texts)
    size = os.fstat(task.staged).st_size
    written = hashlib.sha256(os.pread(task.staged, size, 0)).hexdigest()
    return Staged(sha256, size_bytes=size, sha256=written, model=model, provider="p", confidence=confidence)


class Bench:
    """One inbox, one outbox, a scheduler, and a clock that the test turns."""

    def __init__(
        self,
        root: Path,
        size: int = 3,
        recipe: Recipe = Recipe("m"),  # noqa: B008 - it is frozen
        policy: Literal["keep", "move", "trash"] = "keep",
    ) -> None:
        self.inbox, self.outbox = root / "in", root / "out"
        self.inbox.mkdir(exist_ok=True)
        self.outbox.mkdir(exist_ok=True)
        self.ledger = Ledger(root / "ledger.db", [str(self.inbox)])
        self.workforce = Obedient(size)
        self.place = Place(
            self.inbox, Outbox(self.outbox, umask=0o022), recipe, Originals(policy, root / "done"),
            self.ledger, Breaker("out"), Errands("place"),
        )  # fmt: skip
        self.backlog = Backlog(self.ledger, [self.place], 10)
        self.again: list[PhotoKey] = []
        self.scheduler = Scheduler(
            self.workforce, self.ledger, [self.place], self.backlog, lambda: None, self.again.append
        )
        self.now = 100.0

    def add(self, *names: str, pixels: int = 1) -> None:
        for name in names:
            if not (self.inbox / name).exists():
                (self.inbox / name).write_text(name)
            mark = Fingerprint.of((self.inbox / name).stat())
            self.ledger.arrive(str(self.inbox), name, mark, pixels=pixels)
        self.backlog.note_arrival(0)

    def turn(self, answer: Callable[[Task], Staged | BgzeroError]) -> list[str]:
        """Hand out what can be handed out, let the workforce answer, and see it through. Returns the names."""
        names = self.hand_out()
        self.workforce.work(answer)
        until(self._settled, "everything is seen through")
        return names

    def hand_out(self) -> list[str]:
        """Let photos be opened, one after another, until no more can be. Returns the names at the workforce."""
        while True:
            self.scheduler.pump(self.now)
            if not self.scheduler.company.opening:
                return [task.name for task, _future in self.workforce.tasks]
            until(self._opened, "it is opened")

    def _opened(self) -> bool:
        self.scheduler.collect(self.now)
        return not self.scheduler.company.opening

    def is_writable(self) -> bool:
        """See through what ended, and say whether the outbox takes cut-outs."""
        self.scheduler.collect(self.now)
        return not self.place.breaker.is_open

    def _settled(self) -> bool:
        self.scheduler.collect(self.now)
        return not self.scheduler.in_work

    def outcome(self, name: str) -> str:
        known = self.ledger.get(str(self.inbox), name)
        return known.state.value if known else ""

    def outputs(self) -> list[str]:
        return sorted(path.name for path in self.outbox.iterdir() if path.name != ".bgzero")

    def is_idle(self) -> bool:
        """Look for more, and say whether there is nothing."""
        self.scheduler.pump(self.now)
        return self.scheduler.is_idle

    def open_files(self) -> list[str]:
        """Return what this process has open in inbox and outbox."""
        places = (f"{self.inbox}/", f"{self.outbox}/")
        links = [Path("/proc/self/fd", number) for number in os.listdir("/proc/self/fd")]
        return [target for link in links if link.is_symlink() and (target := os.readlink(link)).startswith(places)]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.scheduler.close()
    made.ledger.close()


def test_photos_are_cut_in_their_order_and_published(bench: Bench) -> None:
    """As many at once as there are places, the rest after them."""
    bench.add("a.jpg", "b.jpg", "c.jpg", "d.jpg")
    assert bench.turn(cut) == ["a.jpg", "b.jpg", "c.jpg"]
    assert bench.turn(cut) == ["d.jpg"]
    assert bench.outputs() == ["a.png", "b.png", "c.png", "d.png"]
    assert bench.is_idle()
    assert bench.scheduler.tally.done == 4


def test_poisoned_photo_is_put_aside_and_its_neighbours_are_cut(bench: Bench) -> None:
    """After a crash the suspects run alone; only the one that crashes alone, twice, is given up."""

    def poison(task: Task) -> Staged | BgzeroError:
        in_company = len(companions) > 1
        return PhotoCrashed("boom") if in_company or task.name == "bad.jpg" else cut(task)

    bench.add("a.jpg", "bad.jpg", "b.jpg")
    companions = ["a.jpg", "bad.jpg", "b.jpg"]
    assert bench.turn(poison) == companions
    turns = []
    for _turn in range(4):
        companions = [""]
        turns.append(bench.turn(poison))
    assert turns == [["a.jpg"], ["bad.jpg"], ["b.jpg"], ["bad.jpg"]]
    assert [bench.outcome(name) for name in ("a.jpg", "bad.jpg", "b.jpg")] == ["done", "failed", "done"]
    assert bench.outputs() == ["a.png", "b.png"]


def test_workforce_is_told_how_large_a_photo_is(bench: Bench) -> None:
    """Deadlines and memory are reckoned from it."""
    bench.add("a.jpg", pixels=77)
    bench.hand_out()
    ((task, _future),) = bench.workforce.tasks
    assert (task.size_bytes, task.pixels) == (len("a.jpg"), 77)
    bench.turn(cut)


def test_crash_in_company_is_no_strike(bench: Bench) -> None:
    """A photo that went down with others any number of times is still cut."""
    bench.add("a.jpg", "b.jpg")
    bench.turn(lambda _task: PhotoCrashed("boom"))
    assert bench.turn(cut) == ["a.jpg"]
    assert bench.turn(cut) == ["b.jpg"]
    assert bench.outputs() == ["a.png", "b.png"]


def test_lost_worker_costs_photos_neither_strike_nor_time(bench: Bench) -> None:
    """However often: the workforce says by its places when it is worth another try."""
    bench.add("a.jpg")
    for _time in range(5):
        assert bench.turn(lambda _task: WorkforceLost("gone")) == ["a.jpg"]
        assert bench.scheduler.next_due() is None
    bench.workforce.size = 0
    assert bench.turn(cut) == []
    bench.workforce.size = 3
    assert bench.turn(cut) == ["a.jpg"]
    assert bench.outcome("a.jpg") == "done"


def test_photo_that_cannot_be_cut_at_present_waits_for_a_while_that_grows(bench: Bench) -> None:
    """No strike, however often; the pauses are 1, 2, 4 seconds and so on."""
    bench.add("a.jpg")
    for wait in (1, 2, 4, 8):
        bench.turn(lambda _task: PhotoDelayed("not now"))
        assert bench.scheduler.next_due() == bench.now + wait
        assert bench.turn(cut) == []
        bench.now += wait
    assert bench.turn(cut) == ["a.jpg"]
    assert bench.outcome("a.jpg") == "done"


def test_refused_photo_fails_once_with_its_sentence(bench: Bench) -> None:
    """A refusal is for good: written down, the original untouched, nothing staged left."""
    bench.add("a.jpg")
    bench.turn(lambda _task: PhotoRefused("It is a page."))
    entry = bench.ledger.get(str(bench.inbox), "a.jpg")
    assert entry
    assert (entry.state.value, entry.sentence) == ("failed", "It is a page.")
    assert bench.is_idle()
    assert bench.outputs() == []
    assert (bench.inbox / "a.jpg").read_text() == "a.jpg"


def test_damaged_staged_file_is_never_published(bench: Bench) -> None:
    """What is on disk is compared with the worker's report, and every checksum is read again."""

    def spoil(task: Task) -> Staged:
        staged = cut(task)
        os.pwrite(task.staged, b"\xff", staged.size_bytes - 20)
        return staged

    bench.add("a.jpg")
    bench.turn(spoil)
    assert bench.outputs() == []
    assert bench.outcome("a.jpg") == "waiting"
    assert bench.place.breaker.is_open
    bench.now += 1
    bench.hand_out()
    until(bench.is_writable, "the outbox is probed, and well")
    bench.turn(cut)
    assert bench.outputs() == ["a.png"]


def test_report_that_does_not_match_is_not_believed(bench: Bench) -> None:
    """A whole PNG with another hash than reported is not published either."""

    def lie(task: Task) -> Staged:
        staged = cut(task)
        return Staged(staged.source_sha256, size_bytes=staged.size_bytes, sha256="0" * 64)

    bench.add("a.jpg")
    bench.turn(lie)
    assert bench.outputs() == []


@pytest.mark.parametrize("dropped", [False, True])
def test_hash_that_is_not_the_photos_is_not_believed(bench: Bench, dropped: bool) -> None:
    """By it is decided whose cut-out may be replaced, and what needs no cutting: the service looks itself."""
    bench.add("a.jpg")
    bench.turn(lambda task: replace(cut(task), source_sha256="ab" * 32, dropped=dropped))
    assert bench.outputs() == []
    bench.now += 100
    bench.turn(cut)
    assert bench.outputs() == ["a.png"], "it waited for somebody who tells the truth"


def test_no_descriptor_is_left_open(bench: Bench) -> None:
    """Whatever becomes of photos, source and staged file are closed."""
    bench.add("a.jpg", "b.jpg", "c.jpg")
    answers: dict[str, Callable[[Task], Staged | BgzeroError]] = {
        "a.jpg": cut,
        "b.jpg": lambda _task: PhotoRefused("no"),
        "c.jpg": lambda _task: WorkforceLost("gone"),
    }

    def answer(task: Task) -> Staged | BgzeroError:
        seen.append(len(bench.open_files()))
        return answers[task.name](task)

    seen: list[int] = []
    bench.turn(answer)
    assert seen[0] == 6
    assert not bench.open_files()


def test_photos_that_were_put_back_stand_in_nobodys_way(bench: Bench) -> None:
    """They wait as rows; the next ones get their turn."""
    bench.add(*(f"{number}.jpg" for number in range(9)))
    for turn in range(3):
        assert bench.turn(lambda _task: PhotoDelayed("not now")) == [f"{turn * 3 + number}.jpg" for number in range(3)]
    assert bench.turn(cut) == []
    assert not bench.is_idle()
    assert [bench.outcome(f"{number}.jpg") for number in range(9)] == ["waiting"] * 9


def test_photo_that_changes_before_it_is_opened_goes_back_to_the_gate(bench: Bench) -> None:
    """It waits no longer as a row, and the gate is told."""
    bench.add("a.jpg")
    (bench.inbox / "a.jpg").write_text("other bytes")
    assert bench.turn(cut) == []
    assert bench.again == [PhotoKey(0, "a.jpg")]
    assert bench.outcome("a.jpg") == ""


def test_result_that_comes_while_closing_is_let_go(bench: Bench) -> None:
    """After the publisher has ended nothing is handed to it; the photo waits in its folder as before."""
    bench.add("a.jpg")
    bench.hand_out()
    bench.workforce.work(cut)
    bench.scheduler.close()
    assert bench.outputs() == []
    assert not bench.open_files()


def test_ledger_in_trouble_costs_nothing_but_time(bench: Bench) -> None:
    """A full state disk after an output was published: an error to report, nothing held, nothing doubled later."""
    bench.add("a.jpg")
    bench.ledger._base.execute("PRAGMA query_only = 1")
    with pytest.raises(BgzeroError, match="ledger"):
        bench.turn(cut)
    bench.ledger._base.execute("PRAGMA query_only = 0")
    assert not bench.scheduler.in_work
    assert not bench.open_files()
    bench.turn(cut)
    assert bench.outputs() == ["a.png"]


def test_former_output_is_replaced_before_a_nicer_name_is_taken(bench: Bench) -> None:
    """`a.png` was somebody's and is free now: new content still replaces `a.jpg.png`, which would be stale else."""
    (bench.outbox / "a.png").write_text("somebody's")
    bench.add("a.jpg")
    bench.turn(cut)
    (bench.outbox / "a.png").unlink()
    (bench.inbox / "a.jpg").write_text("other bytes")
    bench.add("a.jpg")
    bench.turn(cut)
    assert bench.outputs() == ["a.jpg.png"]


def test_folder_that_hangs_stops_no_other(tmp_path: Path) -> None:
    """A dead network mount: its photos hang while they are opened or published, the other folder's are cut."""
    ledger = Ledger(None, [str(tmp_path / name / "in") for name in ("dead", "well")])
    places, dead = [], threading.Event()
    for name in ("dead", "well"):
        for folder in ("in", "out"):
            (tmp_path / name / folder).mkdir(parents=True)
        box = Outbox(tmp_path / name / "out", umask=0o022)
        inbox = tmp_path / name / "in"
        places.append(Place(inbox, box, Recipe("m"), Originals("keep", inbox), ledger, Breaker(name), Errands(name)))
        for number in range(8):
            (inbox / f"{number}.jpg").write_text(f"{name}{number}")
            mark = Fingerprint.of((inbox / f"{number}.jpg").stat())
            ledger.arrive(str(inbox), f"{number}.jpg", mark, pixels=50_000_000)
    places[0].errands.submit(dead.wait)  # as a call into the mount would
    workforce = Obedient(2)
    scheduler = Scheduler(workforce, ledger, places, Backlog(ledger, places, 10), lambda: None, lambda _key: None)
    now = 0.0

    def turn() -> bool:
        nonlocal now
        now += 1.0
        scheduler.collect(now)
        scheduler.pump(now)
        workforce.work(cut)
        return len(list((tmp_path / "well" / "out").glob("*.png"))) == 8

    until(turn, "all of the other folder")
    dead.set()
    scheduler.close()
    ledger.close()


@pytest.mark.parametrize(
    "second",
    [
        lambda task: replace(cut(task), confidence=Confidence.NO_SUBJECT),
        lambda _task: PhotoRefused("It cannot."),
    ],
    ids=["finds nothing", "refuses"],
)
def test_second_try_that_comes_to_nothing_leaves_the_first(
    tmp_path: Path, second: Callable[[Task], Staged | BgzeroError]
) -> None:
    """The photo is done by its first cut-out, counted once, and not tried a third time."""
    bench = Bench(tmp_path, recipe=Recipe("m", no_subject=NoSubject.PUBLISH, second="s"))
    try:
        bench.add("a.jpg")
        bench.turn(lambda task: replace(cut(task), confidence=Confidence.CHECK, model=task.recipe.model))
        first = (bench.outbox / "a.png").read_bytes()
        bench.add("b.jpg")
        models: list[str] = []

        def answer(task: Task) -> Staged | BgzeroError:
            models.append(task.recipe.model)
            return second(task) if task.recipe.model == "s" else cut(task)

        assert bench.turn(answer) == ["b.jpg", "a.jpg"], "what came later comes first"
        assert models == ["m", "s"]
        until(bench.is_idle, "it is not tried again")
        known = bench.ledger.get(str(bench.inbox), "a.jpg")
        assert known
        assert (known.state, known.confidence, known.model, known.wanted) == ("done", "check", "m", "")
        assert (bench.outbox / "a.png").read_bytes() == first
        assert (bench.scheduler.tally.done, bench.scheduler.tally.failed) == (2, 0)
    finally:
        bench.scheduler.close()
        bench.ledger.close()


def test_new_bytes_end_a_second_try(tmp_path: Path) -> None:
    """They are another photo, which is begun with the first model."""
    bench = Bench(tmp_path, recipe=Recipe("m", second="s"))
    try:
        bench.add("a.jpg")
        bench.turn(lambda task: replace(cut(task), confidence=Confidence.CHECK))
        (bench.inbox / "a.jpg").write_text("other bytes")
        bench.add("a.jpg")
        bench.hand_out()
        assert [task.recipe.model for task, _future in bench.workforce.tasks] == ["m"]
        bench.workforce.work(cut)
        until(bench._settled, "it is seen through")
        assert bench.outcome("a.jpg") == "done"
    finally:
        bench.scheduler.close()
        bench.ledger.close()
