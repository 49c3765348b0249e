"""Noticing that a camera's card was mounted, without root, rules or D-Bus: the kernel tells when its table changes.

A card is a mount below /media or /run/media, where desktops and udiskie put them, with a folder DCIM. What is done
about it `bgzero import` does, in a process of its own, so that a card that hangs hangs there. The daemon never
mounts or ejects.
"""

import json
import logging
import os
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from bgzero_daemon.cards.source import photo_folder
from bgzero_daemon.core.errors import BgzeroError
from bgzero_daemon.core.extras import to_bring
from bgzero_daemon.core.mounts import TABLE, Mount, mounts
from bgzero_daemon.core.names import display, from_wire, to_wire
from bgzero_daemon.core.shots import Pair
from bgzero_daemon.core.texts import _, n_
from bgzero_daemon.settings.schema import Config, Folder
from bgzero_daemon.wire.snapshot import Card

log = logging.getLogger(__name__)

_ROOTS = ("/media/", "/run/media/")
_ANSWERS = {"import": "", "day": "1d"}
_END_SECONDS = 5.0


@dataclass(slots=True)
class _Slot:
    """A card that is in. `card` is None until its photos were counted, and where nothing on it is new."""

    point: str
    card: Card | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)  # one process at a time reads it


def places(table: Iterable[tuple[bytes, Mount]]) -> dict[bytes, str]:
    """Return where cards may be, of all mounts. What a look would mount or ask another machine for is left out."""
    return {
        mark: mount.point
        for mark, mount in table
        if mount.point.startswith(_ROOTS) and not mount.is_remote and mount.kind != "autofs"
    }


