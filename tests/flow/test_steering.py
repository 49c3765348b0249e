"""Steering a running daemon through its commands: pause, model, provider, what is kept of it, and its end."""

import contextlib
import json
import os
import random
import re
import resource
import signal
import socket
import subprocess
import time
import tomllib
from pathlib import Path

import pytest

from bgzero_daemon.client import connect
from bgzero_daemon.core.job import Fingerprint, JobState
from bgzero_daemon.service.base import VERSION
from bgzero_daemon.service.ledger import Ledger
from bgzero_daemon.service.record import Record, decided_now
from tests import tiny
from tests.fault.oracle import Oracle, tag_of
from tests.fault.test_providers import lying
from tests.home import PROGRAM, Daemon, Home, photo, until

QUICK = {"BGZERO_WATCH__SETTLE_SECONDS": "0.1"}
LATER_COLUMNS = ("wanted", "confidence", "doubt", "wanted_edges", "covered_by", "shot")  # than version 2 of the ledger


def told(home: Home, *arguments: str | Path, code: int = 0) -> str:
    """Type a command, and return what it says, on both streams."""
    done = home.bgzero(*arguments)
    assert done.returncode == code, done.stdout + done.stderr
    return (done.stdout + done.stderr).decode()


def model_of(home: Home, name: str) -> object:
    """Return the model that a cut-out was made with."""
    return tag_of(home.outbox / name)["model"]


def state(home: Home) -> dict[str, object]:
    """Return what is kept of what was chosen."""
    return tomllib.loads((home.root / "state" / "bgzero" / "state.toml").read_text())


def cut(home: Home, daemon: Daemon, name: str, seed: int = 0) -> object:
    """Drop a photo, and return the model that it was cut with."""
    photo(home.inbox / f"{name}.jpg", seed=seed)
    until((home.outbox / f"{name}.png").exists, lambda: daemon.log)
    return model_of(home, f"{name}.png")


def test_pause_survives_a_restart_and_photos_arrive_meanwhile(home: Home) -> None:
    """Noticed and counted, not begun; `resume` goes on, and what was meant for good is for good."""
    with home.daemon(**QUICK) as daemon:
        assert "bgzero resume" in told(home, "pause")
        photo(home.inbox / "a.jpg")
        until(lambda: Oracle(home).status()["waiting"] == 1, lambda: daemon.log)
    with home.daemon(**QUICK):
        photo(home.inbox / "b.jpg", seed=1)
        until(lambda: Oracle(home).status()["waiting"] == 2, "both wait")
        assert Oracle(home).status()["state"] == "paused"
        time.sleep(0.5)
        assert home.visible() == []
        told(home, "resume")
        until(lambda: home.visible() == ["a.png", "b.png"], "both are cut")
    assert "paused" not in state(home)
    with home.daemon(**QUICK):
        assert Oracle(home).status()["state"] == "watching"


def test_pause_for_a_while_ends_by_itself_also_across_a_restart(home: Home) -> None:
    """The moment is shown; a restart neither forgets it nor begins it anew."""
    with home.daemon(**QUICK):
        assert re.fullmatch(r"Paused until \d\d:\d\d:\d\d\.\n", told(home, "pause", "--for", "6s"))
        until_then = Oracle(home).status()["paused_until"]
        assert 0 < until_then - time.time() <= 6
        photo(home.inbox / "a.jpg")
    with home.daemon(**QUICK) as daemon:
        assert Oracle(home).status()["paused_until"] == until_then
        assert home.visible() == []
        until(lambda: home.visible() == ["a.png"], lambda: daemon.log)
        assert time.time() >= until_then
        assert "The pause is over." in daemon.log
        until(lambda: "looked through as work goes on" in daemon.log, lambda: daemon.log)
    assert "paused" not in state(home)
    for wrong in ("1", "h", "-3m", "1h 30", "99999999h"):
        assert "is no time" in told(home, "pause", f"--for={wrong}", code=2)


