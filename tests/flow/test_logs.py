"""Where the log of `bgzero run` goes, in which form, and how `bgzero logs` finds it: real processes, real files."""

import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
from datetime import datetime
from pathlib import Path

from bgzero_daemon.cli.logfile import LogFile, files
from tests.fault.space import need_namespace
from tests.home import PROGRAM, Home, photo, until

BAD = b"\x89PNG\r\n\x1a\n" + bytes(300)
QUICK = {"BGZERO_WATCH__SETTLE_SECONDS": "0.1", "BGZERO_WATCH__MAX_WAIT_SECONDS": "0"}


def kept(home: Home) -> Path:
    """Where the rotated file is."""
    return home.root / "state" / "bgzero" / "bgzero.log"


def once(home: Home, stderr: int, *arguments: str, **env: str) -> int:
    """Run the daemon once with the given standard error."""
    command = [*PROGRAM, "run", "--once", "--inbox", str(home.inbox), "--outbox", str(home.outbox), *arguments]
    return subprocess.run(command, env=home.env | QUICK | env, stderr=stderr, timeout=60).returncode


def run_into_journal(home: Home, *arguments: str, is_named: bool = True, **env: str) -> tuple[int, list[str]]:
    """Run the daemon with a standard error that is a stream socket which JOURNAL_STREAM names, as systemd does."""
    ours, theirs = os.pipe()
    found = os.fstat(theirs)
    stream = f"{found.st_dev}:{found.st_ino + (not is_named)}"
    heard: list[bytes] = []

    def hear() -> None:
        with open(ours, "rb") as reader:
            heard.append(reader.read())

    listener = threading.Thread(target=hear)
    listener.start()
    status = once(home, theirs, *arguments, JOURNAL_STREAM=stream, **env)
    os.close(theirs)
    listener.join(30)
    return status, heard[0].decode().splitlines()


def test_journal_gets_a_priority_in_front_of_every_line_and_no_time(home: Home) -> None:
    """<6> for what is usual, <3> for a photo that was not cut; never a line without."""
    photo(home.inbox / "a.jpg")
    (home.inbox / "bad.png").write_bytes(BAD)
    status, lines = run_into_journal(home)
    assert status == 4
    assert [line for line in lines if re.fullmatch(r"<6>\d{5} a\.jpg: done, tiny on .*", line)]
    assert [line for line in lines if re.match(r"<3>\d{5} bad\.png: failed\. ", line)]
    assert all(re.match(r"<[3467]>", line) for line in lines), lines
    assert not [line for line in lines if re.match(r"<.>\d\d:\d\d", line)]
    assert not kept(home).exists()


def test_every_line_of_a_traceback_and_the_last_sentence_have_a_priority(home: Home) -> None:
    """A daemon that cannot start says so as an error, with -v where from."""
    status, lines = run_into_journal(home, "-v", BGZERO_MODEL__NAME="nosuch")
    assert status == 78
    assert "<3>Traceback (most recent call last):" in lines
    assert all(re.match(r"<[3467]>", line) for line in lines), lines
    assert [line for line in lines if line.startswith("<3>") and "nosuch" in line]


def test_journal_of_somebody_else_is_none(home: Home) -> None:
    """A variable that was inherited while standard error went elsewhere: plain lines with their time."""
    _status, lines = run_into_journal(home, is_named=False)
    assert re.match(r"\d\d:\d\d:\d\d INFO ", lines[-1])


def test_standard_error_that_nobody_reads_is_replaced_by_a_private_file(home: Home) -> None:
    """/dev/null or closed, as launchd and desktops start programs; nothing is written where somebody reads."""
    photo(home.inbox / "a.jpg")
    assert once(home, subprocess.DEVNULL) == 0
    assert re.search(
        r"^20\d\d-\d\d-\d\d \d\d:\d\d:\d\d INFO    \d{5} a\.jpg: done, tiny", kept(home).read_text(), re.MULTILINE
    )
    assert kept(home).stat().st_mode & 0o777 == 0o600
    assert kept(home).parent.stat().st_mode & 0o777 == 0o700
    size = kept(home).stat().st_size
    script = f"exec '{PROGRAM[0]}' run --once --inbox '{home.inbox}' --outbox '{home.outbox}' 2>&-"
    assert subprocess.run(["/bin/sh", "-c", script], env=home.env, timeout=60).returncode == 0
    assert kept(home).stat().st_size > size
    size = kept(home).stat().st_size
    assert home.once().returncode == 0
    assert kept(home).stat().st_size == size


