"""`bgzero run` driven through its folder and signals, as a process."""

import hashlib
import os
import time
from pathlib import Path

import numpy as np
from PIL import Image

from tests.extras import without
from tests.fault.oracle import pixel_data
from tests.home import Home, photo, until


def staged(home: Home) -> list[Path]:
    """Unpublished files in the outbox."""
    return list(home.outbox.rglob(".bgz-*"))


def test_dropped_photo_becomes_a_cutout_and_stays_where_it_is(home: Home) -> None:
    """The main promise, and originals are not touched: neither bytes nor times."""
    with home.daemon() as daemon:
        source = photo(home.inbox / "a.jpg")
        before = (source.read_bytes(), source.stat().st_mtime_ns)
        daemon.wait_for("a.png")
        with Image.open(home.outbox / "a.png") as cutout:
            assert cutout.mode == "RGBA"
            assert cutout.size == (120, 80)
        assert (source.read_bytes(), source.stat().st_mtime_ns) == before
        assert not staged(home)


def test_photos_that_were_there_before_are_cut_too(home: Home) -> None:
    """What lies in the inbox at the start passes the same gate."""
    photo(home.inbox / "early.jpg")
    with home.daemon() as daemon:
        daemon.wait_for("early.png")


def test_subfolders_are_mirrored(home: Home) -> None:
    """A folder that was there, one made later, one moved in with its photos."""
    photo(home.inbox / "old" / "a.jpg")
    photo(home.root / "elsewhere" / "deep" / "c.jpg")
    with home.daemon() as daemon:
        photo(home.inbox / "new" / "b.jpg")
        (home.root / "elsewhere").rename(home.inbox / "moved")
        daemon.wait_for("old/a.png", "new/b.png", "moved/deep/c.png")


def test_folder_that_is_not_recursive_ignores_subfolders(home: Home) -> None:
    """`recursive = false` means this folder alone."""
    photo(home.inbox / "sub" / "a.jpg")
    photo(home.inbox / "b.jpg")
    assert home.once(BGZERO_FOLDER__RECURSIVE="false").returncode == 0
    assert [path.name for path in home.outbox.rglob("*.png")] == ["b.png"]