def test_what_changed_without_a_word_is_shown_at_the_next_due_moment(home: Home) -> None:
    """Midnight passes, or another process writes into the ledger: `status.json` has it though nobody asked."""
    shown = home.root / "run" / "bgzero" / "status.json"
    with home.daemon(**QUICK, WATCHDOG_USEC="2000000") as daemon:
        until(shown.exists, lambda: daemon.log)
        time.sleep(3)  # what the start still had to show is shown
        assert json.loads(shown.read_text())["failed"] == 0
        ledger = Ledger(home.root / "state" / "bgzero" / "ledger.db", [str(home.inbox)])
        ledger.put(str(home.inbox), "a.jpg", decided_now(Record(Fingerprint(1, 2, 3, 4, 5), JobState.FAILED),
                                                         JobState.FAILED))  # fmt: skip
        ledger.close()
        until(lambda: json.loads(shown.read_text())["failed"] == 1, lambda: shown.read_text() + daemon.log)


def test_model_is_switched_for_the_next_photo_and_stays(home: Home) -> None:
    """Not before it has proved itself; shown with its origin; after a restart it is still so; the file is untouched."""
    tiny.install(home.models, "other")
    with home.daemon(**QUICK) as daemon:
        assert cut(home, daemon, "a") == "tiny"
        assert told(home, "model", "use", "other") == "The next photo is cut with other.\n"
        assert cut(home, daemon, "b", 1) == "other"
        assert "model other (state)" in told(home, "status")
        until(lambda: len(Oracle(home).status()["workers"]) == 1, "the old one ends")
    with home.daemon(**QUICK) as daemon:
        assert cut(home, daemon, "c", 2) == "other"
        shown = told(home, "config", "show", "--origin")
        assert 'model.name = "other"  # state\n' in shown
        assert told(home, "model", "use", "--configured") == "The next photo is cut with tiny.\n"
        assert cut(home, daemon, "d", 3) == "tiny"
    assert "model" not in state(home)
    assert not (home.root / "config").exists()


def test_single_photos_are_cut_with_the_chosen_model_too(home: Home) -> None:
    """`cut` and `run` give the same; a model that is named at once is the later word."""
    tiny.install(home.models, "other")
    with home.daemon(**QUICK):
        told(home, "model", "use", "other")
    source = photo(home.root / "a.jpg")
    told(home, "cut", source)
    assert tag_of(home.root / "a-cutout.png")["model"] == "other"
    (home.root / "a-cutout.png").unlink()
    told(home, "cut", "--model", "tiny", source)
    assert tag_of(home.root / "a-cutout.png")["model"] == "tiny"


def test_switch_waits_for_photos_in_work_and_holds_back_the_next(home: Home) -> None:
    """The photo in work ends with the old model, the ones behind it are cut with the new one; none with both."""
    tiny.install(home.models, "other")
    with home.daemon(**QUICK, BGZERO_WORKER__LANES="1") as daemon:
        cut(home, daemon, "first")
        worker = daemon.worker()
        assert worker
        os.kill(worker, signal.SIGSTOP)
        for number in range(6):
            photo(home.inbox / f"{number}.jpg", seed=number + 5)
        until(lambda: Oracle(home).status()["running"] == 2, lambda: daemon.log)
        begun = {one["photo"] for one in Oracle(home).status()["at_work"]}
        until(lambda: Oracle(home).status()["waiting"] == 4, "the others wait")
        assert "other" in told(home, "model", "use", "other")
        os.kill(worker, signal.SIGCONT)
        until(lambda: len(home.visible()) == 7, lambda: daemon.log)
        by_old = {name for name in home.visible() if model_of(home, name) == "tiny"}
        assert by_old == {"first.png"} | {f"{os.path.splitext(name)[0]}.png" for name in begun}
        assert "failed" not in daemon.log


