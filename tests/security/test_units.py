"""The shipped units, started by a real service manager and looked at from inside."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.cards.card import card
from tests.fault.oracle import Oracle
from tests.home import Daemon, Home, is_alive, photo, until
from tests.security.hostile import take_over
from tests.security.manager import UNITS, Manager, running
from tests.security.test_sandbox import came_through

UNIT = "bgzero.service"
IMPORT = "bgzero-import@.service"
USER = (UNITS / UNIT).read_text()
QUICK = {"BGZERO_WATCH__SETTLE_SECONDS": "0.1"}


def folders(home: Home) -> dict[str, str]:
    """Name the account's folders in the environment."""
    return QUICK | {"BGZERO_FOLDER__INBOX": str(home.inbox), "BGZERO_FOLDER__OUTBOX": str(home.outbox)}


class Unit(Daemon):
    """The daemon as the manager has started it."""

    def __init__(self, manager: Manager, unit: str = UNIT) -> None:
        self.manager, self.unit, self.outbox = manager, unit, manager.home.outbox

    @property
    def log(self) -> str:
        """What it has said."""
        return self.manager.log()

    @property
    def pid(self) -> int:
        """Its main process."""
        return int(self.manager.show(self.unit, "MainPID"))


def test_user_unit_is_ready_works_and_stops(home: Home) -> None:
    """Ready when it watches, its status in the manager's, and after the stop nothing is left."""
    with running(home) as manager:
        manager.install(UNIT, USER, **folders(home))
        manager.ctl("start", UNIT)
        unit = Unit(manager)
        assert "Drop photos into" in unit.log, "ready only now"
        assert manager.show(UNIT, "ActiveState") == "active"
        photo(home.inbox / "a.jpg")
        unit.wait_for("a.png")
        until(lambda: manager.show(UNIT, "StatusText") == "0 waiting, 1 done, 0 failed", lambda: unit.log)
        assert b"sandbox closed" in home.bgzero("status").stdout
        (worker,) = Oracle(home).status()["workers"]
        pids = [unit.pid, worker["pid"]]
        manager.ctl("stop", UNIT)
        assert not any(map(is_alive, pids))
        assert manager.show(UNIT, "Result") == "success"
        assert (home.outbox / "a.png").stat().st_mode & 0o777 == 0o666 & ~umask()


def umask() -> int:
    """The test's own, which the manager has too."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_hostile_decoder_gets_nowhere_inside_the_unit(home: Home) -> None:
    """Under the unit's own filters the worker's sandbox still closes; the refusals are measured from inside."""
    env = take_over(home.root / "hostile", home.root / "home", home.env)
    with running(home) as manager:
        manager.install(UNIT, USER, **folders(home), **env)
        manager.ctl("start", UNIT)
        assert came_through(home, Unit(manager)) == "0 came through: "
        assert b"sandbox closed" in home.bgzero("status").stdout


def test_unit_that_keeps_the_sandbox_from_closing_is_noticed(home: Home) -> None:
    """`@system-service` alone, as systemd 252 has it: Landlock is refused, and the status says so."""
    names = "landlock_create_ruleset landlock_add_rule landlock_restrict_self seccomp"
    assert f"@system-service {names}" in USER
    with running(home) as manager:
        version = int(subprocess.run(["systemctl", "--version"], capture_output=True, text=True).stdout.split()[1])
        manager.install(UNIT, USER.replace(f"@system-service {names}", "@system-service"), **folders(home))
        manager.ctl("start", UNIT)
        photo(home.inbox / "a.jpg")
        Unit(manager).wait_for("a.png")
        status = home.bgzero("status").stdout
        assert b"sandbox it still allows" in status or version > 252


def test_killed_service_is_started_again(home: Home) -> None:
    """SIGKILL; five seconds later it goes on with what was waiting."""
    with running(home) as manager:
        manager.install(UNIT, USER, "RestartSec=1", **folders(home))
        manager.ctl("start", UNIT)
        unit = Unit(manager)
        photo(home.inbox / "a.jpg")
        unit.wait_for("a.png")
        first = unit.pid
        os.kill(first, signal.SIGKILL)
        until(lambda: unit.pid not in (0, first), lambda: unit.log)
        photo(home.inbox / "b.jpg", seed=1)
        unit.wait_for("b.png")
        assert manager.show(UNIT, "NRestarts") == "1"


def test_watchdog_is_fed_by_progress_only(home: Home) -> None:
    """Idle and at work it lives on; with its workers' thread stuck (held up on purpose) it is started anew."""
    with running(home) as manager:
        manager.install(UNIT, USER, "WatchdogSec=2\nRestartSec=1\nTimeoutAbortSec=5", **folders(home))
        manager.ctl("start", UNIT)
        unit = Unit(manager)
        first = unit.pid
        time.sleep(3)
        photo(home.inbox / "a.jpg")
        unit.wait_for("a.png")
        time.sleep(3)
        assert unit.pid == first
        manager.ctl("stop", UNIT)
        hang = "Environment=BGZERO_CRASH_AT=begins-worker:1:HANG"
        manager.install(UNIT, USER, f"WatchdogSec=2\nRestartSec=1\nTimeoutAbortSec=5\n{hang}", **folders(home))
        manager.ctl("start", UNIT)
        stuck = unit.pid
        photo(home.inbox / "b.jpg", seed=1)
        until(lambda: manager.show(UNIT, "NRestarts") != "0", lambda: unit.log)
        assert "the watchdog is not fed" in unit.log
        assert unit.pid != stuck
        manager.install(UNIT, USER, "WatchdogSec=2\nRestartSec=1\nTimeoutAbortSec=5", **folders(home))
        manager.ctl("restart", UNIT)
        unit.wait_for("b.png")


