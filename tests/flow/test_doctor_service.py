"""`bgzero doctor` about the service: its unit, its socket, what it says of itself, its ledger."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bgzero_daemon.core import paths
from bgzero_daemon.doctor import running as running_daemon
from bgzero_daemon.doctor.ground import Ground
from bgzero_daemon.doctor.peer import Peer
from bgzero_daemon.install import marks
from bgzero_daemon.install.agent import Running
from bgzero_daemon.install.unit import Wish, render
from tests.flow.doctoring import NOTE, OK, SKIPPED, WRONG, Patient, worst
from tests.home import PROGRAM, Daemon, Home, until
from tests.security.manager import running


@pytest.fixture
def patient(home: Home) -> Patient:
    """An account with folders, in which all is well."""
    return Patient(home)


@contextmanager
def service(patient: Patient, *arguments: str | Path) -> Iterator[Path]:
    """The service, installed under a real service manager, and its unit: all is well."""
    if os.geteuid() == 0:
        pytest.skip("root has no user unit")
    with running(patient.home) as manager:
        done = patient.home.bgzero("service", "install", *arguments)
        assert done.returncode == 0, done.stderr.decode() + manager.log()
        patient.healthy |= {"unit": OK, "daemon": OK}
        yield manager.units / "bgzero.service"


def other_program(patient: Patient, script: str) -> Path:
    """A `bgzero` of another installation."""
    file = patient.home.root / "other" / "bgzero"
    file.parent.mkdir()
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file


def test_service_that_cannot_start_is_wrong_and_mended(patient: Patient) -> None:
    """Its program is gone, in our unit and in an edited one, while it runs and afterwards; its configuration is."""
    config = patient.home.root / "o d" / "it's.toml"
    config.parent.mkdir()
    config.write_text("")
    with service(patient, "--config", config) as unit:
        assert worst(patient.look("unit")["unit"]) == OK, "the control"
        other = patient.home.root / "another" / "bgzero"
        other.parent.mkdir()
        other.symlink_to(PROGRAM[0])
        install = ["service", "install", "--config", str(config)]
        subprocess.run([other, *install], env=patient.home.env, capture_output=True, timeout=60, check=True)
        assert f"ExecStart={other} run" in unit.read_text()
        assert worst(patient.look("unit")["unit"]) == OK, "the same program by a name that lasts"
        other.unlink()
        (said,) = patient.prove("unit", WRONG)
        assert str(other) in said["sentence"]
        assert f"ExecStart={PROGRAM[0]} run" in unit.read_text()

        unit.write_text(unit.read_text().replace(PROGRAM[0], "/nowhere/bgzero").replace("Nice=10", "Nice=5"))
        assert patient.home.bgzero("service", "stop").returncode == 0
        (said,) = patient.prove("unit", WRONG, waits={"socket", "daemon"})
        assert said["remedy"].endswith(" --force")
        assert worst(patient.look("socket")["socket"]) == OK, "the same cure has started it"

        config.unlink()
        (said,) = patient.prove("unit", WRONG)
        assert config.exists()


def test_service_that_is_not_as_it_would_be_written_is_a_note(patient: Patient) -> None:
    """Another program, version or environment; edited, or written by somebody else. Lines beside it are no edit."""
    with service(patient) as unit:
        written = unit.read_text()
        mine = unit.with_name(f"{unit.name}.d") / "mine.conf"
        mine.parent.mkdir()
        mine.write_text("[Service]\nNice=5\n")
        assert worst(patient.look("unit")["unit"]) == OK, "the control"

        body = written.partition("\n")[2]
        unit.write_text(marks.seal(body.replace(PROGRAM[0], str(other_program(patient, "exit 1")))))
        (said,) = patient.prove("unit", NOTE)
        assert "another installation" in said["sentence"]
        assert unit.read_text() == written

        unit.write_text(marks.seal(body.replace("Nice=10", "Nice=11")))
        (said,) = patient.prove("unit", NOTE)
        assert "another version" in said["sentence"]

        unit.write_text(written.replace("NoNewPrivileges=yes\n", ""))
        (said,) = patient.prove("unit", NOTE)
        assert "edited" in said["sentence"]
        assert "mine.conf" not in said["explanation"]
        assert f"{unit}.d/" in said["explanation"]

        unit.write_text(body.replace(PROGRAM[0], str(patient.home.root / "other" / "bgzero")))
        (said,) = patient.prove("unit", NOTE)
        assert "somebody else" in said["sentence"]

        patient.home.env["XDG_STATE_HOME"] = str(patient.home.root / "state of mine")
        (said,) = patient.prove("unit", NOTE)
        assert "XDG_STATE_HOME" in said["sentence"]
        assert "state of mine" in unit.read_text()


def test_unit_that_leaves_telemetry_on_is_a_note(patient: Patient) -> None:
    """By a line beside it, or by one that is gone; the program switches it off itself, the unit says it for readers."""
    with service(patient) as unit:
        mine = unit.with_name(f"{unit.name}.d") / "it's mine.conf"
        mine.parent.mkdir()
        for line in ("Environment=ORT_DISABLE_TELEMETRY=0", "UnsetEnvironment=ORT_DISABLE_TELEMETRY"):
            mine.write_text(f"[Service]\nNice=5\n{line}\n")
            patient.prove("network", NOTE)
            assert mine.read_text() == f"[Service]\nNice=5\n#{line}\n"
        unit.write_text(unit.read_text().replace("Environment=ORT_DISABLE_TELEMETRY=1\n", ""))
        found = patient.look("unit", "network")
        remedies = {said["remedy"] for name in found for said in found[name] if said["verdict"] == NOTE}
        assert remedies == {"bgzero service install --force"}
        found = patient.look("unit", "network", typed=remedies.pop())
        assert {name: worst(said) for name, said in found.items()} == {"unit": OK, "network": OK}


def test_service_that_is_to_run_and_does_not_is_wrong(patient: Patient) -> None:
    """It was stopped, or it has failed too often: it starts again. A mistake in the configuration is told alone."""
    with service(patient) as unit:
        assert patient.home.bgzero("service", "stop").returncode == 0
        patient.prove("socket", WRONG, waits={"daemon"})
        file = patient.write_config("[limits]\nmax_megapixel = 1\n")
        subprocess.run(
            ["systemctl", "--user", "restart", unit.name], env=patient.home.env, timeout=60, capture_output=True
        )
        found = patient.look("configuration", "unit", "socket", "daemon")
        assert [worst(found[name]) for name in ("configuration", "unit", "socket", "daemon")] == [
            WRONG, OK, SKIPPED, SKIPPED,
        ]  # fmt: skip
        file.unlink()
        patient.prove("socket", WRONG, waits={"daemon"})


def test_daemon_that_does_not_answer_is_started_anew_by_who_started_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service's by the service's commands, another one by its process."""
    ground = Ground(None, {})
    monkeypatch.setattr(ground, "peer", lambda: Peer(77, os.getuid(), False))
    monkeypatch.setattr(ground, "service", lambda: Running(pid=77))
    assert running_daemon._end(ground, "kill 77") == "bgzero service stop && bgzero service start"
    monkeypatch.setattr(ground, "service", lambda: Running(pid=78))
    assert running_daemon._end(ground, "kill 77") == "kill 77"