def test_photo_that_arrives_while_a_model_loads_is_cut_with_the_new_one(home: Home) -> None:
    """It waits, though the former model is at rest: whoever chose wants to see the new one."""
    tiny.install(home.models, "other")
    flag = home.root / "slow"
    slow = f"""
import os, sys, time
if "bgzero_daemon.worker.main" in sys.orig_argv and os.path.exists({str(flag)!r}):
    time.sleep(2)
"""
    with home.daemon(**QUICK | lying(home, slow)) as daemon:
        cut(home, daemon, "a")
        flag.touch()
        asking = subprocess.Popen([*PROGRAM, "model", "use", "other"], env=home.env, stdout=subprocess.DEVNULL)
        until(lambda: Oracle(home).status()["switching_to"] == "other", lambda: daemon.log)
        assert cut(home, daemon, "b", 1) == "other"
        assert asking.wait(30) == 0


@pytest.mark.parametrize("is_idle", [True, False])
def test_model_that_fails_its_test_is_taken_back_with_a_sentence(home: Home, is_idle: bool) -> None:
    """Weights that are others than on the card: the former model goes on, without any pause, also after a restart."""
    tiny.install(home.models, "other")
    weights = home.models / "other.onnx"
    weights.write_bytes(weights.read_bytes() + b"x")
    with home.daemon(**QUICK) as daemon:
        if not is_idle:
            cut(home, daemon, "a")
        said = told(home, "model", "use", "other", code=1)
        assert "other.onnx" in said
        assert "its card says" in said
        assert "Taken back" in daemon.log
        status = Oracle(home).status()
        assert (status["model"]["value"], status["switching_to"], status["trouble"]) == ("tiny", "", "")
        assert cut(home, daemon, "b", 1) == "tiny"
        assert told(home, "model", "use", "nothing", code=1).startswith("bgzero: There is no model nothing.")
    with home.daemon(**QUICK) as daemon:
        assert cut(home, daemon, "c", 2) == "tiny"


def test_choice_of_a_model_that_is_gone_gives_way_to_the_configured_one(home: Home) -> None:
    """The daemon starts, and says so; it is not a mistake of the configuration."""
    tiny.install(home.models, "other")
    with home.daemon(**QUICK):
        told(home, "model", "use", "other")
    (home.models / "other.onnx").unlink()
    with home.daemon(**QUICK) as daemon:
        assert cut(home, daemon, "a") == "tiny"
        assert "The model that was chosen cannot be used" in daemon.log


def test_folder_with_a_model_of_its_own_keeps_it(home: Home) -> None:
    """What is chosen is what others fall back on."""
    tiny.install(home.models, "other")
    tiny.install(home.models, "own")
    second = home.root / "second"
    second.mkdir()
    env = {
        "BGZERO_FOLDER__0__INBOX": str(home.inbox), "BGZERO_FOLDER__0__OUTBOX": str(home.outbox),
        "BGZERO_FOLDER__1__INBOX": str(second), "BGZERO_FOLDER__1__OUTBOX": str(home.outbox),
        "BGZERO_FOLDER__1__MODEL": "own",
    }  # fmt: skip
    with home.started("run", **QUICK, **env) as daemon:
        until(lambda: daemon.log.count("Drop photos") == 2, lambda: daemon.log)
        told(home, "model", "use", "other")
        photo(second / "s.jpg", seed=1)
        daemon.wait_for("s.png")
        assert (model_of(home, "s.png"), cut(home, daemon, "a")) == ("own", "other")
        assert "model own" in told(home, "status")


def test_later_word_of_configuration_or_command_line_counts(home: Home) -> None:
    """A file that was edited since, or a flag, is newer than a choice."""
    for name in ("other", "third"):
        tiny.install(home.models, name)
    with home.daemon(**QUICK):
        told(home, "model", "use", "other")
    with home.daemon(**QUICK, BGZERO_MODEL__NAME="third") as daemon:
        assert cut(home, daemon, "a") == "third"
    with home.daemon("--inbox", home.inbox, "--outbox", home.outbox, "--model", "third", **QUICK) as daemon:
        assert cut(home, daemon, "b", 1) == "third"
        assert "--model on the daemon's command line" in told(home, "model", "use", "tiny", code=1)


