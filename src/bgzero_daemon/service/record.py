"""One photo's row of the ledger, as a value, and its way into SQLite and back."""

import os
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

from bgzero_daemon.core.errors import Code
from bgzero_daemon.core.job import Fingerprint, JobState
from bgzero_daemon.core.shots import shot_of

REDO = 2  # `Record.front` of a photo that is to be cut whatever was decided about it
_MARK = ("dev", "ino", "size", "mtime_ns", "ctime_ns")


@dataclass(frozen=True, slots=True)
class Record:
    """What the ledger says of a photo.

    `sha256` is the hash of the content that was decided about last, "" where none was read; `decided` is
    that decision, which a photo that waits again keeps. `output` is the full path of its cut-out, written
    down before it is used; `output_sha256` the hash of what was published last, there or under a former name,
    `intended_sha256` of what was about to be. `original` says where the photo itself was moved to.
    `code`, `sentence` and `hint` say why it was not cut. `front` puts it
    before all others, `rank` is the order of arrival, `not_before` a moment of the monotonic clock.
    `decided_at` is Unix time in seconds, for people only. `wanted` names the model that somebody asked for when the
    photo was to be cut again, "" for that of its folder, and `wanted_edges` the level of edges (`core.recipe`).
    `confidence` and `doubt` are what is thought of its cut-out (`core.confidence`). `covered_by` is the path below the
    inbox of the file that is cut in this one's place, as both are one shot. `home` is the folder below the outbox that
    a template gave its cut-out ("." for the outbox itself), "" where it is mirrored. `former` is the path of the
    cut-out that `output_sha256` is about, and `former_home` its home, from when its successor's name was written down
    until that one is published; else "".
    """

    fingerprint: Fingerprint
    state: JobState
    decided: str = ""
    sha256: str = ""
    output: str = ""
    output_sha256: str = ""
    intended_sha256: str = ""
    original: str = ""
    model: str = ""
    code: str = ""
    sentence: str = ""
    hint: str = ""
    pixels: int = 0
    front: int = 0
    rank: int = 0
    not_before: float = 0.0
    tries: int = 0
    strikes: int = 0
    decided_at: float = 0.0
    wanted: str = ""
    confidence: str = ""
    doubt: str = ""
    wanted_edges: str = ""
    covered_by: str = ""
    home: str = ""
    former: str = ""
    former_home: str = ""

    def room(self, rel: str) -> str:
        """Return the folder below the outbox for the cut-out of this photo at `rel` below its inbox."""
        return self.home or os.path.dirname(rel)

    def former_room(self, rel: str) -> str:
        """Return that folder as it was for the former one."""
        return self.former_home or os.path.dirname(rel)

    def with_name(self, output: str, intended: str, home: str) -> Self:
        """Return it with a name under which something of the hash `intended` is about to be published."""
        former, former_home = self.former, self.former_home
        if self.output_sha256 and not former:
            former, former_home = self.output, self.home
        if output == former:
            former, former_home = "", ""
        return replace(self, output=output, intended_sha256=intended, home=home, former=former, former_home=former_home)

    def back_at(self, output: str, home: str) -> Self:
        """Return it with the one cut-out that there is, under this name."""
        return replace(self, output=output, home=home, former="", former_home="")

    def is_about(self, fingerprint: Fingerprint) -> bool:
        """Say whether a file with this fingerprint needs no second look.

        Where the content was never read (photos left alone as they were there before), times and length
        have to do: there is no hash to compare with.
        """
        if self.fingerprint == fingerprint:
            return True
        return self.code == Code.EXISTED and not self.sha256 and self.fingerprint.looks_like(fingerprint)


_FIELDS = [field.name for field in fields(Record) if field.name != "fingerprint"]
COLUMNS = ", ".join((*_MARK, *_FIELDS))
_PATHS = {"output", "original", "covered_by", "home", "former", "former_home"}
# What a seal covers: a bit that flips in one of these would make a wrong decision.
SEALED = ("inbox", "rel", *_MARK, "sha256", "output", "output_sha256", "original")


def decided_now(record: Record, state: JobState) -> Record:
    """Return a record with this decision, dated now; what only a photo that waits needs is cleared."""
    return replace(
        record, state=state, decided=(JobState.DONE if state is JobState.PUBLISHED else state).value,
        front=0, not_before=0.0, tries=0, wanted="", wanted_edges="", decided_at=time.time(),
        covered_by=record.covered_by if record.code == Code.COVERED else "",
    )  # fmt: skip


def _stored(name: str, value: object) -> object:
    if isinstance(value, JobState):
        return value.value
    return os.fsencode(str(value)) if name in _PATHS else value


def path_of(raw: object) -> str:
    """Read a path out of a row: bytes, as the file system has them."""
    return os.fsdecode(raw) if isinstance(raw, bytes) else str(raw)


def shot_key(rel: bytes) -> bytes:
    """Return what the rows of one shot share."""
    return os.fsencode(os.path.join(*shot_of(os.fsdecode(rel))))


def record_of(row: Sequence[object]) -> Record:
    """Read a row whose columns are `COLUMNS`."""
    numbers = [int(str(value)) for value in row[:5]]
    named = dict(zip(_FIELDS, row[5:], strict=True))
    values = {name: path_of(value) if name in _PATHS else value for name, value in named.items()}
    values["state"] = JobState(str(values["state"]))
    mark = Fingerprint(_unsigned(numbers[0]), _unsigned(numbers[1]), *numbers[2:])
    return Record(mark, **values)  # type: ignore[arg-type]  # the columns are the fields, by construction


def _signed(number: int) -> int:
    """Bring an unsigned 64-bit number (inodes of some file systems) into SQLite's signed range."""
    return number - (1 << 64) if number >= 1 << 63 else number


def _unsigned(number: int) -> int:
    return number + (1 << 64) if number < 0 else number


def seal_of(values: Sequence[object]) -> int:
    """Return the checksum (CRC-32) over a row's values of the columns `SEALED`."""
    return zlib.crc32(repr(tuple(values)).encode())


def sealed(key: Sequence[bytes], record: Record) -> int:
    """Return the seal of a record under its key."""
    named = dict(zip(COLUMNS.split(", "), values_of(record), strict=True))
    return seal_of([*key, *(named[name] for name in SEALED[2:])])


def values_of(record: Record) -> list[object]:
    """Return a record's values in the order of `COLUMNS`."""
    mark = record.fingerprint
    numbers = [_signed(mark.dev), _signed(mark.ino), mark.size_bytes, mark.mtime_ns, mark.ctime_ns]
    return [*numbers, *(_stored(name, getattr(record, name)) for name in _FIELDS)]
