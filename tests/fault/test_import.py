"""Imports that are killed, cards that are pulled out, disks that fill up: nothing half done, lost or doubled."""

import os
import re
import shutil
import signal
import time
from pathlib import Path

import pytest

from bgzero_daemon.core.crash import VARIABLE
from tests.cards.card import card, stamp, tree_hash
from tests.fault.space import inside, need_namespace
from tests.fault.test_crash import POINTS
from tests.home import Daemon, Home, photo, until

STEPS = sorted({"linked"} | {point for point in POINTS if point.startswith("import-")})


def die(home: Home, source: Path, at: str) -> None:
    """Import until it kills itself at a point."""
    done = home.bgzero("import", source, "--to", home.inbox, stdin=b"", **{VARIABLE: at})
    assert done.returncode == -signal.SIGKILL, done.stderr


def wait_until_stopped(pid: int, run: Daemon) -> None:
    """Wait until a process has stopped itself."""
    file = Path(f"/proc/{pid}/stat")
    until(lambda: file.read_text().rpartition(")")[2].split()[0] == "T", lambda: f"it stops\n{run.log}")


def contents(folder: Path) -> list[bytes]:
    """Return what is in a folder, hidden files too."""
    return sorted(file.read_bytes() for file in folder.iterdir())


def test_every_step_of_an_import_is_known_to_these_tests() -> None:
    """And there are enough of them to kill at."""
    assert len(STEPS) >= 7


@pytest.mark.fault("F27")
@pytest.mark.parametrize("point", STEPS)
def test_import_that_is_killed_at_a_step_is_finished_by_the_next(home: Home, tmp_path: Path, point: str) -> None:
    """At the second photo; what was visible was whole, and in the end each photo is there once, nothing beside it."""
    source = card(tmp_path / "card")
    before = tree_hash(source)
    originals = contents(source / "DCIM" / "100CANON")
    die(home, source, f"{point}:2")
    visible = [file for file in home.inbox.iterdir() if not file.name.startswith(".")]
    assert all(file.read_bytes() in originals for file in visible)
    assert home.bgzero("import", source, "--to", home.inbox).returncode == 0
    assert contents(home.inbox) == originals
    assert home.bgzero("import", source, "--to", home.inbox).stdout.startswith(b"card: 0 new, 3 seen")
    assert tree_hash(source) == before


@pytest.mark.fault("F27")
@pytest.mark.parametrize("point", ["linked", "import-published", "import-remembered"])
def test_photo_that_moved_on_before_the_import_knew_is_not_brought_again(
    home: Home, tmp_path: Path, point: str
) -> None:
    """Killed after it was visible; the daemon has cut it and moved the original before the next import looks."""
    source = card(tmp_path / "card", 1)
    die(home, source, point)
    done = home.root / "Done"
    done.mkdir()
    (home.inbox / "IMG_0001.JPG").rename(done / "IMG_0001.JPG")
    assert b"0 new, 1 seen" in home.bgzero("import", source, "--to", home.inbox).stdout
    assert contents(home.inbox) == []


@pytest.mark.fault("F27")
def test_file_systems_without_links_are_served_too(home: Home, tmp_path: Path) -> None:
    """As FAT and exFAT are, played by strace: the kernel's rename that does not replace; killed after it, no double."""
    source = card(tmp_path / "card")
    refuse = ["strace", "-f", "-o", os.devnull, "-e", "trace=link,linkat", "-e", "inject=link,linkat:error=EPERM"]
    command = [*refuse, "bgzero", "import", str(source), "--to", str(home.inbox)]
    with home.started_by(command, **{VARIABLE: "import-published:2"}) as run:
        assert run.process.wait(60) != 0
    assert len(contents(home.inbox)) == 2
    with home.started_by(command) as run:
        assert run.process.wait(60) == 0
    assert contents(home.inbox) == contents(source / "DCIM" / "100CANON")


