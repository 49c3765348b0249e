"""Workers that cannot be had, do not answer, or run out of something: it costs time, not photos."""

import io
import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from PIL import Image

from bgzero_daemon.worker.provoke import VARIABLE
from tests import tiny
from tests.fault.oracle import Oracle, tag_of
from tests.fault.test_providers import lying
from tests.fault.test_worker import PROVOKE, failures, ordered, pause_while
from tests.home import PROGRAM, Daemon, Home, is_alive, photo, until

# Python runs this at the start of every process of the daemon's; only the worker heeds it.
IN_WORKER = """
import os, sys
if "bgzero_daemon.worker.main" in sys.orig_argv:
    import onnxruntime

    class Session(onnxruntime.InferenceSession):
        runs = 0

        def run(self, *arguments):
            Session.runs += 1
            {deed}
            return super().run(*arguments)

    onnxruntime.InferenceSession = Session
"""


def at_work(home: Home, daemon: Daemon) -> int:
    """Wait until the one worker has a photo in its hands; return its pid."""
    until(lambda: (told := Oracle(home).status()["workers"]) and told[0]["provider"], lambda: daemon.log)
    until(lambda: Oracle(home).status()["at_work"], lambda: daemon.log)
    time.sleep(0.3)
    worker = daemon.worker()
    assert worker
    return worker


def test_service_that_is_stopped_and_goes_on_blames_nobody(home: Home) -> None:
    """Ctrl-Z and fg, or a frozen control group: for longer than a photo may take."""
    with home.daemon(**PROVOKE, BGZERO_WORKER__DEADLINE_SECONDS="2") as daemon:
        ordered(home.inbox / "a.jpg", "wait wait")
        worker = at_work(home, daemon)
        for pid in (worker, daemon.process.pid):
            os.kill(pid, signal.SIGSTOP)
        time.sleep(3)
        for pid in (daemon.process.pid, worker):
            os.kill(pid, signal.SIGCONT)
        daemon.wait_for("a.png")
        assert "tried again" not in daemon.log
        assert daemon.worker() == worker


def test_photo_on_which_the_network_fails_is_put_aside_alone(home: Home) -> None:
    """The test picture goes well, one photo never does: it is tried alone, twice; the others wait for nothing."""
    deed = 'if arguments[1]["input.1"].max() < 0: raise RuntimeError("the kernel cannot")'
    env = lying(home, IN_WORKER.format(deed=deed))
    Image.new("RGB", (60, 40)).save(home.inbox / "black.png")
    for number in range(8):
        photo(home.inbox / f"{number}.jpg", seed=number)
    with home.daemon(**env) as daemon:
        daemon.wait_for(*(f"{number}.png" for number in range(8)))
        until(lambda: failures(home), lambda: daemon.log)
        assert list(failures(home)) == ["black.png"]
        assert "the kernel cannot" in failures(home)["black.png"]
        assert Oracle(home).status()["trouble"] == "", "no trouble of the daemon's"
    home.env |= env
    cut = home.bgzero(
        "cut",
        *sorted(home.inbox.glob("*.*")),
        "-o",
        home.root / "cut",
    )
    assert cut.returncode == 4
    assert len(list((home.root / "cut").iterdir())) == 8


def test_photo_without_an_answer_fails_at_once(home: Home) -> None:
    """Numbers that are none, for this photo only: it fails with a sentence, and nobody is tried alone."""
    deed = 'if arguments[1]["input.1"].max() < 0: return [super().run(*arguments)[0] * float("nan")]'
    env = lying(home, IN_WORKER.format(deed=deed))
    Image.new("RGB", (60, 40)).save(home.inbox / "black.png")
    photo(home.inbox / "a.jpg")
    with home.daemon(**env) as daemon:
        daemon.wait_for("a.png")
        until(lambda: failures(home), lambda: daemon.log)
        assert failures(home)["black.png"].startswith("no-mask: The network's output holds values that are no numbers.")
        assert "tried again" not in daemon.log


def test_folder_with_a_broken_model_holds_up_no_other(home: Home) -> None:
    """One folder waits, and says why; the other one's photos are cut as they come."""
    other = home.root / "other"
    other.mkdir()
    (home.root / "cuts").mkdir()
    tiny.install(home.models, "broken")
    (home.models / "broken.onnx").write_bytes(b"no network")
    config = home.root / "config.toml"
    config.write_text(
        f"""
        [[folder]]
        inbox = "{home.inbox}"
        outbox = "{home.outbox}"
        [[folder]]
        inbox = "{other}"
        outbox = "{home.root / "cuts"}"
        model = "broken"
        """
    )
    with home.daemon("--config", config, **PROVOKE) as daemon:
        photo(other / "x.jpg")
        until(lambda: b"its card says" in home.bgzero("status").stdout, lambda: daemon.log)
        time.sleep(3)  # a few tries
        began = time.monotonic()
        for number in range(30):
            photo(home.inbox / f"{number}.jpg", seed=number)
        daemon.wait_for(*(f"{number}.png" for number in range(30)))
        assert time.monotonic() - began < 20
        assert daemon.log.count("ERROR") == 1, "said once"
        assert not failures(home)


