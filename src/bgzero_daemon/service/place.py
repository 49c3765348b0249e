"""One configured folder from the scheduler's side: where a photo is opened, staged, published and left.

What touches the folder's file systems runs in its own errand thread, so a dead mount holds up nobody else.
"""

import contextlib
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from bgzero_daemon.core import crash
from bgzero_daemon.core.errors import Code
from bgzero_daemon.core.job import NEVER_SEEN, Fingerprint, Job, JobState, Task
from bgzero_daemon.core.names import to_wire
from bgzero_daemon.core.recipe import Recipe
from bgzero_daemon.service.breaker import Breaker
from bgzero_daemon.service.doubts import is_second_try
from bgzero_daemon.service.errand import Errands
from bgzero_daemon.service.failures import Failures
from bgzero_daemon.service.ledger import Ledger
from bgzero_daemon.service.originals import Originals
from bgzero_daemon.service.outbox import Outbox, StagedFile
from bgzero_daemon.service.published import tag_of
from bgzero_daemon.service.record import REDO
from bgzero_daemon.service.sight import open_below

log = logging.getLogger(__name__)


class PhotoChanged(Exception):
    """The file is no longer the one that passed the gate."""


class PhotoKnown(Exception):
    """It turned out that this photo was decided already, under another name."""


@dataclass(frozen=True, slots=True)
class Held:
    """A job in work: its source and its staged file are open."""

    job: Job
    source: int
    file: StagedFile
    is_alone: bool
    started: float

    def task(self) -> Task:
        """Return what a workforce needs to know of it."""
        name = to_wire(os.path.basename(self.job.key.rel))
        job = self.job
        return Task(
            job.id, name, job.recipe, self.source, self.file.descriptor, job.done_sha256,
            self.is_alone, job.fingerprint.size_bytes, job.pixels,
        )  # fmt: skip

    def let_go(self) -> None:
        """Close what was opened; a staged file that was not published goes away."""
        os.close(self.source)
        self.file.discard()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a folder's photos come from and go to, and how they are cut.

    `fingerprint` takes the fingerprint of a stat result as this inbox's file system deserves it.
    """

    inbox: Path
    outbox: Outbox
    recipe: Recipe
    originals: Originals
    ledger: Ledger
    breaker: Breaker
    errands: Errands
    fingerprint: Callable[[os.stat_result], Fingerprint] = Fingerprint.of

    @property
    def failures(self) -> Failures:
        """Return where failures are told beside the cut-outs."""
        return Failures(self.outbox.root)

    @property
    def name(self) -> str:
        """Return the inbox as the ledger calls it."""
        return str(self.inbox)

    def hold(self, job: Job, now: float, *, is_alone: bool) -> Held:
        """Open a job's source, find out what is known of it, and stage its output.

        Raises FileNotFoundError where the photo is gone, PhotoChanged where it is another one by now,
        PhotoKnown where nothing is left to do, other OSError where it cannot be read, and OutputError
        where nothing can be staged.
        """
        self.outbox.check()
        source = open_below(self.inbox, job.key.rel)
        with contextlib.ExitStack() as on_trouble:
            on_trouble.callback(os.close, source)
            if self.fingerprint(os.fstat(source)) != job.fingerprint:
                raise PhotoChanged
            crash.point("opened")
            job = self._with_what_is_known(job)
            # where a template puts it is known when the worker has read the photo
            file = self.outbox.stage("" if job.recipe.template else os.path.dirname(job.key.rel))
            on_trouble.pop_all()
        return Held(job, source, file, is_alone, now)

    def _with_what_is_known(self, job: Job) -> Job:
        """Add the hash of the content that was decided about, here or under a former name."""
        known = self.ledger.get(self.name, job.key.rel)
        if known is None or known.front >= REDO or is_second_try(job, known):
            return job
        if known.decided:
            return replace(job, done_sha256=known.sha256)
        if known.output and not known.output_sha256:  # a name was chosen: was it used before somebody died?
            published = tag_of(Path(known.output)).get("source_sha256")
            if isinstance(published, str):
                return replace(job, done_sha256=published)
        return self._with_former_name(job)

    def _with_former_name(self, job: Job) -> Job:
        for rel, record in self.ledger.alike(self.name, job.fingerprint):
            if rel == job.key.rel or record.original or os.path.lexists(self.inbox / rel):
                continue
            if record.sha256:
                return replace(job, done_sha256=record.sha256, former_rel=rel)
            if record.code == Code.EXISTED and record.fingerprint.ino == job.fingerprint.ino:
                self.ledger.move(self.name, rel, job.key.rel, replace(record, fingerprint=job.fingerprint))
                raise PhotoKnown
        return job

    def withdraw(self, job: Job) -> bool:
        """Take a waiting photo out of the queue that is gone or another one by now. Returns whether it waited."""
        known = self.ledger.get(self.name, job.key.rel)
        if known is None or known.state is not JobState.WAITING or known.fingerprint != job.fingerprint:
            return False
        if known.decided:  # about other bytes: whatever comes back there is looked at
            former = replace(known, fingerprint=NEVER_SEEN, state=JobState(known.decided))
            self.ledger.put(self.name, job.key.rel, former)
        else:
            self.ledger.remove(self.name, job.key.rel)
        return True
