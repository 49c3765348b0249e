"""Named places where a test may kill this process, to see that nothing is lost there.

`BGZERO_CRASH_AT=published` kills the process with SIGKILL when it passes that point, `published:3`
when it passes it for the third time. Without the variable a point costs one look into a dict.
"""

import os
import signal

VARIABLE = "BGZERO_CRASH_AT"
_passed: dict[str, int] = {}


def point(name: str) -> None:
    """Die here if somebody asked for it."""
    wanted = os.environ.get(VARIABLE)
    if not wanted:
        return
    place, _colon, count = wanted.partition(":")
    if place == name:
        _passed[name] = _passed.get(name, 0) + 1
        if _passed[name] == int(count or 1):
            os.kill(os.getpid(), signal.SIGKILL)
