"""How files come to be written: rows F01 to F07 of the fault table, by process, through the file system alone."""

import io
import os
import re
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.home import Daemon, Home, photo, until

FORMATS = ["jpg", "png", "webp", "tif", "bmp", "gif", "avif"]
SETTLE = 0.3
PAUSE = 3 * SETTLE


@pytest.fixture
def home(home: Home) -> Home:
    """An account that waits a little longer: what is cut too early shall have the time to come out."""
    home.env["BGZERO_WATCH__SETTLE_SECONDS"] = str(SETTLE)
    return home


def picture(home: Home, suffix: str, seed: int = 0) -> bytes:
    """The bytes of a photo of that format."""
    return photo(home.root / "made" / f"{seed}.{suffix}", (220, 160), seed).read_bytes()


def expect(home: Home, daemon: Daemon, name: str, content: bytes) -> None:
    """Wait until the output of `name` is what `bgzero cut` makes of the whole content."""
    reference = home.root / "reference" / name
    reference.parent.mkdir(exist_ok=True)
    reference.write_bytes(content)
    target = reference.with_suffix(".png") if not name.endswith(".png") else reference.with_suffix(".expected.png")
    assert home.bgzero("cut", reference, "-o", target).returncode == 0
    output = home.outbox / f"{Path(name).stem}.png"

    def is_right() -> bool:
        if not output.exists():
            return False
        with Image.open(io.BytesIO(output.read_bytes())) as got, Image.open(target) as wanted:
            return bool(np.array_equal(np.asarray(got), np.asarray(wanted)))

    until(is_right, f"the whole {name}\n{daemon.log}")


def warm(home: Home, daemon: Daemon) -> None:
    """Have a worker ready, so that what is cut too early comes out within a pause."""
    photo(home.inbox / "warm" / "up.jpg")
    daemon.wait_for("warm/up.png")
    until(lambda: daemon.log.count(": done") == 1, "its line")


def early(daemon: Daemon) -> list[str]:
    """What was cut besides the photo that warmed up."""
    return [name for name in daemon.outputs() if name != "warm/up.png"]


