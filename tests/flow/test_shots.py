"""Shots of a camera through the running daemon: RAW and JPEG of one name, and what else lies beside them."""

import importlib.util
import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from bgzero_daemon.core.crash import VARIABLE
from tests.fault.oracle import Oracle
from tests.home import Daemon, Home, photo, until

NO_RAW = importlib.util.find_spec("rawpy") is None
needs_raw = pytest.mark.skipif(NO_RAW, reason="RAW: install rawpy, as `make` does")
lacks_raw = pytest.mark.skipif(not NO_RAW, reason="about an installation without the extra [raw]")


def raw(path: Path, seed: int = 0) -> Path:
    """Write a RAW file: a real one where it can be decoded, else something that no gate holds back."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = b"no decoder looks at this" * 400 + bytes([seed])
    if not NO_RAW:
        from tests.photo.dng import dng

        scene = np.full((64, 96, 3), 20, np.uint8)
        scene[16:48, 24:72] = 220
        scene[0, 0] = seed
        content = dng(scene)
    path.write_bytes(content)
    return path


def history(home: Home) -> dict[str, dict[str, str]]:
    """What `bgzero history` tells programs, by the file's path below the account."""
    told = Oracle(home).ask("history", limit=1000).get("photos", [])
    return {os.path.relpath(row["photo"], home.inbox): row for row in told}


def state_of(home: Home, name: str) -> str:
    """What was decided about a file: a state, or the name of the one that covers it."""
    row = history(home).get(name)
    if row is None:
        return ""
    return Path(row["covered_by"]).name or row["state"]


def expect(home: Home, daemon: Daemon, **states: str) -> None:
    """Wait until these files are in these states; the last `_` stands for the dot."""
    wanted = {".".join(name.rsplit("_", 1)): state for name, state in states.items()}
    until(lambda: {name: state_of(home, name) for name in wanted} == wanted,
          lambda: f"{wanted}, have { {name: state_of(home, name) for name in wanted} }\n{daemon.log}")  # fmt: skip


def raw_first(inbox: Path) -> None:
    """Most cameras."""
    raw(inbox / "a.CR3")
    photo(inbox / "a.jpg")


def jpeg_first(inbox: Path) -> None:
    """Some do."""
    photo(inbox / "a.jpg")
    raw(inbox / "a.CR3")


ARRIVALS = {"raw-first": raw_first, "jpeg-first": jpeg_first}


@pytest.mark.parametrize("arrival", ARRIVALS)
def test_pair_gives_one_cut_out_and_says_who_covers_whom(home: Home, arrival: str) -> None:
    """In any order; in the history, in the status, and in the log with one line."""
    with home.daemon() as daemon:
        ARRIVALS[arrival](home.inbox)
        expect(home, daemon, a_jpg="done", a_CR3="a.jpg")
        row = history(home)["a.CR3"]
        assert (row["state"], row["code"]) == ("skipped", "covered")
        assert "a.jpg" in row["sentence"]
        assert home.visible() == ["a.png"]
        status = json.loads(home.bgzero("status", "--json").stdout)
        assert {key: status[key] for key in ("done", "skipped", "covered", "failed")} == {
            "done": 1, "skipped": 0, "covered": 1, "failed": 0,
        }  # fmt: skip
        assert b"1 file is covered by another one of its shot" in home.bgzero("status").stdout
        assert daemon.log.count("covered by") == 1
    assert home.bgzero("run", "--once", "--inbox", home.inbox, "--outbox", home.outbox).returncode == 0
    assert home.visible() == ["a.png"], "the next start knows"


def test_what_lies_beside_a_photo_is_never_looked_at(home: Home) -> None:
    """A THM is a JPEG, an XMP a text, a MOV a film: no output, no row, no line."""
    photo(home.inbox / "DSC_1.JPG")
    photo(home.root / "thm.jpg").rename(home.inbox / "MVI_2.THM")
    for name in ("DSC_1.JPG.xmp", "DSC_1.AAE", "IMG_3.MOV", "IMG_3_HEVC.mov", "a.mp4", "b.WAV", "M0100.CTG", "c.dat"):
        (home.inbox / name).write_bytes(b"\0\0\0\x14ftypqt  \0\0\0\0qt  " * 99)
    with home.daemon() as daemon:
        daemon.wait_for("DSC_1.png")
        photo(home.root / "thm.jpg").rename(home.inbox / "MVI_3.THM")
        photo(home.inbox / "later.jpg")
        daemon.wait_for("later.png")
        assert home.visible() == ["DSC_1.png", "later.png"]
        assert set(history(home)) == {"DSC_1.JPG", "later.jpg"}
        for word in ("THM", "MOV", "xmp", "mp4", "CTG", "no photo", "not a photo"):
            assert word not in daemon.log
        assert home.bgzero("add", home.inbox / "MVI_3.THM").returncode == 1


