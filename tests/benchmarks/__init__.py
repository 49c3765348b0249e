"""The parts of benchmarks that need no machine. Benchmarks are scripts beside one another, in no package."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
