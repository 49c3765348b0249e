"""What a container does to the daemon, by namespaces: no name, no home, nothing writable but its folders, no network.

No container engine is at hand: docs/Containerfile itself was never built.
"""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.home import PROGRAM, Home, photo, until

DOCS = Path(__file__).parents[2] / "docs"
USER = ["unshare", "--map-user=10001", "--map-group=10001", "--keep-caps", "--net", "--mount"]
# The account's folders stay writable; everything else, and who anybody is, goes. Capabilities end with the last exec.
INSIDE = """
set -e
mount --bind {root} {root}
mount --bind /dev/null /etc/passwd
mount -o remount,bind,ro /
for place in /dev/shm /var/tmp; do mount -t tmpfs -o ro tmpfs $place; done
! touch /etc/x 2>/dev/null
exec setpriv --inh-caps=-all --ambient-caps=-all --bounding-set=-all --no-new-privs "$@"
"""


def environment(home: Home) -> dict[str, str]:
    """The Containerfile's own, with this test's places."""
    text = (DOCS / "Containerfile").read_text()
    block = re.findall(r"ENV ((?:.*\\\n)*.*)", text)
    env = dict(pair.split("=", 1) for pair in block[0].replace("\\\n", " ").split())
    places = {
        "/photos/in": home.inbox,
        "/photos/out": home.outbox,
        "/state": home.root / "run",
        "/models": home.root / "data",
    }
    env = {key: str(places.get(value, value)) for key, value in env.items()}
    env["PATH"] = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    kept = {key: value for key, value in home.env.items() if key.startswith(("PYTHON", "COVERAGE_"))}
    return env | kept | {"BGZERO_MODEL__NAME": "tiny", "BGZERO_OUTPUT__KEEP_FREE": "0"}


@pytest.mark.skipif(os.getuid() == 0, reason="root needs no namespace for it, and would prove nothing")
def test_daemon_works_as_in_a_container(home: Home) -> None:
    """Configured by environment alone, it cuts, answers its health check, and ends cleanly."""
    if subprocess.run([*USER, "true"], capture_output=True).returncode:
        pytest.skip("NO NAMESPACES HERE: nothing like a container was tried")
    env = environment(home)
    assert "HOME" not in env
    home.env = env
    inside = [*USER, "sh", "-c", INSIDE.format(root=home.root), "sh"]
    with home.started_by([*inside, PROGRAM[0], "run"], BGZERO_WATCH__SETTLE_SECONDS="0.2") as daemon:
        until(lambda: "Drop photos" in daemon.log or daemon.process.poll() is not None, lambda: daemon.log)
        photo(home.inbox / "a.jpg")
        until(lambda: list(home.outbox.glob("*.png")), lambda: daemon.log)

        def check() -> "subprocess.CompletedProcess[str]":
            command = ["nsenter", "--target", str(daemon.process.pid), "--user", "--preserve-credentials", "--mount"]
            return subprocess.run([*command, *PROGRAM, "status", "--check"], env=env, capture_output=True, text=True)

        done = check()
        assert (done.returncode, done.stdout) == (0, "ok\n"), done.stderr
        status = Path(f"/proc/{daemon.process.pid}/status").read_text()
        assert "NoNewPrivs:\t1" in status
        assert "CapEff:\t0000000000000000" in status
        assert daemon.stop() == 0
        assert check().returncode != 0
    assert "1 cut, 0 failed" in daemon.log


def test_health_check_says_what_is_wrong(home: Home) -> None:
    """0 where all is well, 1 and a sentence where something is not, 3 where nobody answers."""
    assert home.bgzero("status", "--check").returncode == 3
    with home.daemon() as daemon:
        assert home.bgzero("status", "--check").stdout == b"ok\n"
        home.inbox.rename(home.root / "away")
        until(lambda: home.bgzero("status", "--check").returncode == 1, lambda: daemon.log)
        time.sleep(0.1)
        assert str(home.inbox).encode() in home.bgzero("status", "--check").stdout
