"""What commands ask of the service, answered from the ledger. Called from the main thread."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import cast

from bgzero_daemon.catalog import choice
from bgzero_daemon.core.confidence import Confidence, words_of
from bgzero_daemon.core.errors import BgzeroError, Code
from bgzero_daemon.core.job import JobState, PhotoKey
from bgzero_daemon.core.names import display, from_wire, to_wire
from bgzero_daemon.core.shots import is_beside
from bgzero_daemon.core.texts import _
from bgzero_daemon.service.backlog import Backlog
from bgzero_daemon.service.chosen import name_of
from bgzero_daemon.service.intake import Intake
from bgzero_daemon.service.ledger import Address, Ledger
from bgzero_daemon.service.place import Place
from bgzero_daemon.service.pool import LocalWorkforce
from bgzero_daemon.service.record import REDO, Record, decided_now
from bgzero_daemon.service.review import accept_all
from bgzero_daemon.service.scheduler import Scheduler
from bgzero_daemon.service.survey import Survey
from bgzero_daemon.settings.schema import Config

Reply = dict[str, object]
_SLICE = 500
_DECIDED = (JobState.DONE, JobState.FAILED, JobState.SKIPPED)


class Desk:
    """Serves the verbs of `wire.control` that are about photos."""

    def __init__(
        self,
        ledger: Ledger,
        intakes: Sequence[Intake],
        places: Sequence[Place],
        scheduler: Scheduler,
        waiting: Backlog,
        workforce: LocalWorkforce,
        config: Config,
    ) -> None:
        self._ledger, self._intakes, self._places = ledger, intakes, places
        self._survey = Survey(ledger)
        self._scheduler, self._queue, self._workforce, self._config = scheduler, waiting, workforce, config
        self._urgent: set[PhotoKey] = set()
        self._roots = [(place.name, os.path.realpath(place.inbox)) for place in places]

    def answer(self, request: dict[str, object]) -> "Reply | Future[Reply]":
        """Answer one request, at once or when it is done. Raises BgzeroError with a sentence, or BadRequest."""
        verbs: dict[str, Callable[[dict[str, object]], Reply | Future[Reply]]] = {
            "add": self._add, "redo": self._redo, "failed": self._failed,
            "retry": self._retry, "dismiss": self._dismiss, "history": self._history,
            "review": self._review, "accept": self._accept,
        }  # fmt: skip
        return verbs[str(request["verb"])](request)

    def is_urgent(self, key: PhotoKey, *, forget: bool) -> bool:
        """Say whether somebody asked for this photo to come first."""
        is_urgent = key in self._urgent
        if forget:
            self._urgent.discard(key)
        return is_urgent

    def _spot(self, wired: str) -> PhotoKey:
        """Find the inbox that a path lies in. Raises BgzeroError where it lies in none."""
        path = from_wire(wired)
        for number, roots in enumerate(self._roots):
            for root in roots:
                rel = os.path.relpath(path, root)
                if rel != os.pardir and not rel.startswith(os.pardir + os.sep) and os.path.isabs(path):
                    return PhotoKey(number, rel)
        for owner in self._ledger.owners(path):  # a cut-out stands for its photo
            for number, place in enumerate(self._places):
                if place.name == owner.inbox:
                    return PhotoKey(number, owner.rel)
        raise BgzeroError(
            _("{path} is in none of the watched inboxes.").format(path=display(path)),
            hint=_("`bgzero cut` cuts photos that lie anywhere."),
        )

    def _add(self, request: dict[str, object]) -> Reply:
        answers = []
        keys = [(wired, self._spot(wired)) for wired in _paths(request)]
        if keys and all(is_beside(key.rel) for _wired, key in keys):
            raise BgzeroError(
                _("{file} only lies beside photos, and is never cut.").format(file=display(keys[0][1].rel))
            )
        for wired, key in keys:
            place = self._places[key.folder]
            known = self._ledger.get(place.name, key.rel)
            if known and _is_covered(known):  # whoever names it wants it; new bytes come by the gate
                self._open_again(iter([(key.folder, key.rel, known)]))
            elif known and known.state is JobState.WAITING:
                self._ledger.put(place.name, key.rel, replace(known, front=max(1, known.front), not_before=0.0))
                self._queue.note_arrival(key.folder, is_urgent=True)
            else:
                self._urgent.add(key)
                self._intakes[key.folder].look_again(key)
            answers.append({"path": wired, "state": known.state.value if known else "arriving"})
        return {"photos": answers}

    def _each(
        self, request: dict[str, object], states: Sequence[JobState], *, with_covered: bool = False
    ) -> Iterator[tuple[int, str, Record]]:
        """Yield the photos that a request names, single ones or all of folders; without a path those of all inboxes.

        Those that another of their shot covers have to be named one by one, and are meant `with_covered` only. Raises
        BgzeroError for a path without any. In slices, so that a large folder costs no memory.
        """
        keys = [self._spot(wired) for wired in _paths(request)]
        for key in keys or [PhotoKey(number, ".") for number in range(len(self._places))]:
            found, after = False, ""
            while rows := self._survey.known_below(self._places[key.folder].name, key.rel, _SLICE, after=after):
                after = rows[-1][0]
                for rel, record in rows:
                    is_meant = record.state in states
                    if _is_covered(record):
                        is_meant = with_covered and rel == key.rel
                    if is_meant:
                        found = True
                        yield key.folder, rel, record
            if keys and not found:
                path = Path(self._places[key.folder].name, key.rel)
                raise BgzeroError(
                    _("Nothing is known of {path} that this could be done to.").format(path=display(path)),
                    hint=_("`bgzero history` and `bgzero failed` list what was decided."),
                )

    def _redo(self, request: dict[str, object]) -> Reply:
        if not _paths(request):
            raise BgzeroError(_("Name the photos that are to be cut again."))
        if name := name_of(cast(str, request.get("model", "")), self._config):
            self._workforce.learn(name, choice.usable(name))
        edges = cast(str, request.get("edges", ""))
        rows = self._each(request, (*_DECIDED, JobState.WAITING), with_covered=True)
        return self._open_again(rows, name, edges)

    def _retry(self, request: dict[str, object]) -> Reply:
        return self._open_again(self._each(request, (JobState.FAILED,), with_covered=True))

    def _open_again(self, rows: Iterator[tuple[int, str, Record]], model: str = "", edges: str = "") -> Reply:
        count, moved, folders = 0, "", set()
        with self._ledger.together():
            for folder, rel, record in rows:
                if record.original:
                    moved = record.original
                    continue
                again = replace(
                    record, state=JobState.WAITING, front=REDO, strikes=0, tries=0, not_before=0.0,
                    wanted=model, wanted_edges=edges,
                )  # fmt: skip
                self._ledger.put(self._places[folder].name, rel, again)
                folders.add(folder)
                count += 1
        for folder in folders:
            self._queue.note_arrival(folder, is_urgent=True)
        if moved and not count:
            raise BgzeroError(
                _("It is not in the inbox any more."),
                hint=_("Put it back, and it is cut again. It went here: {place}").format(place=display(moved)),
            )
        return {"count": count}

    def _dismiss(self, request: dict[str, object]) -> Reply:
        count = 0
        with self._ledger.together():
            for folder, rel, record in self._each(request, (JobState.FAILED,)):
                place = self._places[folder]
                dismissed = decided_now(replace(record, code=Code.DISMISSED), JobState.SKIPPED)
                self._ledger.put(place.name, rel, dismissed)
                place.errands.submit(place.failures.clear, place.name, rel)
                count += 1
        return {"count": count}

    def _failed(self, request: dict[str, object]) -> Reply:
        rows = self._ledger.of_state(JobState.FAILED, _limit(request, 1000))
        return {"photos": [_told(*row) for row in rows], "count": self._survey.counts()[JobState.FAILED]}

    def _review(self, request: dict[str, object]) -> Reply:
        rows = self._survey.wanting_look(_limit(request, 1000))
        return {"photos": [_told(*row) for row in rows], "count": self._survey.count_wanting_look()}

    def _accept(self, request: dict[str, object]) -> "Reply | Future[Reply]":
        chosen: dict[int, list[str]] = {}
        if _paths(request):
            for folder, rel, record in self._each(request, (JobState.DONE, JobState.PUBLISHED)):
                if record.confidence == Confidence.CHECK:
                    chosen.setdefault(folder, []).append(rel)
        else:
            numbers = {place.name: number for number, place in enumerate(self._places)}
            for address, _record in self._survey.wanting_look(self._survey.count_wanting_look()):
                chosen.setdefault(numbers[address.inbox], []).append(address.rel)
        return accept_all(chosen, self._places) if chosen else {"count": 0}

    def _history(self, request: dict[str, object]) -> Reply:
        rows = self._survey.history(_limit(request, 100), cast(str | None, request.get("confidence")))
        return {"photos": [_told(*row) for row in rows]}


def _covering(address: Address, record: Record) -> str:
    return to_wire(Path(address.inbox, record.covered_by)) if _is_covered(record) else ""


def _is_covered(record: Record) -> bool:
    return record.state is JobState.SKIPPED and record.code == Code.COVERED


def _paths(request: Mapping[str, object]) -> list[str]:
    return cast(list[str], request.get("paths", []))


def _limit(request: Mapping[str, object], default: int) -> int:
    return cast(int, request.get("limit", default))


def _told(address: Address, record: Record) -> Reply:
    path = Path(address.inbox, address.rel)
    return {
        "path": to_wire(path), "photo": display(path), "state": record.state.value, "code": record.code,
        "sentence": record.sentence, "hint": record.hint, "output": to_wire(record.output),
        "cutout": display(record.output), "original": display(record.original), "model": record.model,
        "sha256": record.sha256, "decided_at": record.decided_at, "confidence": record.confidence,
        "doubt": record.doubt, "look": words_of(record.confidence, record.doubt),
        "covered_by": _covering(address, record),
    }  # fmt: skip
