"""`bgzero doctor` about what is tried for real: a worker, the clock; and about checks that fail themselves."""

import os
from pathlib import Path

import pytest

from tests.fault.test_providers import LIES, lying
from tests.flow.doctoring import HEALTHY, NOTE, OK, SKIPPED, WRONG, Patient, worst
from tests.home import Home


@pytest.fixture
def patient(home: Home) -> Patient:
    """An account with folders, in which all is well."""
    return Patient(home)


def test_accelerator_that_does_not_run_is_a_note_with_the_reason(patient: Patient) -> None:
    """ONNX Runtime lists it and goes to the CPU: the worker is asked, not the list."""
    patient.home.env |= lying(patient.home, LIES) | {"BGZERO_MODEL__PROVIDER": "auto"}
    (said,) = patient.prove("provider", NOTE)
    assert "CPUExecutionProvider" in said["sentence"]
    assert "CUDAExecutionProvider" in said["sentence"]


def test_worker_that_cannot_begin_is_wrong(patient: Patient) -> None:
    """How it ended is passed on, and what needs a worker waits. The cure is to look closer: no more is known."""
    code = "import sys\nif 'bgzero_daemon.worker.main' in sys.orig_argv:\n    import os; os._exit(7)"
    patient.home.env |= lying(patient.home, code)
    found = patient.look()
    turned = {name: worst(said) for name, said in found.items() if worst(said) != HEALTHY[name]}
    assert turned == {"provider": WRONG, "sandbox": SKIPPED, "network": SKIPPED}
    assert "exit status 7" in found["provider"][0]["sentence"]


def test_sandbox_that_is_switched_off_is_a_note(patient: Patient) -> None:
    """And whether anything can be sent is not known any more."""
    patient.home.env["BGZERO_WORKER__SANDBOX"] = "off"
    patient.prove("sandbox", NOTE, waits={"network"})


OPEN = """
import sys
if "bgzero_daemon.worker.main" in sys.orig_argv:
    from bgzero_daemon.sandbox import landlock
    def refuse(*_):
        raise OSError(38, "not implemented")
    landlock.restrict = refuse
"""


def test_sandbox_that_does_not_close_is_measured(patient: Patient) -> None:
    """A kernel without Landlock: where it has to close that is wrong, elsewhere a note that says what is allowed."""
    patient.home.env |= lying(patient.home, OPEN) | {"BGZERO_WORKER__SANDBOX": "require"}
    found = patient.look()
    turned = {name: worst(said) for name, said in found.items() if worst(said) != HEALTHY[name]}
    assert turned == {"sandbox": WRONG}
    (said,) = found["sandbox"]
    assert "reading the home folder" in said["sentence"]
    (after,) = patient.look("sandbox", typed=said["remedy"])["sandbox"]
    assert after["verdict"] == NOTE
    assert "reading the home folder" in after["sentence"]


def test_clock_in_the_past_is_found_and_set(patient: Patient) -> None:
    """Set by the time servers. Nobody may turn this machine's clock: Python's is, until the cure is typed."""
    mark = patient.home.root / "clock-is-wrong"
    mark.touch()
    code = f"import os, time\nif os.path.exists({str(mark)!r}):\n    time.time = lambda: 1e9"
    patient.home.env |= lying(patient.home, code)
    patient.stand_in("sudo", f'[ "$*" = "timedatectl set-ntp true" ] && rm {mark}')
    (said,) = patient.prove("clock", WRONG)
    assert "2001-09-0" in said["sentence"]


def test_ledger_from_the_future_tells_of_a_wrong_clock(patient: Patient) -> None:
    """It was written a year from now."""
    assert patient.home.once().returncode == 0
    ledger = patient.home.root / "state" / "bgzero" / "ledger.db"
    later = ledger.stat().st_mtime + 366 * 86400
    os.utime(ledger, (later, later))
    patient.stand_in("sudo", f"touch {ledger}")
    patient.prove("clock", WRONG)


def test_clock_that_nobody_keeps_right_is_a_note(patient: Patient) -> None:
    """As timedatectl tells."""
    patient.stand_in(
        "timedatectl", 'if [ "$1" = set-ntp ]; then touch kept; else [ -e kept ] && echo yes || echo no; fi'
    )
    patient.stand_in("sudo", 'exec "$@"')
    patient.prove("clock", NOTE)


def test_checks_that_raise_and_hang_are_their_own_findings(
    patient: Patient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The others go on: a mistake of ours, and a mount that does not answer, cost one line each."""
    from bgzero_daemon.doctor import examination
    from bgzero_daemon.doctor.findings import Finding, ok
    from bgzero_daemon.doctor.ground import Ground

    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    def hang(_ground: Ground) -> list[Finding]:
        pipe.read_text()
        return []

    def fail(_ground: Ground) -> list[Finding]:
        raise ZeroDivisionError("a mistake")

    checks = {"space": hang, "clock": fail, "unit": lambda _ground: [ok("fine")]}
    monkeypatch.setattr(examination, "_CHECKS", checks)
    monkeypatch.setattr(examination, "_SECONDS", 0.2)
    entries = examination.examine(Ground(None, {}), ["space", "clock", "unit"])
    assert [(entry.name, entry.finding.verdict.value) for entry in entries] == [
        ("space", WRONG), ("clock", WRONG), ("unit", OK),
    ]  # fmt: skip
    assert "hangs" in entries[0].finding.sentence
    assert "a mistake" in entries[1].finding.sentence
    pipe.write_text("")  # lets the thread end


def test_configuration_that_hangs_is_one_finding_and_others_wait(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A pipe in place of the file stands for a dead mount: what needs no configuration has its say."""
    from bgzero_daemon.doctor import examination, ground

    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    monkeypatch.setattr(ground, "_FILE_SECONDS", 0.2)
    monkeypatch.setattr(examination, "_SECONDS", 0.5)
    entries = examination.examine(ground.Ground(pipe, {}), ["configuration", "folders", "models", "ledger"])
    assert [entry.finding.verdict.value for entry in entries] == [WRONG, SKIPPED, SKIPPED, OK]
    pipe.write_text("")  # lets the thread end
