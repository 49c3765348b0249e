"""Starting a worker: a fresh interpreter, a socketpair, and the weights as a descriptor."""

import os
import socket
import subprocess
import sys

from bgzero_daemon.catalog.card import Model
from bgzero_daemon.core.errors import WorkforceLost
from bgzero_daemon.core.texts import _
from bgzero_daemon.service.sizes import Sizes
from bgzero_daemon.settings.schema import Config
from bgzero_daemon.wire import work

_FRAME_SECONDS = 10.0  # half a frame, or a full buffer, for longer than this: nobody is there any more


def launch(
    model: Model, config: Config, sizes: Sizes, *, nice: int
) -> "tuple[socket.socket, subprocess.Popen[bytes], int]":
    """Spawn a worker and tell it its model; return the socket to it, the process, and the weights' length in bytes.

    Raises WorkforceLost where that is impossible. Call it from a thread that lives as long as the worker may.
    """
    if model.weights is None:
        raise WorkforceLost(_("The weights of {name} are not installed.").format(name=model.name))
    ours, theirs = socket.socketpair()
    ours.settimeout(_FRAME_SECONDS)
    try:
        with theirs, open(model.weights, "rb") as weights:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "bgzero_daemon.worker.main", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # ours may be where `bgzero cut -` writes a PNG
                # BLAS threads would fight the network's; the switch against telemetry is inherited
                env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
            )
            setup = work.Setup(
                model=model.name,
                card=model.card,
                provider=config.model.provider,
                threads=sizes.threads,
                lanes=sizes.lanes,
                max_pixels=int(config.limits.megapixels * 1e6),
                max_bytes=int(config.limits.megabytes * 1e6),
                nice=nice,
                sandbox=config.worker.sandbox,
            )
            work.send(ours, setup, (weights.fileno(),))
            return ours, process, os.fstat(weights.fileno()).st_size
    except OSError as error:
        ours.close()
        raise WorkforceLost(_("The worker cannot be started: {why}.").format(why=error)) from error
