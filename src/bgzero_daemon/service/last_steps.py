"""The last steps of a photo, top to bottom: checked, flushed, named, written down, and its original's fate.

Everything here runs in its folder's errand thread. Whatever step a death comes after, the next start
finishes the rest: the name is written down before it is used, the output's tag says what it is of.
"""

import logging
import os
from dataclasses import replace
from enum import StrEnum
from pathlib import Path

from bgzero_daemon.core import crash
from bgzero_daemon.core.confidence import Confidence
from bgzero_daemon.core.errors import NameTaken, PhotoDelayed
from bgzero_daemon.core.job import NEVER_SEEN, Fingerprint, Job, JobState, Staged
from bgzero_daemon.core.names import cutout_names, display
from bgzero_daemon.core.recipe import OnCheck
from bgzero_daemon.core.texts import _
from bgzero_daemon.service import former as formers
from bgzero_daemon.service.doubts import LATER, is_overtaken, is_second_try, second_for
from bgzero_daemon.service.originals import TRASHED
from bgzero_daemon.service.place import Held, Place
from bgzero_daemon.service.published import is_whole, sha256_of, tag_of
from bgzero_daemon.service.record import Record, decided_now
from bgzero_daemon.service.rooms import chosen, home_of, is_in_review, review_of
from bgzero_daemon.service.sight import hash_of

log = logging.getLogger(__name__)


class Ending(StrEnum):
    """How the last steps of a photo went."""

    DONE = "done"
    AGAIN = "again"  # published, and cut once more by another model
    BETTER = "better"  # that one's took its place
    SAME = "same"  # nothing new
    CHANGED = "changed"


