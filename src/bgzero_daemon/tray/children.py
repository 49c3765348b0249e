"""Children that go on after what they were started for: somebody has to wait for them, or their entries stay."""

import subprocess
import threading


def leave(process: "subprocess.Popen[bytes]") -> None:
    """Let a child be, and take note of its end whenever that is. A thread sleeps as long as the child lives."""
    threading.Thread(target=process.wait, name="tray-child", daemon=True).start()
