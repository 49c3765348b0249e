"""Cut-outs where a template puts them, through the running daemon."""

import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from PIL import ExifTags, Image

from bgzero_daemon.core.crash import VARIABLE
from tests.fault.oracle import Oracle, tag_of
from tests.flow.test_review import foggy
from tests.home import Home, photo, until

DATED = "{date:%Y}/{date:%Y-%m-%d}/{stem}"
TEMPLATE = "BGZERO_OUTPUT__TEMPLATE"


def taken(path: Path, moment: str, *, camera: str = "", seed: int = 0) -> Path:
    """Write a photo that says when and by what it was taken, in the shell of another day."""
    exif = Image.Exif()
    if moment:
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = moment
    if camera:
        exif[ExifTags.Base.Model] = camera
    made = photo(path, seed=seed, exif=exif)
    moment_of_file = time.mktime((2019, 2, 3, 12, 0, 0, 0, 0, -1))
    os.utime(made, (moment_of_file, moment_of_file))
    return made


def test_dated_folders_are_those_of_the_capture(home: Home) -> None:
    """EXIF first, the file's time where there is none; the staged files leave nothing behind."""
    taken(home.inbox / "trip" / "a.jpg", "2024:05:03 23:59:59")
    taken(home.inbox / "b.jpg", "0000:00:00 00:00:00")
    with home.daemon(**{TEMPLATE: DATED}) as daemon:
        daemon.wait_for("2024/2024-05-03/a.png", "2019/2019-02-03/b.png")
        taken(home.inbox / "c.jpg", "1999:12:31 00:00:00")
        daemon.wait_for("1999/1999-12-31/c.png")
        assert home.visible() == ["1999/1999-12-31/c.png", "2019/2019-02-03/b.png", "2024/2024-05-03/a.png"]
        oracle = Oracle(home)
        oracle.wait_until_settled()
        oracle.check_in_the_end()


def test_photos_of_many_folders_meet_in_a_flat_one_and_all_survive(home: Home) -> None:
    """IMG_1 of three folders, and one content in six; then nothing is cut again."""
    for number in range(3):
        photo(home.inbox / f"{number}" / "IMG_1.jpg", seed=number)
    for number in range(6):
        photo(home.inbox / f"same{number}" / "x.jpg", seed=9)
    with home.daemon(**{TEMPLATE: "{stem}"}) as daemon:
        until(lambda: len(daemon.outputs()) == 9, lambda: f"{daemon.outputs()}\n{daemon.log}")
        oracle = Oracle(home)
        oracle.wait_until_settled()
        assert {os.path.dirname(name) for name in home.visible()} == {""}
        assert {"IMG_1.png", "IMG_1.jpg.png", "x.png", "x.jpg.png"} <= set(home.visible())
        oracle_hashes = {tag_of(home.outbox / name)["source_sha256"] for name in home.visible()}
        assert len(oracle_hashes) == 4
    before = home.visible()
    with home.daemon(**{TEMPLATE: "{stem}"}) as daemon:
        Oracle(home).wait_until_settled()
        assert home.visible() == before
        assert ": done" not in daemon.log


def test_hostile_camera_makes_one_plain_folder(home: Home) -> None:
    """Its name is a path, has control characters, and is long."""
    taken(home.inbox / "a.jpg", "", camera="../../../" + "x" * 500)
    taken(home.inbox / "b.jpg", "", camera="/etc\n.\x1b[31m")
    with home.daemon(**{TEMPLATE: "{camera}/{stem}"}) as daemon:
        until(lambda: len(daemon.outputs()) == 2, lambda: daemon.log)
        for name in home.visible():
            folder, _slash, file = name.partition("/")
            assert file in ("a.png", "b.png")
            assert folder.isprintable()
            assert not folder.startswith(".")
        assert sorted(path.name for path in home.root.iterdir() if path.suffix == ".png") == []


@pytest.mark.parametrize("point", ["name-chosen", "linked", "published"])
def test_death_leaves_one_cut_out_in_its_folder(home: Home, point: str) -> None:
    """The name was written down before it was used."""
    taken(home.inbox / "trip" / "a.jpg", "2024:05:03 00:00:00")
    with home.started(
        "run", "--inbox", home.inbox, "--outbox", home.outbox, **{TEMPLATE: DATED, VARIABLE: point}
    ) as daemon:
        until(lambda: daemon.process.poll() is not None, lambda: daemon.log)
        assert daemon.process.returncode == -signal.SIGKILL, daemon.log
    with home.daemon(**{TEMPLATE: DATED}):
        oracle = Oracle(home)
        oracle.wait_until_settled()
        oracle.check_in_the_end()
        assert home.visible() == ["2024/2024-05-03/a.png"]


