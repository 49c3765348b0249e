"""Publishing on real file systems."""

import errno
import hashlib
import os
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from bgzero_daemon.core.errors import OutputError
from bgzero_daemon.core.job import Staged
from bgzero_daemon.service.outbox import Outbox, StagedFile


def fill(file: StagedFile, source: str = "a.jpg", sha256: str = "1" * 64) -> Staged:
    """Write a small PNG with this program's tag into a staged file."""
    texts = PngImagePlugin.PngInfo()
    texts.add_itxt("bgzero", f'{{"source": "{source}", "source_sha256": "{sha256}"}}')
    with os.fdopen(os.dup(file.descriptor), "wb") as staged:
        Image.new("RGBA", (3, 2)).save(staged, "PNG", pnginfo=texts)
    content = file.path.read_bytes()
    return Staged(sha256, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def publish(box: Outbox, source: str = "a.jpg", sha256: str = "1" * 64, folder: str = "", earlier: str = "") -> str:
    """Stage and publish one output under a.png or a.jpg.png."""
    file = box.stage(folder)
    try:
        staged = fill(file, source, sha256)
        names = ["a.png", "a.jpg.png"]
        return box.publish(file, staged, source_name=source, folder=folder, names=names, earlier=earlier)
    finally:
        file.discard()


def test_published_file_follows_the_umask_and_nothing_staged_stays(tmp_path: Path) -> None:
    """0666 less the umask."""
    assert publish(Outbox(tmp_path, umask=0o002)) == "a.png"
    assert (tmp_path / "a.png").stat().st_mode & 0o777 == 0o664
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_taken_name_is_replaced_only_for_the_same_photo_and_content(tmp_path: Path) -> None:
    """Same source, same content: replaced. Another content: the next name, unless it is the former output."""
    box = Outbox(tmp_path, umask=0o022)
    assert publish(box) == "a.png"
    assert publish(box) == "a.png"
    assert publish(box, sha256="2" * 64, earlier="a.png") == "a.png"
    assert publish(box, sha256="3" * 64) == "a.jpg.png"
    with pytest.raises(OutputError, match="belongs to somebody else"):
        publish(box, sha256="4" * 64)


def test_former_output_that_a_stranger_replaced_is_left_alone(tmp_path: Path) -> None:
    """Even where the ledger says that the name is ours, the file has to carry our tag."""
    box = Outbox(tmp_path, umask=0o022)
    publish(box)
    (tmp_path / "a.png").write_bytes(b"mine now")
    assert publish(box, sha256="2" * 64, earlier="a.png") == "a.jpg.png"
    assert (tmp_path / "a.png").read_bytes() == b"mine now"


def test_link_under_the_name_is_not_followed(tmp_path: Path) -> None:
    """A symbolic link with the output's name is a stranger, wherever it leads."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "a.png").symlink_to(victim)
    assert publish(Outbox(tmp_path, umask=0o022)) == "a.jpg.png"
    assert victim.read_text() == "precious"


def test_without_hard_links_nothing_is_overwritten_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """exFAT and SMB refuse links: the name is held with an empty file and then replaced."""

    def no_links(*_arguments: object, **_options: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    # no file system without links can be mounted by an ordinary user, so the call is refused here
    monkeypatch.setattr(os, "link", no_links)
    (tmp_path / "a.png").write_bytes(b"stranger")
    box = Outbox(tmp_path, umask=0o022)
    assert publish(box) == "a.jpg.png"
    assert (tmp_path / "a.png").read_bytes() == b"stranger"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jpg.png", "a.png"]


def test_sub_folders_are_made_but_never_the_root(tmp_path: Path) -> None:
    """A missing root may be a lost mount; filling the disk below it would hide the photos."""
    root = tmp_path / "out"
    root.mkdir()
    box = Outbox(root, umask=0o022)
    assert publish(box, folder="x/y") == "x/y/a.png"
    root.rename(tmp_path / "gone")
    with pytest.raises(OutputError, match="cannot be written"):
        box.stage("x")
    assert not root.exists()


def test_sweep_removes_what_the_dead_left_and_nothing_of_the_living(tmp_path: Path) -> None:
    """A staged file in work is locked; one without an owner goes; other files are never touched."""
    box = Outbox(tmp_path, umask=0o022)
    (tmp_path / "sub").mkdir()
    living = box.stage()
    dead = [tmp_path / ".bgz-dead.tmp", tmp_path / "sub" / ".bgz-dead.tmp"]
    for file in dead:
        file.write_bytes(b"half")
    (tmp_path / ".bgz-notes.txt").write_text("mine")
    assert box.sweep() == 2
    assert living.path.exists()
    assert not any(file.exists() for file in dead)
    assert (tmp_path / ".bgz-notes.txt").exists()
    living.discard()