class LastSteps:
    """What a place does with a photo that comes back from the workforce."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._outbox, self._ledger, self._inbox = place.outbox, place.ledger, place.inbox

    def is_unchanged(self, job: Job, source: int) -> bool:
        """Say whether the bytes that were read are still the photo at that path."""
        try:
            marks = {
                self._place.fingerprint(os.fstat(source)),
                self._place.fingerprint(os.lstat(self._inbox / job.key.rel)),
            }
        except OSError:
            return False
        return marks == {job.fingerprint}

    def finish(self, held: Held, staged: Staged) -> Ending:
        """Publish what was staged, write it down, and do with the original what is asked, in this order.

        Raises OutputError, LedgerError or PhotoDelayed; then the photo waits as before.
        """
        crash.point("staged-done")
        job = held.job
        known = self._ledger.get(self._place.name, job.key.rel)
        if not self.is_unchanged(job, held.source) or known is None or known.fingerprint != job.fingerprint:
            return Ending.CHANGED
        if hash_of(held.source) != staged.source_sha256:  # what is decided by this hash is decided about these bytes
            raise PhotoDelayed(_("The worker's report is about other bytes than the photo's."))
        if is_overtaken(job, known, dropped=staged.dropped):
            return Ending.SAME
        if staged.dropped:
            return self._recognise(job, known, staged)
        if known.original:  # the one that was here has moved on: this is another photo under its name
            known = replace(known.back_at("", ""), output_sha256="", original="")
        is_second = is_second_try(job, known) and known.sha256 == staged.source_sha256
        if is_second and staged.confidence is Confidence.NO_SUBJECT:
            self._leave(job.key.rel, formers.as_it_lies(self._place, job.key.rel, known))  # the first one saw more
            return Ending.SAME
        self._outbox.seal(held.file, staged)
        home, candidates = self._candidates(job, staged, known)
        if known.former and known.output not in candidates:  # somebody died here, and it goes to a third place now
            known = formers.settled(self._place, job.key.rel, known)
        output = self._publish(held, staged, known, home, candidates)
        crash.point("published")
        formers.take_back(self._place, job.key.rel, known, output)
        before, known = known, replace(
            known.back_at(output, home), sha256=staged.source_sha256, output_sha256=staged.sha256, model=staged.model,
            code="", sentence=staged.note, hint="", strikes=0,
            confidence=staged.confidence.value, doubt=staged.doubt.value,
        )  # fmt: skip
        self._place.failures.clear(self._place.name, job.key.rel)
        if second := second_for(job, before, staged):
            decided = decided_now(known, JobState.DONE)
            again = replace(
                decided, state=JobState.WAITING, wanted=second, wanted_edges=before.wanted_edges, front=LATER
            )
            self._ledger.put(self._place.name, job.key.rel, again)
            return Ending.AGAIN
        self._leave(job.key.rel, known)
        return Ending.BETTER if is_second else Ending.DONE

    def _candidates(self, job: Job, staged: Staged, known: Record) -> tuple[str, list[str]]:
        """Return what `Record.home` becomes, and the paths that the cut-out may have, the best one first."""
        rel = job.key.rel
        home, names = chosen(job, staged, known)
        is_held_back = staged.confidence is Confidence.CHECK and job.recipe.check is OnCheck.REVIEW
        folder = (review_of if is_held_back else home_of)(self._outbox.root, replace(known, home=home).room(rel))
        candidates = [str(folder / name) for name in names]
        is_mirrored = not (job.recipe.template or known.home) and os.path.dirname(known.output) == str(folder)
        if known.output in candidates or is_mirrored:
            candidates = list(dict.fromkeys([known.output, *candidates]))
        return home, candidates

    def _publish(self, held: Held, staged: Staged, known: Record, home: str, candidates: list[str]) -> str:
        rel, folder = held.job.key.rel, os.path.dirname(candidates[0])
        while output := self._ledger.choose(self._place.name, rel, candidates, intended=staged.sha256, home=home):
            crash.point("name-chosen")
            may_replace = self._is_ours(Path(output), known, staged)
            if self._outbox.publish(held.file, os.path.relpath(output, self._outbox.root), may_replace=may_replace):
                return output
            candidates.remove(output)
        raise NameTaken(
            _("Every name for the cut-out of {photo} belongs to somebody else and is left as it is.").format(
                photo=display(rel)
            ),
            hint=_("Move {folder} away, or choose another outbox.").format(folder=display(folder)),
        )

    def _is_ours(self, output: Path, known: Record, staged: Staged) -> bool:
        """Say whether what has this name may be replaced: our own cut-out of this photo, as we left it."""
        if str(output) in (known.output, known.former) and known.output_sha256:
            ours = (known.output_sha256, known.intended_sha256)  # the latter where somebody died in between
            found = sha256_of(output)
            return bool(found) and found in ours
        if tag_of(output).get("source_sha256") == staged.source_sha256:
            return True
        try:  # the empty file that held the name when somebody died
            return known.output == str(output) and not known.decided and output.lstat().st_size == 0
        except OSError:
            return False

    def _recognise(self, job: Job, known: Record, staged: Staged) -> Ending:
        """This content was decided already: under this path, under a former one, or just before somebody died."""
        if job.former_rel:
            former = self._ledger.get(self._place.name, job.former_rel)
            if former is None or os.path.lexists(self._inbox / job.former_rel):
                return Ending.CHANGED  # it is back: two photos, and this one is still to be cut
            self._follow(job, former)
        elif known.decided:
            known = self._with_output(replace(known, fingerprint=job.fingerprint, front=0, tries=0))
            known = formers.as_it_lies(self._place, job.key.rel, known)
            if known.decided == JobState.DONE and known.output and self._place.originals.policy != "keep":
                self._leave(job.key.rel, known)
            else:
                self._ledger.put(self._place.name, job.key.rel, replace(known, state=JobState(known.decided)))
        else:
            log.info(_("%s: its cut-out was finished before and is kept."), display(job.key.rel))
            self._leave(job.key.rel, formers.by_its_tag(replace(known, sha256=staged.source_sha256, sentence="")))
        return Ending.SAME

    def _with_output(self, known: Record) -> Record:
        """Take over the cut-out that a lost ledger's row was filled from, now that its photo is known by its hash."""
        if known.output and not known.output_sha256:
            output = Path(known.output)
            if tag_of(output).get("source_sha256") == known.sha256:
                return replace(known, output_sha256=sha256_of(output))
        return known

    def _follow(self, job: Job, former: Record) -> None:
        """A photo was renamed: its row goes with it, and its cut-out, as long as that is as we left it."""
        rel, output = job.key.rel, former.output
        is_mirrored = not former.home  # what a template has chosen stays
        if output and is_mirrored and former.output_sha256 and is_whole(Path(output), former.output_sha256):
            root = self._outbox.root
            was_held = is_in_review(root, former.room(job.former_rel), output)
            folder = (review_of if was_held else home_of)(root, os.path.dirname(rel))
            for candidate in cutout_names(os.path.basename(rel)):
                wanted = str(folder / candidate)
                if wanted == output:
                    break
                if self._ledger.choose(self._place.name, rel, [wanted]) is None:
                    continue
                crash.point("follow-chosen")
                if self._outbox.follow(
                    os.path.relpath(output, self._outbox.root), os.path.relpath(wanted, self._outbox.root)
                ):
                    output = wanted
                    break
        crash.point("followed")
        moved = replace(former, fingerprint=job.fingerprint, state=JobState(former.decided), output=output)
        self._ledger.move(self._place.name, job.former_rel, rel, moved)
        self._place.failures.clear(self._place.name, job.former_rel)
        if moved.state is JobState.FAILED:
            self._place.failures.write(self._place.name, rel, moved)
        elif moved.state is JobState.DONE and output and self._place.originals.policy != "keep":
            self._leave(rel, moved)  # it was renamed before its turn came
        log.info(_("%s was renamed to %s; nothing is cut again."), display(job.former_rel), display(rel))

    def settled(self, rel: str, record: Record) -> Record:
        """Return a row whose cut-out is out as it is to stay: PUBLISHED where the original's turn has come.

        An original is kept as long as somebody is to look at what was made of it.
        """
        is_over = self._place.originals.policy == "keep" or is_in_review(
            self._outbox.root, record.room(rel), record.output
        )
        return decided_now(record, JobState.DONE if is_over else JobState.PUBLISHED)

    def _leave(self, rel: str, record: Record) -> None:
        """Write a cut-out down as published, and then see to the original."""
        record = self.settled(rel, self._with_output(record))
        self._ledger.put(self._place.name, rel, record)
        if record.state is JobState.PUBLISHED:
            crash.point("published-written")
            self.see_to_original(rel, record)
        crash.point("done-written")

    def see_to_original(self, rel: str, record: Record) -> None:
        """Do with an original what is asked, if its cut-out can be read back from the disk as it was written."""
        photo = self._inbox / rel
        was_there = self._outbox.is_there
        whole = is_whole(Path(record.output), record.output_sha256)
        if not whole and not (was_there and self._outbox.is_there):
            return  # an unmounted outbox says nothing about what is in it: asked again later
        try:
            here = os.lstat(photo)
        except FileNotFoundError:
            if not self._is_inbox_of(record):
                return  # the inbox is not there, or not the one it was
            original = self._where_it_went(rel, record)
        else:
            if self._place.fingerprint(here) != record.fingerprint:
                self._note_fate(rel, record, NEVER_SEEN)
                return  # another photo by now: the gate sees to it
            original = ""
            if whole:
                crash.point("output-read-back")
                original = self._place.originals.dispose(self._inbox, rel, record.sha256, here)
            elif self._place.originals.policy != "keep":
                log.warning(_("%s stays where it is: its cut-out is not as it was published."), display(rel))
        self._note_fate(rel, record, record.fingerprint, original)

    def _note_fate(self, rel: str, former: Record, fingerprint: Fingerprint, original: str = "") -> None:
        """Write down that an original is seen to, unless the row is about other bytes by now."""
        with self._ledger.together():
            known = self._ledger.get(self._place.name, rel)
            if known and known.state is JobState.PUBLISHED and known.fingerprint == former.fingerprint:
                known = replace(known, state=JobState.DONE, fingerprint=fingerprint, original=original)
                self._ledger.put(self._place.name, rel, known)

    def _is_inbox_of(self, record: Record) -> bool:
        """Say whether the inbox is there and on the file system on which a photo was."""
        try:
            found = os.stat(self._inbox)
        except OSError:
            return False
        return record.fingerprint.dev in (0, found.st_dev)

    def _where_it_went(self, rel: str, record: Record) -> str:
        """Find out where an original is that was moved before somebody died."""
        moved = self._place.originals.done / rel
        try:
            if os.lstat(moved).st_ino == record.fingerprint.ino:
                return str(moved)
        except OSError:
            pass
        return TRASHED if self._place.originals.policy == "trash" else ""
