"""What wakes the service's main thread."""

import subprocess
import sys
import threading

from bgzero_daemon.service.bell import Alarm
from tests.home import DEADLINE_SECONDS

# Signals at every moment of waiting and clearing: whatever the main thread holds then, their handler needs none of it.
STORM = """
import signal, sys
from bgzero_daemon.service.bell import Alarm

alarm, came = Alarm(), []

def on_signal(number, frame):
    came.append(number)
    alarm.set()

signal.signal(signal.SIGALRM, on_signal)
signal.setitimer(signal.ITIMER_REAL, 0.00005, 0.00005)
while len(came) < 5000:
    if alarm.wait(0.001):
        alarm.clear()
signal.setitimer(signal.ITIMER_REAL, 0)
alarm.clear()
print(alarm.wait(0))
"""


def test_signal_may_come_at_any_moment() -> None:
    """Five thousand of them, to a thread that does nothing but wait and clear."""
    done = subprocess.run([sys.executable, "-c", STORM], capture_output=True, text=True, timeout=DEADLINE_SECONDS)
    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr


def test_alarm_that_was_set_is_not_missed() -> None:
    """Before the wait or in it, by another thread, more often than a pipe holds; once it is heard it is over."""
    alarm = Alarm()
    assert not alarm.wait(0)
    for _time in range(200_000):
        alarm.set()
    assert alarm.wait(0)
    alarm.clear()
    assert not alarm.wait(0.01)
    threading.Timer(0.05, alarm.set).start()
    assert alarm.wait(DEADLINE_SECONDS)
