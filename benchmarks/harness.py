"""Measuring commands and comparing what was measured. Standard library only: it also runs as a launcher.

Every command is started by a small Python process of its own (`python harness.py REPORT LOG COMMAND...`).
A new process is born with its parent's peak memory as its own (Linux copies it at exec), so a benchmark
that has opened large photos itself must not start what it measures.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

_RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # getrusage(2): bytes there, kilobytes here


class BenchmarkError(Exception):
    """The benchmark cannot go on; the message says why."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What one command took, its waited-for descendants included. `peak_bytes` is its largest process alone."""

    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """One measure of two contestants, run by run. A ratio above 1 is in ours' favour; None: not above the noise."""

    title: str
    digits: int
    ours: tuple[float, ...]
    theirs: tuple[float, ...]
    ratios: tuple[float | None, ...]

    @property
    def spread(self) -> tuple[float, float, float] | None:
        """Median, least and greatest ratio."""
        known = [ratio for ratio in self.ratios if ratio is not None]
        return (statistics.median(known), min(known), max(known)) if known else None


def measure(command: Sequence[str | Path], environment: Mapping[str, str], log: Path) -> Usage:
    """Run a command to its end. `log` takes what it prints. Raises BenchmarkError unless it exits with 0."""
    report = log.with_suffix(".usage.json")
    words = [str(word) for word in command]
    launcher = [sys.executable, "-I", "-S", str(Path(__file__).resolve()), str(report), str(log), *words]
    status = subprocess.run(launcher, env=dict(environment), check=False).returncode
    if status:
        said = log.read_text(encoding="utf-8", errors="replace")[-2000:] if log.exists() else ""
        raise BenchmarkError(f"{' '.join(words)}\nended with status {status} and said:\n{said}")
    return Usage(**json.loads(report.read_text(encoding="utf-8")))


def nicely(command: Sequence[str | Path], niceness: int) -> list[str | Path]:
    """Return a command that runs another one, as the same process, with a niceness.

    Raises BenchmarkError on a system without `nice`.
    """
    nice = shutil.which("nice")
    if nice is None:
        raise BenchmarkError("The command nice is needed (coreutils).")
    return [nice, "-n", str(niceness), *command]


def compare(
    title: str,
    ours: Sequence[float],
    theirs: Sequence[float],
    *,
    digits: int = 2,
    more_is_better: bool = False,
) -> Comparison:
    """Compare run by run: the first of ours with the first of theirs, and so on."""
    ratios = [
        None if min(one, other) <= 0 else one / other if more_is_better else other / one
        for one, other in zip(ours, theirs, strict=True)
    ]
    return Comparison(title, digits, tuple(ours), tuple(theirs), tuple(ratios))


def table(names: tuple[str, str], comparisons: Sequence[Comparison]) -> str:
    """Lay comparisons out as text: medians of both contestants, the ratio of every pair, and its spread."""
    pairs = range(1, len(comparisons[0].ratios) + 1)
    wide = max(len(comparison.title) for comparison in comparisons)
    head = [f"{'':{wide}}", *(f"{name:>8}" for name in names)]
    head += [*(f"{f'pair {number}':>7}" for number in pairs), f"{'median':>9}", f"{'min':>6}", f"{'max':>6}"]
    lines = [" ".join(head)]
    for one in comparisons:
        cells = [f"{one.title:{wide}}"]
        cells += [f"{statistics.median(values):8.{one.digits}f}" for values in (one.ours, one.theirs)]
        cells += [_ratio(ratio, 7) for ratio in one.ratios]
        cells += [_ratio(value, width) for value, width in zip(one.spread or (None,) * 3, (9, 6, 6), strict=True)]
        lines.append(" ".join(cells))
    return "\n".join(lines)


def _ratio(value: float | None, width: int) -> str:
    return f"{'-' if value is None else format(value, '.2f'):>{width}}"


def as_json(comparison: Comparison) -> dict[str, object]:
    """Return a comparison as what json.dumps takes."""
    spread = comparison.spread
    summary = dict(zip(("median", "min", "max"), spread, strict=True)) if spread else None
    return asdict(comparison) | {"ratio": summary}


def _launch(report: Path, log: Path, command: list[str]) -> int:
    """Run a command and write its usage. Returns its exit status, or 128 and the signal that ended it."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    redirect = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    started = time.perf_counter()
    pid = os.posix_spawn(command[0], command, os.environ, file_actions=redirect)
    _pid, status, used = os.wait4(pid, 0)
    wall = time.perf_counter() - started
    usage = Usage(round(wall, 4), round(used.ru_utime + used.ru_stime, 4), used.ru_maxrss * _RSS_UNIT)
    report.write_text(json.dumps(asdict(usage)), encoding="utf-8")
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(_launch(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
