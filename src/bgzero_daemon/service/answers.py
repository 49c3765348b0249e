"""What a worker says of a photo, as the results and errors of `service.workforce`."""

from bgzero_daemon.core.errors import (
    BgzeroError,
    Code,
    OutputError,
    PhotoCrashed,
    PhotoDelayed,
    PhotoRefused,
    PhotoSkipped,
)
from bgzero_daemon.core.job import Staged
from bgzero_daemon.wire import work


def staged(frame: work.Done, sha256: str, model: str) -> Staged:
    """Return what was cut of a photo whose bytes have this hash, with this model."""
    return Staged(
        source_sha256=sha256,
        size_bytes=frame.staged_bytes,
        sha256=frame.staged_sha256,
        width_px=frame.width_px,
        height_px=frame.height_px,
        model=model,
        provider=frame.provider,
        note=frame.note,
        confidence=frame.confidence,
        doubt=frame.doubt,
        taken=frame.taken,
        camera=frame.camera,
        seconds=frame.seconds,
        cpu_seconds=frame.cpu_seconds,
    )


def refusal(frame: work.Refused, sha256: str) -> BgzeroError:
    """Return it as an error. `sha256` is the hash of the bytes that were judged, "" where none were read."""
    match frame.verdict:
        case "retry":
            return PhotoDelayed(frame.sentence, hint=frame.hint)
        case "broken":
            return PhotoCrashed(frame.sentence, hint=frame.hint)
        case "heavy":
            return PhotoCrashed(frame.sentence, hint=frame.hint, code=Code.TOO_HEAVY)
        case "output":
            return OutputError(frame.sentence, hint=frame.hint)
    kind = PhotoSkipped if frame.verdict == "skipped" else PhotoRefused
    return kind(frame.sentence, hint=frame.hint, code=frame.code, sha256=sha256)
