"""The ledger on real SQLite."""

import os
import sqlite3
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bgzero_daemon.core.errors import Code, LedgerError, LedgerTooNew
from bgzero_daemon.core.job import Fingerprint, JobState
from bgzero_daemon.service import base
from bgzero_daemon.service.ledger import Ledger
from bgzero_daemon.service.record import Record, decided_now
from bgzero_daemon.service.survey import Survey

U64 = st.integers(0, 2**64 - 1)
I63 = st.integers(-(2**62), 2**62)
NAMES = st.binary(min_size=1, max_size=40).filter(lambda raw: b"\0" not in raw).map(os.fsdecode)
MARK = Fingerprint(1, 2, 3, 4, 5)
WITHOUT_VERSION_5 = "DROP INDEX photo_shot; DROP INDEX photo_former;" + "".join(
    f"ALTER TABLE photo DROP COLUMN {name};" for name in ("shot", "covered_by", "home", "former", "former_home")
)


def fresh(tmp_path: Path) -> Ledger:
    """A ledger in a folder of the test's own."""
    return Ledger(tmp_path / "ledger.db", ["/in"])


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rel=NAMES, mark=st.builds(Fingerprint, U64, U64, I63, I63, I63), output=NAMES, original=NAMES)
def test_what_is_written_is_read_back(tmp_path: Path, rel: str, mark: Fingerprint, output: str, original: str) -> None:
    """Any name of bytes, inodes of the full 64 bits; and it is still there when the file is opened again."""
    record = Record(
        mark, JobState.DONE, "done", "ab", output, "cd", "ef", original, "m", "damaged", "It is.", "Copy it.", 7, 0, 3
    )  # fmt: skip
    ledger = fresh(tmp_path)
    ledger.put("/in", rel, record)
    ledger.close()
    ledger = fresh(tmp_path)
    assert ledger.get("/in", rel) == record
    assert ledger.get("/other", rel) is None
    ledger.close()


def test_name_is_given_to_one_photo_only_and_written_down(tmp_path: Path) -> None:
    """A photo's own output is not in its own way; another's is; the choice is there before it is used."""
    ledger = fresh(tmp_path)
    for rel in ("a.jpg", "a.tif"):
        ledger.arrive("/in", rel, MARK)
    assert ledger.choose("/in", "a.jpg", ["/out/a.png", "/out/a.jpg.png"]) == "/out/a.png"
    assert ledger.choose("/in", "a.jpg", ["/out/a.png"]) == "/out/a.png"
    assert ledger.choose("/in", "a.tif", ["/out/a.png", "/out/a.tif.png"]) == "/out/a.tif.png"
    assert ledger.choose("/in", "a.jpg", ["/out/a.tif.png"]) is None
    ledger.close()
    again = fresh(tmp_path).get("/in", "a.jpg")
    assert again
    assert again.output == "/out/a.png"


def test_queue_is_in_the_order_of_arrival_or_the_other_way_round_and_urgent_first(tmp_path: Path) -> None:
    """What was put back waits for its moment; a restart forgets moments of a clock that began anew."""
    ledger = fresh(tmp_path)
    for rel in ("a", "b", "c"):
        ledger.arrive("/in", rel, MARK)
    ledger.arrive("/in", "d", MARK, front=True)

    def queue(*, newest: bool = False, now: float = 0.0) -> list[str]:
        return [rel for rel, _record in ledger.waiting("/in", 10, now, newest=newest)]

    assert queue() == ["d", "a", "b", "c"]
    assert queue(newest=True) == ["d", "c", "b", "a"]
    known = ledger.get("/in", "a")
    assert known
    ledger.put("/in", "a", replace(known, not_before=50.0, tries=1))
    assert queue(now=49.0) == ["d", "b", "c"]
    assert ledger.next_retry(49.0) == 50.0
    assert queue(now=50.0) == ["d", "a", "b", "c"]
    ledger.close()
    ledger = fresh(tmp_path)
    assert queue() == ["d", "a", "b", "c"]
    ledger.arrive("/in", "e", MARK)
    assert queue(newest=True)[1] == "e"


def test_photo_that_waits_again_keeps_what_was_decided(tmp_path: Path) -> None:
    """The hash and the output of the former content are what the new one is compared with, and replaces."""
    ledger = fresh(tmp_path)
    done = Record(MARK, JobState.WAITING, sha256="ab", output="/out/a.png", output_sha256="cd")
    ledger.put("/in", "a", decided_now(done, JobState.DONE))
    ledger.arrive("/in", "a", replace(MARK, mtime_ns=9))
    known = ledger.get("/in", "a")
    assert known
    assert (known.state, known.decided, known.sha256, known.output) == ("waiting", "done", "ab", "/out/a.png")


