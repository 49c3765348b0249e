"""Where cards may be, and what is left alone: parts of the daemon's watch over cards, without a daemon."""

import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bgzero_daemon.core.mounts import mount_of, mounts
from bgzero_daemon.service.slots import Slots, _Slot, places
from bgzero_daemon.settings.schema import Config, Folder
from tests.cards.card import card
from tests.fault.space import need_namespace
from tests.home import until

_TABLE = rb"""22 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw
40 22 0:41 / /media/me/lazy rw shared:2 - autofs systemd-1 rw,fd=52,direct
41 22 0:42 / /media/me/share rw shared:3 - cifs //nas/photos rw
42 22 7:1 / /snap/core/1 ro shared:4 - squashfs /dev/loop1 ro
43 22 8:17 / /run/media/me/EOS\040DIGITAL rw shared:5 - vfat /dev/sdb1 rw
44 22 0:50 / /home/other/x%cy rw - fuse.other other rw
45 22 8:33 / /media/me/stick rw shared:6 - fuseblk /dev/sdc1 rw
46 22 8:34 / /mnt/disk rw shared:7 - ext4 /dev/sdd1 rw
"""


def test_only_disks_below_media_are_looked_at(tmp_path: Path) -> None:
    """What a look would mount (autofs) or wait for (shares) is left alone; another account's odd name harms nobody."""
    (tmp_path / "table").write_bytes(_TABLE.replace(b"%c", b"\r"))
    found = places(mounts(tmp_path / "table"))
    assert [*found.values()] == ["/run/media/me/EOS DIGITAL", "/media/me/stick"]
    mount = mount_of("/mnt/disk/photos", tmp_path / "table")
    assert mount
    assert mount.point == "/mnt/disk"


_IN_A_NAMESPACE = """
import subprocess, sys, time
from pathlib import Path
from bgzero_daemon.service.slots import Slots
from bgzero_daemon.settings.schema import Config, Folder

class Counted(Slots):
    looks = 0
    def _look(self):
        super()._look()
        self.looks += 1

def settled(slots, least):
    while slots.looks < least:
        time.sleep(0.01)
    subprocess.run(["mount", "-t", "tmpfs", "none", sys.argv[1]], check=True)
    time.sleep(0.3)
    return slots.looks

folder = Folder(inbox=Path("/in"), outbox=Path("/out"))
slots = Counted(lambda: None)
slots.start(Config.model_validate({"folder": [folder], "watch": {"cards": "off"}}))
off = settled(slots, 2)  # its start, and its first configuration
slots.follow(Config.model_validate({"folder": [folder], "watch": {"cards": "ask"}}))
print(off, settled(slots, 3) > 3)
"""


def test_watch_that_is_off_is_not_woken_by_mounts(tmp_path: Path) -> None:
    """It looked at its start; with "ask" every change of the table wakes it."""
    need_namespace()
    command = ["unshare", "-Urm", sys.executable, "-c", _IN_A_NAMESPACE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert done.stdout.split() == [b"2", b"True"], done.stderr


@pytest.mark.parametrize("is_late", [False, True])
def test_no_import_outlives_the_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_late: bool) -> None:
    """Not of a card that is out again, nor one that begins when whoever ends them has looked already."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    (inbox := tmp_path / "in").mkdir()
    (tmp_path / "bgzero").mkdir(mode=0o700)
    slots = Slots(lambda: None)
    slots.follow(Config(folder=(Folder(inbox=inbox, outbox=tmp_path / "out"),)))
    codes: list[int] = []
    slot = _Slot(str(card(tmp_path / "card")))
    ask = threading.Thread(target=lambda: codes.append(slots._ask(slot)[2]), daemon=True)
    with open(tmp_path / "bgzero" / "imports.lock", "wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # another import, that takes long
        if is_late:
            slots.close()
        ask.start()
        if not is_late:
            until(lambda: slots._processes, "the import did not begin")
            slots.close()
        ask.join(60)
        assert not ask.is_alive()
    assert codes[0]
    assert os.listdir(inbox) == []