def test_unit_is_read_where_no_service_manager_answers(patient: Patient) -> None:
    """As it was written by hand or by us: its program, and whether that is there."""
    patient.stand_in("systemctl", "exit 1")
    file = patient.home.root / "config" / "systemd" / "user" / "bgzero.service"
    patient.healthy["unit"] = OK
    marks.write(file, render(Wish(Path(PROGRAM[0]))))
    assert worst(patient.look("unit")["unit"]) == OK
    marks.write(file, render(Wish(Path("/nowhere/bgzero"))))
    (said,) = patient.look("unit")["unit"]
    assert (said["verdict"], said["remedy"]) == (WRONG, "bgzero service install")
    file.write_text(paths.shipped("systemd", "bgzero.service").read_text())
    (said,) = patient.look("unit")["unit"]
    assert (said["verdict"], said["remedy"]) == (WRONG, "bgzero service install --force")
    assert f"{patient.home.root}/home/.local/bin/bgzero" in said["sentence"]


@contextmanager
def answering(patient: Patient, *places: str | Path) -> Iterator[Daemon]:
    """`bgzero run` on this account's folders, or others, once it has its socket."""
    with patient.home.daemon(*places) as daemon:
        until((patient.home.root / "run" / "bgzero" / "control.sock").exists, lambda: daemon.log)
        patient.healthy["daemon"] = OK
        yield daemon


def test_socket_that_was_left_behind_is_a_note(patient: Patient) -> None:
    """A daemon that was killed leaves it."""
    file = patient.home.root / "run" / "bgzero" / "control.sock"
    with answering(patient) as daemon:
        daemon.stop(signal.SIGKILL)
        patient.healthy["daemon"] = SKIPPED
        assert file.exists()
        patient.prove("socket", NOTE)


