"""What is worth saying aloud: one notice for a burst of photos, with what failed and why."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from bgzero_daemon.core.confidence import Confidence
from bgzero_daemon.core.names import display, from_wire
from bgzero_daemon.core.texts import _, n_
from bgzero_daemon.tray.feed import Picture
from bgzero_daemon.wire.snapshot import Card, Snapshot

_CALM_SECONDS = 2.0  # without a photo on its way: then a burst is over
_MOST_TOLD = 3
CARD_ANSWERS = (("import", _("Import")), ("day", _("Last day")), ("no", _("Not now")))


@dataclass(frozen=True, slots=True)
class Answer:
    """A button of a notice: a word for the server, what stands on it, and what is done then."""

    key: str
    label: str
    deed: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Notice:
    """`picture` is the path of a picture to show beside it, "" for none; `opens` what a click opens, likewise.

    One takes the place of the last one of its `kind`. `answers` are what may be clicked besides.
    """

    title: str
    text: str
    picture: str = ""
    opens: str = ""
    kind: str = "word"
    answers: tuple[Answer, ...] = ()


@dataclass(slots=True)
class Notices:
    """Looks at one Picture after another. Moments are of the monotonic clock, in seconds.

    `answer_card` is called with a card's path and what was clicked about it: import, day or no.
    """

    answer_card: Callable[[str, str], None] = lambda _path, _answer: None
    _cards: set[tuple[str, str]] = field(default_factory=set)
    _done: int = -1
    _failed: int = -1
    _doubtful: int = 0
    _empty: int = 0
    _began: float = 0.0
    _calm_since: float = field(default=-1.0)
    _trouble: str = ""

    def look(self, picture: Picture, now: float) -> list[Notice]:
        """Return what is to be said now."""
        snapshot = picture.snapshot
        if snapshot is None:
            self._done = self._failed = -1
            return []
        is_quiet = snapshot.paused or not snapshot.notifications
        if self._done < 0:  # what was before we came is no news
            self._done, self._failed, self._trouble = snapshot.done, snapshot.failed, snapshot.trouble
            self._doubtful, self._empty = snapshot.wanting_look, snapshot.no_subject
        found = [] if is_quiet else self._troubles(snapshot)
        self._trouble = snapshot.trouble
        found += self._news_of_cards(snapshot)
        if snapshot.running or snapshot.waiting or snapshot.arriving:
            self._began = self._began or now
            self._calm_since = -1.0
            return found
        if self._calm_since < 0:
            self._calm_since = now
        if now < self._calm_since + _CALM_SECONDS:
            return found
        if not is_quiet:
            found += self._burst(picture, snapshot)
        self._done, self._failed, self._began = snapshot.done, snapshot.failed, 0.0
        self._doubtful, self._empty = snapshot.wanting_look, snapshot.no_subject
        return found

    def next_look(self, now: float) -> float | None:
        """Return in how many seconds it is worth looking again though nothing has happened; None for never."""
        left = self._calm_since + _CALM_SECONDS - now
        return left if self._calm_since >= 0 and left > 0 else None

    def _troubles(self, snapshot: Snapshot) -> list[Notice]:
        if not snapshot.trouble or snapshot.trouble == self._trouble:
            return []
        return [Notice(_("Photos cannot be cut"), snapshot.trouble, kind="trouble")]

    def _news_of_cards(self, snapshot: Snapshot) -> list[Notice]:
        """Return what is new of cards: once for each state of each, and again when it is put in again."""
        before, self._cards = self._cards, {(card.path, card.state) for card in snapshot.cards}
        if not snapshot.notifications:
            return []
        news = [card for card in snapshot.cards if (card.path, card.state) not in before]
        return [notice for card in news for notice in self._news_of_card(card)]

    def _news_of_card(self, card: Card) -> list[Notice]:
        if card.state == "new":
            answers = tuple(
                Answer(key, label, partial(self.answer_card, card.path, key)) for key, label in CARD_ANSWERS
            )
            new = n_("{count} new photo", "{count} new photos", card.new)
            text = _("Copy them into the inbox? The card stays as it is; the icon's menu does it, too.")
            return [Notice(f"{card.name}: {new}", text, kind="card", answers=answers)]
        return [Notice(card.name, card.sentence, kind="card")] if card.sentence else []

    def _burst(self, picture: Picture, snapshot: Snapshot) -> list[Notice]:
        found = []
        if (done := snapshot.done - self._done) > 0:
            latest = next((one for one in snapshot.latest if one.state in ("done", "published")), None)
            cutout = os.fsdecode(from_wire(latest.cutout_path)) if latest else ""
            name = display(os.path.basename(from_wire(latest.cutout_path))) if latest else ""
            title = n_("{count} cut-out ready", "{count} cut-outs ready", done)
            if (doubtful := snapshot.wanting_look - self._doubtful) > 0:
                look = n_("{count} wants a look", "{count} want a look", doubtful)
                title = _("{ready}, {look}").format(ready=title, look=look)
            seconds = max(1, round(self._calm_since - self._began)) if self._began else 0
            text = name if done == 1 or not seconds else _("in {seconds} s; the last one is {name}").format(
                seconds=seconds, name=name
            )  # fmt: skip
            opens = cutout if done == 1 else os.path.dirname(cutout)
            found.append(Notice(title, text, picture=cutout, opens=opens, kind="done"))
        if (empty := snapshot.no_subject - self._empty) > 0:
            title = n_("Nothing found in {count} photo", "Nothing found in {count} photos", empty)
            names = [
                display(os.path.basename(from_wire(one.path)))
                for one in snapshot.latest
                if (one.state, one.confidence) == ("skipped", Confidence.NO_SUBJECT)
            ]
            found.append(Notice(title, "\n".join(names[: min(empty, _MOST_TOLD)]), kind="empty"))
        if (failed := snapshot.failed - self._failed) > 0:
            title = n_("{count} photo could not be cut", "{count} photos could not be cut", failed)
            told = [
                f"{display(os.path.basename(from_wire(str(photo['path']))))}: {photo['sentence']}"
                for photo in picture.failed[: min(failed, _MOST_TOLD)]
            ]
            found.append(Notice(title, "\n".join(told), kind="failed"))
        return found


def greeting(snapshot: Snapshot) -> Notice:
    """Return what somebody is told who sees this for the first time."""
    inbox = os.fsdecode(from_wire(snapshot.folders[0].inbox_path)) if snapshot.folders else ""
    text = _(
        "Whatever is put into {folder} is cut out; the results appear beside it, and nothing leaves this computer."
    )
    return Notice(_("Drop photos here"), text.format(folder=display(inbox)), opens=inbox)


def now() -> float:
    """Return a moment of the clock that `Notices` goes by."""
    return time.monotonic()
