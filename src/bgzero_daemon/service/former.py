"""The former cut-out of a photo that is cut again: found under each of its names, and taken back.

Its path is written down before its successor's name is used, so whatever comes in between, one cut-out is left in the
end. Only what lies in this outbox as it was written is ever removed, and nothing of another photo.
"""

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from bgzero_daemon.core import crash
from bgzero_daemon.service.place import Place
from bgzero_daemon.service.published import confidence_of, is_whole, model_of, tag_of
from bgzero_daemon.service.record import Record
from bgzero_daemon.service.rooms import home_of, paths_in, review_of


def lying_in(place: Place, folder: Path, rel: str, known: Record) -> list[str]:
    """Return the paths in a folder under which a photo's former cut-out lies as it was written."""
    return _lying(place, rel, known, paths_in(folder, rel, known))


def written_down(place: Place, rel: str, known: Record) -> str:
    """Return the path that was written down of a former cut-out, if it lies there as it was written, else ""."""
    return next(iter(_lying(place, rel, known, [known.former])), "")


def take_back(place: Place, rel: str, known: Record, output: str) -> None:
    """Remove a former cut-out, which a row is about, where its successor has another name, or is in another room.

    Beside that one only what was written down is removed: all else may be somebody's copy. Raises OutputError.
    """
    for former in _everywhere(place, rel, known):
        is_beside = os.path.dirname(former) == os.path.dirname(output)
        if former != output and (former in (known.output, known.former) or not is_beside):
            _remove(place, former)
            crash.point("taken-back")


def as_it_lies(place: Place, rel: str, known: Record) -> Record:
    """Return a row with one cut-out, where a death came between the one that it is about and another one.

    That other one goes, unless it is the only one. Raises OutputError.
    """
    if not known.output_sha256:
        return known
    if is_whole(Path(known.output), known.output_sha256):
        if former := written_down(place, rel, known):  # both are the same, byte by byte
            _remove(place, former)
        return known.back_at(known.output, known.home)
    formers = _everywhere(place, rel, known)
    is_out = is_whole(Path(known.output), known.intended_sha256)
    if formers and is_out:
        _remove(place, known.output)
    elif is_out:
        known = replace(known, output_sha256=known.intended_sha256)
        return by_its_tag(known.back_at(known.output, known.home))
    return known.back_at(formers[0], _home_at(place, rel, known, formers[0])) if formers else known


def settled(place: Place, rel: str, known: Record) -> Record:
    """Return a row with one cut-out before a third one gets a name, and write that down. Raises OutputError."""
    lies = as_it_lies(place, rel, known)
    with place.ledger.together():
        if place.ledger.get(place.name, rel) == known:
            place.ledger.put(place.name, rel, lies)
    return lies


def by_its_tag(known: Record) -> Record:
    """Return a row with what its cut-out says of itself."""
    tag = tag_of(Path(known.output))
    confidence, doubt = confidence_of(tag)
    return replace(known, model=model_of(tag), confidence=confidence, doubt=doubt)


def _everywhere(place: Place, rel: str, known: Record) -> list[str]:
    root = place.outbox.root
    rooms = [known.room(rel), *([known.former_room(rel)] if known.former else [])]
    named = [
        path
        for room in dict.fromkeys(rooms)
        for folder in (home_of(root, room), review_of(root, room))
        for path in paths_in(folder, rel, known)
    ]
    return _lying(place, rel, known, [known.former, known.output, *named])


def _lying(place: Place, rel: str, known: Record, paths: Iterable[str]) -> list[str]:
    below = f"{place.outbox.root}{os.sep}"
    return [
        path
        for path in dict.fromkeys(paths)
        if path.startswith(below)
        and is_whole(Path(path), known.output_sha256)
        and not place.ledger.is_anothers(place.name, rel, path)
    ]


def _home_at(place: Place, rel: str, known: Record, path: str) -> str:
    """Return the home of the cut-out at this path: that of the former one, or of the one that was to come."""
    root, room = place.outbox.root, known.former_room(rel)
    is_former = known.former and os.path.dirname(path) in map(str, (home_of(root, room), review_of(root, room)))
    return known.former_home if is_former else known.home


def _remove(place: Place, path: str) -> None:
    place.outbox.remove(os.path.relpath(path, place.outbox.root))
