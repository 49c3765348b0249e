"""Every command of the README does what the README says."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from bgzero_daemon.settings.schema import Config
from tests.home import Home, photo, until

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
TYPED = [line.split("  #")[0].strip() for block in BLOCKS for line in block.splitlines() if line.strip()]
# what the table of commands to a running daemon says, in its order
STEERING = [command for row in re.findall(r"^\| .* \| (`bgzero .*) \|$", README, re.MULTILINE)
            for command in re.findall(r"`(bgzero [^`]*)`", row)]  # fmt: skip
COMMANDS = TYPED + STEERING
# Run by other means: `make test` runs this, the installers are tried with the wheel in test_install, the icon in
# tests/tray, where there is a panel.
ELSEWHERE = {"make test", "make run", "bgzero tray", "uv tool install .", "pipx install .", "pip install ."}
WATCHING = {"bgzero run", "bgzero run --inbox in --outbox out"}


def test_readme_is_short_enough_to_be_read() -> None:
    """At most 200 lines."""
    assert len(README.splitlines()) <= 200


def test_every_command_is_known_to_these_tests() -> None:
    """A command that is added to the README is run here, or the list above says where."""
    assert set(COMMANDS) >= ELSEWHERE | WATCHING
    assert all(command in ELSEWHERE or "bgzero" in command for command in COMMANDS)


@pytest.mark.parametrize(
    "command", [command for command in COMMANDS if command not in ELSEWHERE | WATCHING | {*STEERING}]
)
def test_command_works_as_printed(home: Home, command: str) -> None:
    """Typed into a shell in a folder with a photo, it ends well and says nothing bad."""
    photo(home.root / "photo.jpg")
    photo(home.inbox / "a.jpg")
    photo(home.root / "card" / "DCIM" / "100CANON" / "IMG_0001.JPG")
    bin_folder = Path(sys.executable).parent
    env = home.env | {"PATH": f"{bin_folder}{os.pathsep}{home.env['PATH']}"}
    done = subprocess.run(
        ["/bin/bash", "-o", "pipefail", "-c", command], cwd=home.root, env=env, capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    promised = {"-o result.png": "result.png", "> result.png": "result.png", "-o cutouts/": "cutouts/photo.png"}
    for part, file in promised.items():
        if part in command:
            assert (home.root / file).read_bytes()[:4] == b"\x89PNG"
    if command.startswith("strace"):
        assert done.stdout == b"0\n"
    if command == "bgzero cut photo.jpg":
        assert (home.root / "photo-cutout.png").is_file()
    if command.endswith("--once"):
        assert (home.outbox / "a.png").is_file()


def test_commands_to_a_running_daemon_work_as_printed(home: Home) -> None:
    """All of them, in their order, against a daemon with the default folders; without one they say so."""
    pictures = home.root / "home" / "Pictures"
    home.outbox = pictures / "Cutouts"
    path = f"{Path(sys.executable).parent}{os.pathsep}{home.env['PATH']}"

    def type_in(command: str) -> "subprocess.CompletedProcess[bytes]":
        shell = ["/bin/bash", "-c", command]
        return subprocess.run(shell, cwd=home.root, env=home.env | {"PATH": path}, capture_output=True, timeout=60)

    assert type_in(STEERING[0]).returncode == 3
    assert len(STEERING) == 23
    with home.started("run") as daemon:
        until(lambda: "Drop photos" in daemon.log, "it watches")
        photo(pictures / "Inbox" / "a.jpg")
        photo(pictures / "Inbox" / "trip" / "b.jpg")
        (pictures / "Inbox" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(99))
        daemon.wait_for("a.png", "trip/b.png")
        for command in STEERING:
            done = type_in(command)
            # it logs to this test's file, which `logs` knows nothing of
            assert done.returncode == ("logs" in command), (command, done.stderr)
            assert b"Traceback" not in done.stderr
        until(lambda: daemon.log.count("b.jpg: done") == 2, "it is cut again")
        assert daemon.process.wait(10) == 0


@pytest.mark.parametrize("command", sorted(WATCHING))
def test_watching_command_watches(home: Home, command: str) -> None:
    """It says where the inbox is and cuts what is dropped there; Ctrl-C ends it."""
    pictures = home.root / "home" / "Pictures"
    inbox, home.outbox = (
        (home.inbox, home.outbox) if "--inbox" in command else (pictures / "Inbox", pictures / "Cutouts")
    )
    arguments = [str(home.root / word) if word in ("in", "out") else word for word in command.split()[1:]]
    with home.started(*arguments) as daemon:
        until(lambda: f"Drop photos into {inbox}" in daemon.log, "the first line")
        photo(inbox / "a.jpg")
        daemon.wait_for("a.png")
        assert daemon.stop(2) == 0


def test_make_run_starts_the_daemon(home: Home) -> None:
    """`make run` from the checkout, in an environment that is set up already."""
    if not (ROOT / ".venv" / ".run").is_file() or not shutil.which("make"):
        pytest.skip("this checkout's environment was not made by its Makefile")
    home.outbox = home.root / "home" / "Pictures" / "Cutouts"
    log = home.root / "make.log"
    with log.open("w") as stream:
        make = subprocess.Popen(
            ["make", "run"], cwd=ROOT, env=home.env, stderr=stream, stdout=stream, start_new_session=True
        )
    try:
        until(lambda: "Drop photos into" in log.read_text() or make.poll() is not None, "the first line")
        photo(home.root / "home" / "Pictures" / "Inbox" / "a.jpg")
        until((home.outbox / "a.png").is_file, "the cut-out")
    finally:
        os.killpg(make.pid, 2)
        make.wait(30)


def test_configuration_example_is_valid() -> None:
    """The TOML in the README passes the schema."""
    (example,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    assert len(Config.model_validate(tomllib.loads(example)).folder) == 2