def test_once_waits_for_nobody(home: Home) -> None:
    """What is there is there: RAW alone, a pair, and two inboxes; with a `pair_wait` of an hour."""
    raw(home.inbox / "a.CR3")
    photo(home.inbox / "a.jpg")
    photo(home.inbox / "b.jpg")
    raw(home.inbox / "c.CR3")
    done = home.once(BGZERO_WATCH__PAIR_WAIT="3600")
    assert done.returncode == 0, done.stderr
    assert home.visible() == ["a.png", "b.png"] + ([] if NO_RAW else ["c.png"])
    with home.daemon() as daemon:
        expect(home, daemon, a_CR3="a.jpg", c_CR3="skipped" if NO_RAW else "done")


def test_broken_half_gives_way_to_the_other(home: Home) -> None:
    """A JPEG that no decoder opens: the RAW file has its turn, whatever came of it; whole bytes are covered then."""
    env = {"BGZERO_WATCH__MAX_WAIT_SECONDS": "0.2"}
    with home.daemon(**env) as daemon:
        raw(home.inbox / "a.CR3")
        (home.inbox / "a.jpg").write_bytes(photo(home.root / "x.jpg").read_bytes()[:300])
        expect(home, daemon, a_jpg="failed", a_CR3="skipped" if NO_RAW else "done")


def test_half_whose_photo_goes_away_before_its_turn_is_looked_at_anew(home: Home) -> None:
    """Deleted while the daemon is paused."""
    with home.daemon() as daemon:
        home.bgzero("pause")
        photo(home.inbox / "a.jpg")
        raw(home.inbox / "a.CR3")
        expect(home, daemon, a_CR3="a.jpg")
        (home.inbox / "a.jpg").unlink()
        home.bgzero("resume")
        expect(home, daemon, a_jpg="", a_CR3="skipped" if NO_RAW else "done")


def test_files_of_one_shot_stay_when_an_original_moves(home: Home) -> None:
    """Only what has a cut-out of its own moves; a RAW file that comes later is of that shot all the same."""
    with home.daemon(BGZERO_FOLDER__ORIGINALS="move") as daemon:
        photo(home.inbox / "a.jpg")
        (home.inbox / "a.xmp").write_text("<x/>")
        done = home.root / "Done" / "a.jpg"
        until(done.exists, lambda: daemon.log)
        raw(home.inbox / "a.CR3")
        expect(home, daemon, a_CR3="a.jpg")
        assert sorted(os.listdir(home.inbox)) == ["a.CR3", "a.xmp"]
        assert home.visible() == ["a.png"]


def test_counter_that_came_round_gives_two_cut_outs(home: Home) -> None:
    """IMG_0001.JPG of a year ago does not cover what is IMG_0001 now."""
    photo(home.inbox / "IMG_0001.JPG")
    os.utime(home.inbox / "IMG_0001.JPG", (1_600_000_000, 1_600_000_000))
    with home.daemon() as daemon:
        daemon.wait_for("IMG_0001.png")
        raw(home.inbox / "IMG_0001.CR3")
        expect(home, daemon, IMG_0001_JPG="done")
        until(lambda: state_of(home, "IMG_0001.CR3") in ("skipped", "done"), lambda: daemon.log)
        assert history(home)["IMG_0001.CR3"]["code"] != "covered"


@lacks_raw
def test_pair_of_raw_cuts_the_jpeg_at_once_where_raw_cannot_be_read(home: Home) -> None:
    """With a `pair_wait` of an hour it would be seen."""
    with home.daemon(BGZERO_WATCH__PAIR="raw", BGZERO_WATCH__PAIR_WAIT="3600") as daemon:
        photo(home.inbox / "a.jpg")
        daemon.wait_for("a.png")
        raw(home.inbox / "a.CR3")
        photo(home.inbox / "b.jpg")
        expect(home, daemon, a_jpg="done", b_jpg="done", a_CR3="a.jpg")