def test_reason_not_to_start_is_in_the_file_where_nobody_reads_standard_error(home: Home) -> None:
    """A bad configuration: exit 78, and a sentence that is found, not a void."""
    (home.root / "c.toml").write_text("[model]\nnam = 1\n[limits]\nmegapixels = -1\n")
    command = [*PROGRAM, "run", "--config", str(home.root / "c.toml")]
    assert subprocess.run(command, env=home.env, stderr=subprocess.DEVNULL, timeout=60).returncode == 78
    lines = kept(home).read_text().splitlines()
    assert [line for line in lines if "model.nam: unknown key. Did you mean name?" in line]
    assert [line for line in lines if "limits.megapixels" in line]


def test_bad_configuration_is_one_sentence_on_standard_error(home: Home) -> None:
    """Neither lost nor doubled by setting up the log."""
    (home.root / "c.toml").write_text("[model]\nnam = 1\n")
    done = home.bgzero("run", "--config", home.root / "c.toml")
    assert done.returncode == 78
    assert done.stderr.decode().count("nam: unknown key") == 1
    assert done.stderr.startswith(b"bgzero: ")


def test_log_goes_where_the_configuration_says(home: Home) -> None:
    """`log.to = "file"` though somebody reads standard error, which then gets nothing."""
    photo(home.inbox / "a.jpg")
    done = home.once(BGZERO_LOG__TO="file", BGZERO_LOG__FORMAT="json")
    assert (done.returncode, done.stderr) == (0, b"")
    assert "a.jpg: done" in kept(home).read_text()
    assert kept(home).read_text().startswith("{")


def test_json_logs_are_one_object_a_line_with_the_photos_fields(home: Home) -> None:
    """Time with zone, level, logger, message; job, photo and outcome on the lines about photos."""
    photo(home.inbox / "a.jpg")
    (home.inbox / "b\n\u202e.png").write_bytes(BAD)
    home.env |= QUICK
    done = home.bgzero("run", "--once", "--json-logs", "--inbox", home.inbox, "--outbox", home.outbox)
    assert done.returncode == 4
    told = [json.loads(line) for line in done.stderr.decode().splitlines()]
    for line in told:
        assert datetime.fromisoformat(line["time"]).tzinfo
        assert line.keys() >= {"level", "logger", "message"}
    good, bad = sorted((line for line in told if "photo" in line), key=lambda line: line["photo"])
    assert (good["photo"], good["outcome"], good["level"]) == ("a.jpg", "done", "info")
    assert (bad["photo"], bad["outcome"], bad["level"]) == ("b\\x0a\\u202e.png", "failed", "error")
    assert good["message"].startswith(f"{good['job']} a.jpg: done, tiny on ")


def test_bad_configuration_is_json_too_where_that_was_asked_for(home: Home) -> None:
    """A program that reads the log needs no second parser for the end."""
    done = home.bgzero("run", "-v", "--json-logs", "--config", home.root / "none.toml")
    assert done.returncode == 78
    told = [json.loads(line) for line in done.stderr.decode().splitlines()]
    assert any("There is no configuration file" in line["message"] for line in told)
    assert any("Traceback" in line.get("exception", "") for line in told)


def record(text: str) -> logging.LogRecord:
    """A record as the program makes them."""
    return logging.LogRecord("bgzero", logging.INFO, "", 0, "%s", (text,), None)


def test_file_is_rotated_and_three_old_ones_are_kept(tmp_path: Path) -> None:
    """The log never takes more than four times its limit; the newest lines are always there."""
    handler = LogFile(tmp_path / "state" / "bgzero.log", limit_bytes=1000)
    for number in range(200):
        handler.emit(record(f"line {number:03d} " + "x" * 40))
    handler.close()
    found = files(tmp_path / "state" / "bgzero.log")
    assert [file.name for file in found] == ["bgzero.log.3", "bgzero.log.2", "bgzero.log.1", "bgzero.log"]
    assert all(file.stat().st_size <= 1000 and file.stat().st_mode & 0o777 == 0o600 for file in found)
    lines = [line for file in found for line in file.read_text().splitlines()]
    assert [int(line[5:8]) for line in lines] == list(range(200 - len(lines), 200))


def test_file_that_was_removed_or_whose_folder_is_gone_is_made_again(tmp_path: Path) -> None:
    """Whoever tidies up loses what was there, not what comes."""
    file = tmp_path / "state" / "bgzero.log"
    handler = LogFile(file)
    handler.emit(record("one"))
    file.unlink()
    handler.emit(record("two"))
    assert file.read_text() == "two\n"
    file.unlink()
    file.parent.rmdir()
    (tmp_path / "state").write_text("in the way")
    handler.emit(record("lost"))
    (tmp_path / "state").unlink()
    handler.emit(record("three"))
    handler.close()
    assert file.read_text() == "three\n"


