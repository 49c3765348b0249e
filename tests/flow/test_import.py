"""`bgzero import`: a card or folder into the inbox, with and without a daemon."""

import json
import os
import shutil
import signal
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bgzero_daemon.core.crash import VARIABLE
from tests.cards.card import card, raw, stamp, times_of_reading, tree_hash
from tests.extras import without
from tests.home import Daemon, Home, photo, until


def bring(home: Home, source: Path, *options: str | Path, code: int = 0, **env: str) -> dict[str, Any]:
    """Import into the account's inbox and return what was told."""
    done = home.bgzero("import", source, "--to", home.inbox, "--json", *options, stdin=b"", **env)
    assert done.returncode == code, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def names(folder: Path) -> list[str]:
    """Return everything in a folder, hidden files too."""
    return sorted(os.listdir(folder))


def counts(told: dict[str, Any]) -> tuple[int, int, int, int]:
    """Return how many are new, seen, imported, known."""
    return told["new"], told["seen"], told["imported"], told["known"]


def test_second_run_finds_nothing_new_and_the_card_is_as_it_was(home: Home, tmp_path: Path) -> None:
    """Three photos once; not even the times of reading change, and what lies beside DCIM is left alone."""
    source = card(tmp_path / "card")
    before, read = tree_hash(source), times_of_reading(source)
    assert counts(bring(home, source)) == (3, 0, 3, 0)
    assert counts(bring(home, source)) == (0, 3, 0, 0)
    assert times_of_reading(source) == read
    assert tree_hash(source) == before
    assert names(home.inbox) == ["IMG_0001.JPG", "IMG_0002.JPG", "IMG_0003.JPG"]
    for file in home.inbox.iterdir():
        original = source / "DCIM" / "100CANON" / file.name
        assert file.read_bytes() == original.read_bytes()
        assert file.stat().st_mtime_ns == original.stat().st_mtime_ns


def test_what_was_imported_is_not_read_again(home: Home, tmp_path: Path) -> None:
    """Photos that are known by path, length and time are told without being opened."""
    source = card(tmp_path / "card")
    bring(home, source)
    log = tmp_path / "opened"
    command = ["strace", "-f", "-e", "trace=open,openat", "-o", str(log), "bgzero", "import", str(source)]
    with home.started_by([*command, "--to", str(home.inbox)]) as run:
        assert run.process.wait(60) == 0
    assert "DCIM" in log.read_text()
    assert "IMG_0001.JPG" not in log.read_text()


def test_second_card_with_the_same_photos_brings_nothing(home: Home, tmp_path: Path) -> None:
    """Another card, another folder, another name: the content is known, and that is remembered, too."""
    bring(home, card(tmp_path / "card"))
    other = tmp_path / "copy" / "DCIM" / "101CANON"
    other.mkdir(parents=True)
    for number in (1, 2, 3):
        shutil.copy(tmp_path / "card" / "DCIM" / "100CANON" / f"IMG_000{number}.JPG", other / f"IMG_100{number}.JPG")
    assert counts(bring(home, tmp_path / "copy")) == (3, 0, 0, 3)
    assert counts(bring(home, tmp_path / "copy")) == (0, 3, 0, 0)
    assert len(names(home.inbox)) == 3


def test_counter_that_began_anew_gives_another_name(home: Home, tmp_path: Path) -> None:
    """Two IMG_0001.JPG: the later one carries eight digits of its hash, and neither replaces the other."""
    source = card(tmp_path / "card", 1)
    stamp(photo(source / "DCIM" / "101CANON" / "IMG_0001.JPG", (90, 40), 9), 9)
    assert counts(bring(home, source)) == (2, 0, 2, 0)
    first, second = names(home.inbox)
    assert (first[:9], first[17:], second) == ("IMG_0001-", ".JPG", "IMG_0001.JPG")
    assert (home.inbox / second).read_bytes() == (source / "DCIM" / "100CANON" / "IMG_0001.JPG").read_bytes()
    assert counts(bring(home, source)) == (0, 2, 0, 0)


@pytest.mark.parametrize(("pair", "suffixes"), [("jpeg", [".JPG"]), ("raw", [".CR3"]), ("both", [".CR3", ".JPG"])])
def test_one_file_of_a_shot_is_copied_or_both(home: Home, tmp_path: Path, pair: str, suffixes: list[str]) -> None:
    """As `--pair` says; jpeg without it."""
    source = card(tmp_path / "card", 2, pairs=True)
    bring(home, source, *([] if pair == "jpeg" else ["--pair", pair]))
    assert names(home.inbox) == [f"IMG_000{number}{suffix}" for number in (1, 2) for suffix in suffixes]


