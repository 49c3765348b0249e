"""`bgzero service uninstall --purge`: everything of ours goes, and nothing of the user's."""

import os
from pathlib import Path

import pytest

from tests.home import Home, photo, until


def configure(home: Home, inbox: Path, outbox: Path, more: str = "") -> None:
    """Write the configuration file."""
    file = home.root / "config" / "bgzero" / "config.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"[[folder]]\ninbox = '{inbox}'\noutbox = '{outbox}'\n{more}")


def purge(home: Home, code: int = 0) -> str:
    """Run it; returns what it said."""
    done = home.bgzero("service", "uninstall", "--purge")
    text = (done.stdout + done.stderr).decode()
    assert done.returncode == code, text
    return text


def test_folders_of_the_users_inside_ours_stay(home: Home) -> None:
    """Somebody configured inbox, outbox and done below our data folder: they stay, and so does any photo there."""
    data = home.root / "data" / "bgzero"
    inbox, outbox, done = (photo(data / name / "a.jpg").parent for name in ("in", "deep/out", "done"))
    configure(home, inbox, outbox, f"originals = 'move'\ndone = '{done}'\n")
    (inbox / "notes.txt").write_text("mine")
    (outbox / ".bgzero" / "failed").mkdir(parents=True)
    photo(home.models / "forgotten.jpg")
    (data / "deep" / "notes.txt").write_text("mine")
    (home.root / "config" / "bgzero" / "notes.txt").write_text("mine")
    (home.root / "config" / "bgzero" / "config.toml.version-1").write_text("")
    for name in ("imports.db", "imports.db-wal", "imports.db.damaged-20261124-100000", "imports.lock"):
        (home.root / "state" / "bgzero").mkdir(parents=True, exist_ok=True)
        (home.root / "state" / "bgzero" / name).write_text("")
    text = purge(home)
    assert not (home.root / "state" / "bgzero").exists()
    left = sorted(str(path.relative_to(data)) for path in data.rglob("*") if path.is_file())
    assert left == [
        "deep/notes.txt", "deep/out/a.jpg", "done/a.jpg", "in/a.jpg", "in/notes.txt", "models/forgotten.jpg"
    ]  # fmt: skip
    assert [file.name for file in (home.root / "config" / "bgzero").iterdir()] == ["notes.txt"]
    assert not (outbox / ".bgzero").exists()
    for place in (inbox, done):
        assert f"{place} stays: it is a folder of yours" in text
    assert f"{data / 'deep'} stays: this program did not make it" in text
    assert f"{home.models / 'forgotten.jpg'} stays: it is called like a photo" in text
    assert f"{home.root / 'config' / 'bgzero' / 'notes.txt'} stays: this program did not write it" in text


def test_links_are_removed_and_never_followed(home: Home) -> None:
    """A link in our folders, or in their place, goes; what it leads to stays."""
    outside = home.root / "outside"
    outside.mkdir()
    (outside / "weights.onnx").write_text("mine")
    (home.models / "linked").symlink_to(outside)
    (home.models / "linked.onnx").symlink_to(outside / "weights.onnx")
    configure(home, home.inbox, home.outbox)
    (home.root / "state").mkdir()
    (home.root / "state" / "bgzero").symlink_to(outside)
    (home.outbox / ".bgzero").symlink_to(outside)
    purge(home)
    assert (outside / "weights.onnx").read_text() == "mine"
    for gone in (home.models, home.root / "state" / "bgzero", home.outbox / ".bgzero"):
        assert not os.path.lexists(gone)


def test_folders_of_others_are_never_ours_whatever_a_variable_says(home: Home) -> None:
    """The account's home, or another service's folders, in which this is typed: what a system unit's variables name."""
    configure(home, home.inbox, home.outbox)
    for own in (home.root / "home", home.root / "otherservice"):
        own.mkdir(exist_ok=True)
        (own / "ledger.db").write_text("theirs")
        done = home.bgzero(
            "service", "uninstall", "--purge", STATE_DIRECTORY=str(own), RUNTIME_DIRECTORY=str(own), XDG_RUNTIME_DIR=""
        )
        assert done.returncode == 0, done.stderr
        assert (own / "ledger.db").read_text() == "theirs"
        configure(home, home.inbox, home.outbox)


def test_nothing_goes_while_any_daemon_works(home: Home) -> None:
    """A daemon that answers, and a `run --once` that has no socket but holds an inbox's lock."""
    configure(home, home.inbox, home.outbox)
    with home.daemon(XDG_STATE_HOME=str(home.root / "other")):
        assert "A daemon runs outside the service" in purge(home, code=1)
    locks = home.root / "state" / "bgzero" / "locks"
    with (home.inbox / "a.jpg").open("wb"), home.started("run", "--once"):  # which waits a while for that writer
        until(lambda: locks.is_dir() and any(locks.iterdir()), "it has its lock")
        assert "A daemon runs outside the service" in purge(home, code=1)
    assert home.models.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may remove everything")
def test_what_cannot_be_removed_is_told(home: Home) -> None:
    """Exit 1 and a sentence; the rest is gone all the same."""
    configure(home, home.inbox, home.outbox)
    home.models.chmod(0o500)
    try:
        text = purge(home, code=1)
    finally:
        home.models.chmod(0o700)
    assert f"{home.models / 'tiny.onnx'} cannot be removed: Permission denied" in text
    assert not (home.root / "config" / "bgzero").exists()
