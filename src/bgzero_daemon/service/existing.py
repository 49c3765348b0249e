"""Photos that are there before the first start: cut them, leave them, or ask."""

import contextlib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bgzero_daemon.core.errors import Code
from bgzero_daemon.core.job import JobState, PhotoKey
from bgzero_daemon.core.names import display
from bgzero_daemon.core.shots import is_photo
from bgzero_daemon.core.texts import _
from bgzero_daemon.service.inbox import Inbox
from bgzero_daemon.service.ledger import Ledger
from bgzero_daemon.service.record import Record, decided_now

log = logging.getLogger(__name__)

# Rough figures of a machine with two cores and the shipped network, good enough to decide by.
_SECONDS_PER_PHOTO = 0.3
_SECONDS_PER_BYTE = 1.5e-7
_OUTPUT_PER_BYTE = 2.0


@dataclass(frozen=True, slots=True)
class Stock:
    """What lies in an inbox, and roughly what cutting it all takes, in seconds and bytes."""

    inbox: str
    photos: int
    photo_bytes: int

    @property
    def seconds(self) -> float:
        """Estimated time."""
        return self.photos * _SECONDS_PER_PHOTO + self.photo_bytes * _SECONDS_PER_BYTE

    @property
    def output_bytes(self) -> float:
        """Estimated size of the cut-outs."""
        return self.photo_bytes * _OUTPUT_PER_BYTE


Ask = Callable[[Stock], bool]


def settle_existing(inboxes: Sequence[Inbox], ledger: Ledger, policy: str, ask: Ask | None) -> None:
    """Apply the policy to every inbox that the ledger has never heard of.

    What is to be left alone gets a decision in the ledger and is cut only when its bytes change.
    Without anybody to `ask`, all are cut, which the log says.
    """
    for inbox in inboxes:
        if ledger.knows(inbox.root):
            continue
        found = list(_photos(inbox)) if policy != "all" else []
        left = found if found and not _wants_all(inbox, found, policy, ask) else []
        sentence = _("It was there before the first start.")
        # All or nothing: half of it would make the next start think that it is not the first.
        with ledger.together():
            for key, stat in left:
                record = Record(inbox.fingerprint(stat), JobState.SKIPPED, code=Code.EXISTED, sentence=sentence)
                ledger.put(inbox.root, key.rel, decided_now(record, JobState.SKIPPED))
            ledger.know(inbox.root)
        if left:
            log.info(_("Photos that are there already: %d in %s. They are left alone."), len(left), display(inbox.root))


def _wants_all(inbox: Inbox, found: Sequence[tuple[PhotoKey, os.stat_result]], policy: str, ask: Ask | None) -> bool:
    if policy == "skip":
        return False
    if ask is None:
        sentence = _("Photos that are there already: %d in %s. There is no terminal to ask, so all are cut.")
        log.info(sentence, len(found), display(inbox.root))
        return True
    return ask(Stock(inbox.root, len(found), sum(stat.st_size for _key, stat in found)))


def _photos(inbox: Inbox) -> Iterator[tuple[PhotoKey, os.stat_result]]:
    for key in inbox.scan():
        if is_photo(key.rel):
            with contextlib.suppress(OSError):  # gone meanwhile
                yield key, os.lstat(os.path.join(inbox.root, key.rel))
