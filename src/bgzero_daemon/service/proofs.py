"""What providers have proved before, kept beside the ledger: a proof costs two models' memory and some seconds."""

import contextlib
import json
import logging
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from bgzero_daemon.core import paths
from bgzero_daemon.core.names import display
from bgzero_daemon.wire.work import ProofFrame

log = logging.getLogger(__name__)

FILE = "proofs.json"
_MOST = 200
_REJECTED_SECONDS = 86400.0  # then a provider that failed may try again: what was wrong may be mended
_ACCEPTED_SECONDS = 30 * 86400.0


class Proofs:
    """Keys name model, provider, versions and driver: what they stand for does not change. Called from any thread."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._found: dict[str, tuple[float, ProofFrame]] = {}
        # none so far, or none that makes sense
        with contextlib.suppress(OSError, ValueError, TypeError, AttributeError, KeyError):
            told = json.loads(file.read_text(encoding="utf-8")) if file else {}
            self._found = {
                str(key): (float(entry["proved_at"]), ProofFrame.model_validate(entry["proof"]))
                for key, entry in told.items()
            }

    @classmethod
    def of_account(cls) -> "Proofs":
        """Return those of this account."""
        folder = paths.state_dir()
        return cls(folder / FILE if folder else None)

    def known(self, model: str) -> dict[str, str]:
        """Return what still holds of a model, whose keys begin so: keys, and "" or why that provider is not used."""
        now = time.time()
        with self._lock:
            return {
                key: proof.reason
                for key, (moment, proof) in self._found.items()
                if key.startswith(model)
                and 0 <= now - moment < (_REJECTED_SECONDS if proof.reason else _ACCEPTED_SECONDS)
            }

    def note(self, found: Mapping[str, ProofFrame]) -> None:
        """Remember new ones, for later starts too."""
        if not found:
            return
        with self._lock:
            self._found |= {key: (time.time(), proof) for key, proof in found.items()}
            self._found = dict(sorted(self._found.items(), key=lambda entry: -entry[1][0])[:_MOST])
            told = {
                key: {"proved_at": moment, "proof": proof.model_dump()} for key, (moment, proof) in self._found.items()
            }
        for key, proof in found.items():
            faster = proof.cpu_seconds / proof.seconds if proof.seconds else 1.0
            log.info("%s: %s", display(key), proof.reason or f"the CPU's masks, {faster:.1f} times as fast")
        if self._file:
            beside = self._file.with_name(f".{self._file.name}.{os.getpid()}")
            try:
                paths.make_private(self._file.parent)
                beside.write_text(json.dumps(told, indent=1), encoding="utf-8")
                beside.replace(self._file)
            except OSError as error:  # then it is proved again at the next start
                log.debug("%s: %s", display(self._file), error)

    def all(self) -> dict[str, ProofFrame]:
        """Return everything that is remembered."""
        with self._lock:
            return {key: proof for key, (_moment, proof) in self._found.items()}
