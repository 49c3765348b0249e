"""`bgzero cut` as a user types it."""

import io
import os
import pty
import signal
import stat
import subprocess

import numpy as np
import pytest
from PIL import Image

from bgzero_daemon.cli.interrupts import uninterrupted
from tests.extras import without
from tests.fault.oracle import pixel_data, tag_of
from tests.home import PROGRAM, Home, is_alive, photo, until

needs_user = pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")


def test_result_lies_beside_the_photo_and_the_photo_is_untouched(home: Home) -> None:
    """Without -o the cut-out gets a name that cannot be mistaken for the photo."""
    source = photo(home.root / "a.jpg", quality=90)
    before = source.read_bytes()
    done = home.bgzero("cut", source)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().strip() == str(home.root / "a-cutout.png")
    assert source.read_bytes() == before
    with Image.open(home.root / "a-cutout.png") as cutout, Image.open(source) as original:
        assert cutout.mode == "RGBA"
        assert cutout.size == original.size
        rgba, rgb = np.asarray(cutout), np.asarray(original)
    opaque = rgba[..., 3] == 255
    assert opaque.any()
    assert (rgba[..., :3][opaque] == rgb[opaque]).all()
    assert not rgba[..., :3][rgba[..., 3] == 0].any()
    assert (rgba[0, 0] == 0).all()


def test_output_may_be_a_folder_or_a_file(home: Home) -> None:
    """A name that ends in .png is a file, anything else a folder, made where it is missing."""
    source = photo(home.root / "a.jpg")
    assert home.bgzero("cut", source, "-o", home.root / "new" / "deep").returncode == 0
    assert (home.root / "new" / "deep" / "a.png").is_file()
    assert home.bgzero("cut", source, "-o", home.root / "mine.png").returncode == 0
    assert (home.root / "mine.png").read_bytes() == (home.root / "new" / "deep" / "a.png").read_bytes()


def test_standard_input_and_output(home: Home) -> None:
    """`-` reads the photo from a pipe and writes the PNG to one."""
    source = photo(home.root / "a.jpg")
    done = home.bgzero("cut", "-", stdin=source.read_bytes())
    assert done.returncode == 0, done.stderr
    with Image.open(io.BytesIO(done.stdout)) as cutout:
        assert cutout.mode == "RGBA"
        assert cutout.size == (120, 80)
    assert home.bgzero("cut", source, "-o", "-").stdout[:8] == b"\x89PNG\r\n\x1a\n"


def test_mask_only_is_the_alpha_of_the_cutout(home: Home) -> None:
    """--mask-only writes the same opacity as a grey picture."""
    source = photo(home.root / "a.jpg")
    home.bgzero("cut", source, "-o", home.root / "cut.png")
    home.bgzero("cut", source, "--mask-only", "-o", home.root / "mask.png")
    with Image.open(home.root / "cut.png") as cutout, Image.open(home.root / "mask.png") as mask:
        assert mask.mode == "L"
        assert (np.asarray(mask) == np.asarray(cutout)[..., 3]).all()


def test_png_option_is_the_last_word_on_the_files_size_and_changes_no_pixel(home: Home) -> None:
    """--png goes before the configuration; the same pixels take fewer bytes with "small" than with "fast"."""
    source = photo(home.root / "a.jpg", (300, 200))
    home.env["BGZERO_OUTPUT__PNG"] = "small"
    for name, options in (("configured", []), ("fast", ["--png", "fast"])):
        done = home.bgzero("cut", source, *options, "-o", home.root / f"{name}.png")
        assert done.returncode == 0, done.stderr
    small, fast = home.root / "configured.png", home.root / "fast.png"
    assert len(pixel_data(small)) < len(pixel_data(fast))
    with Image.open(small) as one, Image.open(fast) as other:
        assert (np.asarray(one) == np.asarray(other)).all()
    assert [tag_of(file)["settings"]["png"] for file in (small, fast)] == ["small", "fast"]  # type: ignore[index]
    assert home.bgzero("cut", source, "--png", "tiny").returncode == 2