def test_disk_that_is_full_or_a_folder_that_is_not_writable_hurts_no_photo(home: Home) -> None:
    """The log's lines are lost, the photo is cut, and nothing is said about it anywhere; with space it goes on."""
    need_namespace()
    state = home.root / "state" / "bgzero"
    script = (
        f"mkdir -p '{state}' && mount -t tmpfs -o size=2m none '{state}' && export STATE=1 && "
        f"head -c 3000000 /dev/zero > '{state}/filler' 2>/dev/null; "
        f"'{PROGRAM[0]}' run --once --inbox '{home.inbox}' --outbox '{home.outbox}'; status=$?; "
        f"rm '{state}/filler'; '{PROGRAM[0]}' run --once --inbox '{home.inbox}' --outbox '{home.outbox}'; "
        f"cat '{state}/bgzero.log'; exit $status"
    )
    photo(home.inbox / "a.jpg")
    env = home.env | {"BGZERO_LOG__TO": "file"}
    done = subprocess.run(["unshare", "-Urm", "sh", "-c", script], env=env, capture_output=True, timeout=90)
    assert done.stderr == b""
    assert done.returncode == 0
    assert b"0 failed" in done.stdout
    assert (home.outbox / "a.png").is_file()


def test_logs_shows_the_end_of_the_file_over_its_rotations(home: Home) -> None:
    """-n counts lines, whichever of the files they are in."""
    kept(home).parent.mkdir(parents=True)
    kept(home).with_name("bgzero.log.1").write_text("one\ntwo\n")
    kept(home).write_text("three\n")
    assert home.bgzero("logs", "-n", "2").stdout == b"two\nthree\n"
    assert home.bgzero("logs").stdout == b"one\ntwo\nthree\n"
    assert home.bgzero("logs", "-n", "-2").returncode == 2


def test_following_goes_on_after_a_rotation(home: Home) -> None:
    """What is written into the new file is shown, once and whole; Ctrl-C ends it."""
    handler = LogFile(kept(home), limit_bytes=25)
    handler.emit(record("line 000"))
    with (home.root / "shown").open("wb") as shown:
        process = subprocess.Popen([*PROGRAM, "logs", "-f", "-n", "1"], env=home.env, stdout=shown)
    try:
        said = home.root / "shown"
        until(lambda: "line 000" in said.read_text(), "the first line")
        for number in range(1, 5):  # a rotation now and then
            handler.emit(record(f"line {number:03d} {'x' * 12}"))
            until(lambda number=number: f"line {number:03d}" in said.read_text(), "the line")  # type: ignore[misc]
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    finally:
        process.kill()
        handler.close()
    assert [int(line[5:8]) for line in said.read_text().splitlines()] == list(range(5))
    assert len(files(kept(home))) == 4


def test_logs_that_are_nowhere_are_told_in_a_sentence(home: Home) -> None:
    """Exit 1: no log was kept; or the daemon writes it where it was started."""
    done = home.bgzero("logs")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"No daemon of this account has kept a log." in done.stderr
    assert b"bgzero config set log.to file" in done.stderr
    with home.daemon():
        done = home.bgzero("logs")
        assert done.returncode == 1
        assert b"writes its log where it was started" in done.stderr


def test_journal_is_shown_where_it_is_newer_than_the_file(home: Home) -> None:
    """By journalctl, which gets the count and `-f`; a stand-in for it, since an account here has no journal."""
    program = home.root / "bin" / "journalctl"
    program.parent.mkdir()
    program.write_text(
        '#!/bin/sh\ncase "$*" in *short-unix*) [ -n "$MOMENT" ] && echo "$MOMENT host bgzero[1]: x"; exit 0;; esac\n'
        'echo "asked: $*"\n'
    )
    program.chmod(0o755)
    path = f"{program.parent}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{home.env['PATH']}"
    kept(home).parent.mkdir(parents=True)
    kept(home).write_text("of the file\n")
    asked = home.bgzero("logs", "-n", "7", "-f", PATH=path, MOMENT="99999999999.5").stdout
    assert asked == b"asked: --user -u bgzero -n 7 --no-pager -f\n"
    assert home.bgzero("logs", PATH=path, MOMENT="5.5").stdout == b"of the file\n"
    assert home.bgzero("logs", PATH=path, MOMENT="").stdout == b"of the file\n"
