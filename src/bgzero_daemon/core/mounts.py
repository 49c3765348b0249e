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


def mounts(table: Path = TABLE) -> list[tuple[bytes, Mount]]:
    """Return all mounts in the table's order, each with what tells it from another one there (proc(5), mountinfo).

    That is all but its options: the kernel gives a number to the next mount as soon as it is free. Raises OSError.
    """
    found = []
    for line in filter(None, table.read_bytes().split(b"\n")):  # a name may have a \r: only \n is always escaped
        fields, _dash, rest = line.partition(b" - ")
        columns, kinds = fields.split(b" ")[:5], rest.split(b" ")[:2]
        point = _OCTAL.sub(lambda match: bytes([int(match[1], 8)]), columns[4])
        found.append((b" ".join(columns + kinds), Mount(os.fsdecode(point), os.fsdecode(kinds[0]))))
    return found


def mount_of(folder: str, table: Path = TABLE) -> Mount | None:
    """Return the mount that holds a folder, by its resolved path; None where no table tells.

    The last of several mounts on one point is the one that shows.
    """
    try:
        known = mounts(table)
    except OSError:
        return None
    place = os.path.realpath(folder)
    best: Mount | None = None
    for _mark, mount in known:
        inside = place == mount.point or place.startswith(f"{mount.point.rstrip('/')}/")
        if inside and (best is None or len(mount.point) >= len(best.point)):
            best = mount
    return best