def test_runtime_folder_that_is_open_to_others_is_a_note(patient: Patient) -> None:
    """The daemon passes it over, and puts its socket elsewhere."""
    (patient.home.root / "run").chmod(0o755)
    patient.prove("socket", NOTE)


def test_socket_folder_that_is_open_to_others_is_wrong(patient: Patient) -> None:
    """Others could put a socket of their own there."""
    folder = patient.home.root / "run" / "bgzero"
    folder.mkdir()
    folder.chmod(0o777)
    patient.prove("socket", WRONG)


def test_daemon_that_is_stopped_is_found_and_goes_on(patient: Patient) -> None:
    """Ctrl-Z: its socket takes calls and nobody answers."""
    with answering(patient) as daemon:
        daemon.process.send_signal(signal.SIGSTOP)
        try:
            (said,) = patient.prove("socket", WRONG, waits={"daemon"})
        finally:
            daemon.process.send_signal(signal.SIGCONT)
        assert said["sentence"].startswith("The daemon is stopped"), "known without waiting for it"
        assert said["remedy"] == f"kill -CONT {daemon.process.pid}"


def test_paused_daemon_is_a_note(patient: Patient) -> None:
    """Somebody may have forgotten it."""
    with answering(patient):
        assert worst(patient.look("daemon")["daemon"]) == OK, "the control"
        assert patient.home.bgzero("pause").returncode == 0
        patient.prove("daemon", NOTE)


def test_trouble_of_the_running_daemon_is_passed_on(patient: Patient) -> None:
    """It watches a folder that is gone, and that this shell's configuration does not name."""
    inbox = patient.home.root / "watched"
    inbox.mkdir()
    with answering(patient, "--inbox", inbox, "--outbox", patient.home.outbox) as daemon:
        inbox.rename(patient.home.root / "gone")  # not removed: its inode, which is locked, could be another test's
        until(lambda: "is not there" in daemon.log, lambda: daemon.log)
        (said,) = patient.look("daemon")["daemon"]
        assert said["verdict"] == WRONG
        assert said["remedy"] == f"mkdir -p {inbox}"
        patient.look("daemon", typed=said["remedy"])
        until(lambda: worst(patient.look("daemon")["daemon"]) == OK, lambda: daemon.log)


@contextmanager
def daemon_that_says(home: Home, reply: dict[str, object]) -> Iterator[None]:
    """A socket of this account's that gives one answer to everybody."""
    folder = home.root / "run" / "bgzero"
    folder.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "control.sock"))
        listener.listen()

        def serve() -> None:
            while True:
                try:
                    caller, _address = listener.accept()
                except OSError:
                    return
                with caller:
                    if caller.recv(65536):
                        caller.sendall(json.dumps({"ok": True, **reply}).encode() + b"\n")

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_daemon_of_another_version_and_with_a_bad_new_configuration_is_told(patient: Patient) -> None:
    """A stand-in that answers as such a daemon would."""
    reply: dict[str, object] = {
        "version": "9.9",
        "config_error": "config.toml:3: model.nam: unknown key.",
        "trouble": "",
        "folders": [],
    }
    with daemon_that_says(patient.home, reply):
        found = patient.look("daemon", "socket")
        assert worst(found["socket"]) == OK
        assert [(said["verdict"], said["remedy"]) for said in found["daemon"]] == [
            (WRONG, "bgzero config check"), (NOTE, "bgzero stop"),
        ]  # fmt: skip


def test_ledger_of_a_newer_version_is_set_aside(patient: Patient) -> None:
    """Nothing of it is lost, and the daemon starts again."""
    assert patient.home.once().returncode == 0
    file = patient.home.root / "state" / "bgzero" / "ledger.db"
    base = sqlite3.connect(file)
    base.execute("PRAGMA user_version = 99")
    base.commit()
    base.close()
    patient.prove("ledger", WRONG)
    assert Path(f"{file}.newer").exists()
    assert patient.home.once().returncode == 0


def test_doctor_loads_nothing_that_decodes(patient: Patient) -> None:
    """numpy, Pillow and onnxruntime stay in the worker and in a process of their own; nor is anything left running."""
    code = (
        "import sys; from bgzero_daemon.cli.main import main; main(['doctor'])\n"
        "print(sorted({'numpy', 'PIL', 'onnxruntime'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=patient.home.env, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.endswith("[]\n"), done.stdout + done.stderr
    assert SKIPPED in done.stdout