class Slots:
    """`on_change` is called from any thread when `told` has become another."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._lock = threading.Lock()
        self._slots: dict[bytes, _Slot] = {}
        self._processes: set[subprocess.Popen[bytes]] = set()  # of cards that are out again, too
        self._mode = "off"
        self._folder: Folder | None = None
        self._pair = Pair.JPEG
        self._ear, self._mouth = os.pipe()
        os.set_blocking(self._ear, False)
        os.set_blocking(self._mouth, False)
        self._is_over = False
        self._thread = threading.Thread(target=self._live, name="bgzero-cards", daemon=True)

    def start(self, config: Config) -> None:
        """Begin to look, also at what is in already. Where no table tells (macOS), nothing is noticed."""
        self.follow(config)
        if TABLE.exists():
            self._thread.start()

    def follow(self, config: Config) -> None:
        """Go by this configuration from now on; photos go into its first inbox."""
        self._folder = config.folder[0]
        self._pair = config.folder[0].pair or config.watch.pair
        self._mode = config.watch.cards
        self._nudge()

    def told(self) -> tuple[Card, ...]:
        """Return the cards on which something is or was new, in the order in which they came. From any thread."""
        with self._lock:
            return tuple(slot.card for slot in self._slots.values() if slot.card)

    def answer(self, request: dict[str, object]) -> dict[str, object]:
        """Do what somebody wants about a card. Raises BgzeroError where it is not in, or nothing on it is new."""
        path, wanted = from_wire(str(request["path"])), str(request["answer"])
        with self._lock:
            slot = next((slot for slot in self._slots.values() if slot.point == path and slot.card), None)
        if slot is None or slot.card is None:
            raise BgzeroError(_("No card with new photos is mounted at {path}.").format(path=display(path)))
        if wanted in _ANSWERS:
            self._bring(slot, _ANSWERS[wanted], of=("new", "declined", "imported", "failed"))
        elif slot.card.state != "importing":
            self._tell(slot, replace(slot.card, state="declined"))
        return {"state": slot.card.state}

    def close(self) -> None:
        """Stop looking; an import that is on its way ends, and undoes what is half done."""
        self._is_over = True
        self._nudge()
        with self._lock:
            processes = [*self._processes]
        for process in processes:
            process.terminate()
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_END_SECONDS)
        if self._thread.is_alive():
            self._thread.join(_END_SECONDS)

    def _nudge(self) -> None:
        with suppress(BlockingIOError):
            os.write(self._mouth, b"!")

    def _live(self) -> None:
        with open(TABLE, "rb") as table:
            poll = select.poll()
            poll.register(self._ear, select.POLLIN)
            while not self._is_over:
                if self._mode == "off":  # nothing wakes us then but a changed configuration
                    with suppress(KeyError):
                        poll.unregister(table)
                else:
                    poll.register(table, select.POLLPRI | select.POLLERR)
                try:
                    self._look()
                except Exception:  # a mistake of ours may cost a card, not all that follow
                    log.exception("cards were not looked for")
                poll.poll()
                with suppress(BlockingIOError):
                    os.read(self._ear, 4096)

    def _look(self) -> None:
        """Compare the table with the cards that are known: one that was put in again is another."""
        mode = self._mode
        found = {} if mode == "off" else places(mounts())
        with self._lock:
            gone = [slot for mark, slot in self._slots.items() if mark not in found]
            new = {mark: _Slot(point) for mark, point in found.items() if mark not in self._slots}
            self._slots = {mark: slot for mark, slot in self._slots.items() if mark in found} | new
            slots = [*self._slots.values()]
        if any(slot.card for slot in gone):
            self._on_change()
        for slot in new.values():
            self._begin(slot, self._count)
        for slot in slots if mode == "auto" else ():  # it was "ask" when they came
            self._bring(slot)

    def _begin(self, slot: _Slot, deed: Callable[..., None], *arguments: str) -> None:
        """Have something done about a card in a thread of its own: nobody waits for a card."""
        threading.Thread(target=self._do, args=(slot, deed, *arguments), name="bgzero-card", daemon=True).start()

    def _bring(self, slot: _Slot, since: str = "", *, of: Collection[str] = ("new",)) -> None:
        """Have a card imported that is in one of these states, by the first who wants it."""
        with self._lock:
            if slot.card is None or slot.card.state not in of:
                return
            slot.card = replace(slot.card, state="importing")
        self._on_change()
        self._begin(slot, self._import, since)

    def _do(self, slot: _Slot, deed: Callable[..., None], *arguments: str) -> None:
        try:
            with slot.lock:
                deed(slot, *arguments)
        except Exception:
            log.exception("%s was not imported", display(slot.point))

    def _tell(self, slot: _Slot, card: Card) -> None:
        with self._lock:
            slot.card = card
        self._on_change()

    def _count(self, slot: _Slot) -> None:
        if photo_folder(slot.point) is None:
            return
        if self._folder and Path(os.path.realpath(self._folder.inbox)).is_relative_to(slot.point):
            return  # the disk with the inbox on it is no card
        told, said, _code = self._ask(slot, "--dry-run")
        name, path = display(os.path.basename(slot.point)), to_wire(slot.point)
        if told is None:
            log.warning(_("The card %s: %s"), name, said)
        elif new := int(str(told["new"])):
            self._tell(slot, Card(name, path, "new", new))
            log.info(_("The card %s: %s"), name, n_("{count} new photo", "{count} new photos", new))
            if self._mode == "auto":
                self._bring(slot)

    def _import(self, slot: _Slot, since: str = "") -> None:
        card = slot.card
        assert card  # whoever imports has counted
        told, said, code = self._ask(slot, *(["--since", since] if since else []))
        if self._is_over:
            return
        count, known = (int(str(told[word])) if told else 0 for word in ("imported", "known"))
        card = replace(card, new=max(0, card.new - count - known))  # what came from another card is new no more
        if code or told is None:
            self._tell(slot, replace(card, state="failed", sentence=said))
            log.warning(_("The card %s: %s"), card.name, said)
            return
        sentence = n_("{count} photo was imported.", "{count} photos were imported.", count)
        self._tell(slot, replace(card, state="imported", sentence=sentence))
        log.info(_("The card %s: %s"), card.name, sentence)

    def _ask(self, slot: _Slot, *options: str) -> tuple[dict[str, object] | None, str, int]:
        """Run `bgzero import`. Returns what it told, what it said of troubles, and its exit status."""
        assert self._folder  # nothing is looked at before there is a configuration
        command = [
            sys.executable,
            "-P",
            "-m",
            "bgzero_daemon",
            "import",
            slot.point,
            "--to",
            str(self._folder.inbox),
            "--pair",
            to_bring(self._pair),
            "--json",
            *options,
        ]
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=Path("/")
        )
        with self._lock:
            self._processes.add(process)
        if self._is_over:  # whoever ends processes may have come too early for this one
            process.terminate()
        out, err = process.communicate()
        with self._lock:
            self._processes.discard(process)
        lines = [line for line in err.decode(errors="replace").splitlines() if " % " not in line]
        said = " ".join(lines[-3:]).removeprefix("bgzero: ")
        try:
            told = json.loads(out) if out else None
        except ValueError:
            told = None
        return told, said, process.returncode