def test_provider_and_notifications_are_chosen_and_kept(home: Home) -> None:
    """Provider as asked, and as it ran; quiet for a while or for good."""
    with home.daemon(**QUICK) as daemon:
        assert "cpu" in told(home, "provider", "cpu")
        cut(home, daemon, "a")
        assert Oracle(home).status()["provider"] == {
            "asked": "cpu", "origin": "state", "ran": "CPUExecutionProvider", "why": ""
        }  # fmt: skip
        told(home, "notifications", "off", "--for", "1h")
        assert "no provider gpu" in told(home, "provider", "gpu", code=1)
        assert "cpu" in told(home, "provider", "CPU")
        assert "no provider gpu" in Oracle(home).ask("set_provider", name="gpu")["sentence"]
    with home.daemon(**QUICK):
        status = Oracle(home).status()
        assert status["provider"]["asked"] == "cpu"
        assert not status["notifications"]
        assert 3500 < status["quiet_until"] - time.time() <= 3600
        told(home, "notifications", "on")
        assert Oracle(home).status()["notifications"]
        told(home, "provider", "configured")
        assert Oracle(home).status()["provider"]["origin"] == "default"


def test_order_of_providers_is_chosen_through_the_socket(home: Home) -> None:
    """As it is typed, and as a program sends it: what is not here is told with the one that runs."""
    with home.daemon(**QUICK) as daemon:
        assert "cuda,cpu" in told(home, "provider", "cuda,cpu")
        assert cut(home, daemon, "a") == "tiny"
        provider = Oracle(home).status()["provider"]
        assert (provider["asked"], provider["ran"]) == ("cuda,cpu", "CPUExecutionProvider")
        assert "cuda is not in this ONNX Runtime" in provider["why"]
        answer = Oracle(home).ask("set_provider", name="openvino, CUDA")
        assert answer["provider"] == "openvino,cuda"
        assert "no provider" in Oracle(home).ask("set_provider", name="cuda,gpu")["sentence"]
        assert Oracle(home).status()["provider"]["asked"] == "openvino,cuda"
    with home.daemon(**QUICK):
        assert Oracle(home).status()["provider"]["asked"] == "openvino,cuda", "kept"


def test_redo_with_another_model_is_for_these_photos_alone_and_survives_a_kill(home: Home) -> None:
    """Whatever happens between the wish and its fulfilment; a model that is gone by then gives way, with a sentence."""
    for name in ("other", "third"):
        tiny.install(home.models, name)
    with home.daemon(**QUICK) as daemon:
        for number, name in enumerate("abc"):
            cut(home, daemon, name, number)
        told(home, "pause")
        told(home, "redo", "--model", "other", home.inbox / "a.jpg")
        told(home, "redo", "--model", "third", home.inbox / "c.jpg")
        assert "There is no model nothing" in told(home, "redo", "--model", "nothing", home.inbox / "b.jpg", code=1)
        daemon.stop(signal.SIGKILL)
    (home.models / "third.onnx").unlink()
    with home.daemon(**QUICK) as daemon:
        told(home, "resume")
        until(lambda: daemon.log.count(": done") == 2, lambda: daemon.log)
        assert [model_of(home, f"{name}.png") for name in "abc"] == ["other", "tiny", "tiny"]
        assert "to be cut again with third" in daemon.log
        photo(home.inbox / "a.jpg", seed=50)
        until(lambda: model_of(home, "a.png") == "tiny", "other bytes are cut as all others are")
        assert cut(home, daemon, "d", 9) == "tiny"


