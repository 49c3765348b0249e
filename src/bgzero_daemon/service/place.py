"""One configured folder from the scheduler's side: where a photo is opened, staged and published."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from bgzero_daemon.core.errors import OutputError
from bgzero_daemon.core.job import Fingerprint, Job, Staged, Task
from bgzero_daemon.core.names import cutout_names, to_wire
from bgzero_daemon.core.recipe import Recipe
from bgzero_daemon.core.texts import _
from bgzero_daemon.service.ledger import Ledger
from bgzero_daemon.service.outbox import Outbox, StagedFile
from bgzero_daemon.service.sight import open_below


class PhotoChanged(Exception):
    """The file is no longer the one that passed the gate."""


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
    """Where a folder's photos come from and go to, and how they are cut."""

    inbox: Path
    outbox_root: Path
    outbox: Outbox
    recipe: Recipe

    def hold(self, job: Job, now: float, *, is_alone: bool) -> Held:
        """Open a job's source and stage its output.

        Raises FileNotFoundError where the photo is gone, PhotoChanged where it is another one by now,
        other OSError where it cannot be read, and OutputError where nothing can be staged.
        """
        source = open_below(self.inbox, job.key.rel)
        with contextlib.ExitStack() as on_trouble:
            on_trouble.callback(os.close, source)
            if Fingerprint.of(os.fstat(source)) != job.fingerprint:
                raise PhotoChanged
            file = self.outbox.stage(os.path.dirname(job.key.rel))
            on_trouble.pop_all()
        return Held(job, source, file, is_alone, now)

    def is_unchanged(self, held: Held) -> bool:
        """Say whether the bytes that were read are still the photo at that path."""
        try:
            marks = {Fingerprint.of(os.fstat(held.source)), Fingerprint.of(os.lstat(self.inbox / held.job.key.rel))}
        except OSError:
            return False
        return marks == {held.job.fingerprint}

    def names(self, job: Job, ledger: Ledger) -> tuple[list[str], str]:
        """Return the names this photo's output may have, and its former output, relative to the outbox."""
        folder, name = os.path.split(job.key.rel)
        inbox = str(self.inbox)
        known = ledger.get(inbox, job.key.rel)
        earlier = os.path.relpath(known.output, self.outbox_root) if known and known.output else ""
        free = [
            candidate
            for candidate in cutout_names(name)
            if not ledger.is_taken(str(self.outbox_root / folder / candidate), inbox, job.key.rel)
        ]
        if os.path.dirname(earlier) == folder and os.path.basename(earlier) in free:
            free = list(dict.fromkeys([os.path.basename(earlier), *free]))
        return free, earlier

    def publish(self, held: Held, staged: Staged, names: list[str], earlier: str) -> str:
        """Give a finished output its name; return its full path. Raises OutputError."""
        if not names:
            raise OutputError(_("Every name for this cut-out belongs to another photo."))
        folder, name = os.path.split(held.job.key.rel)
        rel = self.outbox.publish(
            held.file, staged, source_name=to_wire(name), folder=folder, names=names, earlier=earlier
        )
        return str(self.outbox_root / rel)
