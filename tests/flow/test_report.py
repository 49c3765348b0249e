"""`bgzero report` tells what happened, and neither to which photos, nor whose, nor where."""

import json
import os
import platform
import re
import shutil
from pathlib import Path

import pytest

from bgzero_daemon.core.names import display, to_wire
from tests.home import Home, photo, until

LOGIN, PERSON_HOME = "jane.doe-1974", "jane-at-home"
BAD = b"\x89PNG\r\n\x1a\n" + bytes(300)
QUICK = {"BGZERO_WATCH__SETTLE_SECONDS": "0.1", "BGZERO_WATCH__MAX_WAIT_SECONDS": "0", "BGZERO_LOG__TO": "file"}
GOOD = [
    "a1b.jpg", "Aunt Mary at the beach.jpg", "Hochzeit Müller.jpg", "nai\u0308ve.png", "写真の名前.jpg",
    "фото отпуск.webp",
    "it's.jpg", 'say "cheese".jpg', "back\\slash.jpg", "new\nline.jpg", "tab\there.jpg", "esc\x1b[31mred.jpg",
    "right\u202eleft.jpg", "zero\u200bwidth.jpg", "\udcff\udcfebytes.jpg", "percent%20sign.jpg", "100% sure.jpg",
    "x: done, tiny on cpu, 0.10 s", "y: failed. z.jpg", "semi; colon.jpg", "(brackets) [and] {more}.jpg", "star*?.jpg",
    "$HOME.jpg", "-dash.jpg", "~tilde.jpg", "#hash.jpg", "Smith wedding/kiss 12.jpg", "Smith wedding/vows/ring.TIF",
    "NoSuffixAtAll", "many.dots.in.it.jpeg", "L" * 200 + "ong name.jpg", "e\u0301te\u0301.jpg", "comma, and.jpg",
]  # fmt: skip
FAILING = ["broken Benny.png", "Smith wedding/bröken \n 2.png", "bad: skipped. really.png", "é%25\udc80.png"]
GONE = ["deleted Dora.jpg", "gone \u2028 Gerd.jpg", "vanished folder/Vera 7.png", "Valentin without suffix"]


def traces(text: str, names: list[str]) -> list[str]:
    """Say which names, or names of their folders, a text shows in any form."""
    found = []
    for part in {part for name in names for part in (name, *name.split("/"))}:
        forms = {part, display(part), to_wire(part), json.dumps(display(part))[1:-1], repr(part)[1:-1]}
        found += [part for form in forms if form in text]
    return found


@pytest.fixture
def worked(home: Home) -> Home:
    """An account of a person, whose photos have odd names and were cut, or were not; some are gone since."""
    elsewhere = home.root / PERSON_HOME
    (home.root / "home").rename(elsewhere)
    home.inbox, home.outbox = elsewhere / "in", home.root / f"of {LOGIN}" / platform.node()
    home.outbox.parent.mkdir()
    (home.root / "in").rename(home.inbox)
    (home.root / "out").rename(home.outbox)
    home.env |= QUICK | {"HOME": str(elsewhere), "USER": LOGIN, "LOGNAME": LOGIN}
    home.env |= {"BGZERO_FOLDER__INBOX": str(home.inbox), "BGZERO_FOLDER__OUTBOX": str(home.outbox)}
    content = photo(home.root / "one.jpg", (24, 16)).read_bytes()
    for number, name in enumerate([*GOOD, *FAILING, *GONE]):
        file = home.inbox / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes((BAD if name in FAILING or number % 9 == 4 else content) + bytes(str(number), "ascii"))
    return home


def log_of(home: Home) -> str:
    """What the daemon wrote."""
    file = home.root / "state" / "bgzero" / "bgzero.log"
    return file.read_text() if file.exists() else ""


def decided(home: Home) -> int:
    """How many photos came to an end."""
    return len([line for line in log_of(home).splitlines() if re.search(r"\d{5} .*: (done, |failed\. )", line)])


def report_of(home: Home, **env: str) -> str:
    """Have a report written."""
    home.env |= env
    done = home.bgzero("report", "-o", "-")
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode()