def edges_of(home: Home, name: str) -> object:
    """Return what was done for a cut-out's edges."""
    settings = tag_of(home.outbox / f"{name}.png")["settings"]
    assert isinstance(settings, dict)
    return settings["edges"]


def test_redo_with_other_edges_is_for_these_photos_alone_and_survives_a_kill(home: Home) -> None:
    """Others keep their folder's, and so does the photo itself the next time."""
    with home.daemon(**QUICK) as daemon:
        for number, name in enumerate("abc"):
            cut(home, daemon, name, number)
        told(home, "pause")
        told(home, "redo", "--edges", "off", home.inbox / "a.jpg")
        told(home, "redo", "--edges", "best", home.inbox / "c.jpg")
        told(home, "redo", "--edges", "finest", home.inbox / "b.jpg", code=2)
        daemon.stop(signal.SIGKILL)
    with home.daemon(**QUICK) as daemon:
        told(home, "resume")
        until(lambda: daemon.log.count(": done") == 2, lambda: daemon.log)
        assert [edges_of(home, name) for name in "abc"] == ["off", "refine", "best"]
        told(home, "redo", home.inbox / "a.jpg")
        until(lambda: edges_of(home, "a") == "refine", lambda: daemon.log)


def test_photos_for_a_model_that_cannot_be_had_let_others_pass(home: Home) -> None:
    """A whole folder that is to be cut again with broken weights does not keep new photos waiting."""
    tiny.install(home.models, "other")
    for number in range(70):
        photo(home.inbox / "trip" / f"{number}.png", (16, 12), number)
    with home.daemon(**QUICK, BGZERO_WORKER__QUEUE="8") as daemon:
        until(lambda: len(home.visible()) == 70, lambda: daemon.log)
        weights = home.models / "other.onnx"
        good = weights.read_bytes()
        weights.write_bytes(good + b"x")
        told(home, "redo", "--model", "other", home.inbox / "trip")
        until(lambda: "other.onnx" in daemon.log, lambda: daemon.log)
        assert cut(home, daemon, "new", 99) == "tiny"
        now = Oracle(home).status()
        assert now["waiting"] + now["running"] == 70, "those on their way to a worker are not counted as waiting"
        weights.write_bytes(good)
        until(lambda: Oracle(home).status()["waiting"] + Oracle(home).status()["running"] == 0, lambda: daemon.log)
        assert {model_of(home, f"trip/{number}.png") for number in range(70)} == {"other"}


def test_stop_finishes_what_is_in_work_and_returns_when_all_is_over(home: Home) -> None:
    """Nobody is left behind, no socket, and the next start finds its place free."""
    with home.daemon(**QUICK) as daemon:
        for number in range(4):
            photo(home.inbox / f"{number}.png", (900, 700), number)
        until(lambda: Oracle(home).status()["running"], lambda: daemon.log)
        told(home, "stop")
        assert daemon.process.wait(1) == 0, "its process is a zombie by now"
        assert not list((home.root / "run" / "bgzero").glob("*.sock"))
        assert not (home.root / "run" / "bgzero" / "status.json").exists()
        assert "No bgzero daemon is running." in told(home, "stop", code=3)
    with home.daemon(**QUICK) as daemon:
        until(lambda: len(home.visible()) == 4, lambda: daemon.log)


def test_status_file_is_the_same_picture_and_there_while_the_daemon_is(home: Home) -> None:
    """For whoever can read files only; private; the state that commands see."""
    file = home.root / "run" / "bgzero" / "status.json"
    with home.daemon(**QUICK) as daemon:
        cut(home, daemon, "a")
        until(lambda: json.loads(file.read_text())["done"] == 1, "it is written")
        assert file.stat().st_mode & 0o777 == 0o600
        there, asked = json.loads(file.read_text()), Oracle(home).status()
        assert {key for key in asked if key != "ok"} == set(there)
        assert there["latest"] == asked["latest"]
        assert there["schema"] == 1
        told(home, "pause")
        until(lambda: json.loads(file.read_text())["state"] == "paused", "it changes")


