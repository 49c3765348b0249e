"""The worker's life: rows F50, F51 and F58, and what else may befall it. Photos give the orders (`worker.provoke`)."""

import os
import signal
import time
import tomllib
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from bgzero_daemon.worker.provoke import ORDER, VARIABLE
from tests.fault.oracle import Oracle
from tests.home import Daemon, Home, is_alive, photo, until

PROVOKE = {VARIABLE: "1", "BGZERO_WATCH__SETTLE_SECONDS": "0.1"}


def ordered(path: Path, deed: str, seed: int = 0) -> Path:
    """Write a good photo that makes the worker do something."""
    made = photo(path.parent.parent / "made.jpg", seed=seed)
    made.write_bytes(made.read_bytes() + ORDER + deed.encode())
    return made.rename(path)


def failures(home: Home) -> dict[str, str]:
    """What `bgzero failed` says, by file name."""
    told = Oracle(home).ask("failed").get("photos", [])
    return {Path(photo["photo"]).name: f"{photo['code']}: {photo['sentence']} {photo['hint']}" for photo in told}


def pause_while(home: Home, *photos: tuple[str, str]) -> None:
    """Let photos arrive one after the other, and be handed out together."""
    home.bgzero("pause")
    for number, (name, deed) in enumerate(photos, 1):
        ordered(home.inbox / name, deed, number)
        until(lambda: Oracle(home).status().get("waiting") == number, "it waits")  # noqa: B023 - asked at once
    home.bgzero("resume")


@pytest.mark.fault("F50")
@pytest.mark.parametrize("deed", ["segfault", "abort", "exit"])
def test_poisoned_photo_harms_nobody_beside_it(home: Home, deed: str) -> None:
    """Four lanes: the three innocent ones are cut, only the poisoned one is put aside, and the service lives."""
    with home.daemon(**PROVOKE, BGZERO_WORKER__LANES="4") as daemon:
        innocent = [(f"{name}.jpg", "wait wait") for name in "abc"]
        pause_while(home, *innocent, ("poison.jpg", f"wait {deed}"))
        daemon.wait_for("a.png", "b.png", "c.png")
        until(lambda: failures(home), "the failure")
        assert daemon.log.count("It is tried again alone.") >= 4, "they were in work together"
        said = failures(home)
        assert list(said) == ["poison.jpg"]
        assert said["poison.jpg"].startswith("crashed: The worker ended in the middle of its work")
        assert "2 times while the photo was alone" in said["poison.jpg"]
        assert daemon.log.count("poison.jpg") == 3, "one line for each try"
        photo(home.inbox / "next.jpg")
        daemon.wait_for("next.png")
        assert daemon.process.poll() is None


@pytest.mark.fault("F50")
def test_photo_that_waits_in_a_crashing_worker_is_no_suspect(home: Home) -> None:
    """One lane: the second photo is in the worker too, and nobody has begun with it."""
    with home.daemon(**PROVOKE, BGZERO_WORKER__LANES="1") as daemon:
        pause_while(home, ("poison.jpg", "wait segfault"), ("b.jpg", "wait"))
        daemon.wait_for("b.png")
        until(lambda: failures(home), "the failure")
        assert "b.jpg: The worker" not in daemon.log


@pytest.mark.fault("F50")
def test_photo_that_is_tried_alone_gets_a_fresh_worker(home: Home) -> None:
    """One that damages the worker without dying of it costs the next one no strike."""
    with home.daemon(**PROVOKE, BGZERO_WORKER__LANES="4") as daemon:
        pause_while(home, ("a.jpg", "wait wait trap"), ("b.jpg", "wait wait"), ("poison.jpg", "wait segfault"))
        daemon.wait_for("a.png", "b.png")
        until(lambda: failures(home), "the failure")
        again = [line for line in daemon.log.splitlines() if "tried again alone" in line]
        assert sum("b.jpg" in line for line in again) == 1, "in company, and never alone"


