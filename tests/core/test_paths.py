"""Where things live: with a home, with XDG variables, and in an account that has neither."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bgzero_daemon.core import paths

ROOT = Path(__file__).parents[2]
ASK = """
import json
from bgzero_daemon.core import paths
places = ("home", "config_file", "data_dir", "state_dir", "pictures_dir")
print(json.dumps({place: str(getattr(paths, place)()) for place in places}))
"""


def asked(**environ: str) -> dict[str, str]:
    """Return every place as an account with this environment, and nothing else, has it."""
    kept = {key: value for key, value in os.environ.items() if key in ("PATH", "PYTHONPATH")}
    done = subprocess.run([sys.executable, "-c", ASK], env=kept | environ, capture_output=True, check=True, timeout=60)
    found: dict[str, str] = json.loads(done.stdout)
    return found


def test_account_without_a_home_has_no_places() -> None:
    """A service account's home that does not exist gives None everywhere, and nothing is made."""
    assert set(asked(HOME="/nonexistent").values()) == {"None"}
    assert not Path("/nonexistent").exists()


def test_root_folder_is_no_home() -> None:
    """HOME=/ is what containers have: nothing is put into the root folder."""
    assert set(asked(HOME="/").values()) == {"None"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
def test_home_behind_a_closed_folder_is_no_home(tmp_path: Path) -> None:
    """Somebody else's HOME, kept by sudo, gives None and no traceback."""
    home = tmp_path / "closed" / "home"
    home.mkdir(parents=True)
    try:
        home.parent.chmod(0o000)
        assert set(asked(HOME=str(home)).values()) == {"None"}
    finally:
        home.parent.chmod(0o755)


def test_homeless_account_may_name_its_places() -> None:
    """What a variable names needs no home."""
    found = asked(HOME="/nonexistent", XDG_CONFIG_HOME="/c", XDG_DATA_HOME="/d", XDG_STATE_HOME="/s")
    assert found["home"] == found["pictures_dir"] == "None"
    assert found["config_file"] == "/c/bgzero/config.toml"
    assert found["data_dir"] == "/d/bgzero"
    assert found["state_dir"] == "/s/bgzero"


@pytest.mark.skipif(sys.platform != "linux", reason="XDG's default places are those of Linux")
def test_account_with_a_home_has_the_usual_places(tmp_path: Path) -> None:
    """The XDG defaults below HOME."""
    found = asked(HOME=str(tmp_path))
    assert found["home"] == str(tmp_path)
    assert found["config_file"] == str(tmp_path / ".config/bgzero/config.toml")
    assert found["data_dir"] == str(tmp_path / ".local/share/bgzero")
    assert found["state_dir"] == str(tmp_path / ".local/state/bgzero")
    assert Path(found["pictures_dir"]).is_relative_to(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="user-dirs.dirs is Linux's")
def test_pictures_folder_is_the_desktops(tmp_path: Path) -> None:
    """A renamed or translated pictures folder is honoured."""
    (tmp_path / ".config").mkdir()
    (tmp_path / ".config/user-dirs.dirs").write_text('XDG_PICTURES_DIR="$HOME/Bilder"\n')
    assert asked(HOME=str(tmp_path))["pictures_dir"] == str(tmp_path / "Bilder")


def test_system_unit_names_the_state_folder_and_a_user_unit_does_not(tmp_path: Path) -> None:
    """STATE_DIRECTORY counts only without a session: in a user unit systemd 252 points it elsewhere."""
    state = str(tmp_path / "state")
    assert asked(HOME="/nonexistent", STATE_DIRECTORY=f"{state}:/other")["state_dir"] == state
    in_session = asked(
        HOME=str(tmp_path), STATE_DIRECTORY="/other", XDG_RUNTIME_DIR="/run/user/1", XDG_STATE_HOME=state
    )
    assert in_session["state_dir"] == f"{state}/bgzero"


@pytest.mark.parametrize(
    "parts", [("config", "config.toml"), ("models", "u2netp.toml"), ("models", "u2netp.onnx"), ("systemd",)]
)
def test_shipped_files_are_found_in_a_checkout(parts: tuple[str, ...]) -> None:
    """In an editable checkout what travels with the program lies at the top level."""
    found = paths.shipped(*parts)
    assert found.exists()
    if Path(paths.__file__).is_relative_to(ROOT / "src"):
        assert found == ROOT.joinpath(*parts)


def test_missing_shipped_file_is_told_by_name() -> None:
    """An incomplete installation says what is missing."""
    with pytest.raises(FileNotFoundError, match=r"models/nothing\.onnx"):
        paths.shipped("models", "nothing.onnx")
