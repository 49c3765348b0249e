"""One photo on its way through the house."""

import os
import stat as stat_module
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bgzero_daemon.core.confidence import Confidence, Doubt
from bgzero_daemon.core.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a file system says of a file without reading it. Compared for equality only.

    Times are never compared with a clock: cameras back-date them. ctime is part of it because a
    deleted and recreated file with a back-dated mtime can have the same inode, size and mtime.
    """

    dev: int
    ino: int
    size_bytes: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, stat: os.stat_result) -> "Fingerprint":
        """Take the fingerprint of a stat result."""
        return cls(stat.st_dev, stat.st_ino, stat.st_size, _wrapped(stat.st_mtime_ns), _wrapped(stat.st_ctime_ns))

    @classmethod
    def of_remote(cls, stat: os.stat_result) -> "Fingerprint":
        """Take the fingerprint on a network mount, where device, inode and ctime may change by themselves."""
        return cls(0, 0, stat.st_size, _wrapped(stat.st_mtime_ns), 0)

    def looks_like(self, other: "Fingerprint") -> bool:
        """Say whether length and modification time are the same: a reason to compare the content."""
        return (self.size_bytes, self.mtime_ns) == (other.size_bytes, other.mtime_ns)


# Nobody's: no file has this length. A photo with it is looked at whatever its file says.
NEVER_SEEN = Fingerprint(0, 0, -1, 0, 0)


def _wrapped(nanoseconds: int) -> int:
    """Bring a moment into 64 bits: some file systems have years beyond 2262, and it is compared for equality only."""
    return (nanoseconds + (1 << 63)) % (1 << 64) - (1 << 63)


def is_regular(stat: os.stat_result) -> bool:
    """Say whether this is a plain file: no link, pipe, socket, device or folder."""
    return stat_module.S_ISREG(stat.st_mode)


class JobState(StrEnum):
    """Where a photo stands. PUBLISHED: its cut-out is out, what happens to the original is not finished yet."""

    WAITING = "waiting"
    PUBLISHED = "published"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class PhotoKey:
    """Which photo: the inbox's number in the configuration's order, and the path below it."""

    folder: int
    rel: str


@dataclass(frozen=True, slots=True)
class Job:
    """A photo that passed the gate, with the fingerprint it had then and the recipe to follow.

    `done_sha256` is the hash of the content last decided under this path, or "": the same content again
    is dropped. `former_rel` is where that content was before a rename, or "". `pixels` is width × height
    as far as the container tells, 0 where it does not.
    """

    id: str
    key: PhotoKey
    fingerprint: Fingerprint
    recipe: Recipe
    done_sha256: str = ""
    former_rel: str = ""
    pixels: int = 0
    strikes: int = 0
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Task:
    """What a workforce needs to cut one photo.

    `name` is the photo's name as `core.names.to_wire` writes it. `source` (readable) and `staged`
    (readable, writable, empty) are descriptors that stay the caller's, who keeps them open until the
    task's future has ended. Content whose SHA-256 is `done_sha256` is dropped. `is_alone` asks for a worker
    that has seen no other photo. `size_bytes` and `pixels` (0: unknown) tell how much work it is.
    """

    job: str
    name: str
    recipe: Recipe
    source: int
    staged: int
    done_sha256: str = ""
    is_alone: bool = False
    size_bytes: int = 0
    pixels: int = 0


@dataclass(frozen=True, slots=True)
class Staged:
    """A task's result: a finished PNG in the staged file, or nothing where it was dropped.

    `taken` (ISO 8601, the camera's time) and `camera` are what the photo says of itself, "" where it says nothing.
    `seconds` maps each step to its wall time, `cpu_seconds` to what the whole worker used meanwhile.
    """

    source_sha256: str
    dropped: bool = False
    size_bytes: int = 0
    sha256: str = ""
    width_px: int = 0
    height_px: int = 0
    model: str = ""
    provider: str = ""
    note: str = ""
    confidence: Confidence = Confidence.UNKNOWN
    doubt: Doubt = Doubt.NONE
    taken: str = ""
    camera: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)
    cpu_seconds: Mapping[str, float] = field(default_factory=dict)
