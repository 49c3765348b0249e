"""What a service stands on: locks, the ledger, and a place and an inbox for each configured folder."""

import logging
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from bgzero_daemon import __version__
from bgzero_daemon.core import crash, extras, paths
from bgzero_daemon.core.errors import Code, LedgerError, LedgerTooNew
from bgzero_daemon.core.mounts import mount_of
from bgzero_daemon.core.names import display
from bgzero_daemon.core.recipe import NoSubject, Recipe
from bgzero_daemon.core.template import MIRRORED
from bgzero_daemon.core.texts import _
from bgzero_daemon.service.breaker import Breaker
from bgzero_daemon.service.errand import Errands
from bgzero_daemon.service.inbox import Inbox
from bgzero_daemon.service.ledger import Ledger
from bgzero_daemon.service.lock import identity_of, lock_inbox
from bgzero_daemon.service.originals import Originals
from bgzero_daemon.service.outbox import Outbox, read_umask
from bgzero_daemon.service.place import Place
from bgzero_daemon.settings.folders import done_folder
from bgzero_daemon.settings.schema import Config, Folder

log = logging.getLogger(__name__)

LEDGER = "ledger.db"


class House:
    """Built in this order: locks first, so that nobody else is inside.

    A house that follows a `former` one of this process takes over its ledger, and the locks of the inboxes that both
    have; the former one stays as it is until `take_over`.
    """

    def __init__(self, config: Config, former: "House | None" = None) -> None:
        """Raises AlreadyRunning, or LedgerError for a ledger of a newer version."""
        self._config, self._former = config, former
        self.state: Path | None = former.state if former else _state_dir(config)
        self.locks: dict[str, list[int]] = {}
        self.identities: dict[Path, str] = {}
        try:
            for folder in config.folder:
                identity = self._identify(folder.inbox)
                known = former.locks.get(identity) if former else None
                self.locks[identity] = known or lock_inbox(self.state, folder.inbox)
                self.identities[folder.inbox] = identity
        except BaseException:
            self.give_up()
            raise
        crash.point("locked")
        self.is_lasting: bool = former.is_lasting if former else self.state is not None
        self.ledger: Ledger = former.ledger if former else self._open_ledger()
        self._breakers: dict[Path, Breaker] = {}
        self.umask: int = former.umask if former else read_umask()  # asked once: asking changes it for a moment
        self.second: str = former.second if former else ""
        self.why_no_second: str = former.why_no_second if former else ""
        self.inboxes = [Inbox(number, folder) for number, folder in enumerate(config.folder)]
        self.places = [self._place(number, folder) for number, folder in enumerate(config.folder)]

    def _identify(self, inbox: Path) -> str:
        """Return what an inbox's locks are called; one that is gone for now is the one it was. Raises OSError."""
        try:
            return identity_of(inbox)
        except OSError:
            if self._former and inbox in self._former.identities:
                return self._former.identities[inbox]
            raise

    def take_over(self) -> None:
        """Follow the former house: its ledger answers for these inboxes now, and its other locks are let go."""
        if self._former:
            self._former.let_go_but(self.locks.values())
            self.ledger.serve([str(folder.inbox) for folder in self._config.folder])
            self._former = None

    def give_up(self) -> None:
        """Let go of what the former house does not have: nobody moves in."""
        self.let_go_but(self._former.locks.values() if self._former else ())

    def let_go_but(self, kept: Iterable[list[int]]) -> None:
        """Let go of all locks but these."""
        held = {number for locks in self.locks.values() for number in locks}
        for number in held - {number for locks in kept for number in locks}:
            os.close(number)
        self.locks = {}

    def _open_ledger(self) -> Ledger:
        inboxes = [str(folder.inbox) for folder in self._config.folder]
        if self.state is None:
            return Ledger(None, inboxes)
        try:
            return Ledger(self.state / LEDGER, inboxes)
        except LedgerTooNew:
            raise
        except LedgerError as error:
            log.warning(
                _("%s It is kept in memory: after a restart photos are hashed again, and originals stay in place."),
                error,
            )
            self.is_lasting = False
            return Ledger(None, inboxes)

    def cook_by(self, config: Config, second: str | None = None) -> None:
        """Cut the next photos as this configuration says, which has the same folders.

        `second` is the model for second tries that is there and may be used, "" for none; None: as before.
        """
        self._config = config
        self.second = self.second if second is None else second
        self.places[:] = [
            replace(place, recipe=_recipe(folder, config, self.second))
            for place, folder in zip(self.places, config.folder, strict=True)
        ]

    def _place(self, number: int, folder: Folder) -> Place:
        recipe = _recipe(folder, self._config, self.second)
        outbox = Outbox(folder.outbox, umask=self.umask, keep_free_bytes=int(self._config.output.keep_free * 1e9))
        breaker = self._breakers.setdefault(folder.outbox, Breaker(display(folder.outbox)))
        originals = Originals(folder.originals if self.is_lasting else "keep", done_folder(folder))
        errands = Errands(f"bgzero-place-{number}")
        return Place(
            folder.inbox, outbox, recipe, originals, self.ledger, breaker, errands, self.inboxes[number].fingerprint
        )

    def reopen(self) -> None:
        """Let photos wait again that were turned down for a reason that may be gone by now."""
        limits = f"{self._config.limits.megapixels} {self._config.limits.megabytes}"
        reopened = self.ledger.reopen(Code.UNREADABLE)
        worker = self._config.worker
        reasons = (
            ("limits", limits, Code.TOO_LARGE), ("version", __version__, Code.LATER_KIND),
            ("memory_limit", str(worker.memory_limit), Code.TOO_HEAVY),
            ("deadline_seconds", str(worker.deadline_seconds), Code.TOO_SLOW),
        )  # fmt: skip
        for place in self.places:
            if place.recipe.no_subject is NoSubject.PUBLISH:
                reopened += self.ledger.reopen(Code.NO_SUBJECT, place.name)
        for name, value, code in reasons:
            former = self.ledger.note(name)
            if former != value:
                again = self.ledger.forget if code is Code.LATER_KIND else self.ledger.reopen  # others may cover them
                reopened += again(code) if former else 0
                self.ledger.set_note(name, value)
        self._tell_reopened(reopened)
        self.reopen_for_extras()

    def reopen_for_extras(self) -> int:
        """Have photos arrive anew that were skipped for want of an extra that is there now. Returns how many.

        Anew, as another file of their shot may have been cut meanwhile, and covers them.
        """
        former, found = self.ledger.note("extras"), " ".join(extras.installed())
        if former == found:
            return 0
        is_new = bool({*found.split()} - {*former.split()})
        reopened = self.ledger.forget(Code.LATER_KIND) if is_new else 0
        self.ledger.set_note("extras", found)
        self._tell_reopened(reopened)
        return reopened

    def _tell_reopened(self, count: int) -> None:
        if count:
            log.info(_("%d photos that were turned down earlier are tried again."), count)

    def runtime(self) -> Path | None:
        """Return the folder of the control socket, made private; None where there is no such place."""
        folder = paths.runtime_dir()
        if folder is None or (folder == paths.state_dir() and self.state != folder):
            return None
        try:
            return paths.make_private(folder)
        except OSError as error:
            log.warning(_("No commands are answered: %s cannot be used (%s)."), display(folder), error.strerror)
            return None

    def close(self) -> None:
        """Close the ledger and let the locks go."""
        self.ledger.close()
        self.let_go_but(())