def test_block_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """Half of a decision about many photos would be a wrong one."""
    ledger = fresh(tmp_path)

    def write() -> None:
        with ledger.together():
            ledger.arrive("/in", "a", MARK)
            raise KeyError

    with pytest.raises(KeyError):
        write()
    assert ledger.get("/in", "a") is None


def test_many_threads_share_one_ledger(tmp_path: Path) -> None:
    """One writer, whoever calls."""
    ledger = fresh(tmp_path)

    def work(name: str) -> None:
        for number in range(50):
            ledger.arrive("/in", f"{name}{number}", MARK)
            ledger.choose("/in", f"{name}{number}", [f"/out/{number}.png", f"/out/{name}{number}.png"])

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outputs = [record.output for _rel, record in ledger.waiting("/in", 1000, 0.0)]
    assert len(outputs) == len(set(outputs)) == 200


def test_reasons_that_may_be_gone_open_photos_again(tmp_path: Path) -> None:
    """Only those of that reason."""
    ledger = fresh(tmp_path)
    for rel, code in (("a", Code.UNREADABLE), ("b", Code.DAMAGED)):
        ledger.put("/in", rel, decided_now(Record(MARK, JobState.WAITING, code=code), JobState.FAILED))
    assert ledger.reopen(Code.UNREADABLE) == 1
    assert [rel for rel, _record in ledger.waiting("/in", 10, 0.0)] == ["a"]


def test_photo_left_alone_is_known_by_time_and_length(tmp_path: Path) -> None:
    """Its content was never read, so a new inode or ctime (chmod, another mount) is no reason to cut it."""
    left = Record(MARK, JobState.SKIPPED, code=Code.EXISTED)
    assert left.is_about(replace(MARK, dev=9, ctime_ns=9))
    assert not left.is_about(replace(MARK, mtime_ns=9))
    assert not replace(left, code="").is_about(replace(MARK, ctime_ns=9))


def test_ledger_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    """One sentence; the file is not touched."""
    file = tmp_path / "ledger.db"
    base = sqlite3.connect(file)
    base.execute("PRAGMA user_version = 99")
    base.close()
    before = file.read_bytes()
    with pytest.raises(LedgerTooNew, match="newer version"):
        Ledger(file)
    assert file.read_bytes() == before


def test_older_version_is_copied_and_brought_forward(tmp_path: Path) -> None:
    """What version 1 had decided is still decided; the file as it was lies beside it."""
    file = tmp_path / "ledger.db"
    old = sqlite3.connect(file, isolation_level=None)
    old.executescript(f"{base._STEPS[1]} PRAGMA user_version = 1;")
    row = (b"/in", b"a.jpg", 1, 2, 3, 4, 5, "done", "ab", b"/out/a.png", "m", "", 7.0)
    old.execute("INSERT INTO photo VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)", row)
    old.execute("INSERT INTO photo VALUES (?,?,0,0,0,0,0,'skipped','',?,'','',0)", (b"/in", b".", b""))
    old.close()
    ledger = Ledger(file)
    known = ledger.get("/in", "a.jpg")
    assert known
    assert (known.state, known.decided, known.output, known.fingerprint) == ("done", "done", "/out/a.png", MARK)
    assert ledger.knows("/in")
    assert ledger.get("/in", ".") is None
    ledger.close()
    copy = sqlite3.connect(tmp_path / "ledger.db.version-1")
    assert copy.execute("PRAGMA user_version").fetchone() == (1,)
    assert copy.execute("SELECT count(*) FROM photo").fetchone() == (2,)
    copy.close()


def test_ledger_without_doubts_gets_them_and_keeps_its_decisions(tmp_path: Path) -> None:
    """Version 3 knew nothing of confidence: what it decided is not known to be fine, nor to want a look."""
    file = tmp_path / "ledger.db"
    ledger = Ledger(file, ["/in"])
    ledger.put("/in", "a.jpg", decided_now(Record(MARK, JobState.WAITING, output="/out/a.png"), JobState.DONE))
    ledger.close()
    old = sqlite3.connect(file, isolation_level=None)
    old.executescript(
        "DROP INDEX photo_confidence; ALTER TABLE photo DROP COLUMN confidence; ALTER TABLE photo DROP COLUMN doubt;"
        "ALTER TABLE photo DROP COLUMN wanted_edges;"
        f"{WITHOUT_VERSION_5} PRAGMA user_version = 3;"
    )
    old.close()
    ledger = Ledger(file, ["/in"])
    known = ledger.get("/in", "a.jpg")
    assert known
    assert (known.state, known.output, known.confidence, known.doubt) == ("done", "/out/a.png", "", "")
    assert Survey(ledger).count_wanting_look() == 0
    ledger.put("/in", "a.jpg", replace(known, confidence="check", doubt="see-through"))
    assert [row.rel for row, _record in Survey(ledger).wanting_look(9)] == ["a.jpg"]
    ledger.put("/in", "a.jpg", replace(known, confidence="check", state=JobState.WAITING))
    assert Survey(ledger).wanting_look(9) == []
    ledger.close()
    assert (tmp_path / "ledger.db.version-3").exists()


