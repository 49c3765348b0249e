"""A ledger that does not know an inbox learns from the cut-outs what was done: each says what it is of."""

import logging
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from bgzero_daemon.core import crash
from bgzero_daemon.core.confidence import REVIEW, Confidence
from bgzero_daemon.core.job import NEVER_SEEN, JobState
from bgzero_daemon.core.names import display, from_wire
from bgzero_daemon.core.recipe import OnCheck
from bgzero_daemon.core.texts import _
from bgzero_daemon.service.ledger import Ledger
from bgzero_daemon.service.place import Place
from bgzero_daemon.service.published import confidence_of, model_of, tagged_below
from bgzero_daemon.service.record import Record, decided_now
from bgzero_daemon.service.sight import hash_below

log = logging.getLogger(__name__)

_HASH = re.compile("[0-9a-f]{64}")


def recover(places: Sequence[Place], ledger: Ledger) -> None:
    """Fill in what the cut-outs tell, for every inbox that the ledger has never heard of.

    A photo found this way is hashed once more and not cut again. An inbox with such cut-outs counts as
    known: what waits in it was not there "before the first start".
    """
    for place in places:
        if ledger.knows(place.name):
            continue
        found, where = 0, _Names(place.inbox) if place.recipe.template else None
        with ledger.together():
            held_back = []
            for rel, tag in tagged_below(place.outbox.root):
                is_below = rel.startswith(REVIEW + os.sep)
                if is_below and (where is not None or not _is_of_folder(place, rel, tag)):
                    held_back.append((rel, tag))
                else:
                    found += _take(place, ledger, rel, tag, where)
            for rel, tag in held_back:  # after all that is beside the others
                found += _take(place, ledger, rel, tag, where, is_held_back=True)
            if found:
                ledger.know(place.name)
            crash.point("recovering")
        if found:
            log.info(
                _("%d cut-outs in %s were recognised; their photos in %s are not cut again."),
                found, display(place.outbox.root), display(place.inbox),
            )  # fmt: skip


def _is_of_folder(place: Place, rel: str, tag: Mapping[str, object]) -> bool:
    """Say whether what lies in `Review` is of a photo in a folder of the inbox that is called so: its content tells."""
    photo = os.path.join(os.path.dirname(rel), os.path.basename(from_wire(str(tag.get("source")))))
    return hash_below(place.inbox, photo) == tag.get("source_sha256")


class _Names:
    """Where the files of each name are below an inbox: the folders of a template do not tell."""

    def __init__(self, inbox: Path) -> None:
        self._inbox = inbox
        self._found: dict[str, list[str]] = {}
        self._hashes: dict[str, str] = {}
        for folder, _folders, names in os.walk(inbox):
            for name in names:
                self._found.setdefault(name, []).append(os.path.relpath(os.path.join(folder, name), inbox))

    def of(self, name: str, sha256: str) -> list[str]:
        """Return where a photo of this name may be: the only one, or those of several that have this content."""
        found = self._found.get(name, [])
        return found if len(found) == 1 else [rel for rel in found if self._hash(rel) == sha256]

    def _hash(self, rel: str) -> str:
        if rel not in self._hashes:
            self._hashes[rel] = hash_below(self._inbox, rel)
        return self._hashes[rel]


def _take(
    place: Place, ledger: Ledger, rel: str, tag: dict[str, object], where: _Names | None, *, is_held_back: bool = False
) -> bool:
    source, sha256 = tag.get("source"), tag.get("source_sha256")
    if not all(isinstance(text, str) and text.isascii() for text in (source, sha256)):
        return False  # whoever wrote that, it was not this program
    name = os.path.basename(from_wire(str(source)))
    if name in ("", os.curdir, os.pardir) or not _HASH.fullmatch(str(sha256)):
        return False
    home = os.path.dirname(os.path.relpath(rel, REVIEW) if is_held_back else rel)
    photos = [os.path.join(home, name)] if where is None else where.of(name, str(sha256))
    photo = next((one for one in photos if ledger.get(place.name, one) is None), None)
    if photo is None or not os.path.lexists(place.inbox / photo):
        return False  # known, gone, or another inbox's
    output = place.outbox.root / rel
    # Without the output's hash: other content under this name may be another photo, and replaces nothing.
    confidence, doubt = confidence_of(tag)
    if confidence == Confidence.CHECK and place.recipe.check is OnCheck.REVIEW and not is_held_back:
        confidence = Confidence.SEEN.value  # it is out of the review folder: somebody took it out
    record = Record(
        NEVER_SEEN, JobState.DONE, sha256=str(sha256), output=str(output), model=model_of(tag),
        confidence=confidence, doubt=doubt, home="" if where is None else home or os.curdir,
    )  # fmt: skip
    ledger.put(place.name, photo, decided_now(record, JobState.DONE))
    return True