def test_watched_status_follows_and_ends_with_the_daemon(home: Home) -> None:
    """A block for each change where there is no terminal, an object a line with --json, no colour codes anywhere."""
    with home.daemon(**QUICK) as daemon:
        watchers = [
            subprocess.Popen(
                [*PROGRAM, "status", "--watch", *option], env=home.env, text=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )
            for option in ([], ["--json"])
        ]  # fmt: skip
        until(lambda: "bgzero" in Path(f"/proc/{watchers[0].pid}/cmdline").read_text(), "they start")
        time.sleep(0.5)
        cut(home, daemon, "a")
        told(home, "pause")
        told(home, "stop")
        (blocks, _said), (lines, said) = (watcher.communicate(timeout=30) for watcher in watchers)
    assert [watcher.returncode for watcher in watchers] == [0, 0]
    assert said == "The daemon has ended.\n"
    states = [json.loads(line)["state"] for line in lines.splitlines()]
    assert states[0] == "watching"
    assert {"paused", "stopping"} & set(states)
    assert "\x1b" not in blocks
    assert "1 done" in blocks


def test_watched_status_on_a_terminal_is_calm(home: Home) -> None:
    """It draws over itself, in colour unless NO_COLOR is set, and Ctrl-C ends it well."""
    outputs = []
    with home.daemon(**QUICK) as daemon:
        for env in ({"TERM": "xterm-256color"}, {"TERM": "xterm-256color", "NO_COLOR": "1"}):
            leader, follower = os.openpty()
            watcher = subprocess.Popen(
                [*PROGRAM, "status", "--watch"], env=home.env | env, stdin=follower, stdout=follower, stderr=follower
            )
            os.close(follower)
            drawn = b""
            while b"->" not in drawn:
                drawn += os.read(leader, 4096)
            watcher.send_signal(signal.SIGINT)
            assert watcher.wait(30) == 0
            os.close(leader)
            outputs.append(drawn)
        assert daemon.process.poll() is None
    assert b"\x1b[1m" in outputs[0]
    assert all(b"watching" in output for output in outputs)
    assert b"\x1b[3" not in outputs[1]


def test_older_ledger_is_brought_forward_and_a_newer_one_refused(home: Home) -> None:
    """With a copy kept; of a newer version nothing is touched."""
    import sqlite3

    file = home.root / "state" / "bgzero" / "ledger.db"
    photo(home.inbox / "a.jpg")
    home.once()
    with sqlite3.connect(file) as base:
        later = "".join(f"ALTER TABLE photo DROP COLUMN {name};" for name in LATER_COLUMNS)
        later = "DROP INDEX photo_confidence; DROP INDEX photo_shot;" + later
        base.executescript(f"{later} PRAGMA user_version = 2;")
    base.close()
    assert home.once().returncode == 0
    assert (file.parent / "ledger.db.version-2").exists()
    with sqlite3.connect(file) as base:
        assert base.execute("PRAGMA user_version").fetchone() == (VERSION,)
        assert base.execute("SELECT count(*), max(wanted) FROM photo").fetchone() == (1, "")
        base.execute("PRAGMA user_version = 99")
    base.close()
    before = file.read_bytes()
    refused = home.once()
    assert refused.returncode == 1
    assert b"written by a newer version" in refused.stderr
    assert file.read_bytes() == before