def test_all_that_is_reviewed_has_its_turn(tmp_path: Path) -> None:
    """A round sees to a bounded number, the next one goes on behind them; another daemon's inboxes are its own."""
    ledger = Ledger(tmp_path / "ledger.db", ["/in", "/other"])
    for number, word in enumerate(["check", "accepted", "fine", "check", "seen", "no-subject", "check"]):
        ledger.put("/in", f"{number}.jpg", Record(MARK, JobState.DONE, confidence=word))
    ledger.put("/other", "0.jpg", Record(MARK, JobState.DONE, confidence="check"))
    ledger.put("/theirs", "0.jpg", Record(MARK, JobState.DONE, confidence="check"))
    rounds, last = [], None
    for _round in range(4):
        found, last = Survey(ledger).reviewed(2, after=last)
        rounds.append([os.path.join(address.inbox, address.rel) for address in found])
    assert rounds == [
        ["/in/0.jpg", "/in/1.jpg"],
        ["/in/3.jpg", "/in/6.jpg"],
        ["/other/0.jpg"],
        ["/in/0.jpg", "/in/1.jpg"],
    ]
    assert Survey(ledger).count_wanting_look() == 4
    ledger.close()


def test_only_those_are_counted_as_empty_that_were_skipped(tmp_path: Path) -> None:
    """An empty picture that was published is one, and a photo that waits again is none."""
    ledger = Ledger(tmp_path / "ledger.db", ["/in"])
    for number, state in enumerate([JobState.SKIPPED, JobState.DONE, JobState.WAITING]):
        ledger.put("/in", f"{number}.jpg", Record(MARK, state, confidence="no-subject"))
    ledger.put("/in", "raw.nef", Record(MARK, JobState.SKIPPED))
    assert Survey(ledger).count_empty() == 1
    ledger.close()


def test_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    """A ledger below a file is no ledger."""
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match="cannot be used") as caught:
        Ledger(tmp_path / "file" / "ledger.db")
    assert "no photo is lost" in caught.value.hint


def test_ledger_without_shots_learns_them_from_its_paths(tmp_path: Path) -> None:
    """Version 4 knew each file for itself; also one whose name is no text."""
    file = tmp_path / "ledger.db"
    ledger = Ledger(file, ["/in"])
    for rel in ("a/IMG_1.JPG", "a/img_1.cr3", "b/IMG_1.JPG", "a/IMG_10.JPG", "\udcff.jpg"):
        ledger.put("/in", rel, decided_now(Record(MARK, JobState.WAITING), JobState.DONE))
    ledger.close()
    old = sqlite3.connect(file, isolation_level=None)
    old.executescript(f"{WITHOUT_VERSION_5} PRAGMA user_version = 4;")
    old.close()
    ledger = Ledger(file, ["/in"])
    assert [rel for rel, _record in ledger.shot_mates("/in", "a/IMG_1.CR3")] == ["a/IMG_1.JPG", "a/img_1.cr3"]
    assert [rel for rel, _record in ledger.shot_mates("/in", "\udcff.nef")] == ["\udcff.jpg"]
    ledger.close()


def test_photo_lets_go_of_those_that_it_covers_and_of_no_others(tmp_path: Path) -> None:
    """Those that are cut themselves by now stay."""
    ledger = Ledger(tmp_path / "ledger.db", ["/in", "/other"])
    covered = Record(MARK, JobState.SKIPPED, code=Code.COVERED, covered_by="IMG_1.JPG")
    ledger.put("/in", "IMG_1.JPG", Record(MARK, JobState.WAITING))
    ledger.put("/in", "IMG_1.CR3", decided_now(covered, JobState.SKIPPED))
    ledger.put("/in", "IMG_1.DNG", decided_now(replace(covered, code=""), JobState.DONE))
    ledger.put("/other", "IMG_1.CR3", decided_now(covered, JobState.SKIPPED))
    assert ledger.uncover("/in", "IMG_1.JPG") == ["IMG_1.CR3"]
    assert ledger.get("/in", "IMG_1.CR3") is None
    done = ledger.get("/in", "IMG_1.DNG")
    assert done
    assert done.covered_by == ""
    assert ledger.get("/other", "IMG_1.CR3")
    ledger.close()
