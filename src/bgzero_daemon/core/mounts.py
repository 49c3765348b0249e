"""What a folder is mounted on: does the kernel tell of changes that are made elsewhere?"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

# File systems that other machines (or the host of this one) write to without our kernel seeing it.
_REMOTE = re.compile(
    r"nfs4?|cifs|smb3?|smbfs|9p|virtiofs|vboxsf|prl_fs|vmhgfs|drvfs|afs|ceph|glusterfs|lustre|ncpfs|fuse(\..+)?"
)
_LOCAL_FUSE = {"fuse.lxcfs", "fuse.portal"}
_OCTAL = re.compile(rb"\\([0-7]{3})")
TABLE = Path("/proc/self/mountinfo")


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of the mount table: where, and which kind of file system."""

    point: str
    kind: str

    @property
    def is_remote(self) -> bool:
        """Say whether changes may come without an event."""
        return self.kind not in _LOCAL_FUSE and _REMOTE.fullmatch(self.kind) is not None


def mount_of(folder: str, table: Path = TABLE) -> Mount | None:
    """Return the mount that holds a folder, by its resolved path; None where no table tells (proc(5), mountinfo).

    The last of several mounts on one point is the one that shows.
    """
    try:
        lines = table.read_bytes().splitlines()
    except OSError:
        return None
    place = os.fsencode(os.path.realpath(folder))
    best: tuple[int, Mount] | None = None
    for line in lines:
        fields, _dash, rest = line.partition(b" - ")
        point = _OCTAL.sub(lambda match: bytes([int(match[1], 8)]), fields.split(b" ")[4])
        inside = place == point or place.startswith(point.rstrip(b"/") + b"/")
        if inside and (best is None or len(point) >= best[0]):
            best = len(point), Mount(os.fsdecode(point), os.fsdecode(rest.split(b" ")[0]))
    return best[1] if best else None