def test_review_and_acceptance_keep_to_the_template(home: Home) -> None:
    """Held back below Review in the same folders; accepted it goes where it belongs, and the original then moves."""
    env = {TEMPLATE: DATED, "BGZERO_OUTPUT__CHECK": "review", "BGZERO_FOLDER__ORIGINALS": "move"}
    moment = time.mktime((2019, 2, 3, 12, 0, 0, 0, 0, -1))
    os.utime(foggy(home.inbox / "trip" / "a.png"), (moment, moment))
    with home.daemon(**env) as daemon:
        daemon.wait_for("Review/2019/2019-02-03/a.png")
        Oracle(home).wait_until_settled()
        assert (home.inbox / "trip" / "a.png").exists()
        assert home.bgzero("review", "accept", "--all").returncode == 0
        daemon.wait_for("2019/2019-02-03/a.png")
        until((home.root / "Done" / "trip" / "a.png").exists, lambda: daemon.log)
        assert home.visible() == ["2019/2019-02-03/a.png"]


def test_redo_takes_a_cut_out_to_where_the_template_wants_it_now(home: Home) -> None:
    """The former one, which is as it was left, goes; one that somebody edited stays."""
    for name in ("a", "b"):
        taken(home.inbox / "trip" / f"{name}.jpg", "2024:05:03 00:00:00", seed=ord(name))
    home.once()
    assert home.visible() == ["trip/a.png", "trip/b.png"]
    with (home.outbox / "trip" / "b.png").open("ab") as file:
        file.write(b"edited")
    with home.daemon(**{TEMPLATE: DATED}) as daemon:
        Oracle(home).wait_until_settled()
        assert home.visible() == ["trip/a.png", "trip/b.png"], "a change is about the next photos"
        assert home.bgzero("redo", home.inbox).returncode == 0
        daemon.wait_for("2024/2024-05-03/a.png", "2024/2024-05-03/b.png")
        Oracle(home).wait_until_settled()
        assert home.visible() == ["2024/2024-05-03/a.png", "2024/2024-05-03/b.png", "trip/b.png"]


def test_renamed_photo_keeps_its_dated_cut_out(home: Home) -> None:
    """Nothing is cut again."""
    taken(home.inbox / "a.jpg", "2024:05:03 00:00:00")
    with home.daemon(**{TEMPLATE: DATED}) as daemon:
        daemon.wait_for("2024/2024-05-03/a.png")
        Oracle(home).wait_until_settled()
        (home.inbox / "a.jpg").rename(home.inbox / "z.jpg")
        until(lambda: "was renamed to z.jpg" in daemon.log, lambda: daemon.log)
        assert home.visible() == ["2024/2024-05-03/a.png"]
        assert daemon.log.count(": done") == 1


def test_lost_ledger_knows_dated_cut_outs_by_their_tags(home: Home) -> None:
    """Also those of several photos of one name, by their content; what is nowhere is cut again."""
    taken(home.inbox / "trip" / "a.jpg", "2024:05:03 00:00:00")
    for number in range(2):
        taken(home.inbox / f"{number}" / "x.jpg", "2024:05:03 00:00:00", seed=number)
    home.once(**{TEMPLATE: DATED})
    before = home.visible()
    assert len(before) == 3
    shutil.rmtree(home.root / "state")
    (home.outbox / before[0]).unlink()
    done = home.once(**{TEMPLATE: DATED})
    assert done.returncode == 0
    assert home.visible() == before
    assert b"2 cut-outs" in done.stderr
    assert done.stderr.count(b": done") == 1


@pytest.mark.parametrize("template", ["/abs/{stem}", "../{stem}", "{stm}", ""])
def test_template_that_makes_no_sense_is_a_mistake_of_the_configuration(home: Home, template: str) -> None:
    """With its key, before anything is cut."""
    config = home.root / "config.toml"
    config.write_text(f'[output]\ntemplate = "{template}"\n')
    done = home.bgzero("config", "check", "--config", config)
    assert done.returncode == 78
    assert b"output.template" in done.stderr
    assert done.stderr.count(b"\n") <= 3


def test_folders_have_templates_of_their_own(home: Home) -> None:
    """And a change of one is taken over for the next photo."""
    config = home.root / "config.toml"
    text = f'[[folder]]\ninbox = "{home.inbox}"\noutbox = "{home.outbox}"\n'
    config.write_text(text + 'template = "flat/{stem}"\n')
    with home.daemon("--config", config) as daemon:
        photo(home.inbox / "trip" / "a.jpg")
        daemon.wait_for("flat/a.png")
        config.write_text(text + 'template = "{model}/{stem}"\n')
        until(lambda: "folder.0.template" in daemon.log, lambda: daemon.log)
        photo(home.inbox / "trip" / "b.jpg")
        daemon.wait_for("tiny/b.png")
        assert home.visible() == ["flat/a.png", "tiny/b.png"]