def test_files_of_one_shot_keep_one_stem_and_two_shots_never_share_one(home: Home, tmp_path: Path) -> None:
    """Both files are brought, also in two goes, under one stem; a RAW alone never becomes a stranger's other half."""
    source = card(tmp_path / "card", 1, pairs=True)
    stranger = photo(home.inbox / "IMG_0001.JPG", (90, 40), 9).read_bytes()
    bring(home, source)
    (new,) = {*names(home.inbox)} - {"IMG_0001.JPG"}
    bring(home, source, "--pair", "both")
    assert names(home.inbox) == sorted(["IMG_0001.JPG", new, new.replace(".JPG", ".CR3")])
    stamp(raw(source / "DCIM" / "100CANON" / "IMG_0002.CR3", 2), 2)
    photo(home.inbox / "img_0002.jpg", (90, 40), 8)
    bring(home, source)
    (alone,) = (name for name in names(home.inbox) if name.startswith("IMG_0002"))
    assert alone.startswith("IMG_0002-")
    assert (home.inbox / "IMG_0001.JPG").read_bytes() == stranger


def test_since_leaves_older_photos_for_another_time(home: Home, tmp_path: Path) -> None:
    """A date with a time, the last day, and what is newer than the last import."""
    source = card(tmp_path / "card")
    zone = {"TZ": "UTC"}
    told = bring(home, source, "--since", "2025-06-15T15:08:40", "--dry-run", code=0, **zone)
    assert (told["new"], told["older"]) == (2, 1)
    assert bring(home, source, "--since", "1d")["older"] == 3
    bring(home, source, "--since", "2025-06-15T15:08:40", code=0, **zone)
    assert names(home.inbox) == ["IMG_0002.JPG", "IMG_0003.JPG"]
    photo(source / "DCIM" / "100CANON" / "IMG_0004.JPG", (64, 40), 4)
    told = bring(home, source, "--since", "last")
    assert (told["imported"], told["older"], told["seen"]) == (1, 1, 2)
    assert home.bgzero("import", source, "--to", home.inbox, "--since", "yesterday").returncode == 2


def test_dry_run_counts_and_writes_nothing(home: Home, tmp_path: Path) -> None:
    """In words, too."""
    source = card(tmp_path / "card")
    done = home.bgzero("import", source, "--to", home.inbox, "--dry-run")
    assert done.stdout.decode() == "card: 3 new, 0 seen (0.0 MB)\n"
    assert names(home.inbox) == []
    assert counts(bring(home, source)) == (3, 0, 3, 0)


def test_again_brings_what_was_taken_away_and_doubles_nothing(home: Home, tmp_path: Path) -> None:
    """What is there still stays one file; what is gone comes back under its name."""
    source = card(tmp_path / "card")
    bring(home, source)
    (home.inbox / "IMG_0002.JPG").unlink()
    assert counts(bring(home, source)) == (0, 3, 0, 0)
    assert counts(bring(home, source, "--again")) == (3, 0, 1, 2)
    assert names(home.inbox) == ["IMG_0001.JPG", "IMG_0002.JPG", "IMG_0003.JPG"]


def test_only_photos_are_taken_and_no_link_is_followed(home: Home, tmp_path: Path) -> None:
    """Films, their thumbnails, sidecars, hidden files, links out of the card, pipes."""
    source = card(tmp_path / "card", 1)
    folder = source / "DCIM" / "100CANON"
    for name in ("MVI_2.THM", "MVI_2.MOV", "IMG_1.XMP", "IMG_1.AAE", "._IMG_0001.JPG", ".hidden.jpg"):
        (folder / name).write_bytes(b"\xff\xd8\xff")
    (folder / "link.jpg").symlink_to(photo(tmp_path / "secret.jpg"))
    (source / "DCIM" / "200LINKS").symlink_to(tmp_path)
    (source / "DCIM" / ".Trashes").mkdir()
    photo(source / "DCIM" / ".Trashes" / "old.jpg")
    os.mkfifo(folder / "pipe.jpg")
    bring(home, source)
    assert names(home.inbox) == ["IMG_0001.JPG"]