def test_second_worker_that_cannot_be_had_slows_nobody(home: Home) -> None:
    """There is memory for one only, say: the first one goes on, without a pause."""
    lock = home.root / "lock"
    code = f"""
import os, sys
if "bgzero_daemon.worker.main" in sys.orig_argv:
    try:
        os.mkdir("{lock}")
    except FileExistsError:
        os._exit(7)
"""
    env = lying(home, code) | PROVOKE
    with home.daemon(**env, BGZERO_WORKER__WORKERS="2", BGZERO_WORKER__LANES="1") as daemon:
        photo(home.inbox / "first.jpg")
        daemon.wait_for("first.png")
        worker = daemon.worker()
        for number in range(9):
            ordered(home.inbox / f"{number}.jpg", "wait", number)
        daemon.wait_for(*(f"{number}.png" for number in range(9)))
        assert daemon.worker() == worker
        assert "ended before it began with a photo (exit status 7)" in daemon.log
        assert daemon.log.count("ended before") < 5
        assert not failures(home)


def test_worker_that_cannot_begin_blames_no_photo(home: Home) -> None:
    """A broken installation: no word of a damaged file."""
    code = 'import sys\nif "bgzero_daemon.worker.main" in sys.orig_argv: raise SystemExit("no runtime here")'
    source = photo(home.root / "a.jpg")
    home.env |= lying(home, code)
    done = home.bgzero("cut", source)
    assert done.returncode == 1
    assert b"ended before it began with a photo" in done.stderr
    assert b"damaged" not in done.stderr


def test_worker_with_a_large_model_is_not_renewed_for_it(home: Home) -> None:
    """Nine tenths of its memory are the model's: that is no leak."""
    env = lying(home, IN_WORKER.format(deed='Session.kept = getattr(Session, "kept", 0) or bytes([1]) * 600_000_000'))
    with home.daemon(**env, BGZERO_WORKER__MEMORY_LIMIT="0.76", BGZERO_LOG__LEVEL="debug") as daemon:
        for number in range(6):
            photo(home.inbox / f"{number}.jpg", seed=number)
        daemon.wait_for(*(f"{number}.png" for number in range(6)))
        assert "is renewed" not in daemon.log
        assert daemon.log.count(" started for ") == 1


def test_model_at_a_path_that_is_no_text(home: Home) -> None:
    """Bytes that are not UTF-8 in a folder's name: found, and told to the worker."""
    folder = home.root / os.fsdecode(b"\xff\xfe")
    weights = tiny.install(folder)
    source = photo(home.root / "a.jpg")
    done = home.bgzero("cut", source, "--model", weights, "-o", home.root / "a.png")
    assert done.returncode == 0, done.stderr
    assert (home.root / "a.png").exists()


def test_network_that_takes_more_memory_than_allowed_fails_no_photo(home: Home) -> None:
    """Only its first run shows how much it takes: photos wait, and the status says why."""
    env = lying(home, IN_WORKER.format(deed="Session.kept = bytearray(500_000_000)"))
    photo(home.inbox / "a.jpg")
    with home.daemon(**env, BGZERO_WORKER__MEMORY_LIMIT="0.4") as daemon:
        until(lambda: b"a worker may use 400 MB" in home.bgzero("status").stdout, lambda: daemon.log)
        time.sleep(1.5)
        assert not failures(home)
    assert home.once(**env).returncode == 0


def test_network_that_says_nothing_at_all_is_not_used(home: Home) -> None:
    """Numbers that are none: seen with a test picture, before any photo."""
    env = lying(home, IN_WORKER.format(deed="return [super().run(*arguments)[0] * float('nan')]"))
    photo(home.inbox / "a.jpg")
    done = home.once(**env)
    assert done.returncode == 1
    assert b"no numbers" in done.stderr
    assert not home.visible()


def test_photo_that_finds_no_memory_is_put_aside_in_the_end(home: Home) -> None:
    """Tried alone, twice; the others are cut."""
    with home.daemon(**PROVOKE) as daemon:
        pause_while(home, ("short.jpg", "short"), ("b.jpg", "wait"))
        until(lambda: failures(home), lambda: daemon.log)
        daemon.wait_for("b.png")
        assert "too-heavy: There was not enough memory for this photo." in failures(home)["short.jpg"]


