"""Whether folders can be used together: none may feed on another, and none is made unasked."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bgzero_daemon.core.errors import ConfigError, Exit
from bgzero_daemon.settings import folders
from bgzero_daemon.settings.load import load
from bgzero_daemon.settings.schema import Folder

needs_user = pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
Make = Callable[[str], Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Make a folder below the test's own."""

    def made(name: str) -> Path:
        path = tmp_path / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    return made


def refusal(*pairs: tuple[Path, Path]) -> str:
    """Return why these folders cannot be used: one sentence, with a hint and exit code 78."""
    with pytest.raises(ConfigError) as mistake:
        folders.check(tuple(Folder(inbox=inbox, outbox=outbox) for inbox, outbox in pairs))
    assert mistake.value.exit_code is Exit.BAD_CONFIG
    assert mistake.value.hint
    assert "\n" not in str(mistake.value)
    return str(mistake.value)


def check(*pairs: tuple[Path, Path]) -> None:
    """Check folders that should be fine."""
    folders.check(tuple(Folder(inbox=inbox, outbox=outbox) for inbox, outbox in pairs))


def test_folders_side_by_side_are_fine(make: Make) -> None:
    """Two folders, also with names that begin alike."""
    check((make("in"), make("out")))
    check((make("photos"), make("photos-cut")))
    check((make("a/in"), make("a/out")), (make("b/in"), make("b/out")))


def test_two_inboxes_may_share_an_outbox(make: Make) -> None:
    """Names decide there, not folders."""
    check((make("in1"), make("out")), (make("in2"), make("out")))


def test_one_folder_cannot_be_inbox_and_outbox(make: Make, tmp_path: Path) -> None:
    """Every cut-out would be cut again; a link or a detour does not hide it."""
    both = make("both")
    (tmp_path / "link").symlink_to(both)
    for outbox in (both, tmp_path / "link", both / ".." / "both", Path(f"{both}/")):
        assert "inbox and outbox at once" in refusal((both, outbox))


def test_outbox_inside_an_inbox_is_refused_and_the_other_way_round(make: Make) -> None:
    """At any depth, in both directions."""
    assert "lies inside" in refusal((make("a"), make("a/out")))
    assert "lies inside" in refusal((make("b"), make("b/c/d/out")))
    assert "lies inside" in refusal((make("c/in"), make("c")))
    assert "lies inside" in refusal((make("d/e/f/in"), make("d")))


def test_link_does_not_hide_a_folder_inside_another(make: Make, tmp_path: Path) -> None:
    """A link to a sub-folder, and a link to the folder above, are seen through."""
    inner = make("in/deep/out")
    (tmp_path / "elsewhere").symlink_to(inner)
    assert "lies inside" in refusal((tmp_path / "in", tmp_path / "elsewhere"))
    (tmp_path / "alias").symlink_to(tmp_path / "in")
    assert "lies inside" in refusal((tmp_path / "alias", inner))
    assert "lies inside" in refusal((tmp_path / "in", tmp_path / "alias" / "deep" / "out"))


def test_outbox_of_one_pair_inside_the_inbox_of_another_is_refused(make: Make) -> None:
    """Every outbox is held against every inbox."""
    assert "lies inside" in refusal((make("in1"), make("in2/out")), (make("in2"), make("out2")))
    assert "at once" in refusal((make("in3"), make("in4")), (make("in4"), make("out4")))


def test_overlapping_inboxes_are_refused(make: Make, tmp_path: Path) -> None:
    """The same photo would be cut twice: equal, nested either way, or through a link."""
    outer, inner, out = make("in"), make("in/sub"), make("out")
    (tmp_path / "link").symlink_to(outer)
    for one, other in ((outer, outer), (outer, inner), (inner, outer), (inner, tmp_path / "link")):
        assert "overlap" in refusal((one, out), (other, out))