def test_edges_option_says_what_is_done_for_edges(home: Home) -> None:
    """Off keeps the photo's own colours and the mask as it is; the tag tells; --edges goes before the configuration."""
    source = photo(home.root / "a.jpg", (300, 200))
    home.env["BGZERO_OUTPUT__EDGES"] = "off"
    made = {}
    for name, options in (("off", []), ("refine", ["--edges", "refine"]), ("best", ["--edges", "best"])):
        done = home.bgzero("cut", source, *options, "-o", home.root / f"{name}.png")
        assert done.returncode == 0, done.stderr
        assert tag_of(home.root / f"{name}.png")["settings"]["edges"] == name  # type: ignore[index]
        with Image.open(home.root / f"{name}.png") as opened:
            made[name] = np.asarray(opened)
    with Image.open(source) as opened:
        own = np.asarray(opened.convert("RGB"))
    seen = made["off"][..., 3] > 0
    assert (made["off"][..., :3][seen] == own[seen]).all()
    assert (made["refine"] != made["off"]).any()
    opaque = made["refine"][..., 3] == 255
    assert (made["refine"][..., :3][opaque] == own[opaque]).all()
    assert np.abs(made["best"].astype(np.int16) - made["refine"]).mean() < 1, "this network sees the same in a mirror"
    assert home.bgzero("cut", source, "--edges", "finest").returncode == 2


def test_photos_of_one_stem_both_survive(home: Home) -> None:
    """a.jpg and a.png give two outputs, as do two photos called a.jpg in different folders."""
    sources = [photo(home.root / "x" / "a.jpg", seed=1), photo(home.root / "x" / "a.png", seed=2)]
    sources.append(photo(home.root / "y" / "a.jpg", seed=3))
    done = home.bgzero("cut", *sources, "-o", home.outbox)
    assert done.returncode == 0, done.stderr
    assert len(list(home.outbox.iterdir())) == 3
    assert len(set(done.stdout.split())) == 3


def test_cutting_again_replaces_only_its_own_output(home: Home) -> None:
    """A second run of the same photo gives the same one file; a stranger's file keeps its name."""
    source = photo(home.root / "a.jpg")
    strangers = photo(home.outbox / "a.png", seed=9).read_bytes()
    for _run in range(2):
        assert home.bgzero("cut", source, "-o", home.outbox).returncode == 0
    assert (home.outbox / "a.png").read_bytes() == strangers
    assert sorted(path.name for path in home.outbox.iterdir()) == ["a.jpg.png", "a.png"]


def test_a_named_file_that_belongs_to_a_stranger_is_left_alone(home: Home) -> None:
    """`-o FILE` never overwrites what this program did not make from that photo."""
    source = photo(home.root / "a.jpg")
    strangers = photo(home.root / "other.png", seed=9).read_bytes()
    done = home.bgzero("cut", source, "-o", home.root / "other.png")
    assert done.returncode == 4
    assert b"other.png" in done.stderr
    assert (home.root / "other.png").read_bytes() == strangers
    assert not list(home.root.glob(".bgz-*"))


def test_what_cannot_be_cut_is_named_with_its_reason_and_the_rest_goes_on(home: Home) -> None:
    """Each bad photo costs one line; exit 4; no traceback, no leftovers."""
    (home.root / "page.jpg").write_text("<!DOCTYPE html><p>not found</p>")
    (home.root / "empty.jpg").touch()
    os.mkfifo(home.root / "pipe.jpg")
    good = photo(home.root / "good.jpg")
    bad = [home.root / name for name in ("page.jpg", "empty.jpg", "missing.jpg", "pipe.jpg")]
    done = home.bgzero("cut", *bad, good, "-o", home.outbox)
    assert done.returncode == 4
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 4
    assert "HTML page" in done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert [path.name for path in home.outbox.iterdir()] == ["good.png"]


def test_photos_whose_extra_is_not_there_are_skipped(home: Home) -> None:
    """HEIC and RAW are no failure beside a photo that was cut; the command that helps is said once."""
    heics = [home.root / "a.heic", home.root / "b.heic"]
    for heic in heics:
        heic.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
    home.env |= without(home.root / "hidden", "pillow_heif", python_path=home.env.get("PYTHONPATH", ""))
    done = home.bgzero("cut", *heics, photo(home.root / "good.jpg"), "-o", home.outbox)
    assert done.returncode == 0
    assert done.stderr.count(b"skipped") == 2
    assert done.stderr.count(b"bgzero-daemon[heif]") == 1


def test_folder_instead_of_a_photo_is_explained(home: Home) -> None:
    """A folder is not a photo; nothing hangs, nothing crashes."""
    done = home.bgzero("cut", home.root)
    assert done.returncode == 4
    assert len(done.stderr.splitlines()) == 1


def test_unknown_model_names_the_list(home: Home) -> None:
    """One sentence and a hint; exit 1."""
    done = home.bgzero("cut", photo(home.root / "a.jpg"), "--model", "nosuch")
    assert done.returncode == 1
    assert done.stderr.decode().splitlines() == [
        "bgzero: There is no model nosuch.",
        "`bgzero model list` shows all there are.",
    ]


