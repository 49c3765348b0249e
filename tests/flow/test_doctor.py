"""`bgzero doctor`: each check is provoked for real, alone, and its remedy is typed into a shell as it is printed."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.fault.test_providers import LIES, lying
from tests.flow.doctoring import CONFIGURED, HEALTHY, NOTE, OK, SKIPPED, WORKER, WRONG, Patient, worst
from tests.home import PROGRAM, Home
from tests.tiny import install


@pytest.fixture
def patient(home: Home) -> Patient:
    """An account with folders, in which all is well."""
    return Patient(home)


def tree(root: Path) -> dict[str, tuple[int, int]]:
    """Every path of an account with its mode and time of change."""
    return {str(path): (path.lstat().st_mode, path.lstat().st_mtime_ns) for path in root.rglob("*")}


def test_healthy_account_has_nothing_wrong_and_is_left_as_it_was(patient: Patient) -> None:
    """Every check has its say, none is wrong, and no file is made or changed (but an outbox is written to and back)."""
    before = tree(patient.home.root)
    found = patient.look()
    assert {name: worst(said) for name, said in found.items()} == HEALTHY, found
    after = tree(patient.home.root)
    assert before.keys() == after.keys()
    assert {path for path in before if before[path] != after[path]} <= {str(patient.home.outbox)}


def test_people_read_a_line_a_check_and_a_last_line_with_the_number(patient: Patient) -> None:
    """Marks are words, without colours where nobody looks; the remedy has its own line; what is no check is said."""
    shutil.rmtree(patient.home.outbox)
    done = patient.home.bgzero("doctor", "--only", "folders", "--only", "clock")
    lines = done.stdout.decode().splitlines()
    assert lines[0].startswith("WRONG   folders: The outbox ")
    assert lines[1] == f"  remedy: mkdir -p {patient.home.outbox}"
    assert lines[3].startswith("ok      clock: ")
    assert lines[4:] == ["1 thing is wrong."]
    assert (done.returncode, done.stderr) == (1, b"")
    done = patient.home.bgzero("doctor", "--only", "folder")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"Did you mean folders?" in done.stderr


def test_terminal_has_colours_unless_they_are_not_wanted(patient: Patient) -> None:
    """By the convention of NO_COLOR."""
    for wanted in (True, False):
        reading, writing = os.openpty()
        env = patient.home.env | ({} if wanted else {"NO_COLOR": "1"})
        subprocess.run([*PROGRAM, "doctor", "--only", "clock"], env=env, stdout=writing, timeout=60, check=True)
        os.close(writing)
        assert (b"\033[32mok" in os.read(reading, 4096)) is wanted
        os.close(reading)


def test_configuration_that_is_named_and_not_there_is_written(patient: Patient) -> None:
    """With every key explained, at the place that was named."""
    patient.home.env["BGZERO_CONFIG"] = str(patient.home.root / "a file.toml")
    (said,) = patient.prove("configuration", WRONG, waits=CONFIGURED)
    assert said["remedy"].startswith("bgzero config init --config '")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[model]\nnam = 'tiny'\n", "config.toml:2: model.nam: unknown key. Did you mean name?"),
        ("[worker]\nlanes = 'many'\nqeue = 3\n", "config.toml:2: worker.lanes: "),
        ("[watch]\nsettle_seconds = 1.0\nexisting = all\n", "at line 3"),
    ],
)
def test_mistake_in_the_file_is_named_with_its_line_and_mended_there(patient: Patient, text: str, said: str) -> None:
    """An unknown key becomes the nearest one, what makes no sense is commented out; the rest of the file stays."""
    patient.write_config(text)
    (first, *_rest) = patient.prove("configuration", WRONG, waits=CONFIGURED)
    assert said in first["sentence"]


def test_mistake_in_the_environment_is_named_with_its_variable(patient: Patient) -> None:
    """And is taken out of the environment."""
    patient.home.env["BGZERO_WORKER__LANES"] = "many"
    (said,) = patient.prove("configuration", WRONG, waits=CONFIGURED)
    assert said["remedy"] == "unset BGZERO_WORKER__LANES"


def test_missing_folder_is_made_again(patient: Patient) -> None:
    """Named with what to type, and with the hint that something may have to be mounted instead."""
    patient.home.inbox.rmdir()
    (said,) = patient.prove("folders", WRONG)
    assert "mount" in said["explanation"]


@pytest.mark.parametrize("key", ["inbox", "outbox"])
def test_folder_without_rights_gets_them(patient: Patient, key: str) -> None:
    """By the very chmod that is missing."""
    place: Path = getattr(patient.home, key)
    place.chmod(0)
    if os.access(place, os.R_OK):
        pytest.skip("this account may do everything")
    place.chmod(0o500 if key == "outbox" else 0o300)
    patient.prove("folders", WRONG)


def test_outbox_in_the_inbox_gets_a_place_of_its_own(patient: Patient) -> None:
    """Both are fine by themselves; together every cut-out would be cut again."""
    inside = patient.home.inbox / "out"
    inside.mkdir()
    patient.home.env["BGZERO_FOLDER__OUTBOX"] = str(inside)
    (said,) = patient.prove("folders", WRONG)
    assert "have to be apart" in said["sentence"]


def test_done_folder_on_another_file_system_is_found(patient: Patient) -> None:
    """Originals cannot move there in one step: they are kept then."""
    other = Path(f"/dev/shm/bgzero-test-{os.getpid()}")
    if not os.access("/dev/shm", os.W_OK) or os.stat("/dev/shm").st_dev == patient.home.inbox.stat().st_dev:
        pytest.skip("no second file system here")
    other.mkdir()
    try:
        patient.home.env |= {"BGZERO_FOLDER__ORIGINALS": "move", "BGZERO_FOLDER__DONE": str(other)}
        (said,) = patient.prove("folders", WRONG)
        assert "different file systems" in said["sentence"]
    finally:
        other.rmdir()


def test_outbox_without_room_is_found(patient: Patient) -> None:
    """What is free is compared with what is to be left free."""
    patient.home.env["BGZERO_OUTPUT__KEEP_FREE"] = "100000"
    patient.prove("space", WRONG)


def test_too_few_watches_are_found_and_raised(patient: Patient) -> None:
    """In a user namespace, whose limits are the kernel's own and nobody else's: never the machine's."""
    limit = "/proc/sys/user/max_inotify_watches"
    tried = subprocess.run(["unshare", "-Ur", "test", "-w", limit], capture_output=True)
    if tried.returncode or not shutil.which("sysctl", path="/usr/sbin:/sbin:/usr/bin:/bin"):
        pytest.skip("NO USER NAMESPACES HERE, or no sysctl: the limits of inotify were not lowered")
    patient.around = ["unshare", "-Ur", "sh", "-c", f'echo 3 > {limit}; exec "$@"', "sh"]
    patient.stand_in("sudo", 'exec "$@"')
    (said,) = patient.prove("watches", NOTE)
    assert said["remedy"] == "sudo sysctl user.max_inotify_watches=524288"


