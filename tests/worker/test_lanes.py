"""Lanes: so many photos in work, and one more that is read meanwhile."""

import os
import socket
import threading
from pathlib import Path

from bgzero_daemon.core.recipe import Metadata, Png, Product
from bgzero_daemon.wire import work
from bgzero_daemon.worker.lanes import Lanes
from bgzero_daemon.worker.pipeline import Finished
from tests.home import until


class Slow:
    """Cuts nothing, counts who is with it, and lets nobody go before it is told to."""

    def __init__(self) -> None:
        self.inside, self.most, self.go = 0, 0, threading.Event()
        self._lock = threading.Lock()

    def cut(self, _content: bytes, _sha256: str, _order: work.Cut, output: object) -> Finished:
        """Wait."""
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        assert self.go.wait(30)
        output.write(b"x")  # type: ignore[attr-defined]
        with self._lock:
            self.inside -= 1
        return Finished(1, 1, "CPU", "", {}, {})


def test_one_more_is_read_while_all_lanes_are_busy(tmp_path: Path) -> None:
    """Two lanes, four photos: two are cut at a time, the third has been read and hashed, the fourth waits."""
    ours, theirs = socket.socketpair()
    slow = Slow()
    lanes = Lanes(theirs, slow, 2, max_bytes=100)  # type: ignore[arg-type]
    (tmp_path / "a").write_bytes(b"photo")
    for number in range(4):
        order = work.Cut(job=str(number), name="a", metadata=Metadata.NONE, product=Product.CUTOUT, png=Png.BALANCED)
        staged = os.open(tmp_path / f"{number}.png", os.O_RDWR | os.O_CREAT)
        lanes.start(order, os.open(tmp_path / "a", os.O_RDONLY), staged)
        lanes.verdict(work.Verdict(job=str(number), go=True))
    ours.settimeout(30)
    seen: list[work.Frame] = []

    def hear() -> None:
        received = work.receive(ours)
        assert received
        seen.append(received[0])

    while sum(frame.kind == "hashed" for frame in seen) < 3:
        hear()
    until(lambda: slow.inside == 2, "two are in work")
    slow.go.set()
    while sum(frame.kind == "done" for frame in seen) < 4:
        hear()
    assert slow.most == 2
    kinds = [frame.kind for frame in seen]
    assert kinds.index("done") > [place for place, kind in enumerate(kinds) if kind == "hashed"][2]
    assert all((tmp_path / f"{number}.png").read_bytes() == b"x" for number in range(4))
    ours.close()
    theirs.close()