def _recipe(folder: Folder, config: Config, second: str) -> Recipe:
    output, model = config.output, folder.model or config.model.name
    template = folder.template or output.template
    return Recipe(
        model, folder.metadata or output.metadata, png=folder.png or output.png,
        edges=folder.edges or output.edges, depth=folder.depth or output.depth,
        no_subject=folder.no_subject or output.no_subject, check=folder.check or output.check,
        second=second if second != model else "", template="" if template == MIRRORED else template,
    )  # fmt: skip


def _state_dir(config: Config) -> Path | None:
    """Return the folder of ledger and locks, made private; None, with a warning, where there is none to use.

    An account without a home keeps it beside its outputs. SQLite's write-ahead log needs memory that all
    its users share, so a network mount is no place for it: then /var/tmp of this machine has to do.
    """
    folder = paths.state_dir() or config.folder[0].outbox / ".bgzero"
    try:
        folder = paths.make_private(folder)
        mount = mount_of(str(folder))
        if mount and mount.is_remote:
            local = paths.make_private(
                Path("/var/tmp")  # noqa: S108 - made private, and refused where it is another's
                / f"{paths.APP}-{os.getuid()}"
            )
            log.info(_("The state folder %s is a network mount; %s is used instead."), display(folder), display(local))
            folder = local
        if not os.access(folder, os.W_OK):
            raise PermissionError(None, _("it cannot be written"))
    except OSError as error:
        log.warning(
            _("The state folder %s cannot be used: %s. What was done is kept in memory only: after a restart photos"
              " are hashed again, and originals stay in place."),
            display(folder), error.strerror or error,
        )  # fmt: skip
        return None
    return folder
