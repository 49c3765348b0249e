"""Starting a worker: a fresh interpreter, a socketpair, and the weights as a descriptor."""

import contextlib
import os
import socket
import subprocess
import sys

from bgzero_daemon.catalog.card import Model
from bgzero_daemon.core.errors import WorkforceLost
from bgzero_daemon.core.names import to_wire
from bgzero_daemon.core.texts import _
from bgzero_daemon.service.doors import Weights
from bgzero_daemon.service.plan import Plan
from bgzero_daemon.wire import framing, work

_PASSED_ON = (
    "PATH", "HOME", "LANG", "LC_", "TZ", "TMPDIR", "PYTHON", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "BGZERO_", "COVERAGE_",
    "XDG_RUNTIME_DIR", "ORT_", "OMP_", "CUDA", "NVIDIA_", "HIP_", "HSA_", "ROCR_", "MIOPEN_", "OPENVINO_",
)  # fmt: skip
_FRAME_SECONDS = 10.0  # half a frame, or a full buffer, for longer than this: nobody is there any more


def launch(
    model: Model, plan: Plan, weights: Weights, provider: str
) -> "tuple[socket.socket, subprocess.Popen[bytes], int]":
    """Spawn a worker and tell it its model; return the socket to it, the process, and the weights' length in bytes.

    The descriptor of `weights` is closed here. Raises WorkforceLost where that is impossible. Call it from a
    thread that lives as long as the worker may.
    """
    config, sizes = plan.config, plan.sizes
    setup = work.Setup(
        model=to_wire(model.name),
        card=model.card,
        provider=provider,
        threads=sizes.threads,
        lanes=sizes.lanes,
        runs=sizes.runs_of(model),
        max_pixels=int(config.limits.megapixels * 1e6),
        max_bytes=int(config.limits.megabytes * 1e6),
        nice=plan.nice,
        known_proofs=plan.proofs.known(model.proof_prefix),
        measures=plan.proofs.is_anew,
        sandbox=config.worker.sandbox,
        allow_unverified=config.model.allow_unverified,
        prepared_sha256=weights.prepared_sha256,
    )
    try:
        with contextlib.ExitStack() as on_trouble, open(weights.descriptor, "rb") as file:
            ours, theirs = socket.socketpair()
            on_trouble.callback(ours.close)
            ours.settimeout(_FRAME_SECONDS)
            with theirs:
                process = _spawn(theirs, setup.threads)
                on_trouble.callback(process.communicate)
                on_trouble.callback(process.kill)
                framing.send(ours, setup, (file.fileno(),))
                length = os.fstat(file.fileno()).st_size
            on_trouble.pop_all()
            return ours, process, length
    except OSError as error:
        raise WorkforceLost(_("The worker cannot be started: {why}.").format(why=error)) from error


def _environment() -> dict[str, str]:
    """Return what a worker needs of this process's environment: it may hold tokens, which are no decoder's business."""
    return {name: value for name, value in os.environ.items() if name.startswith(_PASSED_ON)}


def _spawn(sock: socket.socket, threads: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "bgzero_daemon.worker.main", str(sock.fileno())],
        pass_fds=[sock.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,  # ours may be where `bgzero cut -` writes a PNG
        stderr=subprocess.PIPE,  # ours may be a terminal, or a log
        # BLAS threads would fight the network's, and so would LibRaw's by OpenMP, which spin besides; what somebody has
        # set for OpenMP holds. The switch against telemetry is inherited
        env={
            "OMP_NUM_THREADS": str(threads),
            "OMP_WAIT_POLICY": "PASSIVE",
            **_environment(),
            "OPENBLAS_NUM_THREADS": "1",
        },
    )