def test_folders_have_pairs_of_their_own(home: Home) -> None:
    """Two inboxes, one of which wants both; a name in one says nothing of the other."""
    for name in ("in2", "out2"):
        (home.root / name).mkdir()
    config = home.root / "config.toml"
    config.write_text(
        f'[[folder]]\ninbox = "{home.inbox}"\noutbox = "{home.outbox}"\n'
        f'[[folder]]\ninbox = "{home.root}/in2"\noutbox = "{home.root}/out2"\npair = "both"\n'
    )
    with home.daemon("--config", config) as daemon:
        for root in (home.inbox, home.root / "in2"):
            photo(root / "a.jpg")
        raw(home.inbox / "a.CR3")
        raw(home.root / "in2" / "a.CR3")
        until(lambda: len(history(home)) == 4, lambda: daemon.log)
        assert [name for name, row in history(home).items() if row["covered_by"]] == ["a.CR3"]


@pytest.mark.parametrize("point", ["half-waits", "covered", "failure-written"])
def test_death_loses_and_doubles_nothing(home: Home, point: str) -> None:
    """While one waits for the other; when one is covered; when the other has failed, before anybody was told."""
    is_about_failure = point == "failure-written"
    env = {"BGZERO_WATCH__MAX_WAIT_SECONDS": "0.2"}
    raw(home.inbox / "a.CR3")
    if is_about_failure:
        (home.inbox / "a.jpg").write_bytes(photo(home.root / "x.jpg").read_bytes()[:300])
    else:
        photo(home.inbox / "a.jpg")
    with home.started(
        "run", "--inbox", home.inbox, "--outbox", home.outbox, **env, **{VARIABLE: point}
    ) as daemon:  # fmt: skip
        until(lambda: daemon.process.poll() is not None, lambda: f"it dies\n{daemon.log}")
        assert daemon.process.returncode == -signal.SIGKILL, daemon.log
    with home.daemon(**env) as daemon:
        if is_about_failure:
            expect(home, daemon, a_jpg="failed", a_CR3="skipped" if NO_RAW else "done")
        else:
            expect(home, daemon, a_jpg="done", a_CR3="a.jpg")
            assert home.visible() == ["a.png"]


@needs_raw
@pytest.mark.parametrize("command", ["add", "redo", "failed retry"])
def test_covered_file_is_cut_where_somebody_names_it(home: Home, command: str) -> None:
    """By any of the three words; a whole folder does not mean it."""
    with home.daemon() as daemon:
        photo(home.inbox / "a.jpg")
        raw(home.inbox / "a.CR3")
        expect(home, daemon, a_jpg="done", a_CR3="a.jpg")
        if command == "redo":
            assert home.bgzero("redo", home.inbox).returncode == 0
            until(lambda: daemon.log.count(": done") == 2, lambda: daemon.log)
            assert state_of(home, "a.CR3") == "a.jpg"
        assert home.bgzero(*command.split(), home.inbox / "a.CR3").returncode == 0
        expect(home, daemon, a_jpg="done", a_CR3="done")
        assert home.visible() == ["a.CR3.png", "a.png"]


@needs_raw
@pytest.mark.parametrize("pair", ["jpeg", "raw"])
@pytest.mark.parametrize("name", ["a.dng", "a.jpg"])
def test_half_a_pair_is_cut_by_itself(home: Home, pair: str, name: str) -> None:
    """RAW only, JPEG only, whatever is preferred."""
    with home.daemon(BGZERO_WATCH__PAIR=pair) as daemon:
        (raw if name.endswith("dng") else photo)(home.inbox / name)
        daemon.wait_for("a.png")
        assert home.visible() == ["a.png"]


@needs_raw
def test_late_jpeg_is_covered_by_the_raw_file(home: Home) -> None:
    """It came after `pair_wait`: the shot has its cut-out."""
    with home.daemon() as daemon:
        raw(home.inbox / "a.CR3")
        daemon.wait_for("a.png")
        photo(home.inbox / "a.jpg")
        expect(home, daemon, a_CR3="done", a_jpg="a.CR3")
        assert home.visible() == ["a.png"]
