"""What a worker says of a photo that it did not cut, as the errors of `service.workforce`."""

from bgzero_daemon.core.errors import (
    BgzeroError,
    Code,
    OutputError,
    PhotoCrashed,
    PhotoDelayed,
    PhotoRefused,
    PhotoSkipped,
    WorkforceLost,
)
from bgzero_daemon.wire import work


def refusal(frame: work.Refused, sha256: str) -> BgzeroError:
    """Return it as an error. `sha256` is the hash of the bytes that were judged, "" where none were read."""
    match frame.verdict:
        case "retry":
            return PhotoDelayed(frame.sentence, hint=frame.hint)
        case "lost":
            return WorkforceLost(frame.sentence, hint=frame.hint)
        case "heavy":
            return PhotoCrashed(frame.sentence, hint=frame.hint, code=Code.TOO_HEAVY)
        case "output":
            return OutputError(frame.sentence, hint=frame.hint)
    kind = PhotoSkipped if frame.verdict == "skipped" else PhotoRefused
    return kind(frame.sentence, hint=frame.hint, code=frame.code, sha256=sha256)
