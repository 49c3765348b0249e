"""What is said aloud, and when: bursts, not photos."""

from dataclasses import replace
from typing import Any

import pytest

from bgzero_daemon.tray.feed import Picture
from bgzero_daemon.tray.notices import Notice, Notices
from bgzero_daemon.wire.snapshot import Card, Choice, Counts, Outcome, Provider, Snapshot


def snapshot(**changes: Any) -> Snapshot:
    """A daemon at rest, but for some changes."""
    plain: dict[str, Any] = {
        "version": "1", "pid": 1, "started_at": 0.0, "taken_at": 0.0, "state": "watching", "why": "", "paused": False,
        "paused_until": 0.0, "notifications": True, "quiet_until": 0.0, "model": Choice("m", "default"),
        "switching_to": "", "provider": Provider("auto", "default", "", ""), "waiting": 0, "running": 0, "arriving": 0,
        "finishing": 0, "done": 0, "failed": 0, "skipped": 0, "today": Counts(), "seconds_left": None,
        "photos_per_minute": None, "at_work": (), "latest": (), "folders": (), "workers": (), "sandbox": "",
        "memory_mb": 0, "trouble": "", "config_file": "", "config_error": "", "needs_restart": (),
    }  # fmt: skip
    return Snapshot(**plain | changes)


def done(name: str) -> Outcome:
    """A photo that is cut."""
    return Outcome(f"in/{name}.jpg", f"/in/{name}.jpg", "done", "", f"out/{name}.png", f"/out/{name}.png", "m", 0.0)


def titles(notices: Notices, moment: float, **changes: Any) -> list[str]:
    """What is said at a moment."""
    return [one.title for one in notices.look(Picture(snapshot(**changes)), moment)]


def test_burst_is_one_notice_when_it_is_over() -> None:
    """Not before it has been calm for a moment."""
    notices = Notices()
    assert not titles(notices, 0.0)
    assert not titles(notices, 1.0, running=1, waiting=2)
    assert not titles(notices, 2.0, running=1, done=2)
    assert not titles(notices, 3.0, done=3)
    assert notices.next_look(3.0) == pytest.approx(2.0)
    said = notices.look(Picture(snapshot(done=3, latest=(done("c"),))), 5.0)
    assert said == [
        Notice("3 cut-outs ready", "in 2 s; the last one is c.png", picture="/out/c.png", opens="/out", kind="done")
    ]
    assert not titles(notices, 9.0, done=3)
    assert notices.next_look(9.0) is None


def test_burst_says_how_many_want_a_look() -> None:
    """Those of this burst, and not those that wanted one before, nor those that were accepted meanwhile."""
    notices = Notices()
    titles(notices, 0.0, done=5, wanting_look=2)
    titles(notices, 1.0, running=1, done=5, wanting_look=2)
    titles(notices, 2.0, done=17, wanting_look=5)
    assert titles(notices, 4.0, done=17, wanting_look=5) == ["12 cut-outs ready, 3 want a look"]
    titles(notices, 5.0, running=1, done=17, wanting_look=5)
    titles(notices, 6.0, done=18, wanting_look=1)
    assert titles(notices, 8.0, done=18, wanting_look=1) == ["1 cut-out ready"]
    titles(notices, 9.0, running=1, done=18, wanting_look=1)
    titles(notices, 10.0, done=19, wanting_look=2)
    assert titles(notices, 12.0, done=19, wanting_look=2) == ["1 cut-out ready, 1 wants a look"]


def test_photos_without_a_subject_are_told_by_name() -> None:
    """Nobody waits for a picture that does not come; those of before, and others that were skipped, are no news."""
    notices = Notices()
    old = Outcome("in/o.jpg", "/in/o.jpg", "skipped", "No.", "", "", "m", 0.0, "no-subject")
    new = [replace(old, photo=f"in/{name}.jpg", path=f"/in/{name}.jpg") for name in "ab"]
    raw = replace(old, path="/in/r.nef", confidence="")
    titles(notices, 0.0, skipped=1, no_subject=1, latest=(old,))
    titles(notices, 1.0, running=1, skipped=1, no_subject=1)
    now = snapshot(skipped=4, no_subject=3, latest=(raw, *new, old))
    assert not notices.look(Picture(now), 2.0)
    assert notices.look(Picture(now), 4.0) == [
        Notice("Nothing found in 2 photos", "a.jpg\nb.jpg", kind="empty"),
    ]  # fmt: skip
    assert not notices.look(Picture(now), 8.0)


