"""What became of photos, said and written down: cut, turned down for good, or put back for a while."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from bgzero_daemon.core import crash
from bgzero_daemon.core.confidence import Confidence, Doubt, words_of
from bgzero_daemon.core.errors import Code, PhotoRefused, PhotoSkipped
from bgzero_daemon.core.job import Job, JobState, PhotoKey, Staged
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _
from bgzero_daemon.service.doubts import is_overtaken, is_second_try
from bgzero_daemon.service.lacking import Lacking
from bgzero_daemon.service.last_steps import Ending, LastSteps
from bgzero_daemon.service.ledger import Ledger
from bgzero_daemon.service.place import Place
from bgzero_daemon.service.record import Record, decided_now

log = logging.getLogger(__name__)

_LONGEST_WAIT_SECONDS = 600.0
_NEVER = float("inf")


def _fields(job: Job, outcome: JobState) -> dict[str, str]:
    """Return what programs that read the log are told of a photo besides the line."""
    return {"job": job.id, "photo": display(job.key.rel), "outcome": outcome.value}


@dataclass(slots=True)
class Tally:
    """How many photos ended how since the start. `given_up` were put back too often for one run with --once."""

    done: int = 0
    failed: int = 0
    skipped: int = 0
    given_up: int = 0


@dataclass(slots=True)
class Decisions:
    """The pen of the scheduler. `most_tries` bounds how often a photo is put back in one run.

    `look_again` is told of photos that another of their shot covers no longer.
    """

    ledger: Ledger
    places: Sequence[Place]
    look_again: Callable[[PhotoKey], None]
    most_tries: int | None = None
    tally: Tally = field(default_factory=Tally)
    lacking: Lacking = field(default_factory=Lacking)

    def still(self, job: Job) -> Record | None:
        """Return the row of a job as long as it is about the same bytes."""
        known = self.ledger.get(self.places[job.key.folder].name, job.key.rel)
        return known if known and known.fingerprint == job.fingerprint else None

    def note_done(self, job: Job, staged: Staged, seconds: float, ending: Ending) -> None:
        """Count a photo that was cut, and say so; a second try at it is no other photo."""
        self.tally.done += ending is not Ending.BETTER
        doubts = "" if staged.confidence is Confidence.FINE else words_of(staged.confidence, staged.doubt)
        again = _("cut once more with {model}").format(model=job.recipe.second) if ending is Ending.AGAIN else ""
        notes = "".join(f" ({note})" for note in (staged.note, doubts, again) if note)
        log.info(
            "%s %s: done, %s on %s, %.2f s%s", job.id, display(job.key.rel), staged.model, staged.provider,
            seconds, notes, extra={**_fields(job, JobState.DONE), "confidence": staged.confidence.value},
        )  # fmt: skip

    def refuse(self, job: Job, error: PhotoRefused) -> bool:
        """Write down why a photo was not cut. Returns False where it is another one by now."""
        known = self.still(job)
        if known and is_overtaken(job, known):
            return True
        if known and is_second_try(job, known):
            log.info(
                _("%s %s: the second try with %s came to nothing, the first one stays. %s"),
                job.id, display(job.key.rel), job.recipe.model, error,
            )  # fmt: skip
            place = self.places[job.key.folder]
            steps = LastSteps(place)
            kept = steps.settled(job.key.rel, known)
            self.ledger.put(place.name, job.key.rel, kept)
            if kept.state is JobState.PUBLISHED:
                place.errands.submit(steps.see_to_original, job.key.rel, kept)
            return True
        state = JobState.SKIPPED if isinstance(error, PhotoSkipped) else JobState.FAILED
        level = logging.ERROR if state is JobState.FAILED else logging.INFO
        log.log(
            level, "%s %s: %s. %s", job.id, display(job.key.rel), state.value, error, extra=_fields(job, state)
        )  # fmt: skip
        if known:
            self.turn_down(job.key, replace(known, sha256=error.sha256, model=job.recipe.model), error, state)
        return known is not None

    def turn_down(self, key: PhotoKey, record: Record, error: PhotoRefused, state: JobState) -> None:
        """Turn a photo down for good, count it, and say why beside the cut-outs."""
        place = self.places[key.folder]
        is_empty = error.code == Code.NO_SUBJECT
        record = replace(
            record, code=error.code, sentence=str(error), hint=error.hint,
            confidence=(Confidence.NO_SUBJECT if is_empty else Confidence.UNKNOWN).value,
            doubt=(Doubt.NOTHING_FOUND if is_empty else Doubt.NONE).value,
        )  # fmt: skip
        record = decided_now(record, state)
        # before it is written down: whatever comes in between, one of the shot is still to be cut
        freed = [] if is_empty or record.output_sha256 else self.ledger.uncover(place.name, key.rel)
        self.ledger.put(place.name, key.rel, record)
        crash.point("failure-written")
        for rel in freed:
            self.look_again(PhotoKey(key.folder, rel))
        if isinstance(error, PhotoSkipped) and error.code == Code.LATER_KIND:
            self.lacking.note(error, time.monotonic())
        if state is JobState.FAILED:
            self.tally.failed += 1
            place.errands.submit(place.failures.write, place.name, key.rel, record)
        else:
            self.tally.skipped += 1

    def withdraw(self, job: Job) -> None:
        """Take a waiting photo out of the queue that is gone or another one by now; those that it covers come anew."""
        place = self.places[job.key.folder]
        known = self.ledger.get(place.name, job.key.rel)
        freed = [] if known is None or known.output_sha256 else self.ledger.uncover(place.name, job.key.rel)
        place.withdraw(job)
        for rel in freed:
            self.look_again(PhotoKey(job.key.folder, rel))

    def strike(self, job: Job, strikes: int) -> None:
        """Write down that a photo brought a worker down while it was alone."""
        if known := self.still(job):
            self.ledger.put(self.places[job.key.folder].name, job.key.rel, replace(known, strikes=strikes))

    def put_back(self, job: Job, now: float, sentence: str) -> float | None:
        """Trouble that is not the photo's: try again after a while that grows. Returns when, None for never."""
        known = self.still(job)
        if known is None:
            return None
        tries = job.tries + 1
        name = self.places[job.key.folder].name
        if self.most_tries and tries >= self.most_tries:
            log.error("%s %s: given up for now. %s", job.id, display(job.key.rel), sentence)
            self.tally.given_up += 1
            self.ledger.put(name, job.key.rel, replace(known, tries=tries, not_before=_NEVER))
            return None
        wait = min(_LONGEST_WAIT_SECONDS, 2.0 ** (tries - 1))
        log.warning(_("%s %s: %s Tried again in %.0f s."), job.id, display(job.key.rel), sentence, wait)
        self.ledger.put(name, job.key.rel, replace(known, tries=tries, not_before=now + wait))
        return now + wait