def test_file_that_is_still_written_is_left_alone(home: Home) -> None:
    """A slow copy with pauses longer than the settle time is cut once, when the writer closes it."""
    content = photo(home.root / "whole.png", (200, 150)).read_bytes()
    with home.daemon() as daemon:
        with (home.inbox / "slow.png").open("wb") as slow:
            for at in range(0, len(content), len(content) // 4):
                slow.write(content[at : at + len(content) // 4])
                slow.flush()
                time.sleep(0.3)  # the pause is the case: longer than settle_seconds
            assert not daemon.outputs()
        daemon.wait_for("slow.png")
        until(lambda: daemon.log.count("slow.png: done") == 1, "the log line")
        assert "failed" not in daemon.log, "no half was tried"
    home.bgzero("cut", home.root / "whole.png", "-o", home.root / "expected.png")
    with Image.open(home.outbox / "slow.png") as got, Image.open(home.root / "expected.png") as expected:
        assert (np.asarray(got) == np.asarray(expected)).all()


def test_cut_and_run_give_the_same_bytes(home: Home) -> None:
    """One pipeline serves both."""
    source = photo(home.inbox / "a.jpg", quality=95)
    assert home.once().returncode == 0
    assert home.bgzero("cut", source, "-o", home.root / "b.png").returncode == 0
    assert (home.root / "b.png").read_bytes() == (home.outbox / "a.png").read_bytes()


def test_same_content_with_another_time_is_not_cut_again(home: Home) -> None:
    """touch, and a copy over itself, change the fingerprint but not the photo."""
    source = photo(home.inbox / "a.jpg")
    home.once()
    before = (home.outbox / "a.png").stat()
    content = source.read_bytes()
    source.unlink()
    source.write_bytes(content)
    done = home.once()
    assert b"0 cut" in done.stderr, done.stderr
    assert (home.outbox / "a.png").stat().st_ino == before.st_ino


def test_new_content_under_a_name_replaces_its_own_output(home: Home) -> None:
    """A photo that changes after it was cut is cut again, and its output is replaced in place."""
    with home.daemon() as daemon:
        photo(home.inbox / "a.png", seed=1)
        daemon.wait_for("a.png")
        first = (home.outbox / "a.png").read_bytes()
        photo(home.inbox / "a.png", (60, 90), seed=2)
        until(lambda: (home.outbox / "a.png").read_bytes() != first, "the new output")
        with Image.open(home.outbox / "a.png") as cutout:
            assert cutout.size == (60, 90)
        assert daemon.outputs() == ["a.png"]


def test_strangers_file_in_the_outbox_keeps_its_name(home: Home) -> None:
    """The outbox is the user's: what this program did not make is never overwritten."""
    strangers = photo(home.outbox / "a.png", seed=7).read_bytes()
    photo(home.inbox / "a.jpg")
    assert home.once().returncode == 0
    assert (home.outbox / "a.png").read_bytes() == strangers
    assert (home.outbox / "a.jpg.png").is_file()


def test_what_is_no_photo_is_skipped_or_fails_with_its_reason(home: Home) -> None:
    """HEIC and RAW are skipped and counted, sidecars are nobody's business, a web page called .jpg fails."""
    home.env |= without(home.root / "hidden", "pillow_heif", "rawpy", python_path=home.env.get("PYTHONPATH", ""))
    (home.inbox / "a.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
    (home.inbox / "b.nef").write_bytes(b"II*\0" + bytes(100))
    (home.inbox / "c.xmp").write_text("<?xpacket?>")
    (home.inbox / "page.jpg").write_text("<html>404</html>")
    (home.inbox / ".hidden.jpg").write_bytes(b"x")
    (home.inbox / "half.jpg.part").write_bytes(b"x")
    os.mkfifo(home.inbox / "pipe.jpg")
    os.symlink(photo(home.root / "secret.jpg"), home.inbox / "link.jpg")
    photo(home.inbox / "good.jpg")
    done = home.once()
    assert done.returncode == 4
    assert b"1 cut, 1 failed, 2 skipped" in done.stderr
    assert b"HTML page" in done.stderr
    assert b"c.xmp" not in done.stderr
    assert home.visible() == ["good.png"]


def test_failed_photo_is_not_tried_again_until_its_bytes_change(home: Home) -> None:
    """One error line a bad photo, over restarts too; new content opens it again."""
    bad = home.inbox / "a.jpg"
    bad.write_bytes(b"\xff\xd8\xff" + bytes(500))
    assert home.once().returncode == 4
    assert home.once().returncode == 0
    photo(bad)
    assert b"1 cut" in home.once().stderr


def test_sixty_photos_of_mixed_formats_with_a_slow_copy_among_them(home: Home) -> None:
    """All at once: every one comes out once, whole, at its own size."""
    formats = ["jpg", "png", "webp", "tif", "bmp", "gif", "avif"]
    source = home.root / "source"
    sizes: dict[str, tuple[int, int]] = {}
    for number in range(59):
        name = f"{number:02d}.{formats[number % len(formats)]}"
        sizes[name.split(".", maxsplit=1)[0] + ".png"] = size = (60 + number, 119 - number)
        photo(source / name, size, number)
    content = photo(home.root / "slow.png", (300, 200), 99).read_bytes()
    sizes["slow.png"] = (300, 200)
    with home.daemon() as daemon:
        with (home.inbox / "slow.png").open("wb") as slow:
            slow.write(content[:1000])
            slow.flush()
            for file in source.iterdir():
                os.link(file, home.inbox / file.name)
            until(lambda: len(daemon.outputs()) >= 30, "half of the results")
            slow.write(content[1000:])
        daemon.wait_for(*sizes)
        assert daemon.stop() == 0
    assert daemon.log.count(": done") == 60
    for name, size in sizes.items():
        with Image.open(home.outbox / name) as cutout:
            cutout.load()
            assert cutout.size == size, name
    assert len(daemon.outputs()) == 60


def test_two_inboxes_with_their_own_models_and_outboxes(home: Home) -> None:
    """Each [[folder]] has its model; both are served by the one worker in turn."""
    for name in ("in2", "out2"):
        (home.root / name).mkdir()
    config = home.root / "c.toml"
    config.write_text(
        f'[[folder]]\ninbox = "{home.inbox}"\noutbox = "{home.outbox}"\n'
        f'[[folder]]\ninbox = "{home.root}/in2"\noutbox = "{home.root}/out2"\nmodel = "u2netp"\nmetadata = "none"\n'
        'edges = "off"\n'
    )
    for number in range(3):
        photo(home.inbox / f"{number}.jpg", seed=number)
        photo(home.root / "in2" / f"{number}.jpg", seed=number)
    done = home.bgzero("run", "--once", "--config", config)
    assert done.returncode == 0, done.stderr
    assert b"6 cut" in done.stderr
    with Image.open(home.outbox / "0.png") as one, Image.open(home.root / "out2" / "0.png") as two:
        assert '"model":"tiny"' in one.text["bgzero"]  # type: ignore[attr-defined]
        assert '"edges":"refine"' in one.text["bgzero"]  # type: ignore[attr-defined]
        assert '"edges":"off"' in two.text["bgzero"]  # type: ignore[attr-defined]
        assert '"model":"u2netp"' in two.text["bgzero"]  # type: ignore[attr-defined]


def test_folders_with_their_own_png_write_the_same_pixels_in_fewer_bytes(home: Home) -> None:
    """[[folder]] png goes before [output]'s, which holds for the folder that names none."""
    for name in ("in2", "out2"):
        (home.root / name).mkdir()
    config = home.root / "c.toml"
    config.write_text(
        f'[[folder]]\ninbox = "{home.inbox}"\noutbox = "{home.outbox}"\n'
        f'[[folder]]\ninbox = "{home.root}/in2"\noutbox = "{home.root}/out2"\npng = "small"\n[output]\npng = "fast"\n'
    )
    for inbox in (home.inbox, home.root / "in2"):
        photo(inbox / "a.jpg", (300, 200))
    done = home.bgzero("run", "--once", "--config", config)
    assert done.returncode == 0, done.stderr
    fast, small = home.outbox / "a.png", home.root / "out2" / "a.png"
    assert len(pixel_data(small)) < len(pixel_data(fast))
    with Image.open(fast) as one, Image.open(small) as two:
        assert (np.asarray(one) == np.asarray(two)).all()


def test_idle_service_is_light_and_quiet(home: Home) -> None:
    """Idle, the service has neither numpy nor a decoder mapped, and our own reading wakes nobody."""
    photo(home.inbox / "a.jpg")
    with home.daemon() as daemon:
        daemon.wait_for("a.png")
        maps = Path(f"/proc/{daemon.process.pid}/maps").read_text()
        for library in ("numpy", "onnxruntime", "PIL/"):
            assert library not in maps
        fields = Path(f"/proc/{daemon.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        before = sum(map(int, fields[11:13]))
        time.sleep(2)
        fields = Path(f"/proc/{daemon.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        assert sum(map(int, fields[11:13])) - before <= 4  # ticks of 10 ms in 2 s; a self-feeding loop burns 200


def test_rgb_under_transparency_is_empty_and_opaque_pixels_are_the_photos(home: Home) -> None:
    """The removed background cannot be recovered from the output."""
    source = photo(home.inbox / "a.png", (333, 211))
    home.once()
    rgba, rgb = np.asarray(Image.open(home.outbox / "a.png")), np.asarray(Image.open(source))
    assert not rgba[..., :3][rgba[..., 3] == 0].any()
    assert (rgba[..., :3][rgba[..., 3] == 255] == rgb[rgba[..., 3] == 255]).all()
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    assert digest in Image.open(home.outbox / "a.png").text["bgzero"]  # type: ignore[attr-defined]


def test_burst_gives_what_each_photo_gives_alone(home: Home) -> None:
    """Photos that are in work together, which share network and threads, become the very files of `bgzero cut`."""
    for number in range(12):
        photo(home.inbox / f"{number:02}.jpg", (900 + 40 * number, 700), number)
    photo(home.inbox / "large.jpg", (3000, 2100), 12)
    run = ("run", "--once", "--inbox", home.inbox, "--outbox", home.outbox)
    assert home.bgzero(*run, BGZERO_WORKER__LANES="4", BGZERO_WORKER__THREADS="2").returncode == 0
    for source in sorted(home.inbox.iterdir()):
        alone = home.root / "alone.png"
        alone.unlink(missing_ok=True)
        assert home.bgzero("cut", source, "-o", alone, BGZERO_WORKER__LANES="1").returncode == 0
        assert alone.read_bytes() == (home.outbox / f"{source.stem}.png").read_bytes(), source.name
