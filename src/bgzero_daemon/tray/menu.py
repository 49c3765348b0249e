"""The menu, out of a Picture: what it says, in which order, and what each click does."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from bgzero_daemon.core.confidence import REVIEW
from bgzero_daemon.core.names import display, display_line, from_wire
from bgzero_daemon.core.texts import _, n_, translated
from bgzero_daemon.tray.deeds import Deeds
from bgzero_daemon.tray.entries import SEPARATOR, Entry, Menu, PystrayItem
from bgzero_daemon.tray.feed import Picture
from bgzero_daemon.tray.notices import CARD_ANSWERS
from bgzero_daemon.wire.snapshot import Card, Outcome, Snapshot

_LONGEST = 60  # characters of a line that holds somebody's text
GPU_ORDER = "cuda,migraphx,rocm,openvino,coreml"
_SNOOZES = ((1800, _("30 minutes")), (3600, _("1 hour")), (8 * 3600, _("8 hours")))


def headline(picture: Picture) -> str:
    """Return what the tray says in one line."""
    snapshot = picture.snapshot
    if snapshot is None:
        return _short(picture.why) or _("Not running")
    words = {
        "watching": _("Watching"), "working": _("Working"), "paused": _("Paused"), "stopping": _("Stopping"),
        "switching": _("Loading a model"), "trouble": _("Trouble"),
    }  # fmt: skip
    counts = [
        text
        for count, text in (
            (snapshot.waiting + snapshot.running, _("{count} to do")),
            (snapshot.today.done, _("{count} done today")),
            (snapshot.failed, _("{count} failed")),
        )
        if count
        for text in [text.format(count=count)]
    ]
    if snapshot.wanting_look:
        counts.append(n_("{count} wants a look", "{count} want a look", snapshot.wanting_look))
    return " · ".join([words.get(snapshot.state, snapshot.state), *counts])


class TrayMenu:
    """Makes the entries for a Picture; `deeds` does what they say."""

    def __init__(self, deeds: Deeds) -> None:
        self._deeds = deeds

    def entries(self, picture: Picture) -> Iterator[PystrayItem]:
        """Yield the whole menu."""
        yield Entry("headline", headline(picture))
        if (snapshot := picture.snapshot) is None:
            yield from self._offline(picture)
        else:
            yield from self._online(picture, snapshot)
        yield SEPARATOR
        deeds = self._deeds
        if (starts := deeds.starts_at_login()) is not None:
            yield Entry("login", _("Start at login"), deeds.toggle_login, checked=starts)
        yield Entry("settings", _("Edit settings…"), deeds.edit_settings)
        yield Entry("log", _("Show log…"), deeds.show_log)
        yield SEPARATOR
        if snapshot is not None:
            yield Entry("quit", _("Quit"), deeds.quit)
            yield Entry("close", _("Close this icon (keeps working)"), deeds.close)
        else:
            yield Entry("close", _("Close this icon"), deeds.close)

    def _offline(self, picture: Picture) -> Iterator[PystrayItem]:
        if not picture.why:  # else one runs, and cannot be understood
            yield Entry("start", _("Start"), self._deeds.start, default=True)

    def _online(self, picture: Picture, snapshot: Snapshot) -> Iterator[PystrayItem]:
        deeds = self._deeds
        if snapshot.why and snapshot.state == "trouble":
            yield Entry("why", _short(snapshot.why.replace(os.path.expanduser("~"), "~")))
        yield from map(self._card, snapshot.cards)
        yield Entry("pause", _("Pause"), deeds.toggle_pause, checked=snapshot.paused)
        yield Entry("pause-hour", _("Pause for an hour"), partial(deeds.pause, 3600.0))
        yield SEPARATOR
        shown = _short(_title(picture.models, snapshot.model.value))
        yield Entry("model", _("Model: {name}").format(name=shown), Menu(list(self._models(picture, snapshot))))
        yield Entry("provider", self._runs_on(snapshot), Menu(list(self._providers(snapshot))))
        yield SEPARATOR
        yield Entry("recent", _("Recent"), self._recent(picture, snapshot))
        if snapshot.failed:
            yield Entry("failed", n_("{count} failed", "{count} failed", snapshot.failed), self._failed(picture))
        else:
            yield Entry("none-failed", _("None failed"))
        if count := snapshot.wanting_look:
            text = n_("{count} wants a look", "{count} want a look", count)
            yield Entry("doubtful", text, self._doubtful(picture, snapshot))
        yield SEPARATOR
        yield from self._folders(snapshot)
        yield SEPARATOR
        quiet = _("Notifications") if snapshot.notifications else _("Notifications (off)")
        yield Entry("notifications", quiet, Menu(list(self._notifications(snapshot))))

    def _card(self, card: Card) -> Entry:
        key = f"card-{card.path}"
        new = n_("{count} new photo", "{count} new photos", card.new)
        if card.state == "importing":
            return Entry(key, _short(f"{card.name}: {_('importing {photos}').format(photos=new)}"))
        answer = self._deeds.answer_card
        below = [Entry(word, label, partial(answer, card.path, word)) for word, label in CARD_ANSWERS]
        return Entry(key, _short(f"{card.name}: {card.sentence or new}"), Menu(below) if card.new else None)

    def _models(self, picture: Picture, snapshot: Snapshot) -> Iterator[PystrayItem]:
        is_auto = snapshot.model.origin == "auto"
        use = self._deeds.use_model
        yield Entry("auto", _("Automatic: the best that is here"), partial(use, "auto"), checked=is_auto, radio=True)
        usable = [model for model in picture.models if model["installed"] and model["accepted"]]
        for model in usable:
            name = str(model["name"])
            chosen = snapshot.model.value == name and not is_auto
            yield Entry(name, _model_line(model), partial(use, name), checked=chosen, radio=True)
        yield SEPARATOR
        for model in picture.models:
            if model not in usable and (model["installed"] or model["can_be_pulled"]):
                yield Entry(str(model["name"]), _model_line(model), self._offer(model))

    def _offer(self, model: Mapping[str, Any]) -> Menu:
        """Return what may be done about a model that cannot be used at once."""
        name, licence = str(model["name"]), str(model["licence"])
        entries: list[PystrayItem] = [Entry("for", _short(translated(str(model["good_for"]))))]
        if model["accepted"]:
            allowed = _("Licence: {licence}; commercial use: yes")
        elif model["commercial"] == "no":
            allowed = _("Licence: {licence}; NOT for commercial use")
        else:
            allowed = _("Licence: {licence}; commercial use: not clear")
        entries.append(Entry("licence", allowed.format(licence=_short(licence))))
        text = _("Download…") if not model["installed"] else _("Use it")
        if not model["accepted"]:
            text = _("Accept the licence and download…") if not model["installed"] else _("Accept the licence")
        entries.append(Entry("pull", text, partial(self._deeds.pull, name, accept=not model["accepted"])))
        return Menu(entries)

    @staticmethod
    def _runs_on(snapshot: Snapshot) -> str:
        ran = _device(snapshot.provider.ran) if snapshot.provider.ran else _("not used yet")
        return _("Runs on: {provider}").format(provider=ran)

    def _providers(self, snapshot: Snapshot) -> Iterator[PystrayItem]:
        if snapshot.provider.why:
            yield Entry("why", _short(snapshot.provider.why))
        asked = snapshot.provider.asked
        for key, text, value in (
            ("auto", _("Automatic"), "auto"), ("gpu", _("GPU"), GPU_ORDER), ("cpu", _("CPU"), "cpu"),
        ):  # fmt: skip
            is_chosen = asked == value or (key == "gpu" and asked not in ("auto", "cpu"))
            yield Entry(key, text, partial(self._deeds.use_provider, value), checked=is_chosen, radio=True)

    def _recent(self, picture: Picture, snapshot: Snapshot) -> Menu:
        return Menu(
            [Entry(outcome.path, _outcome_line(outcome), self._about(picture, outcome)) for outcome in snapshot.latest]
        )

    def _about(self, picture: Picture, outcome: Outcome) -> Menu:
        deeds = self._deeds
        entries: list[PystrayItem] = []
        if outcome.cutout_path and outcome.state in ("done", "published"):
            cutout = os.fsdecode(from_wire(outcome.cutout_path))
            entries.append(Entry("open", _("Open"), partial(deeds.open, cutout)))
            entries.append(Entry("show", _("Show in folder"), partial(deeds.show, cutout)))
        else:
            photo = os.fsdecode(from_wire(outcome.path))
            entries.append(Entry("show", _("Show in folder"), partial(deeds.show, photo)))
        return Menu([*entries, self._again(picture, outcome.path)])

    def _again(self, picture: Picture, path: str) -> Entry:
        again = [
            Entry(str(model["name"]), _model_line(model), partial(self._deeds.redo, path, str(model["name"])))
            for model in picture.models
            if model["installed"] and model["accepted"]
        ]
        return Entry("again", _("Do it again with"), Menu(again), enabled=bool(again))

    def _doubtful(self, picture: Picture, snapshot: Snapshot) -> Menu:
        deeds = self._deeds
        entries: list[PystrayItem] = []
        cutouts = [os.fsdecode(from_wire(str(photo["output"]))) for photo in picture.doubtful]
        for photo, cutout in zip(picture.doubtful, cutouts, strict=True):
            path = str(photo["path"])
            below = [
                Entry("open", _("Open"), partial(deeds.open, cutout)),
                Entry("show", _("Show in folder"), partial(deeds.show, cutout)),
                Entry("accept", _("Accept"), partial(deeds.accept, path)),
                self._again(picture, path),
            ]
            name = display(os.path.basename(from_wire(path)))
            entries.append(Entry(path, _short(f"{name}: {photo['look']}"), Menu(below)))
        entries.append(SEPARATOR)
        for number, folder in enumerate(snapshot.folders):
            review = os.path.join(os.fsdecode(from_wire(folder.outbox_path)), REVIEW)
            if any(cutout.startswith(review + os.sep) for cutout in cutouts):
                entries.append(Entry(f"review-{number}", _("Open the review folder"), partial(deeds.open, review)))
        entries.append(Entry("accept-all", _("Accept all"), deeds.accept))
        return Menu(entries)

    def _failed(self, picture: Picture) -> Menu:
        deeds = self._deeds
        entries: list[PystrayItem] = []
        for photo in picture.failed:
            path = str(photo["path"])
            name = display(os.path.basename(from_wire(path)))
            below = [
                Entry("retry", _("Try again"), partial(deeds.retry, path)),
                Entry("dismiss", _("Take off the list"), partial(deeds.dismiss, path)),
                Entry("show", _("Show in folder"), partial(deeds.show, os.fsdecode(from_wire(path)))),
            ]
            entries.append(Entry(path, _short(f"{name}: {photo['sentence']}"), Menu(below)))
        entries.append(SEPARATOR)
        entries.append(Entry("all", _("Try all again"), deeds.retry))
        entries.append(Entry("none", _("Take all off the list"), deeds.dismiss))
        return Menu(entries)

    def _folders(self, snapshot: Snapshot) -> Iterator[PystrayItem]:
        for number, folder in enumerate(snapshot.folders):
            inbox, outbox = (os.fsdecode(from_wire(path)) for path in (folder.inbox_path, folder.outbox_path))
            several = len(snapshot.folders) > 1
            first, second = _("Open inbox"), _("Open cut-outs")
            if several:
                first, second = (
                    _short(f"{text}: {display(os.path.basename(path))}")
                    for text, path in ((first, inbox), (second, outbox))
                )
            yield Entry(f"inbox-{number}", first, partial(self._deeds.open, inbox))
            yield Entry(f"outbox-{number}", second, partial(self._deeds.open, outbox), default=number == 0)

    def _notifications(self, snapshot: Snapshot) -> Iterator[PystrayItem]:
        notify = self._deeds.notifications
        yield Entry("on", _("On"), partial(notify, on=True), checked=snapshot.notifications, radio=True)
        for seconds, text in _SNOOZES:
            yield Entry(
                f"snooze-{seconds}", _("Quiet for {time}").format(time=text), partial(notify, on=False, seconds=seconds)
            )
        off = not snapshot.notifications
        text = _("Off")
        if off and snapshot.quiet_until:
            text = _("Quiet until {time}").format(time=time.strftime("%H:%M", time.localtime(snapshot.quiet_until)))
        yield Entry("off", text, partial(notify, on=False), checked=off, radio=True)


def _short(text: str) -> str:
    text = display_line(text)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _title(models: Sequence[Mapping[str, Any]], name: str) -> str:
    return next((str(model["title"]) for model in models if model["name"] == name), display(os.path.basename(name)))


def _model_line(model: Mapping[str, Any]) -> str:
    size = f", {model['size_bytes'] / 1e6:.0f} MB" if model["size_bytes"] else ""
    line = _short(f"{model['title']}{size}, {model['licence']}")
    return line if model["installed"] else _("{model} (download…)").format(model=line)


def _device(provider: str) -> str:
    name = provider.removesuffix("ExecutionProvider")
    return {"CPU": _("CPU"), "CUDA": _("GPU (CUDA)"), "Tensorrt": _("GPU (TensorRT)")}.get(name, name)


def _outcome_line(outcome: Outcome) -> str:
    when = time.strftime("%H:%M", time.localtime(outcome.decided_at))
    name = display(os.path.basename(from_wire(outcome.path)))
    is_done = outcome.state in ("done", "published")
    return _short(f"{when}  {name}" if is_done else f"{when}  {name}: {outcome.sentence}")