def test_folder_for_photos_that_is_a_link_leads_nowhere(home: Home, tmp_path: Path) -> None:
    """A stick whose DCIM points into the home folder brings none of its photos."""
    photo(tmp_path / "home" / "secret.jpg")
    (source := tmp_path / "card").mkdir()
    (source / "DCIM").symlink_to(tmp_path / "home")
    assert counts(bring(home, source)) == (0, 0, 0, 0)


def test_times_that_are_all_an_hour_later_make_nothing_new(home: Home, tmp_path: Path) -> None:
    """FAT in winter: what was imported in summer is known, unread; what is new, and what is at another time, is not."""
    source = card(tmp_path / "card", 4)
    bring(home, source)
    folder = source / "DCIM" / "100CANON"
    for number in (1, 2, 3, 4):
        file = folder / f"IMG_000{number}.JPG"
        seconds = file.stat().st_mtime + (-3600 if number < 4 else -3700)
        os.utime(file, (seconds, seconds))
        if number < 4:
            file.write_bytes(bytes(file.stat().st_size))  # whoever reads it finds something new
            os.utime(file, (seconds, seconds))
    photo(folder / "IMG_0005.JPG", (80, 40), 5)
    assert counts(bring(home, source)) == (2, 3, 1, 1)
    assert names(home.inbox) == [f"IMG_000{number}.JPG" for number in (1, 2, 3, 4, 5)]


def test_photo_of_another_card_in_the_same_place_is_not_taken_for_the_one_that_was_counted(
    home: Home, tmp_path: Path
) -> None:
    """It has the path, and is another: left for the next import, which counts anew."""
    source = card(tmp_path / "card", 2)
    with home.started("import", source, "--to", home.inbox, **{VARIABLE: "import-copied:1:STOP"}) as run:
        wait_until_stopped(run)
        photo(source / "DCIM" / "100CANON" / "IMG_0002.JPG", (99, 40), 7)
        run.process.send_signal(signal.SIGCONT)
        assert run.process.wait(60) == 4
        assert "IMG_0002.JPG: it has changed since the photos were counted" in run.log
    assert names(home.inbox) == ["IMG_0001.JPG"]
    assert counts(bring(home, source)) == (1, 1, 1, 0)


def test_names_of_any_bytes_come_through(home: Home, tmp_path: Path) -> None:
    """Bytes that are no UTF-8, a line break, and 255 bytes: whole, and printable where they are told."""
    source = tmp_path / "album"
    for number, name in enumerate([b"\xff.jpg", b"a\nb.jpg", b"x" * 251 + b".jpg"]):
        photo(source / "0.jpg", (60 + number, 40), number).rename(os.fsdecode(os.fsencode(source) + b"/" + name))
    bring(home, source)
    assert len(names(home.inbox)) == 3
    (source / "more").mkdir()
    photo(source / "more" / "0.jpg", (90, 40), 7).rename(source / "more" / ("x" * 251 + ".jpg"))
    bring(home, source)
    assert len(names(home.inbox)) == 4


def test_rights_are_the_account_s_own(home: Home, tmp_path: Path) -> None:
    """A copy is as readable as any file that this account makes, whatever the card's driver gives."""
    source = card(tmp_path / "card", 1)
    (source / "DCIM" / "100CANON" / "IMG_0001.JPG").chmod(0o700)
    command = f"umask 027; bgzero import {source} --to {home.inbox}"
    with home.started_by(["sh", "-c", command]) as run:
        assert run.process.wait(60) == 0
    assert stat.S_IMODE((home.inbox / "IMG_0001.JPG").stat().st_mode) == 0o640


def test_photo_that_cannot_be_read_is_told_and_the_others_come(home: Home, tmp_path: Path) -> None:
    """Exit 4, a sentence for it, and it is new the next time. strace refuses its opening, as a bad sector does."""
    source = card(tmp_path / "card")
    path = source / "DCIM" / "100CANON" / "IMG_0002.JPG"
    command = ["strace", "-f", "-o", os.devnull, "-P", str(path), "-e", "inject=read:error=EIO", "bgzero", "import"]
    with home.started_by([*command, str(source), "--to", str(home.inbox)]) as run:
        assert run.process.wait(60) == 4
        assert f"{path}: Input/output error" in run.log
    assert names(home.inbox) == ["IMG_0001.JPG", "IMG_0003.JPG"]
    assert counts(bring(home, source)) == (1, 2, 1, 0)


