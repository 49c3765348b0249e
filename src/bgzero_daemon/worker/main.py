"""The worker process. Its one argument is the number of the socket to the service.

It opens no file by name: weights, photos and staged files all arrive as descriptors. It ends when
the socket closes, and ignores SIGINT and SIGTERM, which a terminal or a service manager sends to the
whole group: the service decides when it ends.
"""

import logging
import os
import signal
import socket
import sys
import time
import warnings
from dataclasses import asdict
from typing import TYPE_CHECKING

from bgzero_daemon.core.providers import read_order
from bgzero_daemon.core.texts import _
from bgzero_daemon.sandbox import closing
from bgzero_daemon.wire import framing, work
from bgzero_daemon.worker import manners

if TYPE_CHECKING:
    from bgzero_daemon.engine.proof import Proof
    from bgzero_daemon.worker.lanes import Lanes


_LONGEST = 500  # of a sentence in a frame: an exception may quote anything


def main() -> int:
    """Serve one service until it closes the socket. Returns the exit status."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    warnings.simplefilter("ignore")  # Pillow's, about odd files; filters are the process's, lanes are threads
    manners.hush_decoders()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    manners.die_with_the_service()
    sock = socket.socket(fileno=int(sys.argv[1]))
    received = framing.receive(sock)
    if received is None:
        return 0
    setup, (weights,) = received
    if not isinstance(setup, work.Setup):
        raise framing.ProtocolError(f"expected setup, got {setup.kind}")
    manners.give_way(setup.nice)
    closed = (
        closing.close(gpu=read_order(setup.provider) != ("cpu",), largest_file=_largest(setup))
        if setup.sandbox != "off"
        else None
    )
    if closed and not closed.is_closed and setup.sandbox == "require":
        hint = _('Mend that, or set worker.sandbox to "auto": photos are cut without it then.')
        return _give_up(sock, _("The sandbox cannot be closed: {what}").format(what=closed), hint)
    return _serve(sock, setup, weights, str(closed or "off"))


def _largest(setup: work.Setup) -> int:
    """Return how long a cut-out may be, in bytes: every pixel of 16 bits as it is, and profile and texts beside it."""
    return 9 * setup.max_pixels + (256 << 20)


def _give_up(sock: socket.socket, sentence: str, hint: str) -> int:
    """Say that nothing can be cut, and wait for the end: ending with frames unread would reset the connection."""
    framing.send(sock, work.Unfit(sentence=sentence[:_LONGEST], hint=hint[:_LONGEST]))
    while received := framing.receive(sock):
        for descriptor in received[1]:
            os.close(descriptor)
    return 1


def _serve(sock: socket.socket, setup: work.Setup, weights: int, sandbox: str) -> int:
    started = time.monotonic()
    # Only now: numpy, Pillow and onnxruntime, with everything that may be wrong with them.
    from bgzero_daemon.core.errors import ModelError
    from bgzero_daemon.engine.session import Engine
    from bgzero_daemon.worker.lanes import Lanes
    from bgzero_daemon.worker.pipeline import Pipeline
    from bgzero_daemon.worker.threads import Threads
    from bgzero_daemon.worker.turns import Turns

    try:
        with os.fdopen(weights, "rb") as file:
            content = file.read()
        engine = Engine(
            content, setup.card, asked=setup.provider, threads=setup.threads, runs=setup.runs,
            allow_unverified=setup.allow_unverified,
            known=setup.known_proofs, prepared_sha256=setup.prepared_sha256, measures=setup.measures,
        )  # fmt: skip
    except ModelError as error:
        return _give_up(sock, str(error), error.hint)
    pipeline = Pipeline(
        engine, setup.model, setup.card, max_pixels=setup.max_pixels, threads=Threads(setup.threads),
        turns=Turns(),
    )  # fmt: skip
    lanes = Lanes(sock, pipeline, setup.lanes, max_bytes=setup.max_bytes)
    ready = work.Ready(
        provider=engine.provider, note=engine.note[:_LONGEST], seconds=round(time.monotonic() - started, 3),
        network_seconds=round(engine.seconds, 3), sandbox=sandbox[:_LONGEST],
        is_verified=engine.is_verified,
        proofs={key: _as_frame(found) for key, found in engine.proofs.items()},
    )  # fmt: skip
    framing.send(sock, ready)
    try:
        _obey(sock, lanes)
    except (OSError, framing.ProtocolError) as error:  # a service that is killed resets the connection
        logging.getLogger(__name__).debug("%s", error)
    finally:
        # Nobody waits for what the lanes still hold, and an ordinary exit would wait for the lanes.
        os._exit(0)


def _as_frame(found: "Proof") -> work.ProofFrame:
    return work.ProofFrame(**asdict(found) | {"reason": found.reason[:300]})


def _obey(sock: socket.socket, lanes: "Lanes") -> None:
    """Pass on what the service sends until it closes the socket."""
    while received := framing.receive(sock):
        frame, descriptors = received
        if isinstance(frame, work.Cut):
            lanes.start(frame, *descriptors)
        elif isinstance(frame, work.Verdict):
            lanes.verdict(frame)


if __name__ == "__main__":
    sys.exit(main())
