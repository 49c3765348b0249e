"""Lanes: threads that share one pipeline, so that one photo decodes while another is in the network.

Nothing is read before a lane is free: whoever waits is no suspect when the worker dies, and comes in its order.
"""

import hashlib
import logging
import os
import socket
import traceback
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from threading import Lock

from bgzero_daemon.core import crash
from bgzero_daemon.core.errors import BgzeroError, Code, ModelError, OutputError, PhotoRefused, PhotoSkipped
from bgzero_daemon.core.texts import _
from bgzero_daemon.wire import framing, work
from bgzero_daemon.worker.pipeline import Pipeline

log = logging.getLogger(__name__)

_PIECE_BYTES = 1 << 20
_MOST_AT_ONCE = 1 << 30  # some systems read no more than 2 GB in one call


class Lanes:
    """Runs jobs and sends their frames; `verdict` hands a lane the service's answer."""

    def __init__(self, sock: socket.socket, pipeline: Pipeline, lanes: int, *, max_bytes: int) -> None:
        self._sock, self._pipeline, self._max_bytes = sock, pipeline, max_bytes
        self._sending = Lock()
        self._verdicts: dict[str, SimpleQueue[bool]] = {}
        self._pool = ThreadPoolExecutor(lanes, thread_name_prefix="lane")

    def start(self, order: work.Cut, source: int, staged: int) -> None:
        """Take a job and own its descriptors."""
        self._verdicts[order.job] = SimpleQueue()
        self._pool.submit(self._job, order, source, staged)

    def verdict(self, verdict: work.Verdict) -> None:
        """Let the job go on, or drop it."""
        if waiting := self._verdicts.get(verdict.job):
            waiting.put(verdict.go)

    def _job(self, order: work.Cut, source: int, staged: int) -> None:
        try:
            answer = self._answer(order, source, staged)
        except Exception as error:  # noqa: BLE001 - whatever a photo provokes ends that photo, never the lane
            at = traceback.extract_tb(error.__traceback__)[-1]
            log.error("job %s: %.200r in %s, line %d", order.job, error, at.name, at.lineno)  # noqa: TRY400 - one line
            answer = _refusal(order, "failed", _("The photo cannot be cut ({why}).").format(why=error))
        finally:
            os.close(source)
            os.close(staged)
            del self._verdicts[order.job]
        if answer:
            self._send(answer)

    def _answer(self, order: work.Cut, source: int, staged: int) -> work.Done | work.Refused | None:
        try:
            return self._cut(order, source, staged)
        except BgzeroError as error:
            code = error.code if isinstance(error, PhotoRefused) else ""
            return _refusal(order, _verdict(error), str(error), error.hint, code)
        except MemoryError:
            sentence = _("There was not enough memory for this photo.")
            return _refusal(order, "heavy", sentence, _("Export it smaller, or give the worker more memory."))
        except OSError as error:
            return _refusal(order, "retry", _("The photo cannot be read: {why}.").format(why=error.strerror))

    def _cut(self, order: work.Cut, source: int, staged: int) -> work.Done | None:
        self._send(work.Begun(job=order.job))
        crash.point("worker-took")
        held = [self._read(source)]
        crash.point("worker-read")
        sha256 = hashlib.sha256(held[0]).hexdigest()
        self._send(work.Hashed(job=order.job, sha256=sha256))
        if not self._verdicts[order.job].get():
            return None
        crash.point("worker-go")
        output = _Staged(staged)
        finished = self._pipeline.cut(held, sha256, order, output)
        output.finish()
        crash.point("worker-wrote")
        return work.Done(
            job=order.job,
            staged_bytes=output.size_bytes,
            staged_sha256=output.hash.hexdigest(),
            width_px=finished.width_px,
            height_px=finished.height_px,
            provider=finished.provider,
            note=finished.note,
            confidence=finished.judgement.confidence,
            doubt=finished.judgement.doubt,
            taken=finished.taken,
            camera=finished.camera,
            seconds=dict(finished.seconds),
            cpu_seconds=dict(finished.cpu_seconds),
        )

    def _read(self, source: int) -> bytes:
        size = os.fstat(source).st_size
        if size > self._max_bytes:
            raise PhotoRefused(
                _("The file has {have} MB; the limit is {limit} MB.").format(
                    have=round(size / 1e6), limit=round(self._max_bytes / 1e6)
                ),
                hint=_("Raise limits.megabytes in the configuration."),
                code=Code.TOO_LARGE,
            )
        # pread: a descriptor that came over a socket shares its offset with whoever sent it
        parts = [os.pread(source, min(size + 1, _MOST_AT_ONCE), 0)]  # as a rule all of it, and never copied
        while part := os.pread(source, _PIECE_BYTES, sum(map(len, parts))):
            parts.append(part)
            if sum(map(len, parts)) > self._max_bytes:
                raise PhotoRefused(_("The file grew beyond the limit while it was read."), code=Code.TOO_LARGE)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _send(self, frame: work.Frame) -> None:
        with self._sending:
            try:
                framing.send(self._sock, frame)
            except OSError:  # the service is gone; the main thread sees it too and ends the process
                log.debug("the service is gone")


class _Staged:
    """A staged file, written and hashed in pieces of a megabyte. Trouble is its file system's, not the photo's."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._held = bytearray()
        self.size_bytes, self.hash = 0, hashlib.sha256()

    def write(self, piece: bytes) -> None:
        """Take what comes next. Raises OutputError."""
        self._held += piece
        if len(self._held) >= _PIECE_BYTES:
            self._flush()

    def finish(self) -> None:
        """Write the rest; nothing of an earlier try stays behind it. Raises OutputError."""
        crash.point("worker-cut")
        self._flush()
        try:
            os.ftruncate(self._descriptor, self.size_bytes)
        except OSError as error:
            raise _unwritten(error) from error

    def _flush(self) -> None:
        self.hash.update(self._held)
        view, at = memoryview(self._held), 0
        try:
            while at < len(view):
                at += os.pwrite(self._descriptor, view[at:], self.size_bytes + at)
        except OSError as error:
            raise _unwritten(error) from error
        self.size_bytes += at
        self._held = bytearray()
        crash.point("worker-writes")


def _unwritten(error: OSError) -> OutputError:
    return OutputError(_("The cut-out cannot be written: {why}.").format(why=error.strerror))


def _verdict(error: BgzeroError) -> str:
    match error:
        case PhotoSkipped():
            return "skipped"
        case ModelError():  # it ran at the start: this photo's fault, or this worker's
            return "broken"
        case OutputError():
            return "output"
    return "retry" if error.retry else "failed"


def _refusal(order: work.Cut, verdict: str, sentence: str, hint: str = "", code: str = "") -> work.Refused:
    # an exception may quote bytes that are no text, which JSON does not carry
    sentence, hint = (text[:500].encode("utf-8", "replace").decode() for text in (sentence, hint))
    return work.Refused.model_validate(
        {"job": order.job, "verdict": verdict, "sentence": sentence, "hint": hint, "code": code or Code.DAMAGED}
    )
