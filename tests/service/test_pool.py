"""The pool of workers: what it passes on, and what it does when it is surprised itself."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from PIL import Image

from bgzero_daemon.catalog import prepared, shelf
from bgzero_daemon.core.errors import WorkforceLost
from bgzero_daemon.core.job import Staged, Task
from bgzero_daemon.core.recipe import Recipe
from bgzero_daemon.service import doors
from bgzero_daemon.service.child import Child
from bgzero_daemon.service.crew import Crew
from bgzero_daemon.service.plan import Plan
from bgzero_daemon.service.pool import LocalWorkforce
from bgzero_daemon.settings.schema import Config, Worker
from tests.home import until

MODEL = "u2netp"


@contextmanager
def pool(**worker: float) -> Iterator[LocalWorkforce]:
    """A pool with a real model."""
    made = LocalWorkforce(Config(worker=Worker.model_validate(worker)), {MODEL: shelf.installed(MODEL)})
    try:
        yield made
    finally:
        made.close(kill=True)


@contextmanager
def task(root: Path) -> Iterator[Task]:
    """A photo that can be cut, and where it goes."""
    Image.new("RGB", (40, 30), "white").save(root / "a.png")
    with (root / "a.png").open("rb") as source, (root / "out.png").open("w+b") as staged:
        yield Task("1", "a.png", Recipe(MODEL), source.fileno(), staged.fileno())


def test_worker_is_started_as_configured(tmp_path: Path) -> None:
    """Threads, no second pool of threads, an end to waiting for frames, and one to waiting for the model."""
    threads = []
    for count in (1, 4):
        with pool(threads=count, lanes=1) as made, task(tmp_path) as given:
            future = made.submit(given)
            until(lambda: made._crew.children, "it is started")
            (child,) = made._crew.children
            assert child.ready_due < time.monotonic() + 600
            assert child.sock.gettimeout()
            assert future.result(60).source_sha256
            worker = psutil.Process(child.process.pid)
            assert worker.environ()["OPENBLAS_NUM_THREADS"] == "1"
            threads.append(worker.num_threads())
            assert child.allowance.card_seconds == shelf.installed(MODEL).card.seconds
            assert child.base_bytes != child.sizes.expected_bytes(child.model), "it was measured"
            assert child.sizes.most_pixels(given) == child.sizes.photo_pixels == 100_000_000, "size unknown"
    assert threads[1] - threads[0] == 3


def test_cache_that_does_not_answer_costs_no_photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody but the pool itself notices that the prepared graph's time is over: the published weights are loaded."""
    answers = threading.Event()

    def hangs(_card: object) -> None:
        assert answers.wait(60)

    monkeypatch.setattr(prepared, "open_graph", hangs)
    monkeypatch.setattr(doors, "_PREPARED_PATIENCE_SECONDS", 0.3)
    with pool() as made, task(tmp_path) as given:
        try:
            assert made.submit(given).result(30).width_px == 40
            assert [told["prepared"] for told in made.told] == [False]
        finally:
            answers.set()


def test_surprise_of_our_own_fails_nobody_for_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake in the pool: whoever waits is told, there is a pause, and after that it works."""
    real, calls = Child.start, []

    def surprising(*arguments: object, **options: object) -> Child:
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("surprise")
        return real(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Child, "start", surprising)
    with pool() as made, task(tmp_path) as given:
        assert isinstance(made.submit(given).exception(10), WorkforceLost)
        assert made.places(MODEL) == 0
        assert made.trouble
        early = made.submit(given)
        assert not early.done(), "whoever does not ask for places first waits for the end of the pause"
        assert early.result(60).width_px == 40
        assert len(calls) == 2
        until(lambda: made.places(MODEL), "the pause is over")
        assert made.submit(given).result(60).width_px == 40
        assert (made.failing(), made.trouble) == (frozenset(), "")


def test_surprise_with_photos_in_work_answers_for_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker is ended, and its photos go back."""
    with pool() as made, task(tmp_path) as given:
        with monkeypatch.context() as patched:
            patched.setattr(Child, "look_after", lambda *_arguments: 1 / 0)
            future = made.submit(given)
            assert isinstance(future.exception(20), WorkforceLost)
            until(lambda: not made._crew.children, "it is given up")
        until(lambda: made.places(MODEL), "the pause is over")
        assert made.submit(given).result(60).width_px == 40


