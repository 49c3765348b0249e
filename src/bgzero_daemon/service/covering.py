"""Which file of a shot is cut, and which are covered by it. Main thread only.

Decided when a file is written down, from the rows of its shot: whatever its order of arrival, one is cut, and the
others say which one it was. A file that covers others and comes to nothing lets go of them (`service.decisions`).
"""

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bgzero_daemon.core import crash
from bgzero_daemon.core.errors import Code
from bgzero_daemon.core.job import Fingerprint, JobState, PhotoKey
from bgzero_daemon.core.names import display
from bgzero_daemon.core.shots import Pair, is_developed, is_one_moment, is_photo
from bgzero_daemon.core.texts import _
from bgzero_daemon.service.ledger import Ledger
from bgzero_daemon.service.pairs import Pairing
from bgzero_daemon.service.place import Place
from bgzero_daemon.service.record import REDO, Record, decided_now

log = logging.getLogger(__name__)

_CUT = (JobState.DONE, JobState.PUBLISHED)


@dataclass(frozen=True, slots=True)
class Covering:
    """Knows what is wanted of each inbox's shots.

    `is_in_work` says whether a photo is being cut this moment; `note_taken_back` is told of a folder where a row does
    not wait any more.
    """

    ledger: Ledger
    places: Sequence[Place]
    pairings: Sequence[Pairing]
    is_in_work: Callable[[PhotoKey], bool]
    note_taken_back: Callable[[int], None]

    def covers(self, key: PhotoKey, fingerprint: Fingerprint) -> bool:
        """Cover a file that arrives, where another of its shot was cut or is to be; say whether it was.

        One that waits and is not what is preferred is covered by it instead, as long as nobody has begun with it. A
        file that was cut itself, or is to be because somebody said so, is a photo of its own.
        """
        pairing, inbox = self.pairings[key.folder], self.places[key.folder].name
        if pairing.pair is Pair.BOTH or not is_photo(key.rel):
            return False
        known = self.ledger.get(inbox, key.rel)
        if known and (known.decided == JobState.DONE or _is_wished_for(known)):
            return False
        mates = other_halves(self.ledger, inbox, key.rel, fingerprint)
        if pairing.is_preferred(key.rel):
            for rel, mate in mates:
                if not (self._is_begun(PhotoKey(key.folder, rel), mate) or _is_settled(mate)):
                    self._cover(PhotoKey(key.folder, rel), mate, by=key.rel)
                    self.note_taken_back(key.folder)
            mates = [(rel, mate) for rel, mate in mates if self._still_stands(inbox, rel)]
        if not mates:
            return False
        by = next((rel for rel, mate in mates if _is_settled(mate)), mates[0][0])
        self._cover(key, replace(known or Record(fingerprint, JobState.SKIPPED), fingerprint=fingerprint), by=by)
        return True

    def _is_begun(self, key: PhotoKey, mate: Record) -> bool:
        return _is_wished_for(mate) or self.is_in_work(key)

    def _still_stands(self, inbox: str, rel: str) -> bool:
        mate = self.ledger.get(inbox, rel)
        return mate is not None and _stands(mate)

    def _cover(self, key: PhotoKey, record: Record, *, by: str) -> None:
        place = self.places[key.folder]
        sentence = _("It is of the same shot as {photo}, and one file of a shot is cut.").format(
            photo=display(os.path.basename(by))
        )
        covered = replace(
            record, code=Code.COVERED, sentence=sentence, hint=_("`bgzero redo` cuts it all the same."), covered_by=by,
            sha256="", model="", strikes=0,
        )  # fmt: skip
        log.info(_("%s: covered by %s."), display(key.rel), display(by))
        if record.code and record.decided == JobState.FAILED:
            place.errands.submit(place.failures.clear, place.name, key.rel)
        self.ledger.put(place.name, key.rel, decided_now(covered, JobState.SKIPPED))
        crash.point("covered")


def other_halves(ledger: Ledger, inbox: str, rel: str, fingerprint: Fingerprint) -> list[tuple[str, Record]]:
    """Return the files of the other kind and of the same shot that were cut or are to be."""
    return [
        (path, mate)
        for path, mate in ledger.shot_mates(inbox, rel)
        if is_photo(path) and is_developed(path) is not is_developed(rel) and _stands(mate)
        and is_one_moment(mate.fingerprint.mtime_ns, fingerprint.mtime_ns)
    ]  # fmt: skip


def _is_wished_for(record: Record) -> bool:
    return record.state is JobState.WAITING and record.front >= REDO


def _stands(mate: Record) -> bool:
    """Say whether a photo was cut, waits to be, or has shown that there is nothing in this shot."""
    return mate.state in _CUT or mate.state is JobState.WAITING or mate.code == Code.NO_SUBJECT


def _is_settled(mate: Record) -> bool:
    return mate.state is not JobState.WAITING or mate.decided == JobState.DONE
