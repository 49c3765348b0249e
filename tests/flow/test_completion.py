"""`bgzero completion`: the scripts are loaded by the shells they are for."""

import shutil
import subprocess
import sys

import pytest

from tests.home import Home

DRIVER = """
source "$1"; shift
function=$(complete -p bgzero | sed 's/.*-F \\([^ ]*\\).*/\\1/')
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}; COMPREPLY=()
"$function" bgzero "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def script(home: Home, shell: str) -> str:
    """Have the script written; return its path."""
    done = home.bgzero("completion", shell)
    assert (done.returncode, done.stderr) == (0, b"")
    file = home.root / f"completion.{shell}"
    file.write_bytes(done.stdout)
    return str(file)


def test_bash_completes_verbs_options_models_keys_and_files(home: Home) -> None:
    """Loaded by bash, asked as bash asks when Tab is pressed."""
    (home.root / "photos").mkdir()
    (home.root / "photo.jpg").write_bytes(b"")
    file = script(home, "bash")

    def complete(*words: str) -> list[str]:
        command = ["bash", "--norc", "-c", DRIVER, "bash", file, "bgzero", *words]
        done = subprocess.run(command, cwd=home.root, env=home.env, capture_output=True, text=True, timeout=30)
        assert not done.stderr, done.stderr
        return sorted(line.rstrip("/") for line in done.stdout.splitlines() if line)

    assert complete("sta") == ["status"]
    assert {"run", "cut", "logs", "report", "completion", "config"} <= {*complete("")}
    assert complete("config", "se") == ["set"]
    assert complete("config", "set", "model.na") == ["model.name"]
    assert complete("run", "--js") == ["--json-logs"]
    assert complete("run", "--model", "ti") == ["tiny"]
    assert complete("review", "acc") == ["accept"]
    assert complete("import", "--pair", "r") == ["raw"]
    assert complete("import", "pho") == ["photos"]
    assert complete("cut", "--png", "s") == ["small"]
    assert complete("cut", "--edges", "b") == ["best"]
    assert complete("cut", "--depth", "1") == ["16"]
    assert complete("ben") == ["bench"]
    assert complete("bench", "--mod") == ["--model"]
    assert complete("bench", "--photos", "pho") == ["photo.jpg", "photos"]
    assert complete("cut", "pho") == ["photo.jpg", "photos"]
    assert complete("run", "--inbox", "pho") == ["photos"]
    assert complete("completion", "z") == ["zsh"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_script_is_valid_for_its_shell(home: Home, shell: str) -> None:
    """Read by the shell itself, where this machine has it."""
    program = shutil.which(shell)
    file = script(home, shell)
    if program is None:
        pytest.skip(f"no {shell} here: its script was written and not read")
    assert subprocess.run([program, "-n", file], capture_output=True, timeout=30).returncode == 0


def test_every_shell_gets_a_script_and_others_are_refused(home: Home) -> None:
    """tcsh as well; a shell that nobody knows is wrong usage."""
    assert b"bgzero" in home.bgzero("completion", "tcsh").stdout
    assert home.bgzero("completion", "dos").returncode == 2


def test_parser_costs_no_start_of_shtab_or_tomlkit(home: Home) -> None:
    """Only the commands that need them import them."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "bgzero_daemon", "status"],
        env=home.env,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 3
    for module in ("shtab", "tomlkit", "pydantic", "logging.handlers", "importlib.metadata"):
        assert f" {module}\n" not in done.stderr, module
