"""`bgzero doctor`: each check is provoked for real, alone, and its remedy is typed into a shell as it is printed."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.fault.test_providers import lying
from tests.flow.doctoring import CONFIGURED, HEALTHY, NOTE, OK, WORKER, WRONG, Patient, worst
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


def test_outbox_on_a_full_disk_is_found(patient: Patient) -> None:
    """A real one of 8 MB, in name spaces of the test's own, of which 7 are taken."""
    fill = f"mount -t tmpfs -o size=8m none {patient.home.outbox} && head -c 7m /dev/zero > {patient.home.outbox}/big"
    patient.around = ["unshare", "-Urm", "sh", "-c", f'{fill}; exec "$@"', "sh"]
    if subprocess.run([*patient.around, "true"], capture_output=True).stderr:
        pytest.skip("NO NAME SPACES HERE: no disk was filled")
    patient.home.env["BGZERO_OUTPUT__KEEP_FREE"] = "0.005"
    (said,) = patient.prove("space", WRONG)
    assert " 1 MB free, and 5 MB are kept free" in said["sentence"]


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
        "from pathlib import Path; from bgzero_daemon.core import mounts\n"
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
        "from pathlib import Path; from bgzero_daemon.core import mounts\n"
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


def test_folders_own_model_that_is_here_is_fine(patient: Patient) -> None:
    """The control of the one that is not."""
    install(patient.home.models, "other")
    patient.home.env["BGZERO_FOLDER__MODEL"] = "other"
    assert worst(patient.look("models")["models"]) == OK
