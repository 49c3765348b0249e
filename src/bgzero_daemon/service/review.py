"""Cut-outs that want a look: accepted, which takes them out of the review folder, or taken out of it by hand.

Everything here runs in its folder's errand thread. An acceptance is written down before anything moves; whatever step
a death comes after, the next round finds the file where it was or where it was to go.
"""

import errno
import logging
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

from bgzero_daemon.core import crash
from bgzero_daemon.core.confidence import Confidence
from bgzero_daemon.core.errors import BgzeroError, NameTaken
from bgzero_daemon.core.job import JobState
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _
from bgzero_daemon.service import former as formers
from bgzero_daemon.service.last_steps import LastSteps
from bgzero_daemon.service.place import Place
from bgzero_daemon.service.published import is_whole, tag_of
from bgzero_daemon.service.record import Record
from bgzero_daemon.service.rooms import home_of, is_in_review, paths_in, review_of

log = logging.getLogger(__name__)

Reply = dict[str, object]
_CUT = (JobState.DONE, JobState.PUBLISHED)


class Review:
    """The review folder of a place."""

    def __init__(self, place: Place) -> None:
        self._place, self._ledger, self._outbox = place, place.ledger, place.outbox

    def accept(self, rel: str) -> bool:
        """Accept a photo's cut-out. Returns False where nothing of it wants a look any more.

        Raises OutputError where it cannot be moved, or LedgerError; it is accepted all the same then, and moved later.
        """
        with self._ledger.together():
            known = self._ledger.get(self._place.name, rel)
            if known is None or known.state not in _CUT or known.confidence != Confidence.CHECK:
                return False
            known = replace(known, confidence=Confidence.ACCEPTED.value)
            self._ledger.put(self._place.name, rel, known)
        crash.point("accept-written")
        self.finish(rel)
        return True

    def finish(self, rel: str) -> None:
        """Take what was accepted out of the review folder, if it is there still. Raises OutputError, LedgerError."""
        known = self._ledger.get(self._place.name, rel)
        if known is None or known.confidence != Confidence.ACCEPTED or not self._outbox.is_there:
            return
        target = known.output
        if is_in_review(self._outbox.root, known.room(rel), known.output):
            target = self._at_home(rel, known) if _is_gone(known.output) else self._moved(rel, known)
            if not (target or self._outbox.is_there):
                return  # it went away this very moment
            crash.point("accept-moved")
        self._note_seen(rel, known, target)

    def look_after(self, rel: str) -> None:
        """Go on with what was accepted, and see what somebody has done by hand. Raises as `finish` does."""
        self.finish(rel)
        self.notice(rel)

    def notice(self, rel: str) -> None:
        """See whether a cut-out that wants a look is still there: what somebody moved or removed, he has looked at."""
        known = self._ledger.get(self._place.name, rel)
        if known is None or known.state not in _CUT or known.confidence != Confidence.CHECK:
            return
        was_there = self._outbox.is_there
        if not (_is_gone(known.output) and was_there and self._outbox.is_there):
            return  # an unmounted outbox says nothing about what is in it
        root = self._outbox.root
        is_held_back = is_in_review(root, known.room(rel), known.output)
        if first := formers.written_down(self._place, rel, known):  # another try, which was to go on, died and failed
            self._note(rel, known, known.back_at(first, known.former_home))
            return
        if not is_held_back and (found := formers.lying_in(self._place, review_of(root, known.room(rel)), rel, known)):
            self._note(rel, known, replace(known, output=found[0]))
            return
        at_home = self._at_home(rel, known) if is_held_back else ""
        log.info(_("%s was taken away by hand; it is not asked about any more."), display(known.output))
        self._note_seen(rel, known, at_home)

    def _names(self, rel: str, record: Record) -> Iterator[str]:
        """Yield the paths that a photo's cut-out may have outside the review folder."""
        for path in paths_in(home_of(self._outbox.root, record.room(rel)), rel, record):
            if not self._ledger.is_anothers(self._place.name, rel, path):
                yield path

    def _moved(self, rel: str, known: Record) -> str:
        root = self._outbox.root
        for path in self._names(rel, known):
            if self._outbox.follow(os.path.relpath(known.output, root), os.path.relpath(path, root)):
                return path
        if _is_gone(known.output):  # by hand, this very moment
            return self._at_home(rel, known)
        raise NameTaken(
            _("Every name for the cut-out of {photo} belongs to somebody else and is left as it is.").format(
                photo=display(rel)
            ),
            hint=_("Move {folder} away, or choose another outbox.").format(
                folder=display(home_of(root, known.room(rel)))
            ),
        )

    def _at_home(self, rel: str, known: Record) -> str:
        """Find a cut-out that has left the review folder, "" where it is nowhere: as it was written, or by its tag."""
        names = list(self._names(rel, known))
        for path in names:
            if is_whole(Path(path), known.output_sha256):
                return path
        for path in names:
            if known.sha256 and tag_of(Path(path)).get("source_sha256") == known.sha256:
                return path
        return ""

    def _note(self, rel: str, known: Record, changed: Record) -> None:
        with self._ledger.together():
            if self._ledger.get(self._place.name, rel) == known:
                self._ledger.put(self._place.name, rel, changed)

    def _note_seen(self, rel: str, known: Record, output: str) -> None:
        """Write down where it is now; its original, which waited for this, has its turn."""
        with self._ledger.together():
            now = self._ledger.get(self._place.name, rel)
            if now is None or (now.output, now.confidence) != (known.output, known.confidence):
                return  # cut again meanwhile
            was_held = is_in_review(self._outbox.root, now.room(rel), now.output) and now.state is JobState.DONE
            seen = replace(now, output=output or now.output, confidence=Confidence.SEEN.value)
            if was_held and output and self._place.originals.policy != "keep":
                seen = replace(seen, state=JobState.PUBLISHED)
            self._ledger.put(self._place.name, rel, seen)
        crash.point("accept-done")
        if seen.state is JobState.PUBLISHED:
            LastSteps(self._place).see_to_original(rel, seen)


def _is_gone(path: str) -> bool:
    """Say whether there is no such file. A folder that cannot be read, or does not answer, says nothing about it."""
    try:
        os.lstat(path)
    except OSError as error:
        return error.errno in (errno.ENOENT, errno.ENOTDIR)
    return False


def accept_all(chosen: Mapping[int, Sequence[str]], places: Sequence[Place]) -> "Future[Reply]":
    """Accept photos of several places, each in its own thread. The reply has their `count`.

    Ends in the first BgzeroError where one could not be moved; all others are accepted nevertheless.
    """
    reply: Future[Reply] = Future()
    lock, counts, left = threading.Lock(), [0], [len(chosen)]
    troubles: list[BaseException] = []

    def note(done: "Future[tuple[int, BgzeroError | None]]") -> None:
        with lock:
            left[0] -= 1
            if error := done.exception():
                troubles.append(error)
            else:
                count, trouble = done.result()
                counts[0] += count
                troubles.extend([trouble] if trouble else [])
            is_last = not left[0]
        if is_last and troubles:
            reply.set_exception(troubles[0])
        elif is_last:
            reply.set_result({"count": counts[0]})

    for number, rels in chosen.items():
        places[number].errands.submit(_accept_some, places[number], rels).add_done_callback(note)
    return reply


def _accept_some(place: Place, rels: Sequence[str]) -> tuple[int, BgzeroError | None]:
    count, trouble = 0, None
    for rel in rels:
        try:
            count += Review(place).accept(rel)
        except BgzeroError as error:
            trouble = trouble or error
    return count, trouble
