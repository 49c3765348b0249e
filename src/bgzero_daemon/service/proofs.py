"""What providers have proved before, kept beside the ledger: a proof costs two models' memory and some seconds."""

import contextlib
import fcntl
import json
import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bgzero_daemon.core import paths
from bgzero_daemon.core.names import display
from bgzero_daemon.core.providers import CPU, RUNTIME_NAMES
from bgzero_daemon.core.texts import _
from bgzero_daemon.wire.work import ProofFrame

log = logging.getLogger(__name__)

FILE = "proofs.json"
_MOST = 200
_REJECTED_SECONDS = 86400.0  # then a provider that failed may try again: what was wrong may be mended
_ACCEPTED_SECONDS = 30 * 86400.0
_LOCK_SECONDS, _GLANCE_SECONDS = 1.0, 0.02


@dataclass(frozen=True, slots=True)
class Proved:
    """A proof and when it was, in Unix time."""

    moment: float
    proof: ProofFrame

    @property
    def holds(self) -> bool:
        """Say whether it is believed still; one from the future is not."""
        longest = _REJECTED_SECONDS if self.proof.reason else _ACCEPTED_SECONDS
        return 0 <= time.time() - self.moment < longest


class Proofs:
    """Keys name all that a proof stands on (`engine.standing`), and begin with the model. Called from any thread.

    The daemon and commands of one account share the file: each lays what it found over what is there now. With
    `anew` nothing that is remembered is told, so that everything is proved again; `noted` is what was found here.
    """

    def __init__(self, file: Path | None, *, anew: bool = False) -> None:
        self._file, self.is_anew = file, anew
        self._lock = threading.Lock()
        self._unsaved: dict[str, Proved | None] = {}  # None: to be forgotten
        self.noted: dict[str, ProofFrame] = {}

    @classmethod
    def of_account(cls, *, anew: bool = False) -> "Proofs":
        """Return those of this account."""
        folder = paths.state_dir()
        return cls(folder / FILE if folder else None, anew=anew)

    def known(self, model: str) -> dict[str, str]:
        """Return what still holds of a model, whose keys begin so: keys, and "" or why that provider is not used."""
        return {} if self.is_anew else {key: proved.proof.reason for key, proved in self._of(model).items()}

    def latest(self, model: str) -> list[Proved]:
        """Return the latest proof of each provider with a model, of those that still hold; not the CPU's."""
        by_age = sorted(self._of(model).values(), key=lambda proved: proved.moment)
        found = {proved.proof.provider: proved for proved in by_age}
        return [proved for name, proved in sorted(found.items()) if name != RUNTIME_NAMES[CPU]]

    def _of(self, model: str) -> dict[str, Proved]:
        with self._lock:
            entries = self._entries()
        return {key: proved for key, proved in entries.items() if key.startswith(model) and proved.holds}

    def note(self, model: str, found: Mapping[str, ProofFrame]) -> None:
        """Remember what a worker found of its model, for later starts too; of other models it may not speak."""
        mine = {key: proof for key, proof in found.items() if key.startswith(model)}
        self.noted |= mine
        for proof in (proof for proof in mine.values() if proof.provider != RUNTIME_NAMES[CPU]):
            faster = proof.cpu_seconds / proof.seconds if proof.seconds else 1.0
            proven = _("the CPU's masks, {faster:.1f} times as fast").format(faster=faster)
            log.info("%s: %s", proof.provider, proof.reason or proven)
        now = time.time()
        self._change({key: Proved(now, proof) for key, proof in mine.items()})

    def drop(self, model: str, provider: str) -> None:
        """Forget that a provider was good with a model: it failed at work, and has to prove itself anew."""
        with self._lock:
            entries = self._entries()
        mine = {key: proved.proof for key, proved in entries.items() if key.startswith(model)}
        self._change({key: None for key, proof in mine.items() if proof.provider == provider and not proof.reason})

    def forget_rejected(self) -> None:
        """Let every provider that was turned down try again."""
        with self._lock:
            entries = self._entries()
        self._change({key: None for key, proved in entries.items() if proved.proof.reason})

    def _entries(self) -> dict[str, Proved]:
        """Return what the file holds now, with what could not be written to it so far."""
        entries = {**(_read(self._file) if self._file else {}), **self._unsaved}
        return {key: proved for key, proved in entries.items() if proved}

    def _change(self, changes: Mapping[str, Proved | None]) -> None:
        if not changes:
            return
        with self._lock:
            self._unsaved |= changes
            if self._file is None:
                return
            try:
                paths.make_private(self._file.parent)
                with _locked(self._file):
                    _write(self._file, self._entries())
                    self._unsaved.clear()
            except OSError as error:  # then this process alone knows
                log.debug(_("%s cannot be written: %s"), display(self._file), error)


def _read(file: Path) -> dict[str, Proved]:
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # none so far, or none that makes sense
        return {}
    found = {}
    for key, entry in told.items() if isinstance(told, dict) else ():
        with contextlib.suppress(ValueError, TypeError, KeyError):
            found[key] = Proved(float(entry["proved_at"]), ProofFrame.model_validate(entry["proof"]))
    return found


def _write(file: Path, entries: Mapping[str, Proved]) -> None:
    """Replace the file by these entries, the latest that still hold. Raises OSError."""
    holding = [(key, proved) for key, proved in entries.items() if proved.holds]
    kept = sorted(holding, key=lambda entry: -entry[1].moment)[:_MOST]
    told = {key: {"proved_at": proved.moment, "proof": proved.proof.model_dump()} for key, proved in kept}
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    beside.write_text(json.dumps(told, indent=1), encoding="utf-8")
    beside.replace(file)


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Keep other processes from the file meanwhile. Raises OSError where one has it for long."""
    descriptor = os.open(file.with_name(f".{file.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        due = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:  # for good, where the other one is stopped
                if time.monotonic() >= due:
                    raise
                threading.Event().wait(_GLANCE_SECONDS)
            except OSError as error:  # some file systems have no locks
                log.debug("%s", error)
                break
        yield
    finally:
        os.close(descriptor)
