"""An import from its plan to its end: counted first, then photo by photo, each whole or not at all.

The order is the promise. Copy under a hidden name, flush, read back; write down which name it is about to get;
link that name without replacing, flush the folder; write down that it is there. Whoever dies in between leaves a
hidden file and a line, and the next import finds out from the two what had happened.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bgzero_daemon.cards.copying import (
    HiddenFile,
    Unreadable,
    copy,
    hidden_file,
    is_content,
    is_of,
    leftovers,
    sweep,
    trouble,
)
from bgzero_daemon.cards.memory import Memory, Named
from bgzero_daemon.cards.seen import Seen
from bgzero_daemon.cards.source import Card, Found
from bgzero_daemon.core import crash
from bgzero_daemon.core.durable import fsync_folder
from bgzero_daemon.core.errors import InboxError, MemoryTrouble
from bgzero_daemon.core.names import arrival_names, display
from bgzero_daemon.core.paths import make_private, state_dir
from bgzero_daemon.core.rename import without_replacing
from bgzero_daemon.core.shots import Pair, shot_of, stem_of, wanted
from bgzero_daemon.core.texts import _

_SPARE_BYTES = 50_000_000  # left to others on the same disk
_OLD_SECONDS = 7 * 86400.0  # after which another account's hidden file is nobody's
_LOOK_AGAIN_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Plan:
    """What an import would do: the photos that are new, and how many are not, and why."""

    card: Card
    new: tuple[Found, ...]
    seen: int
    older: int
    unreadable: tuple[str, ...] = ()

    @property
    def size_bytes(self) -> int:
        """The length of all that is new."""
        return sum(found.size_bytes for found in self.new)


@dataclass(slots=True)
class Outcome:
    """What became of a plan. `failed` has a sentence for each photo; `is_gone`: the card was pulled out meanwhile."""

    imported: int = 0
    known: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    is_gone: bool = False


@contextlib.contextmanager
def memory(on_wait: Callable[[], None]) -> Iterator[Memory]:
    """Hold this account's memory of imports, which one process at a time may; `on_wait` is called where it is held.

    Raises MemoryTrouble.
    """
    place = state_dir()
    if place is None:
        raise MemoryTrouble(_("This account has no home, so there is no place to remember imports."))
    try:
        lock = os.open(make_private(place) / "imports.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise MemoryTrouble(
            _("What was imported cannot be remembered in {file}: {why}.").format(
                file=display(place), why=error.strerror
            ),
            hint=_("Correct its permissions, free some space, or move it away."),
        ) from error
    try:
        _wait_for(lock, on_wait)
        held = Memory(place / "imports.db")
        try:
            yield held
        finally:
            held.close()
    finally:
        os.close(lock)


def _wait_for(lock: int, on_wait: Callable[[], None]) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        on_wait()
        fcntl.flock(lock, fcntl.LOCK_EX)


def plan(
    card: Card, memory: Memory, *, pair: Pair = Pair.JPEG, since: float | None = None, is_again: bool = False
) -> Plan:
    """Look what is new on a card, reading no photo. `since` is a moment by the photos' files; -inf and None are all.

    Raises CardError and MemoryTrouble.
    """
    photos, unreadable = card.photos()
    chosen = set(wanted((found.path for found in photos), pair))
    known = Seen(() if is_again else memory.of_card(card.identity), photos)
    new: list[Found] = []
    seen = older = 0
    for found in sorted(photos, key=lambda found: (found.moment, found.path)):
        if found.path not in chosen:
            continue
        if found in known:
            seen += 1
        elif since is not None and found.mtime_ns / 1e9 < since:
            older += 1
        else:
            new.append(found)
    return Plan(card, tuple(new), seen, older, tuple(unreadable))


class Importer:
    """Carries plans out into one inbox. `umask` is the process's."""

    def __init__(self, inbox: Path, memory: Memory, *, umask: int, is_again: bool = False) -> None:
        """See to what an earlier import left half done. Raises InboxError and MemoryTrouble."""
        self.inbox, self._memory, self._umask, self._is_again = inbox, memory, umask, is_again
        self._stems: dict[str, set[str]] = {}
        try:
            for named in memory.named(inbox):
                self._settle(named)
            for left in [*leftovers(inbox)]:
                with contextlib.suppress(FileNotFoundError):  # another account's import has ended just now
                    if is_of(left, memory.mark) or time.time() - left.lstat().st_mtime > _OLD_SECONDS:
                        sweep(left)
            for name in os.listdir(inbox):
                self._stems.setdefault(stem_of(name), set()).add(name)
        except OSError as error:
            raise trouble(inbox, error) from error

    def check_room(self, plan: Plan) -> None:
        """Raise InboxError where there is no room for all that is new."""
        try:
            space = os.statvfs(self.inbox)
        except OSError as error:
            raise trouble(self.inbox, error) from error
        free = space.f_bavail * space.f_frsize
        if plan.new and free < plan.size_bytes + _SPARE_BYTES:
            raise InboxError(
                _("{mb} MB are needed in {folder}, and {free} MB are free there.").format(
                    mb=round((plan.size_bytes + _SPARE_BYTES) / 1e6), folder=display(self.inbox), free=round(free / 1e6)
                ),
                hint=_("Make room, or import fewer photos with --since."),
            )

    def carry_out(self, plan: Plan, outcome: Outcome, on_bytes: Callable[[int], None]) -> None:
        """Import what is new, and note it in `outcome` as it goes. `on_bytes` gets what was copied since the last call.

        Raises InboxError and MemoryTrouble; what is in `outcome` by then holds.
        """
        for found in plan.new:
            try:
                with plan.card.opened(found) as source:
                    is_new = self._bring(plan.card.identity, found, source, on_bytes)
            except (OSError, Unreadable) as error:
                if not plan.card.is_there:
                    outcome.is_gone = True
                    return
                outcome.failed[plan.card.place(found)] = str(
                    error.strerror if isinstance(error, OSError) and error.strerror else error
                )
            else:
                outcome.imported += is_new
                outcome.known += not is_new

    def _bring(self, card: str, found: Found, source: int, on_bytes: Callable[[int], None]) -> bool:
        """Copy one photo and give it a name. Returns False where it is here already."""
        file = hidden_file(self.inbox, self._memory.mark)
        try:
            sha256 = copy(source, file, umask=self._umask, on_bytes=on_bytes)
            if not self._is_again and self._memory.knows(sha256):
                self._memory.remember(card, found, self.inbox, sha256)
                return False
            return self._publish(card, found, file, sha256)
        finally:
            file.discard()

    def _publish(self, card: str, found: Found, file: HiddenFile, sha256: str) -> bool:
        for name in self._names(card, found, sha256):
            if is_content(self.inbox / name, found.size_bytes, sha256):
                self._memory.remember(card, found, self.inbox, sha256, name)
                return False
            if not self._is_free(card, found, name):
                continue
            named = Named(card, found, sha256, file.path.name, name)
            self._memory.intend(named, self.inbox)
            crash.point("import-named")
            try:
                without_replacing(file.path, self.inbox / name, keeps_both=True)
                crash.point("import-published")
                if self._settle(named):
                    return True
            except OSError as error:
                raise trouble(self.inbox, error) from error
        raise InboxError(
            _("No name is free for {photo} in {folder}.").format(photo=display(found.path), folder=display(self.inbox))
        )

    def _names(self, card: str, found: Found, sha256: str) -> list[str]:
        """Return the names to be tried: with the stem of the shot's other file first."""
        partners = self._memory.names_of(self.inbox, card, found.path)
        stem = os.path.splitext(partners[0])[0] if partners else ""
        return arrival_names(os.path.basename(found.path), sha256, stem)

    def _is_free(self, card: str, found: Found, name: str) -> bool:
        """Say whether neither the name is taken nor its stem by another shot: two shots would look like one."""
        if os.path.lexists(self.inbox / name):
            return False
        shot = card, shot_of(found.path)
        others = self._stems.get(stem_of(name), set())
        return all(
            self._memory.shot_in(self.inbox, other) == shot for other in others if os.path.lexists(self.inbox / other)
        )

    def _settle(self, named: Named) -> bool:
        """Find out whether a photo has got its name, and write it down. Raises OSError and MemoryTrouble.

        Both names of one file say so, wherever the other one has been moved meanwhile; where there are no links
        the file itself does. In doubt it is imported again: nothing is lost by that.
        """
        hidden, target = self.inbox / named.hidden, self.inbox / named.name
        try:
            is_there = os.lstat(hidden).st_nlink > 1
        except FileNotFoundError:
            is_there = is_content(target, named.found.size_bytes, named.sha256)
        if is_there:
            fsync_folder(self.inbox)
            self._stems.setdefault(stem_of(named.name), set()).add(named.name)
        self._memory.settle(named, is_there=is_there)
        crash.point("import-remembered")
        if is_there:
            hidden.unlink(missing_ok=True)
        return is_there