@pytest.mark.parametrize("number", [1, 3])
def test_card_whose_photos_vanish_leaves_nothing_half_done(home: Home, tmp_path: Path, number: int) -> None:
    """Gone at the n-th photo: those before it are there, one sentence, and the card, put back, brings the rest."""
    source = card(tmp_path / "card", 5)
    kept = tmp_path / "kept"
    shutil.copytree(source, kept, copy_function=shutil.copy2)
    with home.started("import", source, "--to", home.inbox, **{VARIABLE: f"import-copied:{number}:STOP"}) as run:
        wait_until_stopped(run.process.pid, run)
        shutil.rmtree(source)
        run.process.send_signal(signal.SIGCONT)
        assert run.process.wait(60) == 1
        assert "card was pulled out." in run.log
        assert f"{number} of 5 photos were imported; the next import brings the rest." in run.log
    assert len(contents(home.inbox)) == number
    kept.rename(source)
    assert home.bgzero("import", source, "--to", home.inbox).returncode == 0
    assert contents(home.inbox) == contents(source / "DCIM" / "100CANON")


def test_card_that_is_unmounted_under_the_import_leaves_nothing_half_done(home: Home, tmp_path: Path) -> None:
    """A mount of its own, taken away by force (lazily): the folder is there still, empty, and no card."""
    need_namespace()
    kept, point = card(tmp_path / "kept", 5), tmp_path / "EOS_DIGITAL"
    point.mkdir()
    program = f"bgzero import {point} --to {home.inbox}"
    fill = f"mount -t tmpfs none {point}; cp -a {kept}/. {point}/"
    command = ["unshare", "-Urm", "sh", "-ec", f"{fill}; {VARIABLE}=import-copied:2:STOP exec {program}"]
    with home.started_by(command) as run:
        wait_until_stopped(run.process.pid, run)
        inside(run.process.pid, f"umount -l {point}")
        run.process.send_signal(signal.SIGCONT)
        assert run.process.wait(60) == 1
        assert "EOS_DIGITAL was pulled out." in run.log
        assert "2 of 5 photos" in run.log
    assert contents(home.inbox) == contents(kept / "DCIM" / "100CANON")[:0] + sorted(
        (kept / "DCIM" / "100CANON" / f"IMG_000{number}.JPG").read_bytes() for number in (1, 2)
    )
    with home.started_by(["unshare", "-Urm", "sh", "-ec", f"{fill}; exec {program}"]) as run:
        assert run.process.wait(60) == 0
    assert contents(home.inbox) == contents(kept / "DCIM" / "100CANON")


@pytest.mark.fault("F15")
def test_disk_that_fills_up_stops_the_import_with_a_sentence(home: Home, tmp_path: Path) -> None:
    """Too small from the start: nothing is begun. Filled meanwhile: what is there is whole, the rest comes later."""
    need_namespace()
    source = tmp_path / "card"
    source.mkdir()
    for number in range(3):
        file = source / f"IMG_{number}.JPG"
        file.write_bytes(bytes([number]) * 600_000)
        stamp(file, number)
    program = f"bgzero import {source} --to {home.inbox}"
    state = f"mount -t tmpfs -o size=SIZE none {home.inbox}"
    small = ["unshare", "-Urm", "sh", "-ec", f"{state.replace('SIZE', '2M')}; {program}; ls -A {home.inbox} >&2"]
    with home.started_by(small) as run:
        assert run.process.wait(60) != 0
        assert re.search(r"52 MB are needed in .*, and 2 MB are free there", run.log)
        assert ".bgz" not in run.log
    script = (
        f"{state.replace('SIZE', '54M')}; {VARIABLE}=import-copies:2:STOP {program} & child=$!; echo child $child >&2;"
        f" code=0; wait $child || code=$?; echo code $code >&2; ls -A {home.inbox} >&2;"
        f" rm {home.inbox}/.fill; {program}; ls -A {home.inbox} >&2"
    )
    with home.started_by(["unshare", "-Urm", "sh", "-ec", script]) as run:
        until(lambda: "child " in run.log, "it starts")
        child = int(re.search(r"child (\d+)", run.log)[1])  # type: ignore[index]
        wait_until_stopped(child, run)
        inside(run.process.pid, f"head -c 100M /dev/zero > {home.inbox}/.fill || true")
        os.kill(child, signal.SIGCONT)
        assert run.process.wait(60) == 0
        first, _code, rest = run.log.partition("code 1\n")
        assert "No space left on device" in first
        assert "2 of 3 photos were imported; the next import brings the rest." in first
        assert rest.split()[:3] == [".fill", "IMG_0.JPG", "IMG_1.JPG"]
        assert rest.split()[-3:] == ["IMG_0.JPG", "IMG_1.JPG", "IMG_2.JPG"]


