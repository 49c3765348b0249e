"""What is tried for real: ONNX Runtime in a process of its own, and a worker as the daemon starts one."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass

from bgzero_daemon.catalog.card import Model
from bgzero_daemon.core.errors import ModelError, WorkforceLost
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _
from bgzero_daemon.service.pool import LocalWorkforce
from bgzero_daemon.service.proofs import Proofs
from bgzero_daemon.settings.schema import Config

_IMPORT_SECONDS = 60.0
_LOOK = "import onnxruntime; print(*onnxruntime.get_available_providers())"
_OFFER = """
import json, sys
from bgzero_daemon.engine.providers import candidates
found, missing = candidates(sys.argv[1])
print(json.dumps([[candidate.name for candidate in found], missing]))
"""


@dataclass(frozen=True, slots=True)
class Tried:
    """What a worker said of itself once it had closed its sandbox, loaded the model and run a test picture."""

    provider: str
    note: str
    sandbox: str


def try_worker(config: Config, name: str, model: Model) -> Tried:
    """Start a worker and end it. Raises WorkforceLost where it fails, ModelError where it cannot fit."""
    models = {name: model}
    workforce = LocalWorkforce(config, models, proofs=Proofs(None))
    try:
        workforce.try_out(config, models, name, nice=config.worker.nice).result()
        for worker in workforce.told:
            return Tried(str(worker["provider"]), str(worker["note"]), str(worker["sandbox"]))
        raise WorkforceLost(_("The worker ended as soon as it was ready."))
    finally:
        workforce.close(kill=True)


def load_runtime() -> list[str]:
    """Load ONNX Runtime in a process of its own; return its providers. Raises ModelError where it does not load."""
    return _said_by(_LOOK).split()


def offered(asked: str) -> tuple[list[str], list[str]]:
    """Return the names of the providers that would be tried, best first, and sentences about those that are not here.

    Raises ModelError where ONNX Runtime does not load.
    """
    names, missing = json.loads(_said_by(_OFFER, asked).splitlines()[-1])
    return [str(name) for name in names], [str(sentence) for sentence in missing]


def _said_by(code: str, *arguments: str) -> str:
    """Run code that loads ONNX Runtime in a process of its own. Raises ModelError where that fails."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, *arguments],
        env=os.environ | {"ORT_DISABLE_TELEMETRY": "1"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_IMPORT_SECONDS, check=False,
    )  # fmt: skip
    if done.returncode:
        why = (done.stderr.strip().splitlines() or [_("it died")])[-1]
        raise ModelError(_("ONNX Runtime cannot be loaded: {why}").format(why=display(why)))
    return done.stdout
