"""Publishing on real file systems."""

import errno
import hashlib
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from bgzero_daemon.core import rename
from bgzero_daemon.core.errors import OutputError
from bgzero_daemon.core.job import Staged
from bgzero_daemon.service.outbox import Outbox, StagedFile
from bgzero_daemon.service.sweeper import sweep


def fill(file: StagedFile, source: str = "a.jpg", sha256: str = "1" * 64) -> Staged:
    """Write a small PNG with this program's tag into a staged file."""
    texts = PngImagePlugin.PngInfo()
    texts.add_itxt("bgzero", f'{{"source": "{source}", "source_sha256": "{sha256}"}}')
    with os.fdopen(os.dup(file.descriptor), "wb") as staged:
        Image.new("RGBA", (3, 2)).save(staged, "PNG", pnginfo=texts)
    content = file.path.read_bytes()
    return Staged(sha256, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def publish(box: Outbox, rel: str = "a.png", *, may_replace: bool = False) -> bool:
    """Stage, seal and publish one output."""
    file = box.stage(os.path.dirname(rel))
    try:
        box.seal(file, fill(file))
        return box.publish(file, rel, may_replace=may_replace)
    finally:
        file.discard()


def test_published_file_follows_the_umask_and_nothing_staged_stays(tmp_path: Path) -> None:
    """0666 less the umask."""
    assert publish(Outbox(tmp_path, umask=0o002))
    assert (tmp_path / "a.png").stat().st_mode & 0o777 == 0o664
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_output_belongs_to_the_group_of_its_folder(tmp_path: Path) -> None:
    """In a shop's shared folder everybody of the group gets at the cut-outs, new sub-folders included."""
    others = [group for group in os.getgroups() if group != os.getegid()] if os.getuid() else [12345]
    if not others:
        pytest.skip("this account is in one group only")
    os.chown(tmp_path, -1, others[0])
    assert publish(Outbox(tmp_path, umask=0o022), "sub/a.png")
    assert (tmp_path / "sub").stat().st_gid == others[0]
    assert (tmp_path / "sub" / "a.png").stat().st_gid == others[0]


@pytest.mark.parametrize("stranger", ["file", "link", "folder", "broken link"])
def test_taken_name_is_left_alone(tmp_path: Path, stranger: str) -> None:
    """Whatever has the name; a link is not followed either."""
    victim, taken = tmp_path / "victim", tmp_path / "a.png"
    victim.write_text("precious")
    match stranger:
        case "file":
            taken.write_text("precious")
        case "link":
            taken.symlink_to(victim)
        case "broken link":
            taken.symlink_to(tmp_path / "nowhere")
        case "folder":
            taken.mkdir()
    before = taken.lstat()
    assert publish(Outbox(tmp_path, umask=0o022)) is False
    assert taken.lstat() == before
    assert victim.read_text() == "precious"
    assert publish(Outbox(tmp_path, umask=0o022), "b.png")


def test_three_ways_to_a_name_never_replace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Links, then the kernel's own call, then a placeholder: each moves, and each leaves a taken name alone."""
    taken = tmp_path / "taken"
    taken.write_text("stranger")

    def try_it(way: str) -> None:
        source = tmp_path / f"{way}.tmp"
        source.write_text(way)
        assert rename.without_replacing(source, taken) is False
        assert source.read_text() == way
        assert rename.without_replacing(source, tmp_path / way) is True
        assert (tmp_path / way).read_text() == way
        assert not source.exists()

    def refuse(*_arguments: object, **_options: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    try_it("link")
    # no file system without links can be mounted by an ordinary user, so the calls are refused here
    monkeypatch.setattr(os, "link", refuse)
    if sys.platform == "linux":
        assert rename._kernel_call() is not None
    try_it("kernel")
    monkeypatch.setattr(rename, "_kernel_call", lambda: lambda _source, _target: errno.EINVAL)
    try_it("hold")
    assert taken.read_text() == "stranger"


def test_what_does_not_match_the_report_is_not_sealed(tmp_path: Path) -> None:
    """One flipped bit, one byte too many, or another hash than reported."""
    box = Outbox(tmp_path, umask=0o022)
    file = box.stage()
    good = fill(file)
    box.seal(file, good)
    with pytest.raises(OutputError, match="not the one that was written"):
        box.seal(file, Staged("1" * 64, size_bytes=good.size_bytes, sha256="0" * 64))
    os.pwrite(file.descriptor, b"\xff", good.size_bytes - 20)
    with pytest.raises(OutputError, match="damaged"):
        box.seal(file, good)
    file.discard()


def test_cut_out_of_another_photo_is_not_sealed(tmp_path: Path) -> None:
    """Its tag names the photo that it may be replaced with one day."""
    box = Outbox(tmp_path, umask=0o022)
    file = box.stage("")
    with pytest.raises(OutputError, match="is not the one"):
        box.seal(file, replace(fill(file), source_sha256="2" * 64))
    file.discard()


@pytest.mark.parametrize("rel", ["../a.png", "sub/../../a.png"])
def test_name_outside_the_outbox_is_never_given(tmp_path: Path, rel: str) -> None:
    """Whoever made it up."""
    box = Outbox(tmp_path / "out", umask=0o022)
    box.root.mkdir()
    file = box.stage("")
    box.seal(file, fill(file))
    with pytest.raises(OutputError, match="not in the outbox"):
        box.publish(file, rel, may_replace=True)
    file.discard()
    assert list(tmp_path.rglob("*.png")) == []


def test_sub_folders_are_made_but_never_the_root(tmp_path: Path) -> None:
    """A missing root may be a lost mount; filling the disk below it would hide the photos."""
    root = tmp_path / "out"
    root.mkdir()
    box = Outbox(root, umask=0o022)
    assert publish(box, "x/y/a.png")
    root.rename(tmp_path / "gone")
    with pytest.raises(OutputError, match="is not there"):
        box.check()
    with pytest.raises(OutputError, match="cannot be written"):
        box.stage("x")
    assert not root.exists()
    root.mkdir()  # made anew by somebody, on the same file system
    box.check()


def test_space_is_kept_free(tmp_path: Path) -> None:
    """More than there can be is never free; the sentence has both figures."""
    with pytest.raises(OutputError, match=r"\d+ MB are free, \d+ MB are kept free"):
        Outbox(tmp_path, umask=0o022, keep_free_bytes=1 << 62).check()
    Outbox(tmp_path, umask=0o022, keep_free_bytes=0).probe()
    assert not list(tmp_path.iterdir())


def test_sweep_removes_what_the_dead_left_and_nothing_of_the_living(tmp_path: Path) -> None:
    """A staged file in work is locked; one without an owner goes; other files are never touched."""
    box = Outbox(tmp_path, umask=0o022)
    (tmp_path / "sub").mkdir()
    living = box.stage()
    dead = [tmp_path / ".bgz-dead.tmp", tmp_path / "sub" / ".bgz-dead.tmp"]
    for file in dead:
        file.write_bytes(b"half")
    (tmp_path / ".bgz-notes.txt").write_text("mine")
    assert sorted(box.staged()) == sorted([*dead, living.path])
    assert [sweep(path) for path in dead] == [True, True]
    assert sweep(living.path) is False
    assert living.path.exists()
    assert not any(file.exists() for file in dead)
    assert (tmp_path / ".bgz-notes.txt").exists()
    living.discard()