def test_inbox_that_goes_away_is_said_and_nothing_counts_as_imported(home: Home, tmp_path: Path) -> None:
    """Renamed under the import; put back, all photos come, also the one that had its name already."""
    source = card(tmp_path / "card")
    with home.started("import", source, "--to", home.inbox, **{VARIABLE: "import-named:2:STOP"}) as run:
        wait_until_stopped(run.process.pid, run)
        home.inbox.rename(home.root / "away")
        run.process.send_signal(signal.SIGCONT)
        assert run.process.wait(60) == 1
        assert "cannot be written" in run.log
    (home.root / "away").rename(home.inbox)
    assert home.bgzero("import", source, "--to", home.inbox).returncode == 0
    assert contents(home.inbox) == contents(source / "DCIM" / "100CANON")


def test_photo_whose_hidden_file_is_gone_is_never_taken_for_imported(home: Home, tmp_path: Path) -> None:
    """Named in the memory, and then the disk lost it, or somebody cleared it away: it is brought again."""
    source = card(tmp_path / "card", 1)
    die(home, source, "import-named")
    for hidden in home.inbox.iterdir():
        hidden.unlink()
    assert b"1 new, 0 seen" in home.bgzero("import", source, "--to", home.inbox).stdout
    assert contents(home.inbox) == contents(source / "DCIM" / "100CANON")


def test_hidden_files_of_others_are_left_to_them(home: Home, tmp_path: Path) -> None:
    """Another account imports into this inbox: its hidden file stays for a week, whether it is at work or not."""
    source = card(tmp_path / "card", 1)
    old, new = home.inbox / ".bgz-import-other-1.tmp", home.inbox / ".bgz-import-other-2.tmp"
    for file in (old, new):
        file.write_bytes(b"half")
    os.utime(old, (1, 1))
    assert home.bgzero("import", source, "--to", home.inbox).returncode == 0
    assert (old.exists(), new.exists()) == (False, True)


def test_card_of_300_shots_is_cut_once_each_though_the_import_is_killed_twice(home: Home, tmp_path: Path) -> None:
    """Half of them pairs, while the daemon cuts: 300 cut-outs, and the card's tree is what it was."""
    source = tmp_path / "card"
    for number in range(1, 301):
        folder = source / "DCIM" / ("100CANON" if number <= 150 else "101CANON")
        name = f"IMG_{(number - 1) % 150 + 1:04}"  # the counter begins anew
        stamp(photo(folder / f"{name}.JPG", (40 + number // 20, 30 + number % 20), number), number)
        if number % 2:
            (folder / f"{name}.CR3").write_bytes(b"\0\0\0\x18ftypcrx " + bytes(20_000))
            stamp(folder / f"{name}.CR3", number)
    before = tree_hash(source)
    with home.daemon(BGZERO_OUTPUT__EDGES="off", BGZERO_OUTPUT__PNG="fast") as daemon:
        for _death in range(2):
            have = len(os.listdir(home.inbox))
            with home.started_in(tmp_path / "import.log", "import", source, "--to", home.inbox) as run:
                until(lambda: len(os.listdir(home.inbox)) > have + 40, lambda: run.log)  # noqa: B023 - asked at once
                run.process.kill()
                run.process.wait()
        assert home.bgzero("import", source, "--to", home.inbox).returncode == 0
        until(lambda: len(home.visible()) == 300, lambda: f"{len(home.visible())}\n{daemon.log[-2000:]}")
        time.sleep(0.5)
        assert len(home.visible()) == 300
        assert daemon.log.count(": done") == 300
    assert len(os.listdir(home.inbox)) == 300
    assert not [name for name in os.listdir(home.inbox) if name.startswith(".")]
    assert tree_hash(source) == before
    assert home.bgzero("import", source, "--to", home.inbox).stdout.startswith(b"card: 0 new, 300 seen")
