"""Named places where a test may kill this process, to see that nothing is lost there.

`BGZERO_CRASH_AT=published` kills the process with SIGKILL when it passes that point, `published:3` when it passes it
for the third time. `published:1:STOP` stops it there, for a test to look around, and `published:1:HANG` holds up the
thread that passes.
Without the variable a point costs one look into a dict.
"""

import os
import signal
import threading

VARIABLE = "BGZERO_CRASH_AT"
_passed: dict[str, int] = {}


def point(name: str) -> None:
    """Die here if somebody asked for it."""
    wanted = os.environ.get(VARIABLE)
    if not wanted:
        return
    place, count, deed = (wanted.split(":") + ["1", "KILL"][wanted.count(":") :])[:3]
    if place == name:
        _passed[name] = _passed.get(name, 0) + 1
        if _passed[name] == int(count):
            if deed == "HANG":
                threading.Event().wait()
            # to this very thread: sent to the process, it would run on until another one has taken the signal
            signal.pthread_kill(threading.get_ident(), signal.Signals[f"SIG{deed}"])