def stopped_at(home: Home, source: Path, point: str) -> list[str]:
    """Return a command that imports and stops itself at a point."""
    return ["env", f"{VARIABLE}={point}:1:STOP", "bgzero", "import", str(source), "--to", str(home.inbox)]


def wait_until_stopped(run: Daemon) -> None:
    """Wait until it has stopped itself."""
    file = Path(f"/proc/{run.process.pid}/stat")
    until(lambda: file.read_text().rpartition(")")[2].split()[0] == "T", lambda: f"it stops\n{run.log}")


def test_photo_that_changes_while_it_is_copied_is_left_for_another_time(home: Home, tmp_path: Path) -> None:
    """A camera that is still writing: no half photo, and the whole one comes later."""
    source = card(tmp_path / "card", 1)
    file = source / "DCIM" / "100CANON" / "IMG_0001.JPG"
    with home.started_by(stopped_at(home, source, "import-copies")) as run:
        wait_until_stopped(run)
        with file.open("ab") as stream:
            stream.write(b"more")
        run.process.send_signal(signal.SIGCONT)
        assert run.process.wait(60) == 4
        assert "it changed while it was copied" in run.log
    assert names(home.inbox) == []
    assert counts(bring(home, source)) == (1, 0, 1, 0)


def test_copy_that_is_another_on_the_disk_is_never_named(home: Home, tmp_path: Path) -> None:
    """A failing disk, played by a byte that is turned over behind the import's back: it stops, and leaves nothing."""
    source = card(tmp_path / "card", 1)
    with home.started_by(stopped_at(home, source, "import-copied")) as run:
        wait_until_stopped(run)
        (hidden,) = home.inbox.iterdir()
        content = bytearray(hidden.read_bytes())
        content[100] ^= 1
        with hidden.open("r+b") as stream:
            stream.write(content)
        run.process.send_signal(signal.SIGCONT)
        assert run.process.wait(60) == 1
        assert "is not what was written there" in run.log
    assert names(home.inbox) == []
    assert counts(bring(home, source)) == (1, 0, 1, 0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("point", ["import-copies", "import-named", "import-published"])
def test_import_that_is_interrupted_leaves_nothing_half_done(
    home: Home, tmp_path: Path, point: str, number: signal.Signals
) -> None:
    """Ctrl-C and a service manager's end: no hidden file, no photo twice, none lost."""
    source = card(tmp_path / "card")
    with home.started_by(stopped_at(home, source, point)) as run:
        wait_until_stopped(run)
        run.process.send_signal(number)
        run.process.send_signal(signal.SIGCONT)
        assert run.process.wait(60) != 0
        assert "the next import brings the rest" in run.log
    assert not [name for name in names(home.inbox) if name.startswith(".")]
    assert "Traceback" not in run.log
    bring(home, source)
    assert names(home.inbox) == ["IMG_0001.JPG", "IMG_0002.JPG", "IMG_0003.JPG"]


def test_two_imports_at_once_take_turns(home: Home, tmp_path: Path) -> None:
    """Two cards in two readers: the second waits, says so, and brings only what is new by then."""
    source = card(tmp_path / "card")
    with home.started_by(stopped_at(home, source, "import-copied")) as first:
        wait_until_stopped(first)
        with home.started_in(tmp_path / "second.log", "import", source, "--to", home.inbox) as second:
            until(lambda: "waiting for that" in second.log, "it says so")
            first.process.send_signal(signal.SIGCONT)
            assert (first.process.wait(60), second.process.wait(60)) == (0, 0)
    assert names(home.inbox) == ["IMG_0001.JPG", "IMG_0002.JPG", "IMG_0003.JPG"]


@pytest.mark.parametrize("damage", [b"no database at all" * 100, b""])
def test_memory_that_is_damaged_or_lost_doubles_nothing(home: Home, tmp_path: Path, damage: bytes) -> None:
    """Photos that are in the inbox still are known by their content; a damaged file is set aside, and told."""
    source = card(tmp_path / "card")
    bring(home, source)
    memory = home.root / "state" / "bgzero" / "imports.db"
    assert stat.S_IMODE(memory.stat().st_mode) == 0o600
    for left in memory.parent.glob("imports.db*"):
        left.unlink()
    if damage:
        memory.write_bytes(damage)
    done = home.bgzero("import", source, "--to", home.inbox)
    assert (b"set aside as imports.db.damaged-" in done.stderr) is bool(damage)
    assert names(home.inbox) == ["IMG_0001.JPG", "IMG_0002.JPG", "IMG_0003.JPG"]
    assert counts(bring(home, source)) == (0, 3, 0, 0)


def test_memory_of_a_newer_version_is_left_alone(home: Home, tmp_path: Path) -> None:
    """Nothing is imported by a guess."""
    source = card(tmp_path / "card", 1)
    bring(home, source)
    memory = home.root / "state" / "bgzero" / "imports.db"
    code = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('PRAGMA user_version=9')"
    subprocess.run(["python3", "-c", code, memory], check=True)
    done = home.bgzero("import", source, "--to", home.inbox, "--again")
    assert done.returncode == 1
    assert b"was written by a newer version" in done.stderr


def test_mistakes_are_told_in_a_sentence(home: Home, tmp_path: Path) -> None:
    """No source, no folder, an inbox that is not there, and each inside the other."""
    source = card(tmp_path / "card", 1)
    for arguments, code, said in (
        ((tmp_path / "nothing", "--to", home.inbox), 1, b"There is no "),
        ((photo(tmp_path / "a.jpg"), "--to", home.inbox), 1, b"is not a folder"),
        ((source, "--to", tmp_path / "nothing"), 1, b"is not there"),
        ((home.inbox, "--to", home.inbox), 2, b"lie in each other"),
        ((tmp_path, "--to", home.inbox), 2, b"lie in each other"),
        ((source, "--to", source / "MISC"), 2, b"lie in each other"),
        ((source, "--to", home.inbox, "--since", ""), 2, b"is no moment"),
        ((source, "--to", home.inbox, "--since", "9999-12-31T23:59:59"), 0, b""),
        ((source, "--to", home.inbox, "--since", "0001-01-01", "--dry-run"), None, b""),
    ):
        done = home.bgzero("import", *arguments)
        assert code in (done.returncode, None)
        assert (said in done.stderr, b"Traceback" in done.stderr) == (True, False), done.stderr
    assert names(home.inbox) == []


def test_inbox_is_the_configured_one(home: Home, tmp_path: Path) -> None:
    """Without --to the one inbox; of several it has to be said which; by default the one in the pictures folder."""
    source = card(tmp_path / "card", 1)
    assert home.bgzero("import", source).returncode == 0
    assert names(home.root / "home" / "Pictures" / "Inbox") == ["IMG_0001.JPG"]
    config = home.root / "config" / "bgzero" / "config.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    folder = '[[folder]]\ninbox = "{}"\noutbox = "{}"\n'
    config.write_text(folder.format(home.inbox, home.outbox))
    assert home.bgzero("import", source, "--again").returncode == 0
    assert names(home.inbox) == ["IMG_0001.JPG"]
    (home.root / "in2").mkdir()
    config.write_text(folder.format(home.inbox, home.outbox) + folder.format(home.root / "in2", home.outbox))
    done = home.bgzero("import", source, "--again")
    assert (done.returncode, b"Name one with --to" in done.stderr) == (2, True)


@pytest.mark.parametrize(("pair", "suffixes"), [("both", ["CR3", "JPG"]), ("raw", ["CR3", "JPG"]), ("jpeg", ["JPG"])])
def test_inbox_gets_what_it_is_to_cut(home: Home, tmp_path: Path, pair: str, suffixes: list[str]) -> None:
    """By the configuration; the JPEG too where RAW is wanted and nobody here can read it."""
    home.env |= without(home.root / "hidden", "rawpy", python_path=home.env.get("PYTHONPATH", ""))
    source = card(tmp_path / "card", 1, pairs=True)
    config = home.root / "config" / "bgzero" / "config.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(f'[watch]\npair = "{pair}"\n')
    assert home.bgzero("import", source).returncode == 0
    assert names(home.root / "home" / "Pictures" / "Inbox") == [f"IMG_0001.{suffix}" for suffix in suffixes]


def test_progress_is_a_line_for_each_quarter_where_nobody_looks(home: Home, tmp_path: Path) -> None:
    """On standard error, and none where nothing is new."""
    source = card(tmp_path / "card")
    done = home.bgzero("import", source, "--to", home.inbox)
    assert done.stderr.decode().splitlines()[-1] == "card: 100 % of 0.0 MB"
    assert home.bgzero("import", source, "--to", home.inbox).stderr == b""