def test_weights_by_path_and_missing_weights(home: Home) -> None:
    """A weight file named by path works; a card without weights says what to fetch and where to put it."""
    source = photo(home.root / "a.jpg")
    done = home.bgzero("cut", source, "--model", home.models / "tiny.onnx", "-o", home.outbox)
    assert done.returncode == 0, done.stderr
    done = home.bgzero("cut", source, "--model", "u2net")
    assert done.returncode == 1
    assert str(home.models / "u2net.onnx") in done.stderr.decode()


def test_damaged_weights_are_refused(home: Home) -> None:
    """One flipped byte in the weights: nothing is cut, and the sentence says which file."""
    weights = bytearray((home.models / "tiny.onnx").read_bytes())
    weights[-20] ^= 1
    (home.models / "tiny.onnx").write_bytes(weights)
    done = home.bgzero("cut", photo(home.root / "a.jpg"), "-o", home.outbox)
    assert done.returncode == 1
    assert b"tiny.onnx" in done.stderr
    assert not list(home.outbox.iterdir())


def test_output_follows_the_umask(home: Home) -> None:
    """The staged file is private; the published one is what the umask allows."""
    source = photo(home.root / "a.jpg")
    former = os.umask(0o027)
    try:
        home.bgzero("cut", source, "-o", home.outbox)
    finally:
        os.umask(former)
    assert stat.S_IMODE((home.outbox / "a.png").stat().st_mode) == 0o640


@needs_user
def test_folder_that_cannot_be_written_is_one_sentence(home: Home) -> None:
    """Output trouble names the folder; exit 4."""
    home.outbox.chmod(0o500)
    done = home.bgzero("cut", photo(home.root / "a.jpg"), "-o", home.outbox)
    assert done.returncode == 4
    assert str(home.outbox) in done.stderr.decode()


def test_names_that_attack_the_terminal_are_shown_escaped(home: Home) -> None:
    """Neither an escape sequence nor a newline nor a byte that is no UTF-8 reaches a terminal as it is."""
    name = b"\x1b[31mred\n\xff"
    source = os.path.join(os.fsencode(home.root), name + b".jpg")
    os.rename(photo(home.root / "plain.jpg"), source)
    ours, theirs = pty.openpty()
    command = [*PROGRAM, "cut", os.fsdecode(source), "-o", f"{home.outbox}/"]
    done = subprocess.run(command, env=home.env, stdout=theirs, stderr=theirs, timeout=60)
    shown = os.read(ours, 65536)
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 0, shown
    assert shown.strip() == rb"%s/\x1b[31mred\x0a\xff.png" % os.fsencode(home.outbox)
    assert os.listdir(os.fsencode(home.outbox)) == [name + b".png"]


def test_a_program_gets_the_path_byte_for_byte(home: Home) -> None:
    """What is printed into a pipe is the very name of the output."""
    source = os.path.join(os.fsencode(home.root), b"\xff.jpg")
    os.rename(photo(home.root / "plain.jpg"), source)
    done = home.bgzero("cut", os.fsdecode(source), "-o", f"{home.outbox}/")
    assert done.stdout == os.path.join(os.fsencode(home.outbox), b"\xff.png\n")


def test_worker_that_dies_is_replaced(home: Home) -> None:
    """kill -9 of the worker in the middle of a batch: every photo is cut."""
    sources = [photo(home.root / "many" / f"{number}.png", (1500, 1000), number) for number in range(10)]
    with home.started("cut", *sources, "-o", home.outbox) as daemon:
        until(lambda: len(list(home.outbox.glob("*.png"))) >= 3, "three results")
        if worker := daemon.worker():
            os.kill(worker, 9)
        assert daemon.process.wait(60) == 0, daemon.log
    assert len(list(home.outbox.glob("*.png"))) == 10
    assert worker


def test_interrupt_leaves_nothing_half_done(home: Home) -> None:
    """Ctrl-C in a batch: exit 130, no staged file, no worker."""
    sources = [photo(home.root / "many" / f"{number}.png", (1500, 1000), number) for number in range(20)]
    with home.started("cut", *sources, "-o", home.outbox) as daemon:
        until(lambda: len(list(home.outbox.glob("*.png"))) >= 2, "two results")
        worker = daemon.worker()
        assert daemon.stop(2) == 130
    assert not list(home.outbox.glob(".bgz-*"))
    assert worker
    until(lambda: not is_alive(worker), "the worker ends")


def test_signal_in_a_moment_that_must_not_be_interrupted_comes_after_it() -> None:
    """Ctrl-C between making a file and noting it would leave the file behind."""
    done = []

    def work() -> None:
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
            done.append(True)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