@pytest.mark.fault("F51")
@pytest.mark.parametrize("deed", ["hang", "seize"])
def test_hanging_photo_is_ended_at_its_deadline(home: Home, deed: str) -> None:
    """Whether the decoder sleeps or keeps the interpreter to itself: put aside after two tries alone."""
    with home.daemon(**PROVOKE, BGZERO_WORKER__DEADLINE_SECONDS="1") as daemon:
        ordered(home.inbox / "hang.jpg", deed)
        photo(home.inbox / "good.jpg")
        daemon.wait_for("good.png")
        until(lambda: failures(home), "the failure")
        assert "too-slow: It was not finished within 1 s. That happened 2 times" in failures(home)["hang.jpg"]
        photo(home.inbox / "next.jpg")
        daemon.wait_for("next.png")


@pytest.mark.fault("F51")
def test_frozen_worker_costs_time_only(home: Home) -> None:
    """Somebody stops it: it is replaced at the deadline, and every photo is cut."""
    with home.daemon(**PROVOKE, BGZERO_WORKER__DEADLINE_SECONDS="1.5") as daemon:
        ordered(home.inbox / "a.jpg", "wait")
        until(lambda: list(home.outbox.glob(".bgz-*")) and daemon.worker(), "it works")
        until(lambda: (told := Oracle(home).status()["workers"]) and told[0]["provider"], "it is ready")
        time.sleep(0.2)
        frozen = daemon.worker()
        assert frozen
        os.kill(frozen, signal.SIGSTOP)
        daemon.wait_for("a.png")
        assert not is_alive(frozen)


@pytest.mark.fault("F08")
def test_photo_that_eats_memory_is_ended_at_the_limit(home: Home) -> None:
    """The worker never grows far beyond its limit, and everybody else's photo is cut."""
    most = 0

    def has_failed(daemon: Daemon) -> bool:
        nonlocal most
        if worker := daemon.worker():
            with suppress(psutil.Error):
                most = max(most, psutil.Process(worker).memory_info().rss)
        return (home.outbox / ".bgzero" / "failed").is_dir()

    with home.daemon(**PROVOKE, BGZERO_WORKER__MEMORY_LIMIT="1.0") as daemon:
        ordered(home.inbox / "eats.jpg", "eat")
        photo(home.inbox / "good.jpg")
        until(lambda: has_failed(daemon), lambda: f"the failure\n{daemon.log}")
        daemon.wait_for("good.png")
        assert "too-heavy: The worker grew beyond 1000 MB" in failures(home)["eats.jpg"]
    assert most > 0.9e9, "it was looked at while it grew"


@pytest.mark.fault("F58")
def test_leaking_worker_is_renewed_before_it_has_to_be_killed(home: Home) -> None:
    """Each photo leaves 50 MB behind; no photo is tried twice.

    Between the four fifths where it is renewed and the limit lies more than the photos in its hands can leave behind.
    """
    env = PROVOKE | {"BGZERO_WORKER__MEMORY_LIMIT": "1.2", "BGZERO_LOG__LEVEL": "debug"}
    with home.daemon(**env) as daemon:
        for number in range(24):
            ordered(home.inbox / f"{number}.jpg", "leak", number)
        daemon.wait_for(*(f"{number}.png" for number in range(24)))
        assert "is renewed" in daemon.log
        assert "tried again" not in daemon.log


@pytest.mark.fault("F58")
def test_slowly_growing_worker_is_renewed_far_below_its_limit(home: Home) -> None:
    """Each photo leaves 5 MB behind: seen by the least memory over 50 photos."""
    with home.daemon(**PROVOKE, BGZERO_LOG__LEVEL="debug") as daemon:
        for number in range(102):
            ordered(home.inbox / f"{number}.jpg", "drip", number)
        daemon.wait_for(*(f"{number}.png" for number in range(102)))
        until(lambda: "is renewed" in daemon.log, lambda: daemon.log)
        assert "tried again" not in daemon.log


@pytest.mark.fault("F58")
def test_worker_is_renewed_after_a_number_of_photos(home: Home) -> None:
    """Nobody notices."""
    with home.daemon(**PROVOKE, BGZERO_WORKER__RENEW_AFTER="4", BGZERO_LOG__LEVEL="debug") as daemon:
        for number in range(12):
            photo(home.inbox / f"{number}.png", seed=number)
        daemon.wait_for(*(f"{number}.png" for number in range(12)))
        until(lambda: daemon.log.count("is renewed") == 3, lambda: daemon.log)
        assert "WARNING" not in daemon.log


