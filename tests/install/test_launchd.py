"""The launch agent's life against a stand-in for `launchctl`: it was never run on a Mac, and this is no proof."""

import os
from pathlib import Path

import pytest

from bgzero_daemon.install import launchd, marks
from bgzero_daemon.install.agent import StartFailed

# what is loaded and what runs are two files; "print" writes as launchctl does
LAUNCHCTL = """#!/bin/sh
cd "$(dirname "$0")" && echo "$1 $2" >>calls
case $1 in
print)
    [ -f loaded ] || exit 113
    printf '%s = {\\n\\tactive count = 1\\n' "$2"
    if [ -f up ]; then printf '\\tstate = running\\n\\n\\tpid = 77\\n}\\n'
    else printf '\\tstate = not running\\n\\n\\tlast exit code = 78: EX_CONFIG\\n}\\n'; fi ;;
bootstrap) [ -f "$3" ] && touch loaded && touch up ;;
kickstart) touch up ;;
kill) rm -f up ;;
bootout) rm -f up loaded ;;
esac
"""


@pytest.mark.skipif(os.geteuid() == 0, reason="root has no launch agent")
def test_agent_is_loaded_started_stopped_and_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loaded from its file, anew where that changed; stopped it stays loaded; a start that fails says why."""
    (tmp_path / "launchctl").write_text(LAUNCHCTL)
    (tmp_path / "launchctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(launchd, "_SECONDS", 0.5)
    agent = launchd.Launchd()
    assert agent.file == tmp_path / "Library" / "LaunchAgents" / "bgzero.plist"
    assert not launchd.examine().is_installed
    with pytest.raises(StartFailed, match="did not start"):
        agent.start(afresh=False)
    marks.write(agent.file, agent.render(None))
    assert launchd.examine().is_current
    agent.start(afresh=False)
    assert (agent.look().is_active, agent.look().pid) == (True, 77)
    agent.start(afresh=True)
    agent.stop()
    assert (agent.look().is_active, agent.look().pid, agent.look().exit_status) == (False, 0, 78)
    agent.start(afresh=False)
    assert agent.look().is_active
    agent.remove()
    assert not agent.file.exists()
    calls = [line for line in (tmp_path / "calls").read_text().split("\n") if line and not line.startswith("print")]
    target = f"gui/{os.getuid()}/bgzero"
    domain = f"gui/{os.getuid()}"
    assert calls == [
        *[f"bootstrap {domain}"] * 2, f"bootout {target}", f"bootstrap {domain}", "kill SIGTERM", "kickstart -k",
        f"bootout {target}",
    ]  # fmt: skip