@pytest.mark.parametrize("key", ["inbox", "outbox"])
def test_missing_folder_is_told_and_not_made(make: Make, tmp_path: Path, key: str) -> None:
    """A missing mount point must never be re-created on the disk below it."""
    there, missing = make("there"), tmp_path / "missing"
    said = refusal((missing, there) if key == "inbox" else (there, missing))
    assert said.startswith(f"The {key} ")
    assert "does not exist" in said
    assert not missing.exists()


@pytest.mark.parametrize("key", ["inbox", "outbox"])
def test_file_is_no_folder(make: Make, tmp_path: Path, key: str) -> None:
    """Nor is a link that leads nowhere."""
    there, file, dangling = make("there"), tmp_path / "file", tmp_path / "dangling"
    file.write_text("")
    dangling.symlink_to(tmp_path / "nowhere")
    for wrong, why in ((file, "is not a folder"), (dangling, "does not exist")):
        said = refusal((wrong, there) if key == "inbox" else (there, wrong))
        assert said.startswith(f"The {key} ")
        assert why in said


@pytest.mark.parametrize("wrong", ["relative/path", ".", "", "../up"])
def test_relative_path_is_refused(make: Make, wrong: str) -> None:
    """It would mean another folder for every place the program is started from."""
    assert "full path" in refusal((Path(wrong), make("out")))
    assert "full path" in refusal((make("in"), Path(wrong)))


@needs_user
def test_folder_that_cannot_be_read_or_written_is_told(make: Make) -> None:
    """Before the first photo, not at it; and an inbox need not be writable."""
    closed, inbox, outbox = make("closed"), make("in"), make("out")
    try:
        closed.chmod(0o000)
        assert "cannot be read" in refusal((closed, outbox))
        closed.chmod(0o555)
        assert "cannot be written" in refusal((inbox, closed))
        check((closed, outbox))
    finally:
        closed.chmod(0o755)


@needs_user
def test_folder_inside_a_closed_one_is_told(make: Make) -> None:
    """What cannot even be looked at is refused with a sentence, not with a traceback."""
    inner, outbox = make("closed/in"), make("out")
    try:
        inner.parent.chmod(0o000)
        refusal((inner, outbox))
        refusal((outbox, inner))
    finally:
        inner.parent.chmod(0o755)


def test_hostile_folder_name_is_shown_harmless(make: Make) -> None:
    """The sentence goes to a terminal."""
    assert "\x1b" not in refusal((make("a\x1b[31m\n"), make("a\x1b[31m\n")))


def test_account_without_folders_is_told_how_to_name_them() -> None:
    """No home, no folder named: nothing to watch."""
    with pytest.raises(ConfigError, match="no home folder") as mistake:
        folders.check(())
    assert "--inbox" in mistake.value.hint


def test_first_run_makes_the_default_folders_and_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inbox and Cutouts in the pictures folder, and the commented file: once."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("XDG_PICTURES_DIR", raising=False)
    first = load(None, None, {})
    (folder,) = first.config.folder
    made = folders.prepare(first)
    assert made == [folder.inbox, folder.outbox, tmp_path / "config" / "bgzero" / "config.toml"]
    assert all(path.exists() for path in made)
    assert (folder.inbox.name, folder.outbox.name) == ("Inbox", "Cutouts")
    assert folders.prepare(load(None, None, {})) == []


def test_folders_that_somebody_named_are_never_made(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By file, variable or flag: a missing one is an error, and no configuration file is written either."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    missing, out = str(tmp_path / "missing"), str(make("out"))
    for environ, flags in (
        ({"BGZERO_FOLDER__INBOX": missing, "BGZERO_FOLDER__OUTBOX": out}, {}),
        ({}, {"folder.0.inbox": missing, "folder.0.outbox": out}),
    ):
        with pytest.raises(ConfigError, match="does not exist"):
            folders.prepare(load(None, flags, environ))
    assert not Path(missing).exists()
    assert not (tmp_path / "config").exists()
