"""Where the cut-out of a photo belongs: beside the others, mirrored, or below `Review`, mirrored in the same way.

Which of the two a file is in is asked of a photo, not of a path: an inbox may have a sub-folder that is called so, too.
A template (`core.template`) may put it elsewhere than mirrored; its folder is then written down with its name.
"""

import hashlib
import os
from datetime import datetime
from pathlib import Path

from bgzero_daemon.core.confidence import REVIEW
from bgzero_daemon.core.job import Job, Staged
from bgzero_daemon.core.names import cutout_names, spare_names
from bgzero_daemon.core.template import Facts, fill
from bgzero_daemon.service.record import Record


def home_of(root: Path, room: str) -> Path:
    """Return the folder below an outbox for a photo's cut-out, whose `Record.room` it is."""
    return root / room


def review_of(root: Path, room: str) -> Path:
    """Return the folder for it as long as it wants a look."""
    return root / REVIEW / room


def is_in_review(root: Path, room: str, output: str) -> bool:
    """Say whether this cut-out waits for a look."""
    return bool(output) and os.path.dirname(output) == str(review_of(root, room))


def paths_in(folder: Path, rel: str, record: Record) -> list[str]:
    """Return the paths in one of the two that the cut-out which a row is about may have, in their order.

    What a template made of the photo's name is read from the name that was written down.
    """
    name = os.path.basename(rel)
    stem, suffix = os.path.splitext(name)
    given = [(record.output, record.home), (record.former, record.former_home)]
    stems = [os.path.splitext(os.path.basename(path))[0] if home else stem for path, home in given if path] or [stem]
    names = [
        candidate
        for one in dict.fromkeys(stems)
        for candidate in (*cutout_names(one + suffix, stem=one), *spare_names(one + suffix, record.sha256))
    ]
    return [str(folder / candidate) for candidate in dict.fromkeys(names)]


def chosen(job: Job, staged: Staged, known: Record) -> tuple[str, list[str]]:
    """Return what `Record.home` becomes of a photo that was cut, and the names that its cut-out may have, in order."""
    rel, name = job.key.rel, os.path.basename(job.key.rel)
    if not job.recipe.template:
        return "", [*cutout_names(name), *spare_names(name, staged.source_sha256)]
    taken = _moment(staged.taken, job.fingerprint.mtime_ns)
    home, stem = fill(job.recipe.template, Facts(name, os.path.dirname(rel), taken, staged.model, staged.camera))
    wanted = stem + os.path.splitext(name)[1]
    # photos of many folders may meet in one, and have one content, too; one whose content has changed keeps its name
    of_path = hashlib.sha256(os.fsencode(rel)).hexdigest()
    marks = (staged.source_sha256, of_path, known.sha256)
    spares = [spare for mark in marks if mark for spare in spare_names(wanted, mark)]
    return home or os.curdir, list(dict.fromkeys([*cutout_names(wanted, stem=stem), *spares]))


def _moment(taken: str, mtime_ns: int) -> datetime:
    """Return when a photo was taken, in the camera's time, or when its file was written, in that of this machine."""
    try:
        return datetime.fromisoformat(taken)
    except ValueError:
        pass
    try:
        return datetime.fromtimestamp(mtime_ns / 1e9)  # noqa: DTZ006 - in the time that a person here sees
    except (ValueError, OverflowError, OSError):
        return datetime(1970, 1, 1)  # noqa: DTZ001 - a file system's odd year
