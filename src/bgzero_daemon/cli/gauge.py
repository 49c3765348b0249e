"""What photos cost while they are cut: CPU time and memory of workers, and of this process, which is the service."""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psutil

_GLANCE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Cost:
    """What one stretch of work took. `memory_bytes` and `worker_bytes` are peaks, with this process and without."""

    seconds: float
    worker_cpu_seconds: float
    service_cpu_seconds: float
    worker_bytes: int
    memory_bytes: int


class Gauge:
    """Looks at processes twenty times a second, from `start` to `stop`. `pids` says which are workers at present."""

    def __init__(self, pids: Callable[[], Sequence[int]]) -> None:
        self._pids = pids
        self._own = psutil.Process()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="bgzero-gauge", daemon=True)
        self._first_cpu: dict[int, float] = {}
        self._last_cpu: dict[int, float] = {}
        self._most_workers = self._most = self._service = 0

    def start(self) -> None:
        """Begin to look."""
        self._water = _high_water(self._pids())
        self._began, self._began_cpu = time.monotonic(), time.process_time()
        self._glance()
        self._thread.start()

    def stop(self) -> Cost:
        """Say what it took."""
        seconds, service_cpu = time.monotonic() - self._began, time.process_time() - self._began_cpu
        self.end()
        self._glance()
        water = _high_water(self._pids())
        if water > self._water:  # the kernel knows the peak itself, and it is of this stretch
            self._most_workers = max(self._most_workers, water)
            self._most = max(self._most, water + self._service)
        spent = sum(last - self._first_cpu[pid] for pid, last in self._last_cpu.items())
        return Cost(seconds, spent, service_cpu, self._most_workers, self._most)

    def end(self) -> None:
        """Look no more."""
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._is_over.wait(_GLANCE_SECONDS):
            self._glance()

    def _glance(self) -> None:
        workers = 0
        for pid in self._pids():
            with contextlib.suppress(psutil.Error):  # it has just ended
                process = psutil.Process(pid)
                spent = process.cpu_times()
                self._last_cpu[pid] = spent.user + spent.system
                self._first_cpu.setdefault(pid, self._last_cpu[pid])
                workers += process.memory_info().rss
        self._service = self._own.memory_info().rss
        self._most_workers, self._most = max(self._most_workers, workers), max(self._most, workers + self._service)


def _high_water(pids: Sequence[int]) -> int:
    """Return the most memory that a process ever had, in bytes; 0 where there is another number of them than one."""
    if len(pids) != 1:
        return 0
    try:
        with open(f"/proc/{pids[0]}/status", encoding="ascii", errors="replace") as file:
            found = [line.split()[1] for line in file if line.startswith("VmHWM:")]
    except OSError:  # it has just ended, or another system
        return 0
    return int(found[0]) * 1024 if found else 0