def test_inbox_on_a_network_mount_is_said(patient: Patient) -> None:
    """Not a fault: once it is configured as meant, all is well. No network file system here: the table lies."""
    table = patient.home.root / "mountinfo"
    table.write_text(f"1 0 0:1 / / rw - ext4 none rw\n2 1 0:2 / {patient.home.inbox} rw - nfs4 server:/ rw\n")
    code = (
        "from pathlib import Path; from bgzero_daemon.service import mounts\n"
        f"mounts.mount_of.__defaults__ = (Path({str(table)!r}),)"
    )
    patient.home.env |= lying(patient.home, code) | {"BGZERO_FOLDER__WATCH": "auto"}
    (said,) = patient.prove("filesystems", NOTE)
    assert "nfs4" in said["sentence"]
    assert said["remedy"] == "export BGZERO_FOLDER__WATCH=poll"


def test_state_folder_on_a_network_mount_is_said(patient: Patient) -> None:
    """SQLite cannot work there, and the ledger goes elsewhere."""
    (patient.home.root / "state" / "bgzero").mkdir(parents=True)
    table = patient.home.root / "mountinfo"
    table.write_text(f"1 0 0:1 / / rw - ext4 none rw\n2 1 0:2 / {patient.home.root}/state rw - cifs //server rw\n")
    code = (
        "from pathlib import Path; from bgzero_daemon.service import mounts\n"
        f"mounts.mount_of.__defaults__ = (Path({str(table)!r}),)"
    )
    patient.home.env |= lying(patient.home, code)
    local = Path(f"/var/tmp/bgzero-{os.getuid()}-state")
    was_there = local.exists()
    try:
        patient.prove("filesystems", NOTE)
    finally:
        if not was_there:
            local.rmdir()


def test_missing_weights_are_found(patient: Patient) -> None:
    """The model that ships is offered instead."""
    (patient.home.models / "tiny.onnx").unlink()
    (said,) = patient.prove("models", WRONG, waits=WORKER)
    assert "not installed" in said["sentence"]


def test_damaged_weights_are_found(patient: Patient) -> None:
    """One byte is enough."""
    weights = patient.home.models / "tiny.onnx"
    content = bytearray(weights.read_bytes())
    content[100] ^= 1
    weights.write_bytes(content)
    (said,) = patient.prove("models", WRONG, waits=WORKER)
    assert "is not what the card of tiny describes" in said["sentence"]


def test_model_of_one_folder_is_looked_at_too(patient: Patient) -> None:
    """Its key is the one that is to be changed."""
    patient.home.env["BGZERO_FOLDER__MODEL"] = "u2net"
    (said,) = patient.prove("models", WRONG)
    assert "u2net " in said["sentence"]


def test_model_that_cannot_fit_is_found(patient: Patient) -> None:
    """Its card tells what it needs; the limit is raised to that and some more."""
    card = patient.home.models / "tiny.toml"
    card.write_text(card.read_text().replace("sha256 =", "peak_mb = 390\nsha256 =", 1))
    patient.home.env["BGZERO_WORKER__MEMORY_LIMIT"] = "0.2"
    patient.prove("memory", WRONG, waits=WORKER)


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


def test_configuration_that_hangs_holds_up_no_more_than_it_has_to(patient: Patient) -> None:
    """A pipe in place of the file stands for a dead mount: what needs no configuration has its say."""
    pipe = patient.home.root / "pipe"
    os.mkfifo(pipe)
    done = patient.home.bgzero("doctor", "--json", "--only", "clock", "--only", "socket", "--config", pipe)
    told = json.loads(done.stdout)
    assert [(check["name"], check["verdict"]) for check in told["checks"]] == [("socket", OK), ("clock", OK)]


def test_folders_own_model_that_is_here_is_fine(patient: Patient) -> None:
    """The control of the one that is not."""
    install(patient.home.models, "other")
    patient.home.env["BGZERO_FOLDER__MODEL"] = "other"
    assert worst(patient.look("models")["models"]) == OK
