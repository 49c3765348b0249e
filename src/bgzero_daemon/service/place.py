"""One configured folder from the scheduler's side: where a photo is opened, staged, published and left.

What touches the folder's file systems runs in its own errand thread, so a dead mount holds up nobody else.
"""

import contextlib
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from bgzero_daemon.core import crash
from bgzero_daemon.core.errors import Code, OutputError
from bgzero_daemon.core.job import Fingerprint, Job, JobState, Staged, Task
from bgzero_daemon.core.names import cutout_names, display, to_wire
from bgzero_daemon.core.recipe import Recipe
from bgzero_daemon.core.texts import _
from bgzero_daemon.service.breaker import Breaker
from bgzero_daemon.service.errand import Errands
from bgzero_daemon.service.failures import Failures
from bgzero_daemon.service.ledger import Ledger
from bgzero_daemon.service.originals import TRASHED, Originals
from bgzero_daemon.service.outbox import Outbox, StagedFile
from bgzero_daemon.service.record import Record, decided_now
from bgzero_daemon.service.sight import open_below

log = logging.getLogger(__name__)

REDO = 2  # `Record.front` of a photo that is to be cut whatever was decided about it


class PhotoChanged(Exception):
    """The file is no longer the one that passed the gate."""


class PhotoKnown(Exception):
    """It turned out that this photo was decided already, under another name."""


