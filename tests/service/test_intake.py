"""One inbox's thread, on real files."""

import queue
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bgzero_daemon.core.job import JobState
from bgzero_daemon.service import intake as room
from bgzero_daemon.service import watcher
from bgzero_daemon.service.inbox import Inbox
from bgzero_daemon.service.intake import Arrival, Intake
from bgzero_daemon.service.ledger import Ledger
from bgzero_daemon.service.record import Record, decided_now
from bgzero_daemon.settings.schema import Folder, Watch
from tests.home import photo, until

SETTINGS = Watch(settle_seconds=0.1, unsure_settle_seconds=0.1, max_wait_seconds=600, rescan_seconds=1)


class Watched:
    """An intake whose arrivals are decided at once, as the service would."""

    def __init__(self, root: Path, *, once: bool) -> None:
        (root / "in").mkdir()
        self.inbox = Inbox(0, Folder(inbox=root / "in", outbox=root))
        self.ledger = Ledger(None, [self.inbox.root])
        self.intake = Intake(self.inbox, SETTINGS, self.ledger, lambda: None, once=once)
        self.arrived: list[str] = []

    def drain(self) -> list[str]:
        """Decide about what passed, and return all names so far."""
        while True:
            try:
                arrival: Arrival = self.intake.arrivals.get_nowait()
            except queue.Empty:
                return self.arrived
            record = decided_now(Record(arrival.fingerprint, JobState.DONE), JobState.DONE)
            self.ledger.put(self.inbox.root, arrival.key.rel, record)
            self.intake.note_taken(arrival.key)
            self.arrived.append(arrival.key.rel)


@pytest.fixture(params=[True, False], ids=["once", "watching"])
def watched(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Watched]:
    made = Watched(tmp_path, once=request.param)
    yield made
    made.intake.close(5)


def test_more_files_than_the_gate_holds_all_come_through(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """What found no room is found again by another scan, also with --once."""
    monkeypatch.setattr(room, "_MOST_AT_GATE", 10)
    for number in range(65):
        photo(Path(watched.inbox.root) / f"{number}.png", (8, 8))
    watched.intake.start()
    until(lambda: len(set(watched.drain())) == 65, lambda: f"{len(set(watched.arrived))} of 65")
    until(lambda: not watched.drain() or watched.intake.is_at_rest, "it is at rest")


def test_files_that_never_complete_do_not_keep_good_ones_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Placeholders of a cloud fill the gate; a photo gets through all the same."""
    monkeypatch.setattr(room, "_MOST_AT_GATE", 5)
    watched = Watched(tmp_path, once=False)
    for number in range(20):
        (Path(watched.inbox.root) / f"empty{number}.jpg").touch()
    watched.intake.start()
    time.sleep(1.5)
    photo(Path(watched.inbox.root) / "good.png", (8, 8))
    until(lambda: "good.png" in watched.drain(), "the good one")
    watched.intake.close(5)


def test_ledger_that_fails_for_a_while_costs_no_file(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was being looked at when it failed is looked at again."""
    monkeypatch.setattr(room, "_TROUBLE_SECONDS", 0.1)
    watched.ledger._base.execute("ALTER TABLE photo RENAME TO away")
    for number in range(5):
        photo(Path(watched.inbox.root) / f"{number}.png", (8, 8))
    watched.intake.start()
    time.sleep(0.5)
    watched.ledger._base.execute("ALTER TABLE away RENAME TO photo")
    until(lambda: len(watched.drain()) == 5, "all five")


def test_photo_on_its_way_to_the_ledger_does_not_arrive_twice(tmp_path: Path) -> None:
    """However often it is seen before it is written down; new bytes arrive anew."""
    watched = Watched(tmp_path, once=False)
    source = photo(Path(watched.inbox.root) / "a.png")
    watched.intake.start()
    until(lambda: watched.intake.arrivals.qsize() == 1, "it arrives")
    for _time in range(3):
        watched.intake.scan()
        time.sleep(0.4)
        assert watched.intake.arrivals.qsize() == 1
        assert watched.intake.waiting == 0
    photo(source, (90, 60))
    until(lambda: watched.intake.arrivals.qsize() == 2, "the new one")
    watched.drain()
    watched.intake.close(5)


def test_looking_at_nothing_new_wakes_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is woken counts photos. Told are an end of work, whoever asked, and a folder that goes and comes back."""
    monkeypatch.setattr(watcher, "_IDENTITY_SECONDS", 0.02)
    root = tmp_path / "in"
    root.mkdir()
    inbox = Inbox(0, Folder(inbox=root, outbox=tmp_path))
    looks, woken = [0], [0]
    check = inbox.check

    def counted() -> bool:
        looks[0] += 1
        return check()

    def wake() -> None:
        woken[0] += 1

    monkeypatch.setattr(inbox, "check", counted)
    intake = Intake(inbox, Watch(settle_seconds=0.1), Ledger(None, [inbox.root]), wake)

    def settled(after: int) -> int:
        until(lambda: woken[0] > after and intake.is_at_rest, "somebody is woken")
        seen, told = looks[0], woken[0]
        until(lambda: looks[0] >= seen + 20, "it goes on looking")
        assert woken[0] - told <= 1, "the turn that rest was seen in may not have ended"
        return woken[0]

    intake.start()
    told = settled(0)
    intake.scan()
    told = settled(told)
    root.rename(tmp_path / "away")
    told = settled(told)
    (tmp_path / "away").rename(root)
    settled(told)
    intake.close(5)
