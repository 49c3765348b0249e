"""Every fault id that is promised so far has a test that carries it."""

import re
from pathlib import Path

import pytest

ARRIVAL = {*range(1, 8), 14, *range(17, 27), 31, *range(33, 37), *range(39, 44), 53, 57}
KEEPING = {15, 16, *range(27, 31), 32, 37, 38, 44, 52, 54, 55, *range(59, 63)}
WORKER = {*range(8, 14), 45, 46, 50, 51, 56, 58}
SANDBOX = {47, 48, 56}
STEERING = {49}


@pytest.mark.parametrize(
    "promised",
    [ARRIVAL, KEEPING, WORKER, SANDBOX, STEERING],
    ids=["arrival", "keeping", "worker", "sandbox", "steering"],
)
def test_every_fault_id_has_a_test(promised: set[int]) -> None:
    """An id without a test is a promise without a proof."""
    text = "".join(file.read_text() for file in Path(__file__).parents[1].rglob("test_*.py"))
    carried = {int(number) for number in re.findall(r'fault\("F(\d\d)"\)', text)}
    assert carried >= promised, sorted(promised - carried)
