"""A namespace of its own, in which an ordinary user may mount, unmount and set limits."""

import shutil
import subprocess
from functools import cache

import pytest


@cache
def _works() -> bool:
    unshare = shutil.which("unshare")
    test = "mount -t tmpfs none /mnt && echo 8 > /proc/sys/user/max_inotify_watches"
    return (
        unshare is not None and subprocess.run([unshare, "-Urm", "sh", "-c", test], capture_output=True).returncode == 0
    )


def need_namespace() -> None:
    """Skip, loudly, where this machine gives ordinary users no namespaces."""
    if not _works():
        pytest.skip("THIS MACHINE ALLOWS NO USER NAMESPACES: mounts and limits were not tried")


def inside(pid: int, script: str) -> None:
    """Run a shell script in the namespaces of a process."""
    command = ["nsenter", "-t", str(pid), "-U", "-m", "--preserve-credentials", "sh", "-ec", script]
    subprocess.run(command, check=True, capture_output=True)