@pytest.mark.fault("F58")
def test_resting_worker_ends_and_the_next_photo_starts_another(home: Home) -> None:
    """All memory is given back, and nothing of the service's is left open."""
    with home.daemon(**PROVOKE, BGZERO_WORKER__IDLE_SECONDS="0.4") as daemon:
        before = 0
        for number in range(3):
            photo(home.inbox / f"{number}.jpg", seed=number)
            daemon.wait_for(f"{number}.png")
            until(lambda: daemon.worker() is None, "it has ended")
            until(lambda: not Oracle(home).status()["running"], "and all is seen through")
            time.sleep(0.2)  # the answer's connection is closed
            is_open = len(os.listdir(f"/proc/{daemon.process.pid}/fd"))
            assert is_open == (before or is_open)
            before = is_open
        assert b"\nworker " not in home.bgzero("status").stdout


def test_worker_dies_with_the_service_even_where_a_decoder_holds_it(home: Home) -> None:
    """The closing socket alone would not do: nobody in the worker can look at it."""
    with home.daemon(**PROVOKE) as daemon:
        ordered(home.inbox / "a.jpg", "seize")
        until(lambda: (told := Oracle(home).status()["workers"]) and told[0]["provider"], "it is ready")
        time.sleep(0.5)
        worker = daemon.worker()
        assert is_alive(worker)
        daemon.process.kill()
        until(lambda: not is_alive(worker), "it follows", 3)


def test_model_that_does_not_load_makes_photos_wait(home: Home) -> None:
    """One sentence, no failures, and once it loads, everything is cut; --once gives up instead."""
    weights = home.models / "tiny.onnx"
    good = weights.read_bytes()
    weights.write_bytes(b"no network")
    for number in range(8):
        photo(home.inbox / f"{number}.jpg", seed=number)
    once = home.once()
    assert once.returncode == 1
    assert b"its card says" in once.stderr
    with home.daemon(**PROVOKE, BGZERO_LOG__LEVEL="debug") as daemon:
        until(lambda: b"its card says" in home.bgzero("status").stdout, lambda: daemon.log)
        time.sleep(2)
        assert daemon.log.count("ERROR") == 1
        assert daemon.log.count(" started for ") <= 3, "a pause between the tries"
        weights.write_bytes(good)
        daemon.wait_for(*(f"{number}.png" for number in range(8)))
        assert not failures(home)
        assert b"its card says" not in home.bgzero("status").stdout


def test_model_that_cannot_fit_is_refused_before_it_is_loaded(home: Home) -> None:
    """By the card's stated need and the limit that somebody set; without one it is a warning."""
    card = home.models / "tiny.toml"
    card.write_text("peak_mb = 900000\n" + card.read_text())
    assert tomllib.loads(card.read_text())["peak_mb"] == 900000
    photo(home.inbox / "a.jpg")
    sentence = b"The model tiny needs about 900000 MB of memory"
    refused = home.once(BGZERO_WORKER__MEMORY_LIMIT="1")
    assert refused.returncode == 78
    assert sentence in refused.stderr
    cut = home.bgzero("cut", home.inbox / "a.jpg", "-o", home.root / "a.png", BGZERO_WORKER__MEMORY_LIMIT="1")
    assert cut.returncode == 1
    assert sentence in cut.stderr
    warned = home.once()
    assert warned.returncode == 0
    assert sentence in warned.stderr
    assert (home.outbox / "a.png").exists()


def test_limit_below_the_model_itself_fails_no_photo(home: Home) -> None:
    """Nobody measured the model, and the limit is too low for it alone: photos wait, and the status says why."""
    photo(home.inbox / "a.jpg")
    with home.daemon(**PROVOKE, BGZERO_WORKER__MEMORY_LIMIT="0.05") as daemon:
        until(lambda: b"a worker may use 50 MB" in home.bgzero("status").stdout, lambda: daemon.log)
        time.sleep(1.5)
        assert not failures(home)
    assert home.once(BGZERO_WORKER__MEMORY_LIMIT="0.05").returncode == 1
    assert home.once().returncode == 0
    assert home.visible() == ["a.png"]


