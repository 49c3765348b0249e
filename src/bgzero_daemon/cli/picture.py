"""The Snapshot in words, for a terminal."""

import os
import time
from collections.abc import Iterator

from bgzero_daemon.core.columns import padded
from bgzero_daemon.core.confidence import Confidence
from bgzero_daemon.core.names import from_wire, quoted
from bgzero_daemon.core.texts import _, n_
from bgzero_daemon.wire.snapshot import Card, Folder, Snapshot, WorkerState

_STATES = {
    "trouble": _("trouble"), "paused": _("paused"), "stopping": _("stopping"), "switching": _("switching"),
    "working": _("working"), "watching": _("watching"),
}  # fmt: skip
_STEPS = {
    "opening": _("opening"), "waiting": _("waiting"), "reading": _("reading"), "cutting": _("cutting"),
    "publishing": _("publishing"),
}  # fmt: skip
_OUTCOMES = {
    "done": _("done"), "published": _("done"), "failed": _("failed"), "skipped": _("skipped"),
}  # fmt: skip


def lines(snapshot: Snapshot) -> Iterator[str]:
    """Yield what a person wants to know, the most urgent first."""
    state = _STATES.get(snapshot.state, snapshot.state)
    says_it = snapshot.why.startswith((snapshot.state, state))
    why = snapshot.why if says_it else _("{state}: {why}").format(state=state, why=snapshot.why)
    yield why if snapshot.why else state
    counts = _(
        "{waiting} waiting, {running} in work, {arriving} arriving, {done} done, {failed} failed, {skipped} skipped"
    ).format(
        waiting=snapshot.waiting, running=snapshot.running, arriving=snapshot.arriving, done=snapshot.done,
        failed=snapshot.failed, skipped=snapshot.skipped,
    )  # fmt: skip
    today = snapshot.today
    yield _("{counts}; today {done} done, {failed} failed").format(counts=counts, done=today.done, failed=today.failed)
    yield from _asides(snapshot)
    yield from map(_card, snapshot.cards)
    if snapshot.paused:
        yield _("paused; `bgzero resume` goes on")
    elif snapshot.seconds_left and snapshot.waiting:
        left = _("about {time} left, {count:.0f} a minute") if snapshot.photos_per_minute else _("about {time} left")
        yield left.format(time=length(snapshot.seconds_left), count=snapshot.photos_per_minute)
    yield from _choices(snapshot)
    yield _("up {time}, {memory} MB, version {version}").format(
        time=length(snapshot.taken_at - snapshot.started_at), memory=snapshot.memory_mb, version=snapshot.version
    )
    for photo in snapshot.at_work:
        yield f"  {padded(_STEPS.get(photo.step, photo.step), 10)} {photo.seconds:5.1f} s  {photo.photo}"
    yield from map(_worker, snapshot.workers)
    for folder in snapshot.folders:
        yield from _folder(folder)
    for outcome in snapshot.latest:
        when = time.strftime("%H:%M:%S", time.localtime(outcome.decided_at))
        what = outcome.cutout if outcome.state in ("done", "published") else outcome.sentence
        look = f" ({outcome.look})" if outcome.confidence == Confidence.CHECK else ""
        yield f"  {when}  {padded(_OUTCOMES.get(outcome.state, outcome.state), 9)} {outcome.photo}  {what}{look}"
    if snapshot.config_error:
        yield _("not taken over: {error}").format(error=snapshot.config_error)
    if snapshot.needs_restart:
        yield _("takes effect at the next start: {keys}").format(keys=", ".join(snapshot.needs_restart))


def _card(card: Card) -> str:
    new = n_("{count} new photo", "{count} new photos", card.new)
    said = card.sentence or _("{photos}; `bgzero import {path}` brings them").format(
        photos=new, path=quoted(os.fsdecode(from_wire(card.path)))
    )
    return f"{card.name}: {_('importing {photos}').format(photos=new) if card.state == 'importing' else said}"


def _asides(snapshot: Snapshot) -> Iterator[str]:
    if snapshot.wanting_look:
        yield n_(
            "{count} cut-out wants a look; `bgzero review` lists it",
            "{count} cut-outs want a look; `bgzero review` lists them", snapshot.wanting_look,
        )  # fmt: skip
    if snapshot.covered:
        yield n_(
            "{count} file is covered by another one of its shot; `bgzero history` tells which",
            "{count} files are covered by others of their shots; `bgzero history` tells which", snapshot.covered,
        )  # fmt: skip


def _choices(snapshot: Snapshot) -> Iterator[str]:
    provider = snapshot.provider
    ran = provider.ran or _("not used yet")
    why = f" ({provider.why})" if provider.why else ""
    model = _("model {model} ({origin}); provider {asked} ({asked_origin}): {ran}{why}").format(
        model=snapshot.model.value, origin=snapshot.model.origin, asked=provider.asked,
        asked_origin=provider.origin, ran=ran, why=why,
    )  # fmt: skip
    yield model
    if not snapshot.notifications:
        yield _("notifications are off; `bgzero notifications on` lets them through")


def _worker(worker: WorkerState) -> str:
    text = _("worker {pid}: {model} on {provider}, {photos} photos, {memory_mb} MB, sandbox {sandbox}").format(
        pid=worker.pid, model=worker.model, provider=_provider(worker), photos=worker.photos,
        memory_mb=worker.memory_mb, sandbox=worker.sandbox or "…",
    )  # fmt: skip
    note = f" ({worker.note})" if worker.note else ""
    return " ".join(filter(None, [text + note, "" if worker.verified else _("(unverified model)")]))


def _provider(worker: WorkerState) -> str:
    if not worker.provider:
        return "…"
    return _("{provider} (prepared)").format(provider=worker.provider) if worker.prepared else worker.provider


def _folder(folder: Folder) -> Iterator[str]:
    free = "" if folder.free_bytes is None else _(", {free:.0f} GB free").format(free=folder.free_bytes / 1e9)
    own = _(", model {model}").format(model=folder.model) if folder.has_own_model else ""
    yield f"{folder.inbox} -> {folder.outbox}{free}{own}"
    for sentence in folder.trouble:
        yield f"  {sentence}"


def length(seconds: float) -> str:
    """Return a time in words."""
    if seconds < 90:
        return _("{count} seconds").format(count=round(seconds))
    if seconds < 5400:
        return _("{count} minutes").format(count=round(seconds / 60))
    return _("{count} hours").format(count=round(seconds / 3600))
