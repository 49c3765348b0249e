"""What a network holds on to, run after run."""

import subprocess
import sys

TWICE = """
from bgzero_daemon.catalog import shelf
from bgzero_daemon.engine.proof import test_picture
from bgzero_daemon.engine.session import Engine

def resident_mb():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) // 1000 for line in status if line.startswith("VmRSS"))

model = shelf.installed("u2netp")
engine = Engine(model.weights.read_bytes(), model.card, asked="cpu", threads=2)
first = resident_mb()
engine.run(test_picture(model.card.input.size_px))
print(first, resident_mb())
"""


def test_second_run_takes_no_more_memory_than_the_first() -> None:
    """u2netp: some megabytes, where ONNX Runtime's memory pattern would take 200 more."""
    done = subprocess.run([sys.executable, "-c", TWICE], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    first, second = map(int, done.stdout.split())
    assert second - first < 60, done.stdout