def test_single_photo_is_opened_itself() -> None:
    """One photo, one name."""
    notices = Notices()
    titles(notices, 0.0)
    titles(notices, 1.0, running=1)
    titles(notices, 2.0, done=1)
    (said,) = notices.look(Picture(snapshot(done=1, latest=(done("a"),))), 4.0)
    assert said == Notice("1 cut-out ready", "a.png", picture="/out/a.png", opens="/out/a.png", kind="done")


def test_what_was_before_is_no_news() -> None:
    """The icon comes, or the daemon comes back, with a hundred photos done."""
    notices = Notices()
    for moment in (0.0, 3.0, 6.0):
        assert not titles(notices, moment, done=100, failed=3)
    assert not notices.look(Picture(None), 7.0)
    for moment in (8.0, 11.0):
        assert not titles(notices, moment, done=150, failed=4)


def test_failures_are_told_with_their_reasons() -> None:
    """Three of them at most."""
    notices = Notices()
    failed = tuple({"path": f"/in/{name}.jpg", "sentence": "It is damaged."} for name in "abcd")
    titles(notices, 0.0)
    titles(notices, 1.0, failed=4)
    (said,) = notices.look(Picture(snapshot(failed=4), failed=failed), 3.5)
    assert said.title == "4 photos could not be cut"
    assert said.text.splitlines() == [f"{name}.jpg: It is damaged." for name in "abc"]


@pytest.mark.parametrize("quiet", [{"paused": True}, {"notifications": False}])
def test_quiet_is_quiet_and_nothing_is_made_up_for(quiet: dict[str, bool]) -> None:
    """Paused or snoozed; afterwards what came meanwhile is old."""
    notices = Notices()
    titles(notices, 0.0)
    assert not titles(notices, 1.0, done=5, trouble="The outbox is full.", **quiet)
    assert not titles(notices, 4.0, done=5, trouble="The outbox is full.", **quiet)
    assert not titles(notices, 8.0, done=5, trouble="The outbox is full.")


def test_trouble_is_told_once() -> None:
    """At once, and again only when it is another one."""
    notices = Notices()
    titles(notices, 0.0)
    assert titles(notices, 1.0, trouble="The outbox is full.", waiting=3) == ["Photos cannot be cut"]
    assert not titles(notices, 2.0, trouble="The outbox is full.", waiting=3)
    assert titles(notices, 3.0, trouble="The outbox is gone.", waiting=3) == ["Photos cannot be cut"]


def test_card_is_asked_about_once_and_what_came_of_it_is_said() -> None:
    """Three answers; once for each time that it is put in; nothing while it is quiet."""
    answers: list[tuple[str, str]] = []
    notices = Notices(lambda path, answer: answers.append((path, answer)))
    card = Card("EOS_DIGITAL", "/media/me/EOS_DIGITAL", "new", 312)
    (asked,) = notices.look(Picture(snapshot(cards=(card,))), 0.0)
    assert asked.title == "EOS_DIGITAL: 312 new photos"
    assert [answer.label for answer in asked.answers] == ["Import", "Last day", "Not now"]
    for answer in asked.answers:
        answer.deed()
    assert answers == [(card.path, "import"), (card.path, "day"), (card.path, "no")]
    assert not titles(notices, 1.0, cards=(card,))
    assert not titles(notices, 2.0, cards=(replace(card, state="importing"),))
    imported = replace(card, state="imported", new=0, sentence="312 photos were imported.")
    (told,) = notices.look(Picture(snapshot(cards=(imported,))), 3.0)
    assert (told.title, told.text, told.answers) == ("EOS_DIGITAL", "312 photos were imported.", ())
    assert not titles(notices, 4.0, cards=())
    assert titles(notices, 5.0, cards=(card,)) == ["EOS_DIGITAL: 312 new photos"]
    assert not titles(notices, 6.0, cards=())
    assert not titles(notices, 7.0, cards=(card,), notifications=False)
