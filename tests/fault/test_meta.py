"""Every fault id has a test that carries it."""

import re
from pathlib import Path

ARRIVAL = {*range(1, 8), 14, *range(17, 27), 31, *range(33, 37), *range(39, 44), 53, 57}


def test_every_fault_id_of_arrival_has_a_test() -> None:
    """An id without a test is a promise without a proof."""
    text = "".join(file.read_text() for file in Path(__file__).parent.glob("test_*.py"))
    carried = {int(number) for number in re.findall(r'fault\("F(\d\d)"\)', text)}
    assert carried >= ARRIVAL, sorted(ARRIVAL - carried)