@pytest.mark.parametrize("form", ["text", "json"])
def test_report_has_no_name_of_a_photo_an_account_or_a_machine(worked: Home, form: str) -> None:
    """Over names of all kinds, good, failed and gone; with a daemon and without, from either form of log."""
    home, names = worked, [*GOOD, *FAILING, *GONE]
    home.env["BGZERO_LOG__FORMAT"] = form
    with home.started("run") as daemon:
        until(lambda: decided(home) == len(names), lambda: log_of(home))
        for name in GONE:
            (home.inbox / name).unlink()
        shutil.rmtree(home.inbox / "vanished folder")
        told = [report_of(home)]
        history = home.bgzero("history", "--json").stdout.decode()
        daemon.stop()
    for name in GONE:
        for cutout in [file for file in home.outbox.rglob("*.*") if Path(name).stem in file.name]:
            cutout.unlink()
    told.append(report_of(home))
    assert len(set(traces(log_of(home) + history, names))) >= len(names), "the control: their names would be noticed"
    for text in told:
        assert traces(text, names) == []
        for secret in (PERSON_HOME, str(home.inbox), LOGIN, platform.node()):
            assert not re.search(rf"(?<![^\W_]){re.escape(secret)}(?![^\W_])", text), secret
        lines = re.findall(r"\d{5} (?:folder-\d+/)*photo-\d+\S*: (done, tiny on |failed\. )", text)
        assert len(lines) == len(names), "each photo can be followed"
        assert lines.count("failed. ") >= len(FAILING)
        assert "/of <account>/<host>" in text
        assert "~/in" in text
        assert "bgzero 0" in text
        assert re.search(r"numpy \d", text)
        assert 'model.name = "tiny"  # BGZERO_MODEL__NAME' in text
    assert '"workers"' in told[0]
    assert "No bgzero daemon is running." in told[1]


def test_photo_that_only_the_daemon_remembers_is_covered_too(worked: Home) -> None:
    """Gone from the disk and from the log's known lines, and named by a line of a shape that nobody foresaw."""
    with worked.started("run") as daemon:
        until(lambda: decided(worked) == len([*GOOD, *FAILING, *GONE]), lambda: log_of(worked))
        for file in [worked.inbox / GONE[-1], *worked.outbox.glob(f"{GONE[-1]}*")]:
            file.unlink()
        line = f"2026-01-02 03:04:05 WARNING worker 7: odd words on {GONE[-1]} and more\n"
        (worked.root / "state" / "bgzero" / "bgzero.log").write_text(line)
        text = report_of(worked)
        daemon.stop()
    assert traces(text, [GONE[-1]]) == []
    assert re.search(r"worker 7: odd words on photo-\d+ and more", text)


def test_photo_keeps_its_stand_in_within_a_report(worked: Home) -> None:
    """One that failed, and failed again: the same number, so that its story can be followed."""
    for name in (*GOOD, *GONE):
        (worked.inbox / name).unlink()
    for _attempt in range(2):
        (worked.inbox / FAILING[0]).write_bytes(BAD + os.urandom(8))
        worked.bgzero("run", "--once")
    shown = re.findall(r"\d{5} (\S+): failed", report_of(worked))
    assert len(shown) == len(FAILING) + 1
    assert len(set(shown)) == len(FAILING)
    assert all(re.fullmatch(r"(folder-\d+/)?photo-\d+\.png", name) for name in shown)


def test_report_is_a_private_file_that_replaces_none(worked: Home) -> None:
    """Its path on standard output; the reader is told that nothing was sent; a file that exists is left alone."""
    file = worked.root / "r.txt"
    done = worked.bgzero("report", "-o", file)
    assert done.stdout.decode() == f"{file}\n"
    assert b"Nothing was sent." in done.stderr
    assert file.stat().st_mode & 0o777 == 0o600
    before = file.read_bytes()
    assert worked.bgzero("report", "-o", file).returncode == 1
    assert file.read_bytes() == before
    assert worked.bgzero("report", "-o", worked.root / "no" / "r.txt").returncode == 1


def test_report_of_a_configuration_with_a_mistake_says_which(worked: Home) -> None:
    """The report is wanted most when nothing works; without known folders no path is shown at all."""
    worked.bgzero("run", "--once")
    text = report_of(worked, BGZERO_LOG__LEVEL="loud")
    assert "log.level: input should be" in text
    assert traces(text, [*GOOD, *FAILING, *GONE]) == []
