"""What is told of many photos at once."""

from dataclasses import replace
from pathlib import Path

import pytest

from bgzero_daemon.core.job import Fingerprint, JobState
from bgzero_daemon.service.ledger import Ledger
from bgzero_daemon.service.record import Record, decided_now
from bgzero_daemon.service.survey import Overviews, Survey

WAITING = Record(Fingerprint(1, 2, 3, 4, 5), JobState.WAITING)


def test_photos_are_counted_again_only_where_something_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By this connection or by another, in these inboxes or others, or where a day has passed."""
    file = tmp_path / "ledger.db"
    ledger, other = Ledger(file, ["/in"]), Ledger(file, ["/in"])
    asked: list[str] = []
    ledger._base.set_trace_callback(lambda statement: asked.append(statement) if "FROM photo" in statement else None)
    overviews = Overviews(8)

    def counted() -> tuple[int, int, int, bool]:
        """How many wait, are done, and were done today; and whether the rows were asked for that."""
        asked.clear()
        found = overviews.take(ledger)
        return found.counts[JobState.WAITING], found.counts[JobState.DONE], found.today[JobState.DONE], bool(asked)

    assert counted() == (0, 0, 0, True)
    assert counted() == (0, 0, 0, False)
    ledger.put("/in", "a", WAITING)
    assert counted() == (1, 0, 0, True)
    other.put("/in", "b", decided_now(WAITING, JobState.DONE))
    assert counted() == (1, 1, 1, True)
    assert counted() == (1, 1, 1, False)
    assert [address.rel for address, _record in overviews.take(ledger).latest] == ["b"]
    ledger.serve(["/elsewhere"])
    assert counted() == (0, 0, 0, True)
    ledger.serve(["/in"])
    overviews.take(ledger)
    monkeypatch.setattr("bgzero_daemon.service.survey.time.mktime", lambda _moment: 1e12)  # it is another day
    assert counted() == (1, 1, 0, True)


def test_changed_row_is_counted_where_it_is_now(tmp_path: Path) -> None:
    """A row that is written over counts once."""
    ledger = Ledger(tmp_path / "ledger.db", ["/in"])
    overviews = Overviews(8)
    for state in (JobState.WAITING, JobState.FAILED, JobState.DONE):
        ledger.put("/in", "a", replace(WAITING, state=state))
        assert overviews.take(ledger).counts == Survey(ledger).counts()
        assert [one for one, count in overviews.take(ledger).counts.items() if count] == [state]


def test_another_ledger_is_another_count() -> None:
    """Also where as much was written into it: a change of folders brings a new one."""
    first, second = Ledger(None, ["/in"]), Ledger(None, ["/in"])
    first.put("/in", "a", WAITING)
    second.put("/in", "a", replace(WAITING, state=JobState.FAILED))
    assert first.version == second.version
    overviews = Overviews(8)
    assert overviews.take(first).counts[JobState.WAITING] == 1
    assert overviews.take(second).counts[JobState.WAITING] == 0