def test_wrong_configuration_is_not_tried_again(home: Home) -> None:
    """Exit 78: the manager leaves it."""
    with running(home) as manager:
        manager.install(UNIT, USER, "RestartSec=1", **folders(home) | {"BGZERO_WORKER__LANES": "many"})
        manager.ctl("start", UNIT, check=False)
        time.sleep(3)
        assert manager.show(UNIT, "NRestarts") == "0"
        assert manager.show(UNIT, "ExecMainStatus") == "78"


def test_import_unit_imports_a_card_and_passes_over_what_is_none(home: Home) -> None:
    """Started as a mount would start it, by the card's path, which has a blank; a folder without DCIM is no card."""
    source = card(home.root / "EOS DIGITAL")
    stick = photo(home.root / "stick" / "holiday.jpg").parent
    with running(home) as manager:
        manager.install(IMPORT, (UNITS / IMPORT).read_text(), **folders(home))
        for place in (stick, source):
            escape = ["systemd-escape", "-p", f"--template={IMPORT}", str(place)]
            unit = subprocess.run(escape, check=True, capture_output=True, text=True).stdout.strip()
            manager.ctl("start", unit)
        assert sorted(os.listdir(home.inbox)) == ["IMG_0001.JPG", "IMG_0002.JPG", "IMG_0003.JPG"], manager.log()


@pytest.mark.parametrize("unit", [UNIT, "bgzero@photos.service", "bgzero-import@media-card.service"])
def test_units_are_well_formed(home: Home, unit: str) -> None:
    """systemd-analyze knows every key, and how much the unit leaves open."""
    if not Path("/usr/bin/systemd-analyze").exists():
        pytest.skip("no systemd-analyze here")
    source = unit.replace("photos", "").replace("media-card", "")
    copy = home.root / unit
    program = home.root / "bgzero"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    text = (UNITS / source).read_text()
    for place in ("%h/.local/bin/bgzero", "/usr/local/bin/bgzero"):
        text = text.replace(place, str(program))
    copy.write_text(text)
    is_user = unit != "bgzero@photos.service"
    scope = ["--user"] if is_user else []
    env = home.env
    verify = ["systemd-analyze", "verify", "--man=no", *scope, str(copy)]
    done = subprocess.run(verify, env=env, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    most = "65" if is_user else "10"
    security = ["systemd-analyze", "security", *scope, "--offline=true", f"--threshold={most}", str(copy)]
    assert subprocess.run(security, env=env, capture_output=True).returncode == 0


def test_user_unit_claims_nothing_that_a_user_manager_cannot_do() -> None:
    """No StateDirectory= (systemd 252 puts it elsewhere), no UMask= (cut-outs would be private), no namespaces."""
    keys = {line.split("=")[0] for line in USER.splitlines() if "=" in line and not line.startswith("#")}
    assert not keys & {"StateDirectory", "UMask", "DynamicUser", "User", "CapabilityBoundingSet"}
    assert not [key for key in keys if key.startswith(("Private", "Protect"))]
