"""A patient for the doctor: an account that is broken on purpose, and a shell in which the cure is typed as printed."""

import json
import os
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bgzero_daemon.core.extras import EXTRAS, installed
from tests.home import DEADLINE_SECONDS, Home, until

OK, NOTE, WRONG, SKIPPED = "ok", "note", "wrong", "skipped"
EXTRAS_SAID = OK if len(installed()) == len(EXTRAS) and find_spec("pyvips") else NOTE
# What the doctor says of an account to which nothing was done.
HEALTHY = {
    "configuration": OK, "folders": OK, "space": OK, "watches": OK, "filesystems": OK, "models": OK, "memory": OK,
    "runtime": OK, "packages": OK, "extras": EXTRAS_SAID, "provider": OK, "sandbox": OK, "network": OK,
    "unit": SKIPPED, "socket": OK, "daemon": SKIPPED, "ledger": OK, "tray": SKIPPED, "notifications": SKIPPED,
    "integration": SKIPPED, "clock": OK,
}  # fmt: skip
WORKER = frozenset({"provider", "sandbox", "network"})
CONFIGURED = WORKER | {"folders", "space", "watches", "filesystems", "models", "memory"}
_WORST = (OK, SKIPPED, NOTE, WRONG)

Findings = dict[str, list[dict[str, str]]]


class Patient:
    """An account, what is set in its shell, and commands that stand in for those of root or of a desktop."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.bin = home.root / "bin"
        self.bin.mkdir()
        self.healthy = dict(HEALTHY)
        self.around: list[str] = []
        self.pause = ""
        path = os.pathsep.join([str(self.bin), str(Path(sys.executable).parent), home.env["PATH"], "/usr/sbin"])
        home.env |= {
            "PATH": path, "BGZERO_FOLDER__INBOX": str(home.inbox), "BGZERO_FOLDER__OUTBOX": str(home.outbox),
        }  # fmt: skip

    def stand_in(self, name: str, script: str) -> None:
        """Put a command on PATH, before all others."""
        file = self.bin / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)

    def write_config(self, text: str) -> Path:
        """Write the account's configuration file."""
        file = self.home.root / "config" / "bgzero" / "config.toml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def look(self, *names: str, typed: str = "") -> Findings:
        """Type commands, and then ask the doctor in the same shell."""
        only = "".join(f" --only {name}" for name in names)
        done = subprocess.run(
            [*self.around, "bash", "-c", f"{typed}\n{self.pause if typed else ''}\nbgzero doctor --json{only}"],
            env=self.home.env, cwd=self.home.root, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=DEADLINE_SECONDS,
        )  # fmt: skip
        assert done.stdout.count('"schema"') == 1, done.stdout + done.stderr
        told: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{") :])
        assert told["schema"] == 1
        found: Findings = {}
        for check in told["checks"]:
            found.setdefault(check["name"], []).append(check)
        count = sum(check["verdict"] == WRONG for check in told["checks"])
        assert (done.returncode, told["wrong"]) == (int(count > 0), count), done.stderr
        return found

    def prove(self, name: str, verdict: str, *, waits: Collection[str] = ()) -> list[dict[str, str]]:
        """Exactly this check turns; those that need what is broken may wait; the cure, as printed, turns it back."""
        found = self.look()
        turned = {key: worst(said) for key, said in found.items() if worst(said) != self.healthy[key]}
        assert turned.pop(name, None) == verdict, found
        assert turned == dict.fromkeys(turned, SKIPPED), found
        assert turned.keys() <= set(waits), found
        said = [finding for finding in found[name] if finding["verdict"] == verdict]
        assert all(finding["remedy"] for finding in said)
        after = self.look(name, typed="\n".join(finding["remedy"] for finding in said))
        assert worst(after[name]) == self.healthy[name], (said, after)
        return said


def worst(said: list[dict[str, str]]) -> str:
    """Return the worst of a check's verdicts."""
    return max((finding["verdict"] for finding in said), key=_WORST.index)


@contextmanager
def session_bus(patient: Patient) -> Iterator[None]:
    """A real session bus of the test's own, on which nobody is yet."""
    file = patient.home.root / "run" / "bus"
    config = patient.home.root / "bus.conf"
    config.write_text(
        f"<busconfig><type>session</type><listen>unix:path={file}</listen><auth>EXTERNAL</auth>"
        '<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>'
        '<allow own="*"/></policy></busconfig>'
    )
    bus = subprocess.Popen(["dbus-daemon", f"--config-file={config}", "--nofork"], env=patient.home.env)
    try:
        until(file.exists, "the bus listens")
        patient.home.env |= {"DBUS_SESSION_BUS_ADDRESS": f"unix:path={file}", "XDG_CURRENT_DESKTOP": "XFCE"}
        yield
    finally:
        bus.terminate()  # whoever is on it ends, too
        bus.wait(20)


# What stands in for a panel or a notification server: it takes a name on the bus and answers for as long as that is up.
DESKTOP = """
import asyncio, sys
from typing import Annotated
from dbus_fast.aio import MessageBus
from dbus_fast.service import ServiceInterface, dbus_method

class Notifications(ServiceInterface):
    @dbus_method()
    def GetServerInformation(self) -> "ssss":
        return ["Stand-in", "test", "1", "1.2"]

async def main(name, ready):
    bus = await MessageBus().connect()
    bus.export("/org/freedesktop/Notifications", Notifications("org.freedesktop.Notifications"))
    await bus.request_name(name)
    open(ready, "w").close()
    await bus.wait_for_disconnect()

asyncio.run(main(*sys.argv[1:]))
"""


def desktop_program(patient: Patient, command: str, name: str, *, started: bool) -> None:
    """Install a command that takes a name on the session bus, and begin it, or leave that to the cure.

    A person is not as fast as the shell here: what is asked after the cure waits until the command is up.
    """
    script, ready = patient.home.root / "desktop.py", patient.home.root / f"{command}.ready"
    script.write_text(DESKTOP)
    patient.stand_in(command, f"exec {sys.executable} {script} {name} {ready}")
    if started:
        subprocess.run(["sh", "-c", f"{command} >/dev/null 2>&1 &"], env=patient.home.env, check=True)
        until(ready.exists, f"{command} is up")
    else:
        wait = f"for _ in $(seq 200); do [ -e {ready} ] && break; sleep 0.05; done"
        patient.pause = wait