@pytest.mark.fault("F01")
def test_slow_writers_with_pauses_are_waited_for(home: Home) -> None:
    """Writers keep their file open and pause three times the settle time: one output each, the whole one."""
    contents = {f"a{suffix}.{suffix}": picture(home, suffix) for suffix in FORMATS}
    with home.daemon() as daemon:
        warm(home, daemon)
        with ExitStack() as stack:
            writers = {name: stack.enter_context((home.inbox / name).open("wb")) for name in contents}
            for third in range(3):
                for name, content in contents.items():
                    writers[name].write(content[third * len(content) // 3 : (third + 1) * len(content) // 3])
                    writers[name].flush()
                time.sleep(PAUSE)
            assert early(daemon) == []
        for name, content in contents.items():
            expect(home, daemon, name, content)
        until(lambda: daemon.log.count(": done") == len(FORMATS) + 1, "the log lines")
        assert ": failed" not in daemon.log


@pytest.mark.fault("F02")
def test_preallocated_file_is_not_cut_before_it_is_filled(home: Home) -> None:
    """Made at full size, closed, and filled back to front much later: nothing comes out of the empty form."""
    contents = {f"a{suffix}.{suffix}": picture(home, suffix) for suffix in FORMATS}
    with home.daemon() as daemon:
        warm(home, daemon)
        for name, content in contents.items():
            descriptor = os.open(home.inbox / name, os.O_CREAT | os.O_WRONLY)
            os.posix_fallocate(descriptor, 0, len(content))
            os.close(descriptor)
        time.sleep(PAUSE)
        assert early(daemon) == []
        for name, content in contents.items():
            half = len(content) // 2
            for start, part in ((half, content[half:]), (0, content[:half])):
                with (home.inbox / name).open("r+b") as writer:
                    writer.seek(start)
                    writer.write(part)
        for name, content in contents.items():
            expect(home, daemon, name, content)
        assert ": failed" not in daemon.log
        until(lambda: daemon.log.count(": done") == len(FORMATS) + 1, "one result each")


@pytest.mark.fault("F02")
def test_sparse_file_waits_for_its_holes(home: Home) -> None:
    """A TIFF with a hole decodes without an error; the file system knows that it was never written."""
    content = picture(home, "tif")
    with home.daemon() as daemon:
        warm(home, daemon)
        with (home.inbox / "a.tif").open("wb") as writer:
            writer.truncate(len(content))
            writer.write(content[:64])
        time.sleep(PAUSE)
        assert early(daemon) == []
        (home.inbox / "a.tif").write_bytes(content)
        expect(home, daemon, "a.tif", content)


@pytest.mark.fault("F03")
def test_file_that_is_closed_several_times_ends_whole(home: Home) -> None:
    """Opened, appended to and closed three times, with long pauses: the output is the whole photo's."""
    contents = {f"a{suffix}.{suffix}": picture(home, suffix) for suffix in FORMATS}
    with home.daemon() as daemon:
        for third in range(3):
            for name, content in contents.items():
                with (home.inbox / name).open("ab") as writer:
                    writer.write(content[third * len(content) // 3 : (third + 1) * len(content) // 3])
            time.sleep(PAUSE)
        for name, content in contents.items():
            expect(home, daemon, name, content)
        assert ": failed" not in daemon.log


@pytest.mark.fault("F03")
def test_photo_that_is_written_again_replaces_its_output(home: Home) -> None:
    """An exporter closes a whole picture, then writes a better one over it: the last one stands, under one name."""
    with home.daemon() as daemon:
        for seed in range(3):
            (home.inbox / "a.jpg").write_bytes(picture(home, "jpg", seed))
            time.sleep(PAUSE)
        expect(home, daemon, "a.jpg", picture(home, "jpg", 2))
        assert daemon.outputs() == ["a.png"]


TEMPORARY = [
    "tmpfileAb3dE6",  # gphoto2
    "rpd-tmp-x1/Ab3dE.jpg",  # Rapid Photo Downloader
    "Camera-x1y2z3.digikamtempfile.a.jpg",  # digiKam
    "a.jpg.X1Y2Z3",  # darktable
    "a.jpg.part",  # Firefox, curl
    "a.jpg.crdownload",  # Chromium
    ".a.jpg.Xy12Zw",  # rsync
    ".syncthing.a.jpg.tmp",
    "~syncthing~a.jpg.tmp",
    ".goutputstream-ABC123",  # GNOME
]


@pytest.mark.fault("F04")
def test_import_tools_that_rename_are_understood(home: Home) -> None:
    """Written under each tool's temporary name and renamed inside the inbox: one output, under the final name."""
    content = picture(home, "jpg")
    with home.daemon(BGZERO_WATCH__RESCAN_SECONDS="3600") as daemon:
        warm(home, daemon)
        for temporary in TEMPORARY:
            made = home.inbox / temporary
            made.parent.mkdir(exist_ok=True)
            made.write_bytes(content)
        time.sleep(PAUSE)
        assert early(daemon) == []
        for number, temporary in enumerate(TEMPORARY):
            (home.inbox / temporary).rename(home.inbox / f"{number}.jpg")
        daemon.wait_for(*(f"{number}.png" for number in range(len(TEMPORARY))))
        assert len(early(daemon)) == len(TEMPORARY)


@pytest.mark.fault("F05")
@pytest.mark.parametrize("arrive", [os.rename, os.link])
def test_file_that_is_moved_or_linked_in_is_noticed(home: Home, arrive: object) -> None:
    """Both make a "created" without a "closed"."""
    source = photo(home.root / "a.jpg")
    with home.daemon(BGZERO_WATCH__RESCAN_SECONDS="3600") as daemon:
        assert callable(arrive)
        arrive(source, home.inbox / "a.jpg")
        daemon.wait_for("a.png")


@pytest.mark.fault("F06")
def test_photo_that_stays_cut_off_fails_once_and_opens_again_by_new_bytes(home: Home) -> None:
    """After `max_wait_seconds` the decoder decides, once; two lines in the log; the whole file mends it."""
    contents = {f"a{suffix}.{suffix}": picture(home, suffix) for suffix in FORMATS}
    with home.daemon(BGZERO_WATCH__MAX_WAIT_SECONDS="1.5", BGZERO_WATCH__RESCAN_SECONDS="1") as daemon:
        for name, content in contents.items():
            (home.inbox / name).write_bytes(content[: len(content) // 2])
        time.sleep(PAUSE)
        assert ": failed" not in daemon.log
        assert daemon.outputs() == []
        until(lambda: daemon.log.count(": failed") + daemon.log.count(": done") == len(FORMATS), "the decoder decides")
        time.sleep(2.5)  # two scans more
        for name in contents:
            about = [line for line in daemon.log.splitlines() if name in line]
            assert len(about) == 2, about  # that it waits, and how it ended
            assert sum(map(len, about)) < 1024
        for name, content in contents.items():
            (home.inbox / name).write_bytes(content)
        for name, content in contents.items():
            expect(home, daemon, name, content)


@pytest.mark.fault("F07")
def test_empty_file_waits_and_then_fails_as_empty(home: Home) -> None:
    """Nothing is in it yet: no hurry, no noise; one sentence in the end, and bytes that come later are cut."""
    with home.daemon(BGZERO_WATCH__MAX_WAIT_SECONDS="1.5", BGZERO_WATCH__RESCAN_SECONDS="1") as daemon:
        (home.inbox / "a.jpg").touch()
        time.sleep(PAUSE)
        assert ": failed" not in daemon.log
        until(lambda: "The file is empty" in daemon.log, "the sentence")
        time.sleep(2.5)
        assert len(re.findall("The file is empty", daemon.log)) == 1
        photo(home.inbox / "a.jpg")
        daemon.wait_for("a.png")
