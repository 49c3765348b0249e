"""How a worker behaves towards the rest of the machine. Called while the process has one thread."""

import contextlib
import ctypes
import os
import signal
import sys

import psutil

_PR_SET_PDEATHSIG = 1  # prctl(2)
_OOM_SCORE = 500  # of 1000 (proc_pid_oom_score_adj(5)): where memory runs out, this process goes first


def die_with_the_service() -> None:
    """Let the kernel end this process with the thread that started it, even while a decoder holds the interpreter.

    Linux only. Elsewhere the closing socket has to do.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def hush_decoders() -> None:
    """Let this program's own messages pass, and nothing that native libraries print beside them.

    libtiff has a line for each line of a damaged fax: one bad file could fill the log.
    """
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    os.dup2(0, 2)  # standard input is /dev/null


def give_way(niceness: int) -> None:
    """Let others have processor, disk and memory first; what a service manager has set already stays.

    `niceness` is 0 to 19; 0 changes nothing of processor and disk.
    """
    with contextlib.suppress(OSError):
        if niceness and os.getpriority(os.PRIO_PROCESS, 0) == 0:
            os.nice(niceness)
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError, psutil.Error):
        process = psutil.Process()
        if niceness and process.ionice().ioclass == psutil.IOPRIO_CLASS_NONE:
            process.ionice(psutil.IOPRIO_CLASS_BE, 7)
    with contextlib.suppress(OSError, ValueError), open("/proc/self/oom_score_adj", "r+", encoding="ascii") as file:
        if int(file.read()) < _OOM_SCORE:
            file.seek(0)
            file.write(str(_OOM_SCORE))
