"""How cameras and their programs deliver: times of their own, uploads that are cut off, several closes."""

import ftplib
import importlib.util
import io
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from tests.fault.oracle import Oracle
from tests.home import Daemon, Home, photo, until

SETTLE = 0.6
_SERVER = """
import sys
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer
authorizer = DummyAuthorizer()
authorizer.add_user("camera", "secret", sys.argv[1], perm="elradfmwMT")
FTPHandler.authorizer = authorizer
server = FTPServer(("127.0.0.1", 0), FTPHandler)
print(server.socket.getsockname()[1], flush=True)
server.serve_forever()
"""
needs_ftp = pytest.mark.skipif(
    importlib.util.find_spec("pyftpdlib") is None, reason="CAMERAS THAT UPLOAD ARE NOT TESTED: install pyftpdlib"
)


@pytest.fixture
def home(home: Home) -> Home:
    """An account that waits a little longer: what is cut too early shall have the time to come out."""
    home.env["BGZERO_WATCH__SETTLE_SECONDS"] = str(SETTLE)
    return home


@pytest.fixture
def camera(home: Home) -> Iterator[ftplib.FTP]:
    """A camera that is logged in to a real FTP server, whose folder is the inbox."""
    command = [sys.executable, "-c", _SERVER, str(home.inbox)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout
            with ftplib.FTP() as client:  # what cameras speak, to this very machine
                client.connect("127.0.0.1", int(server.stdout.readline()), 60)
                client.login("camera", "secret")
                yield client
        finally:
            server.kill()


def same(home: Home, output: Path, content: bytes) -> bool:
    """Say whether an output is what `bgzero cut` makes of these bytes."""
    reference, target = home.root / "reference.jpg", home.root / "reference.png"
    reference.write_bytes(content)
    assert home.bgzero("cut", reference, "-o", target).returncode == 0
    with Image.open(output) as got, Image.open(target) as wanted:
        return bool(np.array_equal(np.asarray(got), np.asarray(wanted)))


def warm(home: Home, daemon: Daemon) -> None:
    """Have a worker ready, so that what is cut too early comes out within a pause."""
    photo(home.inbox / "warm.png", (40, 30))
    daemon.wait_for("warm.png")


@needs_ftp
def test_upload_that_is_cut_off_is_no_photo_until_the_rest_has_come(home: Home, camera: ftplib.FTP) -> None:
    """The server says 226 all the same, closes the file and leaves a third of it under its name."""
    content = photo(home.root / "made.jpg", (800, 600), quality=95).read_bytes()
    third = len(content) // 3
    with home.daemon(BGZERO_WATCH__PAIR_WAIT="30") as daemon:
        warm(home, daemon)
        camera.voidcmd("TYPE I")
        data = camera.transfercmd("STOR DSC_1.JPG")
        data.sendall(content[:third])
        data.close()
        assert camera.voidresp().startswith("226")
        until(lambda: "waits, its end is missing" in daemon.log, lambda: daemon.log)
        time.sleep(3 * SETTLE)
        oracle = Oracle(home)
        assert oracle.status()["arriving"] == 1
        assert home.visible() == ["warm.png"]
        camera.storbinary("STOR DSC_1.JPG", io.BytesIO(content[third:]), rest=third)
        daemon.wait_for("DSC_1.png")
        oracle.wait_until_settled()
        assert home.visible() == ["DSC_1.png", "warm.png"]
        assert ": failed" not in daemon.log
    assert (home.inbox / "DSC_1.JPG").read_bytes() == content
    assert same(home, home.outbox / "DSC_1.png", content)


@needs_ftp
def test_camera_that_uploads_pairs_gets_one_cut_out_a_shot(home: Home, camera: ftplib.FTP) -> None:
    """A folder a day, the RAW file first, its JPEG seconds later and slowly."""
    content = photo(home.root / "made.jpg", (800, 600), quality=95).read_bytes()
    with home.daemon(BGZERO_WATCH__PAIR_WAIT="5") as daemon:
        camera.voidcmd("TYPE I")
        camera.mkd("100MSDCF")
        camera.storbinary("STOR 100MSDCF/DSC00001.ARW", io.BytesIO(b"no decoder looks at this" * 400))
        data = camera.transfercmd("STOR 100MSDCF/DSC00001.JPG")
        for at in range(0, len(content), len(content) // 4):
            data.sendall(content[at : at + len(content) // 4])
            time.sleep(SETTLE)
        data.close()
        camera.voidresp()
        daemon.wait_for("100MSDCF/DSC00001.png")
        Oracle(home).wait_until_settled()
        told = Oracle(home).decided()
        assert told["100MSDCF/DSC00001.JPG"]["state"] == "done"
        assert told["100MSDCF/DSC00001.ARW"]["code"] == "covered"
        assert home.visible() == ["100MSDCF/DSC00001.png"]


class Pen:
    """Somebody who changes a file every now and then, more often than the quiet time."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self._gaps: list[float] = []
        self._last = time.monotonic()

    def write(self, content: bytes, *, dated: float | None = None) -> None:
        """Write the file anew in place, and close it; `dated` becomes its time."""
        if self._gaps or self.target.exists():
            time.sleep(SETTLE / 3)
        with self.target.open("r+b" if self.target.exists() else "wb") as file:
            file.write(content)
            file.truncate()
        if dated is not None:
            os.utime(self.target, (dated, dated))
        now = time.monotonic()
        self._gaps.append(now - self._last)
        self._last = now

    @property
    def was_in_time(self) -> bool:
        """Say whether this machine let it: else the file was quiet in between, and nothing follows."""
        return max(self._gaps[1:]) < 0.9 * SETTLE


def in_time(home: Home, deed: Callable[[Pen], None]) -> str:
    """Do something to a file of a new name, until the machine lets it be done quickly enough; return the stem."""
    for number in range(20):
        pen = Pen(home.inbox / f"a{number}.jpg")
        deed(pen)
        if pen.was_in_time:
            return pen.target.stem
    raise AssertionError("this machine is too busy to write a file every now and then")


def edits(home: Home, count: int) -> list[bytes]:
    """A JPEG, and the same with other words in it, in the order in which they are written."""
    made = []
    for number in range(count):
        exif = Image.Exif()
        exif[ExifTags.Base.ImageDescription] = f"edit {number}"
        made.append(photo(home.root / "made.jpg", (200, 150), exif=exif).read_bytes())
    return made


def test_file_that_is_dated_back_between_two_writes_is_not_quiet(home: Home) -> None:
    """Importers give a file the time of its shot; quiet is what nobody has changed for a while by our own clock."""
    contents = edits(home, 9)

    def deed(pen: Pen) -> None:
        for content in contents:
            pen.write(content, dated=1_735_689_600)  # 2025

    with home.daemon() as daemon:
        warm(home, daemon)
        name = in_time(home, deed)
        daemon.wait_for(f"{name}.png")
        Oracle(home).wait_until_settled()
        assert daemon.log.count(f"{name}.jpg: done") == 1
        assert b"edit 8" in (home.outbox / f"{name}.png").read_bytes()


def test_three_closes_give_one_output(home: Home) -> None:
    """An exporter writes and closes a whole JPEG, and then its EXIF and its XMP in place, within a second."""
    contents = edits(home, 3)

    def deed(pen: Pen) -> None:
        for content in contents:
            pen.write(content)

    with home.daemon() as daemon:
        warm(home, daemon)
        name = in_time(home, deed)
        daemon.wait_for(f"{name}.png")
        Oracle(home).wait_until_settled()
        assert daemon.log.count(f"{name}.jpg: done") == 1
        assert b"edit 2" in (home.outbox / f"{name}.png").read_bytes()
