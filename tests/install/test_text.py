"""What is written: a unit that systemd reads as it was meant, an agent that launchd knows."""

import os
import plistlib
import shutil
import string
import subprocess
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bgzero_daemon.core import paths
from bgzero_daemon.core.errors import BgzeroError
from bgzero_daemon.install import launchd, marks, systemd, unit
from bgzero_daemon.install.marks import Standing
from bgzero_daemon.install.unit import Wish
from bgzero_daemon.install.words import quote, split

ODD = "a b%h%%$HOME$$${X}\"'\\x41\\é;#\t\n\udcff\u2028~*"
# any bytes that a path may hold, as Python carries them
TEXT = st.binary(min_size=1, max_size=40).map(lambda raw: os.fsdecode(raw.replace(b"\0", b"n").replace(b"/", b"s")))
# what launchd.plist(5) lists; the agent may have no other
LAUNCHD = """Label Disabled UserName GroupName Program BundleProgram ProgramArguments EnableGlobbing EnableTransactions
KeepAlive RunAtLoad RootDirectory WorkingDirectory EnvironmentVariables Umask TimeOut ExitTimeOut ThrottleInterval
InitGroups WatchPaths QueueDirectories StartOnMount StartInterval StartCalendarInterval StandardInPath StandardOutPath
StandardErrorPath Debug WaitForDebugger SoftResourceLimits HardResourceLimits Nice ProcessType AbandonProcessGroup
LowPriorityIO LowPriorityBackgroundIO MachServices Sockets LaunchEvents SessionCreate LaunchOnlyOnce
LimitLoadToSessionType LimitLoadToHardware LimitLoadFromHardware"""


@given(words=st.lists(TEXT, max_size=4))
@example(words=[ODD])
def test_words_come_back_as_they_were(words: list[str]) -> None:
    """Quoted, joined and split again; % and $ stand doubled for systemd, and nothing ends the line."""
    line = " ".join(quote(word, dollar="$$") for word in words)
    assert [word.replace("%%", "%").replace("$$", "$") for word in split(line)] == words
    assert len(line.splitlines()) <= 1


@given(program=TEXT, config=st.none() | TEXT, value=TEXT)
@example(program="a b%h%%$HOME", config=ODD, value=ODD)
def test_unit_says_what_was_meant(program: str, config: str | None, value: str) -> None:
    """Program, configuration and variables are read back; a path that systemd starts nothing of is refused."""
    variables: dict[str, str | None] = {"XDG_STATE_HOME": f"/{value}", "XDG_DATA_HOME": None}
    wish = Wish(Path("/opt", program), Path("/etc", config) if config else None, variables)
    try:
        text = unit.render(wish)
    except BgzeroError:
        assert any(char in "\"'\\" or ord(char) < 32 or 127 <= ord(char) < 160 for char in program)
        return
    assert unit.read(text) == wish


@pytest.mark.parametrize("char", [char for char in [*string.punctuation, " ", "é", "\udcff", "\u2028"] if char != "/"])
def test_systemd_finds_the_program_under_any_name(tmp_path: Path, char: str) -> None:
    """systemd-analyze looks for the program; what it cannot start is refused by us with a sentence."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze here")
    program = tmp_path / f"a{char}h" / "bgzero"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    wish = Wish(program, tmp_path / f"a{char}h.toml")
    if char in "\"'\\":
        with pytest.raises(BgzeroError, match="starts no program"):
            unit.render(wish)
        return
    file = tmp_path / "bgzero.service"
    marks.write(file, unit.render(wish))
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    verify = ["systemd-analyze", "verify", "--user", "--man=no", str(file)]
    done = subprocess.run(verify, env=env, capture_output=True, text=True, errors="replace")
    assert (done.returncode, done.stderr) == (0, "")


def test_hand_copied_unit_is_understood() -> None:
    """%h is the account's home: a unit that was copied as it ships names its program, too."""
    found = unit.read(paths.shipped("systemd", "bgzero.service").read_text())
    assert found is not None
    assert found.program == Path.home() / ".local/bin/bgzero"
    assert unit.read("[Service]\nExecStart=/bin/true\n") is None


@settings(max_examples=50)
@given(program=TEXT, config=st.none() | TEXT)
@example(program="a & <b>", config="]]> é")
@example(program="a\rb", config=None)
@example(program="a", config="\ufffe")
def test_agent_says_what_was_meant(program: str, config: str | None) -> None:
    """Valid XML with keys that launchd knows, sealed; what XML cannot say is refused."""
    wish = Wish(Path("/opt", program), Path("/etc", config) if config else None, {"XDG_STATE_HOME": "/a&b"})
    try:
        text = launchd.render(wish)
    except BgzeroError:
        words = program + (config or "")
        assert any(unicodedata.category(char) in {"Cc", "Cs", "Cn"} for char in words)
        return
    agent = plistlib.loads(text.encode())
    assert set(agent) == launchd.KEYS
    assert set(agent) <= set(LAUNCHD.split())
    assert agent["ProgramArguments"][:2] == [f"/opt/{program}", "run"]
    assert agent["EnvironmentVariables"] == {"ORT_DISABLE_TELEMETRY": "1", "XDG_STATE_HOME": "/a&b"}
    assert launchd.read(text) == wish


def test_seal_notices_any_edit(tmp_path: Path) -> None:
    """Ours, edited, somebody else's, a link (a masked unit): told apart."""
    file = tmp_path / "unit"
    assert marks.judge(file) == (Standing.MISSING, "")
    for text in (unit.render(Wish(Path("/b/bgzero"))), launchd.render(Wish(Path("/b/bgzero")))):
        marks.write(file, text)
        assert marks.judge(file) == (Standing.OURS, text)
        assert file.stat().st_mode & 0o777 == 0o644
        marks.write(file, f"{text}\n")
        assert marks.judge(file)[0] is Standing.EDITED
    file.write_text("[Service]\n")
    assert marks.judge(file)[0] is Standing.FOREIGN
    file.unlink()
    marks.write(tmp_path / "elsewhere", unit.render(Wish(Path("/b/bgzero"))))
    for target in ("/dev/null", tmp_path / "elsewhere"):
        file.symlink_to(target)
        assert marks.judge(file)[0] is Standing.FOREIGN
        file.unlink()


def test_odd_values_of_the_managers_environment_are_read() -> None:
    """`show-environment` writes them as the shell's $'...'."""
    assert systemd._parse("A=1\nB=$'a b\\n\\'c\\\\'\nC=a=b\n") == {"A": "1", "B": "a b\n'c\\", "C": "a=b"}