def test_work_goes_to_whoever_has_least(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two workers; and a new one is begun before anybody gets a second photo."""
    with pool(workers=3, lanes=4) as made:
        sizes = made._trials.plan.sizes

        class Busy:
            def __init__(self, count: int) -> None:
                self.name, self.held, self.plan = MODEL, dict.fromkeys(range(count)), made._trials.plan.number
                self.process = self.sock = self
                self.murmur = self

            is_leaving = False
            has_room_for = staticmethod(lambda _task: True)

        given = Task("1", "a", Recipe(MODEL), 0, 0)
        begun = object()
        monkeypatch.setattr(Crew, "begin", lambda *_arguments: begun)
        one, two, three = Busy(2), Busy(1), Busy(3)
        monkeypatch.setattr(made._crew, "children", [one, two])
        assert made._worker_for(given) is begun
        monkeypatch.setattr(made._crew, "children", [one, two, three])
        assert vars(made._crew)["children"][1] is made._worker_for(given)
        assert sizes.workers == 3
        monkeypatch.undo()


def test_worker_that_is_gone_leaves_nothing_open(tmp_path: Path) -> None:
    """No descriptor, no process."""
    with pool(idle_seconds=0.2) as made, task(tmp_path) as given:
        before = len(os.listdir("/proc/self/fd"))
        for _time in range(2):
            future: Future[Staged] = made.submit(given)
            future.result(60)
            (pid,) = [child.process.pid for child in made._crew.children]
            until(lambda: not made._crew.children, "it rests and ends")
            assert not psutil.pid_exists(pid)
        assert len(os.listdir("/proc/self/fd")) == before


def test_waiting_for_a_worker_to_leave_costs_nothing(tmp_path: Path) -> None:
    """It is stopped, and does not see that its socket was closed: looked at now and then, killed in the end."""
    with pool(idle_seconds=0.3) as made, task(tmp_path) as given:
        made.submit(given).result(60)
        (child,) = made._crew.children
        os.kill(child.process.pid, signal.SIGSTOP)
        until(lambda: child.process.is_leaving, "it is sent away")
        turns, real = [], made._wait
        made._wait = lambda: turns.append(1) or real()  # type: ignore[method-assign, func-returns-value]
        time.sleep(1)
        assert 10 < len(turns) < 100
        until(lambda: not made._crew.children, "it is killed")


def test_worker_is_tried_out_beside_those_at_work_and_taken_over(tmp_path: Path) -> None:
    """It proves its model while the others work; adopted, it gets the next photo, and they end."""
    models = {MODEL: shelf.installed(MODEL)}
    with pool(threads=1, lanes=1) as made, task(tmp_path) as given:
        made.submit(given).result(60)
        (old,) = made._crew.children
        made.try_out(Config(worker=Worker(threads=2, lanes=1)), models, MODEL).result(60)
        assert [one["provider"] for one in made.told] == ["CPUExecutionProvider"] * 2
        (_old, tried) = made._crew.children
        until(lambda: made.places(MODEL) == 2, "the photo is counted down")
        made.submit(given).result(60)
        assert (old.photos, tried.photos) == (2, 0), "nothing changes before it is adopted"
        made.adopt()
        made.submit(given).result(60)
        assert (old.photos, tried.photos) == (2, 1)
        until(lambda: made._crew.children == [tried], "the old one ends")
        assert "0" in old.process.how


def test_model_that_was_learnt_meanwhile_is_known_to_the_plan_that_is_adopted(tmp_path: Path) -> None:
    """A photo may wait for it since then."""
    model = shelf.installed(MODEL)
    with pool(lanes=1) as made, task(tmp_path) as given:
        tried = made.try_out(Config(), {MODEL: model}, MODEL)
        made.learn("more", model)
        tried.result(60)
        made.adopt()
        assert made.submit(replace(given, recipe=Recipe("more"))).result(60).source_sha256


@pytest.mark.parametrize("is_busy", [True, False])
def test_trial_that_fails_changes_nothing(tmp_path: Path, is_busy: bool) -> None:
    """Weights that are none: a sentence, and whoever was there works on, without any pause. So does a second trial."""
    (tmp_path / "bad.onnx").write_bytes(b"no network")
    bad = shelf.installed(MODEL).model_copy(update={"weights": tmp_path / "bad.onnx"})
    with pool(lanes=1) as made, task(tmp_path) as given:
        if is_busy:
            made.submit(given).result(60)
        error = made.try_out(Config(), {"bad": bad}, "bad").exception(60)
        assert isinstance(error, WorkforceLost)
        assert "not the ones" in str(error) or "bytes" in str(error), error
        assert not made.trouble
        assert made.places(MODEL) == 2
        assert made.submit(given).result(60).source_sha256
        made.try_out(Config(), {MODEL: shelf.installed(MODEL)}, MODEL).result(60)


def test_second_trial_ends_the_first(tmp_path: Path) -> None:
    """Somebody changed their mind: the first one hears so, and its worker ends."""
    models, loaded = {MODEL: shelf.installed(MODEL)}, []
    with pool() as made, task(tmp_path) as given:
        made.submit(given).result(60)
        begin = made._crew.begin

        def counted(name: str, plan: Plan) -> Child | None:
            loaded.append(len(made._crew.children))
            return begin(name, plan)

        made._crew.begin = counted  # type: ignore[method-assign]
        first = made.try_out(Config(), models, MODEL)
        until(lambda: len(made._crew.children) == 2, "it begins")
        second = made.try_out(Config(), models, MODEL)
        assert "meanwhile" in str(first.exception(60))
        second.result(60)
        assert max(loaded) == 1, "two are in memory at most: the former trial's worker ends first"
        made.adopt()
        until(lambda: len(made._crew.children) == 1, "one is left")


def test_trial_outlasts_the_rest_that_idle_workers_have(tmp_path: Path) -> None:
    """A model that takes longer to load than a worker may rest is no idle worker."""
    with pool(idle_seconds=0.01) as made:
        made.try_out(Config(), {MODEL: shelf.installed(MODEL)}, MODEL).result(60)


def test_trial_waits_for_memory_until_the_present_workers_have_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where both models do not fit, the old one goes first."""
    monkeypatch.setattr("bgzero_daemon.service.machine.free_bytes", lambda: 1)
    with pool(lanes=1) as made, task(tmp_path) as given:
        made.submit(given).result(60)
        (old,) = made._crew.children
        made.try_out(Config(), {MODEL: shelf.installed(MODEL)}, MODEL).result(60)
        assert old not in made._crew.children