class Ending(StrEnum):
    """How the last steps of a photo went."""

    DONE = "done"
    SAME = "same"
    CHANGED = "changed"


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
        return Task(self.job.id, name, self.job.recipe, self.source, self.file.descriptor, self.job.done_sha256)

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
            file = self.outbox.stage(os.path.dirname(job.key.rel))
            on_trouble.pop_all()
        return Held(job, source, file, is_alone, now)

    def _with_what_is_known(self, job: Job) -> Job:
        """Add the hash of the content that was decided about, here or under a former name."""
        known = self.ledger.get(self.name, job.key.rel)
        if known is None or known.front >= REDO:
            return job
        if known.decided:
            return replace(job, done_sha256=known.sha256)
        if known.output and not known.output_sha256:  # a name was chosen: was it used before somebody died?
            published = self.outbox.tag(Path(known.output)).get("source_sha256")
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

    def is_unchanged(self, job: Job, source: int) -> bool:
        """Say whether the bytes that were read are still the photo at that path."""
        try:
            marks = {self.fingerprint(os.fstat(source)), self.fingerprint(os.lstat(self.inbox / job.key.rel))}
        except OSError:
            return False
        return marks == {job.fingerprint}

    def finish(self, held: Held, staged: Staged) -> Ending:
        """Publish what was staged, write it down, and do with the original what is asked, in this order.

        Raises OutputError or LedgerError; then the photo waits as before.
        """
        crash.point("staged-done")
        job = held.job
        known = self.ledger.get(self.name, job.key.rel)
        if not self.is_unchanged(job, held.source) or known is None or known.fingerprint != job.fingerprint:
            return Ending.CHANGED
        if staged.dropped:
            return self._recognise(job, known, staged)
        self.outbox.seal(held.file, staged)
        output = self._publish(held, staged, known)
        crash.point("published")
        known = replace(
            known, sha256=staged.source_sha256, output=output, output_sha256=staged.sha256, model=staged.model,
            code="", sentence=staged.note, hint="", strikes=0,
        )  # fmt: skip
        self._leave(job.key.rel, known)
        self.failures.clear(self.name, job.key.rel)
        return Ending.DONE

    def _publish(self, held: Held, staged: Staged, known: Record) -> str:
        folder, name = os.path.split(held.job.key.rel)
        candidates = [str(self.outbox.root / folder / candidate) for candidate in cutout_names(name)]
        if known.output and os.path.dirname(known.output) == os.path.dirname(candidates[0]):
            candidates = list(dict.fromkeys([known.output, *candidates]))
        while output := self.ledger.choose(self.name, held.job.key.rel, candidates):
            crash.point("name-chosen")
            may_replace = self._is_ours(Path(output), known, staged)
            if self.outbox.publish(held.file, os.path.relpath(output, self.outbox.root), may_replace=may_replace):
                return output
            candidates.remove(output)
        raise OutputError(
            _("Every name for the cut-out of {photo} belongs to somebody else and is left as it is.").format(
                photo=display(held.job.key.rel)
            ),
            hint=_("Move {folder} away, or choose another outbox.").format(folder=display(self.outbox.root / folder)),
        )

    def _is_ours(self, output: Path, known: Record, staged: Staged) -> bool:
        """Say whether what has this name may be replaced: our own cut-out of this photo, as we left it."""
        if known.output == str(output) and known.output_sha256:
            return self.outbox.is_whole(output, known.output_sha256)
        if self.outbox.tag(output).get("source_sha256") == staged.source_sha256:
            return True
        try:  # the empty file that held the name when somebody died
            return known.output == str(output) and not known.decided and output.lstat().st_size == 0
        except OSError:
            return False

    def _recognise(self, job: Job, known: Record, staged: Staged) -> Ending:
        """This content was decided already: under this path, under a former one, or just before somebody died."""
        if job.former_rel:
            former = self.ledger.get(self.name, job.former_rel)
            if former is None or os.path.lexists(self.inbox / job.former_rel):
                return Ending.CHANGED  # it is back: two photos, and this one is still to be cut
            self._follow(job, former)
        elif known.decided:
            known = replace(known, fingerprint=job.fingerprint, front=0, tries=0)
            if known.decided == JobState.DONE and known.output and self.originals.policy != "keep":
                self._leave(job.key.rel, known)
            else:
                self.ledger.put(self.name, job.key.rel, replace(known, state=JobState(known.decided)))
        else:
            tag = self.outbox.tag(Path(known.output))
            found = replace(known, sha256=staged.source_sha256, model=str(tag.get("model", "")), sentence="")
            log.info(_("%s: its cut-out was finished before and is kept."), display(job.key.rel))
            self._leave(job.key.rel, found)
        return Ending.SAME

    def _follow(self, job: Job, former: Record) -> None:
        """A photo was renamed: its row goes with it, and its cut-out, as long as that is as we left it."""
        rel, output = job.key.rel, former.output
        if output and former.output_sha256 and self.outbox.is_whole(Path(output), former.output_sha256):
            folder, name = os.path.split(rel)
            for candidate in cutout_names(name):
                wanted = str(self.outbox.root / folder / candidate)
                if wanted == output:
                    break
                if self.ledger.choose(self.name, rel, [wanted]) is None:
                    continue
                crash.point("follow-chosen")
                if self.outbox.follow(
                    os.path.relpath(output, self.outbox.root), os.path.relpath(wanted, self.outbox.root)
                ):
                    output = wanted
                    break
        crash.point("followed")
        moved = replace(former, fingerprint=job.fingerprint, state=JobState(former.decided), output=output)
        self.ledger.move(self.name, job.former_rel, rel, moved)
        self.failures.clear(self.name, job.former_rel)
        if moved.state is JobState.FAILED:
            self.failures.write(self.name, rel, moved)
        log.info(_("%s was renamed to %s; nothing is cut again."), display(job.former_rel), display(rel))

    def _leave(self, rel: str, record: Record) -> None:
        """Write a cut-out down as published, and then see to the original."""
        if not record.output_sha256 and record.output:
            record = replace(record, output_sha256=self.outbox.sha256(Path(record.output)))
        if self.originals.policy == "keep":
            self.ledger.put(self.name, rel, decided_now(record, JobState.DONE))
        else:
            record = decided_now(record, JobState.PUBLISHED)
            self.ledger.put(self.name, rel, record)
            crash.point("published-written")
            self.see_to_original(rel, record)
        crash.point("done-written")

    def see_to_original(self, rel: str, record: Record) -> None:
        """Do with an original what is asked, if its cut-out can be read back from the disk as it was written."""
        original = ""
        try:
            here = self.fingerprint(os.lstat(self.inbox / rel))
        except OSError:  # moved before somebody died
            moved = self.originals.done / rel
            original = str(moved) if moved.is_file() else TRASHED if self.originals.policy == "trash" else ""
        else:
            if here != record.fingerprint:
                return  # another photo by now: the gate sees to it
            if not self.outbox.is_whole(Path(record.output), record.output_sha256):
                log.warning(_("%s stays where it is: its cut-out is not as it was published."), display(rel))
            else:
                crash.point("output-read-back")
                original = self.originals.dispose(self.inbox, rel, record.sha256)
        self.ledger.put(self.name, rel, replace(record, state=JobState.DONE, original=original))

    def withdraw(self, job: Job) -> bool:
        """Take a waiting photo out of the queue that is gone or another one by now. Returns whether it waited."""
        known = self.ledger.get(self.name, job.key.rel)
        if known is None or known.state is not JobState.WAITING or known.fingerprint != job.fingerprint:
            return False
        if known.decided:
            self.ledger.put(self.name, job.key.rel, replace(known, state=JobState(known.decided)))
        else:
            self.ledger.remove(self.name, job.key.rel)
        return True
