"""The path that a service starts lasts; where there is none, or no service manager, that is said."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bgzero_daemon.install import program
from tests.home import PROGRAM, Home

FIND = "import sys; sys.argv[0] = sys.argv.pop(1); from bgzero_daemon.install import program; print(program.find())"


def found(called: str | Path, **env: str) -> str:
    """Which path a program that was called so takes for itself, or the sentence why none."""
    done = subprocess.run(
        [sys.executable, "-c", FIND, str(called)],
        env=dict(os.environ) | env,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout.strip() or done.stderr.strip().splitlines()[-1]


def command(path: Path, to: Path | None = None) -> Path:
    """Make a command: a file, or a link to another one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if to:
        path.symlink_to(to)
    else:
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    return path


def test_link_by_which_it_was_called_is_kept(tmp_path: Path) -> None:
    """uv and pipx put a link into ~/.local/bin: its target may move with the next upgrade."""
    real = command(tmp_path / "share" / "uv" / "tools" / "bgzero-daemon" / "bin" / "bgzero")
    link = command(tmp_path / "bin" / "bgzero", real)
    assert found(link) == str(link)
    assert found(tmp_path / "bin" / ".." / "bin" / "bgzero") == str(link)


@pytest.mark.parametrize("inner", ["bin", "libexec/bin"])
def test_homebrews_own_link_is_taken(tmp_path: Path, inner: str) -> None:
    """Not the folder of one version, even where a wrapper calls the program in `libexec`."""
    keg = tmp_path / "Cellar" / "bgzero" / "1.2.3"
    called = command(keg / inner / "bgzero")
    link = command(tmp_path / "bin" / "bgzero", called if inner == "bin" else command(keg / "bin" / "bgzero"))
    assert found(called, PATH="/usr/bin:/bin") == str(link)


def test_profiles_link_into_a_store_is_taken(tmp_path: Path) -> None:
    """A link on the PATH that leads to this program is as good as the way it was called."""
    real = command(tmp_path / "Cellar" / "bgzero" / "1" / "bin" / "bgzero")
    link = command(tmp_path / "profile" / "bgzero", real)
    assert found(real, PATH=f"{link.parent}:/usr/bin:/bin") == str(link)


def test_module_finds_the_command_beside_its_interpreter() -> None:
    """`python -m bgzero_daemon` has no command's name."""
    assert found("/x/bgzero_daemon/__main__.py", PATH="/usr/bin:/bin") == PROGRAM[0]


@pytest.mark.parametrize("place", ["home/.cache/uv/archive-v0/x/bin", "elsewhere/archive-v0/x/bin", "my cache/x/bin"])
def test_program_in_a_cache_is_no_service(tmp_path: Path, place: str) -> None:
    """`uvx bgzero service install` (judged where only that one is to be found): refused, with a remedy."""
    real = command(tmp_path / place / "bgzero")
    link = command(tmp_path / "bin" / "bgzero", real)
    code = FIND.replace("; print", f"; sys.executable = {str(real.parent / 'python')!r}; print")
    for called in (real, link):
        env = dict(os.environ) | {"PATH": "/usr/bin:/bin", "XDG_CACHE_HOME": str(tmp_path / "my cache")}
        done = subprocess.run([sys.executable, "-c", code, called], env=env, capture_output=True, text=True, timeout=60)
        assert "is in a cache folder" in done.stderr


@pytest.mark.parametrize(
    ("file", "told"),
    [("uv-receipt.toml", "uv tool uninstall"), ("pipx_metadata.json", "pipx uninstall"), ("x", "-m pip uninstall")],
)
def test_removal_is_the_installers_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, told: str) -> None:
    """uv, pipx and pip are told apart by what they leave in the environment."""
    (tmp_path / file).write_text("")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert told in program.removal()


def service(home: Home, *arguments: str, **env: str) -> tuple[int, str]:
    """Run `bgzero service ...`; its exit code and its talk."""
    done = home.bgzero("service", *arguments, stdin=b"", **env)
    assert b"Traceback" not in done.stderr
    return done.returncode, (done.stdout + done.stderr).decode()


@pytest.mark.skipif(os.geteuid() == 0, reason="root is told of the system unit")
def test_account_without_a_service_manager_is_told(home: Home) -> None:
    """A container, su, sudo: one sentence and what to do, and nothing is written; status still looks."""
    for verb in ("install", "stop", "start"):
        code, text = service(home, verb)
        assert code == 1
        assert "does not answer" in text
        assert "start `bgzero run` there" in text
    code, text = service(home, "status")
    assert code == 3
    assert "The service is not installed. Mended by: bgzero service install\n" in text
    assert "does not answer" in text
    assert not (home.root / "config").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root is told of the system unit")
def test_machine_without_systemd_is_told(home: Home) -> None:
    """No systemctl on the PATH."""
    code, text = service(home, "install", PATH=str(Path(sys.executable).parent))
    assert (code, "This machine has no systemd" in text) == (1, True)


def test_root_is_led_to_the_system_unit(home: Home) -> None:
    """A user unit of root's would cut photos as root."""
    as_root = [] if os.geteuid() == 0 else ["unshare", "--map-root-user"]
    if subprocess.run([*as_root, "true"], capture_output=True).returncode:
        pytest.skip("no user namespaces here")
    command = [*as_root, *PROGRAM, "service", "install"]
    done = subprocess.run(command, env=home.env, capture_output=True, text=True, timeout=60)
    assert (done.returncode, "systemd/bgzero@.service" in done.stderr) == (1, True)
