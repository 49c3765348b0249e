"""Cards noticed by the daemon: mounts of its own namespace, below /media, as a desktop makes them."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bgzero_daemon.core.crash import VARIABLE
from tests.cards.card import card, stamp, tree_hash
from tests.fault.oracle import Oracle
from tests.fault.space import inside, need_namespace
from tests.home import Daemon, Home, photo, until

SLOT = "/media/me/EOS_DIGITAL"
OTHER = "/media/me/NO NAME"


def command(home: Home) -> list[str]:
    """A daemon in a namespace in which cards can be put in."""
    slots = f"mount -t tmpfs none /media; mkdir -p {SLOT} '{OTHER}'"
    return ["unshare", "-Urm", "sh", "-ec", f"{slots}; exec bgzero run --inbox {home.inbox} --outbox {home.outbox}"]


def put_in(daemon: Daemon, source: Path, slot: str = SLOT) -> None:
    """Mount a card."""
    inside(daemon.process.pid, f"mount --bind {source} '{slot}'")


def take_out(daemon: Daemon, slot: str = SLOT) -> None:
    """Unmount it, as a reader does that loses its card."""
    inside(daemon.process.pid, f"umount -l '{slot}'")


def cards(home: Home) -> list[dict[str, Any]]:
    """Return what the status tells of cards."""
    told: list[dict[str, Any]] = Oracle(home).status()["cards"]
    return told


def states(home: Home) -> list[tuple[str, str, int]]:
    """Return name, state and count of each card."""
    return [(one["name"], one["state"], one["new"]) for one in cards(home)]


def wait_for(home: Home, daemon: Daemon, wanted: Callable[[list[tuple[str, str, int]]], bool]) -> None:
    """Wait until the cards are as they should be."""
    until(lambda: wanted(states(home)), lambda: f"{states(home)}\n{daemon.log}")


def test_card_is_asked_about_and_imported_when_somebody_says_so(home: Home, tmp_path: Path) -> None:
    """Put in: counted, said, nothing copied. Yes: copied and cut. Out and in again: nothing is new or asked."""
    need_namespace()
    source = card(tmp_path / "card")
    before = tree_hash(source)
    oracle = Oracle(home)
    with home.started_by(command(home)) as daemon:
        until(lambda: "Drop photos" in daemon.log, lambda: daemon.log)
        put_in(daemon, source)
        wait_for(home, daemon, lambda found: found == [("EOS_DIGITAL", "new", 3)])
        assert "EOS_DIGITAL: 3 new photos" in daemon.log
        shown = home.bgzero("status").stdout.decode()
        assert f"EOS_DIGITAL: 3 new photos; `bgzero import {SLOT}` brings them" in shown
        assert not [*home.inbox.iterdir()]
        assert not oracle.ask("card", path="/media/me", answer="import")["ok"]
        assert not oracle.ask("card", path=SLOT, answer="burn it")["ok"]
        assert oracle.ask("card", path=SLOT, answer="no")["state"] == "declined"
        assert oracle.ask("card", path=SLOT, answer="import")["state"] == "importing"
        wait_for(home, daemon, lambda found: found == [("EOS_DIGITAL", "imported", 0)])
        assert cards(home)[0]["sentence"] == "3 photos were imported."
        daemon.wait_for("IMG_0001.png", "IMG_0002.png", "IMG_0003.png")
        take_out(daemon)
        wait_for(home, daemon, lambda found: not found)
        put_in(daemon, source)
        photo(tmp_path / "two" / "DCIM" / "100CANON" / "IMG_0009.JPG")
        put_in(daemon, tmp_path / "two", OTHER)
        wait_for(home, daemon, lambda found: found == [("NO NAME", "new", 1)])
        daemon.process.send_signal(signal.SIGSTOP)  # out and in before anybody looks: another card all the same
        take_out(daemon, OTHER)
        for number in (8, 9):
            photo(tmp_path / "third" / "DCIM" / "100CANON" / f"IMG_000{number}.JPG", (70 + number, 40), number)
        put_in(daemon, tmp_path / "third", OTHER)
        daemon.process.send_signal(signal.SIGCONT)
        wait_for(home, daemon, lambda found: found == [("NO NAME", "new", 2)])
        report = home.bgzero("report", "-o", "-").stdout
        assert b"EOS_DIGITAL" not in report
    assert tree_hash(source) == before


def test_last_day_alone_can_be_had_and_a_failure_has_a_sentence(home: Home, tmp_path: Path) -> None:
    """Two old photos and one of today; then the inbox is gone."""
    need_namespace()
    source = card(tmp_path / "card", 2)
    photo(source / "DCIM" / "100CANON" / "IMG_0003.JPG")
    oracle = Oracle(home)
    with home.started_by(command(home)) as daemon:
        until(lambda: "Drop photos" in daemon.log, lambda: daemon.log)
        put_in(daemon, source)
        wait_for(home, daemon, lambda found: found == [("EOS_DIGITAL", "new", 3)])
        oracle.ask("card", path=SLOT, answer="day")
        wait_for(home, daemon, lambda found: found == [("EOS_DIGITAL", "imported", 2)])
        assert [file.name for file in home.inbox.iterdir()] == ["IMG_0003.JPG"]
        home.inbox.rename(home.root / "away")
        oracle.ask("card", path=SLOT, answer="import")
        wait_for(home, daemon, lambda found: found == [("EOS_DIGITAL", "failed", 2)])
        assert "is not there" in cards(home)[0]["sentence"]
        (home.root / "away").rename(home.inbox)


def test_card_that_waits_for_an_answer_comes_when_nobody_is_asked_any_more(home: Home, tmp_path: Path) -> None:
    """And the disk on which the inbox is, photos or not, is no card."""
    need_namespace()
    disk = card(tmp_path / "disk")
    (disk / "Inbox").mkdir()
    config = home.root / "config" / "bgzero" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('[watch]\ncards = "ask"\n')
    begin = command(home)
    begin[-1] = (
        begin[-1]
        .replace("; exec", f"; mount --bind {disk} '{OTHER}'; exec")
        .replace(str(home.inbox), f"'{OTHER}/Inbox'")
    )
    with home.started_by(begin) as daemon:
        until(lambda: "Drop photos" in daemon.log, lambda: daemon.log)
        put_in(daemon, card(tmp_path / "card"))
        wait_for(home, daemon, lambda found: found == [("EOS_DIGITAL", "new", 3)])
        config.write_text('[watch]\ncards = "auto"\n')
        assert home.bgzero("reload").returncode == 0
        wait_for(home, daemon, lambda found: found == [("EOS_DIGITAL", "imported", 0)])
        assert "3 photos were imported" in daemon.log
        assert "The card NO NAME" not in daemon.log
        take_out(daemon)
        wait_for(home, daemon, lambda found: not found)
        (tmp_path / "card" / "DCIM" / "100CANON").rename(tmp_path / "card" / "DCIM" / "101CANON")
        put_in(daemon, tmp_path / "card")  # nothing is left to ask about where all of it was here already
        wait_for(home, daemon, lambda found: found == [("EOS_DIGITAL", "imported", 0)])


@pytest.mark.parametrize("first", ["auto", "off"])
def test_cards_are_imported_by_themselves_or_not_looked_at(home: Home, tmp_path: Path, first: str) -> None:
    """What has no DCIM is no card. A changed configuration holds at once, for a card that is in already, too."""
    need_namespace()
    source = card(tmp_path / "card")
    stick = photo(tmp_path / "stick" / "holiday.jpg").parent
    stamp(stick / "holiday.jpg", 1)
    config = home.root / "config" / "bgzero" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f'[watch]\ncards = "{first}"\n')
    with home.started_by(command(home)) as daemon:
        until(lambda: "Drop photos" in daemon.log, lambda: daemon.log)
        put_in(daemon, stick, OTHER)
        put_in(daemon, source)
        if first == "off":
            assert home.bgzero("status").returncode == 0
            assert (cards(home), [*home.inbox.iterdir()]) == ([], [])
            config.write_text('[watch]\ncards = "auto"\n')
            assert home.bgzero("reload").returncode == 0
        daemon.wait_for("IMG_0001.png", "IMG_0002.png", "IMG_0003.png")
        wait_for(home, daemon, lambda found: found == [("EOS_DIGITAL", "imported", 0)])
        assert len([*home.inbox.iterdir()]) == 3
        assert daemon.log.count("changed") <= 1


def test_daemon_that_ends_in_the_middle_of_an_import_leaves_nothing_half_done(home: Home, tmp_path: Path) -> None:
    """The import is ended with it and undoes what is half done; the next start brings the rest."""
    need_namespace()
    source = card(tmp_path / "card")

    def hidden() -> list[Path]:
        return [file for file in home.inbox.iterdir() if file.name.startswith(".")]

    for hangs in (True, False):
        env = {"BGZERO_WATCH__CARDS": "auto"} | ({VARIABLE: "import-copied:2:HANG"} if hangs else {})
        with home.started_by(command(home), **env) as daemon:
            until(lambda: "Drop photos" in daemon.log, lambda: daemon.log)
            put_in(daemon, source)
            if hangs:
                until(lambda: len([*home.inbox.iterdir()]) == 2 and hidden(), lambda: daemon.log)
                assert daemon.stop() == 0
                assert not hidden()
                assert len([*home.inbox.iterdir()]) == 1
            else:
                daemon.wait_for("IMG_0001.png", "IMG_0002.png", "IMG_0003.png")
    assert len([*home.inbox.iterdir()]) == 3
