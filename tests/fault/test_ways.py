"""Twenty-four ways of writing a file, in seven formats, all at once: no wrong and no stale output."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.home import Home, photo, until

FORMATS = ["jpg", "png", "webp", "tif", "bmp", "gif", "avif"]
SETTLE = 0.3


@pytest.fixture
def home(home: Home) -> Home:
    """An account that waits a little longer: what is cut too early shall have the time to come out."""
    home.env["BGZERO_WATCH__SETTLE_SECONDS"] = str(SETTLE)
    return home


def parts(content: bytes, count: int) -> Iterator[bytes]:
    """The content in so many pieces."""
    step = -(-len(content) // count)
    return (content[at : at + step] for at in range(0, len(content), step))


def pausing(pause: float, count: int = 4) -> Callable[[Path, bytes], None]:
    """One open file, written in pieces with pauses."""

    def write(target: Path, content: bytes) -> None:
        with target.open("wb") as file:
            for part in parts(content, count):
                file.write(part)
                file.flush()
                time.sleep(pause)

    return write


def appending(pause: float) -> Callable[[Path, bytes], None]:
    """Opened, appended to and closed, again and again."""

    def write(target: Path, content: bytes) -> None:
        for part in parts(content, 3):
            with target.open("ab") as file:
                file.write(part)
            time.sleep(pause)

    return write


def reserving(reserve: Callable[[int, int], None], pause: float, *, is_open: bool) -> Callable[[Path, bytes], None]:
    """Space first, content later, back to front; the file is open meanwhile, or closed."""

    def write(target: Path, content: bytes) -> None:
        descriptor = os.open(target, os.O_CREAT | os.O_RDWR)
        reserve(descriptor, len(content))
        if not is_open:
            os.close(descriptor)
        time.sleep(pause)
        if not is_open:
            descriptor = os.open(target, os.O_RDWR)
        half = len(content) // 2
        os.pwrite(descriptor, content[half:], half)
        os.pwrite(descriptor, content[:half], 0)
        os.close(descriptor)

    return write


def under(temporary: str) -> Callable[[Path, bytes], None]:
    """Written slowly under a temporary name, then renamed. `{}` stands for the final name."""

    def write(target: Path, content: bytes) -> None:
        made = target.parent / temporary.format(target.name, tag=target.suffix[1:])
        made.parent.mkdir(exist_ok=True)
        appending(2 * SETTLE)(made, content)
        made.rename(target)

    return write


def zeros(descriptor: int, size: int) -> None:
    os.pwrite(descriptor, bytes(size), 0)


def at_once(target: Path, content: bytes) -> None:
    target.write_bytes(content)


def back_dated(target: Path, content: bytes) -> None:
    target.write_bytes(content)
    os.utime(target, (1_000_000_000, 1_000_000_000))


def linked(target: Path, content: bytes) -> None:
    made = target.parent.parent / f"link-{target.name}"
    made.write_bytes(content)
    os.link(made, target)


def twice(target: Path, content: bytes) -> None:
    target.write_bytes(content[:-1000] if len(content) > 2000 else content[:-10])
    time.sleep(2 * SETTLE)
    target.write_bytes(content)


def replaced(target: Path, content: bytes) -> None:
    made = photo(target.parent.parent / f"old-{target.name}", (40, 30), 5)
    shutil.copyfile(made, target)
    time.sleep(4 * SETTLE)
    made.write_bytes(content)
    made.replace(target)


def touched(target: Path, content: bytes) -> None:
    target.write_bytes(content)
    for moment in range(3):
        time.sleep(SETTLE / 2)
        os.utime(target, (moment, moment))


def closed_by_exporter(target: Path, content: bytes) -> None:
    """darktable closes a whole TIFF several times and goes on changing it."""
    target.write_bytes(content)
    for _time in range(3):
        time.sleep(SETTLE / 2)
        with target.open("r+b") as file:
            file.write(content[:100])


WAYS: dict[str, Callable[[Path, bytes], None]] = {
    "at-once": at_once,
    "pause-short": pausing(0.1),
    "pause-settle": pausing(SETTLE),
    "pause-long": pausing(3 * SETTLE),
    "bytewise-start": pausing(0.01, 100),
    "append-short": appending(SETTLE / 3),
    "append-settle": appending(SETTLE),
    "append-long": appending(4 * SETTLE),
    "sparse-open": reserving(os.ftruncate, 3 * SETTLE, is_open=True),
    "sparse-closed": reserving(os.ftruncate, 3 * SETTLE, is_open=False),
    "reserved-open": reserving(lambda fd, size: os.posix_fallocate(fd, 0, size), 3 * SETTLE, is_open=True),
    "reserved-closed": reserving(lambda fd, size: os.posix_fallocate(fd, 0, size), 3 * SETTLE, is_open=False),
    "zeroed-open": reserving(zeros, SETTLE, is_open=True),
    "back-dated": back_dated,
    "linked": linked,
    "twice": twice,
    "replaced": replaced,
    "touched": touched,
    "exporter": closed_by_exporter,
    "gphoto2": under("tmpfile{tag:_>6.6}"),
    "rapid-photo-downloader": under("rpd-tmp-{tag}/{}"),
    "digikam": under("Camera-x1.digikamtempfile.{}"),
    "darktable": under("{}.X1Y2Z3"),
    "browser": under("{}.part"),
}


def test_there_are_twenty_four_ways() -> None:
    """As many as promised."""
    assert len(WAYS) == 24


@pytest.mark.timeout(240)
def test_no_way_of_writing_gives_a_wrong_or_stale_output(home: Home) -> None:
    """168 files: each ends as exactly what `bgzero cut` makes of its content, without a failure on the way."""
    contents = {suffix: photo(home.root / f"made.{suffix}", (180, 140), 1).read_bytes() for suffix in FORMATS}
    wanted = {}
    for suffix in FORMATS:
        target = home.root / "reference" / f"{suffix}.png"
        assert home.bgzero("cut", home.root / f"made.{suffix}", "-o", target).returncode == 0
        with Image.open(target) as picture:
            wanted[suffix] = np.asarray(picture)

    def is_right(name: str, suffix: str) -> bool:
        try:
            with Image.open(home.outbox / f"{name}.png") as picture:
                return bool(np.array_equal(np.asarray(picture), wanted[suffix]))
        except FileNotFoundError:
            return False

    with home.daemon(BGZERO_WATCH__RESCAN_SECONDS="3600") as daemon:
        with ThreadPoolExecutor(len(WAYS) * len(FORMATS)) as pool:
            jobs = {
                f"{way}-{suffix}": (
                    suffix,
                    pool.submit(write, home.inbox / f"{way}-{suffix}.{suffix}", contents[suffix]),
                )
                for way, write in WAYS.items()
                for suffix in FORMATS
            }
        for _suffix, job in jobs.values():
            job.result()
        for name, (suffix, _job) in jobs.items():
            until(lambda: is_right(name, suffix), f"{name}\n{daemon.log}")  # noqa: B023 - called at once
        assert ": failed" not in daemon.log
        assert len(daemon.outputs()) == len(jobs)