def test_thousand_clients_and_one_of_nonsense_hurt_nobody(home: Home) -> None:
    """All at once: photos are cut, every one is answered, no descriptors are left, and nobody is kept waiting after."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 2048)), hard))
    file = home.root / "run" / "bgzero" / "control.sock"
    draw = random.Random(1)
    try:
        with home.daemon(**QUICK) as daemon, contextlib.ExitStack() as crowd:
            cut(home, daemon, "first")
            places = Path(f"/proc/{daemon.process.pid}/fd")
            before = len(list(places.iterdir()))
            socks = [crowd.enter_context(socket.socket(socket.AF_UNIX)) for _number in range(1000)]
            for number, sock in enumerate(socks):
                sock.settimeout(60)
                connect(sock, file)
                sock.sendall(b'{"verb":"status"}\n' if number % 4 else draw.randbytes(3000) + b"\n")
            cut(home, daemon, "second", 1)
            assert len(list(places.iterdir())) < before + 200
            for sock in socks:
                with sock.makefile("rb") as lines:
                    assert json.loads(lines.readline())
                sock.close()
            until(lambda: len(list(places.iterdir())) <= before + 2, "all are forgotten")
            assert told(home, "status").startswith("watching")
            assert "Traceback" not in daemon.log
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(
    "command",
    [
        "status", "failed", "history", "reload", "model list", "model info tiny", "config show", "config show --origin",
        "config check", "config get model.name", "service status", "doctor --only clock", "logs",
    ],
)  # fmt: skip
def test_reading_command_tells_programs_with_a_schema_number(home: Home, command: str) -> None:
    """--json is one object, or one a line, on standard output, and nothing else there."""
    log = home.root / "state" / "bgzero" / "bgzero.log"
    with home.daemon(**QUICK):
        log.write_text('one\n{"message": "two"}\n')
        done = home.bgzero(*command.split(), "--json")
    assert done.returncode in (0, 3), done.stderr
    told = done.stdout.decode()
    objects = [json.loads(line) for line in told.splitlines()] if command == "logs" else [json.loads(told)]
    assert [one["schema"] for one in objects] == [1] * (2 if command == "logs" else 1)
    assert all(len(one) > 1 for one in objects)


def test_watchers_that_went_away_are_forgotten(home: Home) -> None:
    """In a daemon that has nothing to tell: `stop` needs no place among them, and no descriptor is left."""
    with home.daemon(**QUICK) as daemon:
        places = Path(f"/proc/{daemon.process.pid}/fd")
        until(lambda: Oracle(home).status().get("state") == "watching", lambda: daemon.log)
        before = len(list(places.iterdir()))
        for _round in range(2):
            watchers = [
                subprocess.Popen([*PROGRAM, "status", "--watch"], env=home.env, stdout=subprocess.PIPE)
                for _number in range(20)
            ]
            for watcher in watchers:
                assert watcher.stdout
                assert watcher.stdout.readline()
                watcher.kill()
                watcher.communicate()
        until(lambda: len(list(places.iterdir())) <= before + 1, "they are forgotten")
        told(home, "stop")


def test_command_whose_daemon_dies_meanwhile_says_so(home: Home) -> None:
    """Exit 3, as where there is none; no number of an error."""
    tiny.install(home.models, "other")
    with home.daemon(**QUICK, BGZERO_CRASH_AT="begins-worker") as daemon:
        said = told(home, "model", "use", "other", code=3)
        assert said == "bgzero: The daemon has ended meanwhile.\n"
        assert daemon.process.wait(10) == -signal.SIGKILL


def test_redo_that_waits_for_a_broken_model_can_be_changed(home: Home) -> None:
    """Whoever asked for it asks for another, or for the folder's own."""
    tiny.install(home.models, "other")
    (home.models / "other.onnx").write_bytes(b"no network")
    with home.daemon(**QUICK) as daemon:
        cut(home, daemon, "a")
        told(home, "redo", "--model", "other", home.inbox / "a.jpg")
        until(lambda: "other.onnx" in daemon.log, lambda: daemon.log)
        assert told(home, "redo", home.inbox / "a.jpg") == "1 photos are cut again.\n"
        until(lambda: daemon.log.count(": done") == 2, lambda: daemon.log)
        assert model_of(home, "a.png") == "tiny"