def test_single_photos_have_deadlines_too(home: Home) -> None:
    """`bgzero cut`: the hanging one fails with a sentence, the other one is cut."""
    bad, good = ordered(home.inbox / "hang.jpg", "hang"), photo(home.inbox / "good.jpg")
    home.env |= {VARIABLE: "1", "BGZERO_WORKER__DEADLINE_SECONDS": "1"}
    done = home.bgzero("cut", bad, good, "-o", home.root / "cut")
    assert done.returncode == 4
    assert b"hang.jpg: It was not finished within 1 s." in done.stderr
    assert (home.root / "cut" / "good.png").exists()


@pytest.mark.parametrize(("outer", "configured", "expected"), [(0, 10, 10), (5, 10, 5), (0, 0, 0)])
def test_worker_gives_way_to_everybody_else(home: Home, outer: int, configured: int, expected: int) -> None:
    """In processor, disk and memory; a niceness that somebody has set already stays."""
    command = ["nice", "-n", str(outer), "bgzero", "run", "--inbox", str(home.inbox), "--outbox", str(home.outbox)]
    with home.started_by(command, **PROVOKE, BGZERO_WORKER__NICE=str(configured)) as daemon:
        photo(home.inbox / "a.jpg")
        daemon.wait_for("a.png")
        worker, ours = psutil.Process(daemon.worker()), os.getpriority(os.PRIO_PROCESS, 0)
        if ours:  # these tests run with a niceness already, which nobody overrides
            outer = expected = min(19, ours + outer)
        assert worker.nice() == expected
        disk = (psutil.IOPRIO_CLASS_BE, 7) if configured else (psutil.IOPRIO_CLASS_NONE, 4)
        assert not configured or tuple(worker.ionice()) == disk
        assert int(Path(f"/proc/{worker.pid}/oom_score_adj").read_text()) >= 500
        assert os.getpriority(os.PRIO_PROCESS, daemon.process.pid) == outer


def test_several_workers_share_the_photos(home: Home) -> None:
    """Two processes, both at work at once; one that dies takes only its own photos down."""
    with home.daemon(**PROVOKE, BGZERO_WORKER__WORKERS="2", BGZERO_WORKER__LANES="1") as daemon:
        pause_while(home, *((f"{number}.jpg", "wait") for number in range(6)))
        workers = until_told(home, 2)
        assert all(worker["photos"] for worker in workers)
        os.kill(workers[0]["pid"], signal.SIGKILL)
        daemon.wait_for(*(f"{number}.png" for number in range(6)))
        assert not failures(home)


def until_told(home: Home, count: int) -> list[dict[str, int]]:
    """Wait until the status names so many workers that are ready and have photos."""
    told: list[dict[str, int]] = []

    def is_told() -> bool:
        nonlocal told
        told = [worker for worker in Oracle(home).status()["workers"] if worker["provider"] and worker["photos"]]
        return len(told) == count

    until(is_told, lambda: f"{count} workers, have {told}")
    return told


@pytest.mark.fault("F56")
def test_no_process_asks_for_a_network(home: Home) -> None:
    """Every socket that any of them makes is a local one; tests/flow/test_silence.py has the control."""
    trace = home.root / "trace"
    command = ["strace", "-D", "-f", "-o", str(trace), "-e", "trace=socket,connect,bind", "bgzero", "run"]
    with home.started_by([*command, "--inbox", str(home.inbox), "--outbox", str(home.outbox)]) as daemon:
        photo(home.inbox / "a.jpg")
        daemon.wait_for("a.png")
        assert home.bgzero("status").returncode == 0
    calls = [line for line in trace.read_text().splitlines() if "(" in line and "+++" not in line]
    assert any("socket(AF_UNIX" in line for line in calls)
    assert not [line for line in calls if "AF_INET" in line or "AF_NETLINK" in line], calls


@pytest.mark.fault("F51")
def test_photo_that_took_too_long_is_tried_again_with_another_deadline(home: Home) -> None:
    """The hint says to raise it; that is all the user has to do."""
    ordered(home.inbox / "a.jpg", "wait wait wait wait")
    with home.daemon(**PROVOKE, BGZERO_WORKER__DEADLINE_SECONDS="1"):
        until(lambda: failures(home), "the failure")
    with home.daemon(**PROVOKE, BGZERO_WORKER__DEADLINE_SECONDS="30") as daemon:
        daemon.wait_for("a.png")
