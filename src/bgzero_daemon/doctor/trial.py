"""A real worker, as the daemon starts one, given a picture of a few pixels."""

import os
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from concurrent.futures import wait
from dataclasses import dataclass

from bgzero_daemon.catalog.card import Model
from bgzero_daemon.core.errors import ModelError, PhotoCrashed, WorkforceLost
from bgzero_daemon.core.job import Task
from bgzero_daemon.core.names import display
from bgzero_daemon.core.recipe import Recipe
from bgzero_daemon.core.texts import _
from bgzero_daemon.photo.png import SIGNATURE
from bgzero_daemon.service.pool import LocalWorkforce
from bgzero_daemon.settings.schema import Config

_SIDE_PX = 16
_TELLING_SECONDS = 5.0
_IMPORT_SECONDS = 60.0
_LOOK = "import onnxruntime; print(*onnxruntime.get_available_providers())"


@dataclass(frozen=True, slots=True)
class Tried:
    """What a worker said of itself after it had loaded the model and cut a picture."""

    provider: str
    note: str
    sandbox: str


def try_worker(config: Config, name: str, model: Model) -> Tried:
    """Start a worker, have it cut a picture, and end it. Raises BgzeroError where it does not get that far."""
    workforce = LocalWorkforce(config, {name: model})
    try:
        with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as staged:
            source.write(_picture())
            source.seek(0)
            future = workforce.submit(Task("1", "doctor.png", Recipe(name), source.fileno(), staged.fileno()))
            wait([future])
        if isinstance(error := future.exception(), WorkforceLost | PhotoCrashed):
            raise error
        return _told(workforce)
    finally:
        workforce.close(kill=True)


def load_runtime() -> list[str]:
    """Load ONNX Runtime in a process of its own; return its providers. Raises ModelError where it does not load."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", _LOOK],
        env=os.environ | {"ORT_DISABLE_TELEMETRY": "1"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_IMPORT_SECONDS, check=False,
    )  # fmt: skip
    if done.returncode:
        why = (done.stderr.strip().splitlines() or [_("it died")])[-1]
        raise ModelError(_("ONNX Runtime cannot be loaded: {why}").format(why=display(why)))
    return done.stdout.split()


def _told(workforce: LocalWorkforce) -> Tried:
    """Return the worker's description, which the pool's thread writes a moment after the answer."""
    end = time.monotonic() + _TELLING_SECONDS
    while time.monotonic() < end:
        for worker in workforce.told:
            if worker["provider"]:
                return Tried(str(worker["provider"]), str(worker["note"]), str(worker["sandbox"]))
        time.sleep(0.01)
    raise WorkforceLost(_("The worker ended as soon as it had answered."))


def _picture() -> bytes:
    """Return a grey PNG with a bright square in it (PNG specification, third edition, section 11)."""
    inside = range(_SIDE_PX // 4, 3 * _SIDE_PX // 4)
    rows = [b"\0" + bytes(255 if x in inside and y in inside else 16 for x in range(_SIDE_PX)) for y in range(_SIDE_PX)]
    header = struct.pack(">IIBBBBB", _SIDE_PX, _SIDE_PX, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"".join(rows))), (b"IEND", b""))
    return SIGNATURE + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