def test_weights_on_a_mount_that_does_not_answer_keep_nobody(home: Home) -> None:
    """The thread that opens them hangs, as it does here at a pipe; the service still ends when it is told to."""
    weights = home.models / "tiny.onnx"
    with home.daemon(**PROVOKE) as daemon:
        weights.unlink()
        os.mkfifo(weights)
        photo(home.inbox / "a.jpg")
        until(lambda: Oracle(home).status()["at_work"], lambda: daemon.log)
        for _signal in range(2):  # the second one does not wait for photos in work
            daemon.process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
        assert daemon.process.wait(20) == 0


HANGING = """
import os.path, sys, time
if sys.argv[1:2] == ["run"]:
    real = os.path.isfile
    os.path.isfile = lambda path: time.sleep(1e6) if "other.onnx" in str(path) else real(path)
"""


def test_model_on_a_mount_that_does_not_answer_holds_up_nobody(home: Home) -> None:
    """Photos are cut and commands answered meanwhile; whoever changes their mind gets the other model."""
    for name in ("other", "third"):
        tiny.install(home.models, name)
    with home.daemon(**PROVOKE | lying(home, HANGING)) as daemon:
        asking = subprocess.Popen(
            [*PROGRAM, "model", "use", "other"], env=home.env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        until(lambda: len(list(Path(f"/proc/{daemon.process.pid}/task").iterdir())) > 6, "it is looked for")
        photo(home.inbox / "b.jpg", seed=1)
        daemon.wait_for("b.png")
        assert home.bgzero("model", "use", "third").returncode == 0
        _none, said = asking.communicate(timeout=60)
        assert asking.returncode == 1
        assert b"meanwhile" in said
        photo(home.inbox / "c.jpg", seed=2)
        daemon.wait_for("c.png")
        assert tag_of(home.outbox / "c.png")["model"] == "third"


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_closed_standard_streams_harm_nothing(home: Home, closed: str) -> None:
    """Started by something careless: no file gets their numbers, and workers start."""
    photo(home.inbox / "a.jpg")
    command = f'exec "{PROGRAM[0]}" run --once --inbox "{home.inbox}" --outbox "{home.outbox}" {closed}'
    subprocess.run(["sh", "-c", command], env=home.env, check=True, timeout=60)
    assert home.visible() == ["a.png"]


def test_photo_from_a_pipe_survives_its_worker(home: Home) -> None:
    """Standard input cannot be read twice: it was kept."""
    source = ordered(home.inbox / "a.jpg", "wait wait wait")
    env = home.env | {VARIABLE: "1"}
    with source.open("rb") as stream:
        process = subprocess.Popen([*PROGRAM, "cut", "-"], stdin=stream, stdout=subprocess.PIPE, env=env)
    until(lambda: psutil.Process(process.pid).children(), "a worker")
    (worker,) = psutil.Process(process.pid).children()
    until(lambda: worker.num_threads() >= 3, "it is at work")
    time.sleep(0.5)
    worker.kill()
    content, _nothing = process.communicate(timeout=60)
    assert process.returncode == 0
    assert Image.open(io.BytesIO(content)).size == (120, 80)


def test_chatter_of_decoders_stays_out_of_a_cutout(home: Home) -> None:
    """What native code prints in a worker goes nowhere."""
    source = ordered(home.inbox / "a.jpg", "chatter")
    home.env[VARIABLE] = "1"
    done = home.bgzero("cut", source, "-o", "-")
    assert done.returncode == 0
    assert done.stdout.startswith(b"\x89PNG")
    assert done.stderr == b""


def test_single_photos_give_up_at_once_where_the_model_does_not_load(home: Home) -> None:
    """One worker and one sentence, not one for each photo."""
    (home.models / "tiny.onnx").write_bytes(b"no network")
    photos = [photo(home.root / f"{number}.jpg", seed=number) for number in range(12)]
    done = home.bgzero("cut", "-v", *photos, "-o", home.root / "cut")
    assert done.returncode == 1
    assert done.stderr.count(b" started for ") == 1
    assert b"its card says" in done.stderr.splitlines()[-2]
    assert not list((home.root / "cut").iterdir())


def test_resting_worker_that_is_frozen_costs_no_photo(home: Home) -> None:
    """It answers no more when the next photo comes; ended by hand here, where half a minute would end it."""
    with home.daemon(**PROVOKE) as daemon:
        photo(home.inbox / "a.jpg")
        daemon.wait_for("a.png")
        worker = daemon.worker()
        assert worker
        os.kill(worker, signal.SIGSTOP)
        photo(home.inbox / "b.jpg", seed=1)
        until(lambda: [one["photo"] for one in Oracle(home).status()["at_work"]] == ["b.jpg"], lambda: daemon.log)
        os.kill(worker, signal.SIGKILL)
        daemon.wait_for("b.png")
        assert not is_alive(worker)
        assert "tried again" not in daemon.log
