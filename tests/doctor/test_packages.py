"""Versions within bounds, and commands that change this program's packages."""

import shlex
import sys
from pathlib import Path

import pytest

from bgzero_daemon.core.extras import EXTRAS
from bgzero_daemon.core.packages import pip
from bgzero_daemon.doctor.findings import Verdict
from bgzero_daemon.doctor.ground import Ground
from bgzero_daemon.doctor.packages import _wanted, extras, fits, normal
from bgzero_daemon.doctor.remedies import setting
from bgzero_daemon.settings.load import load


@pytest.mark.parametrize(
    ("version", "bounds", "is_fit"),
    [
        ("1.32.0", ">=1.32", True),
        ("1.31.9", ">=1.32", False),
        ("1.4", ">=1.32", False),
        ("0.19.5", ">=0.19.5,<0.20", True),
        ("0.20", ">=0.19.5,<0.20", False),
        ("2.0.0", "==2", True),
        ("2.0.1", "!=2.0", True),
        ("2.0", "!=2.0", False),
        ("1.9.post1", "<=1.9", True),
        ("3.1", "~=3.0", True),
        ("4.0", "~=3.0", False),
        ("2.0", ">2.0", False),
        ("2026.11.1", "", True),
        ("1.0", "===odd", True),
    ],
)
def test_versions_are_compared_by_their_numbers(version: str, bounds: str, is_fit: bool) -> None:
    """Not as text, and shorter ones are filled up with zeros; a bound that is not understood forbids nothing."""
    assert fits(version, bounds) is is_fit


def test_names_are_compared_as_packagers_do() -> None:
    """Case, underscores and dots make no difference."""
    assert normal("ONNXRuntime_GPU") == normal("onnxruntime.gpu") == "onnxruntime-gpu"


def test_command_for_a_setting_goes_where_the_value_comes_from() -> None:
    """A variable that is set wins over the file, so it is the variable that has to change; words are quoted."""
    loaded = load(environ={"BGZERO_MODEL__NAME": "a"})
    assert setting(loaded, "model.name", "it's") == "export BGZERO_MODEL__NAME=" + shlex.quote("it's")
    assert setting(loaded, "output.keep_free", 0.5) == "bgzero config set output.keep_free 0.5"


def test_command_of_pip_is_one_line_of_a_shell() -> None:
    """Bounds are no redirections."""
    words = shlex.split(pip("install", "onnxruntime>=1.32"))
    assert words[-1] == "onnxruntime>=1.32"


def test_cure_asks_for_a_flavour_that_exists() -> None:
    """The newest onnxruntime-gpu is older than the plain one this program asks for; the runtimes are gone by then."""
    assert _wanted("onnxruntime").startswith("onnxruntime>=")
    assert _wanted("onnxruntime-gpu") == "onnxruntime-gpu"


def test_what_16_bits_need_is_said_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no fault, and comes with the command."""
    pytest.importorskip("pyvips", reason="NO PYVIPS ON THIS MACHINE")
    ground = Ground(None, {})
    assert not [found for found in extras(ground) if "16 bits" in found.sentence]
    monkeypatch.setitem(sys.modules, "pyvips", None)
    (found,) = [found for found in extras(ground) if "16 bits" in found.sentence]
    assert found.verdict is Verdict.NOTE
    assert shlex.split(found.remedy)[-1] == "bgzero-daemon[deep]"


def test_extras_that_are_not_there_are_told_with_the_command_that_brings_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not wrong: who has no such photos needs none."""
    monkeypatch.setitem(sys.modules, "rawpy", None)
    monkeypatch.setitem(sys.modules, "pillow_heif", sys)  # something is there
    monkeypatch.setattr(sys, "prefix", "/nowhere")
    raw, heic, *_deep = extras(Ground.__new__(Ground))
    assert (raw.verdict, heic.verdict) == (Verdict.NOTE, Verdict.OK)
    assert "RAW" in raw.sentence
    assert shlex.split(raw.remedy)[-1] == "bgzero-daemon[raw]"


def test_command_for_an_extra_is_that_of_the_installer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What uv and pipx made is not to be changed behind their back; uv forgets extras that it is not told again."""
    monkeypatch.setitem(sys.modules, "rawpy", None)
    monkeypatch.setitem(sys.modules, "pillow_heif", sys)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    (tmp_path / "pipx_metadata.json").touch()
    assert EXTRAS["RAW"].command == "pipx inject bgzero-daemon rawpy"
    (tmp_path / "uv-receipt.toml").touch()
    assert EXTRAS["RAW"].command == "uv tool install 'bgzero-daemon[heif,raw]'"
    (tmp_path / "uv-receipt.toml").write_text(
        '[tool]\nrequirements = [{ name = "bgzero-daemon", extras = ["deep", "heif"] }, { name = "other" }]\n'
    )
    assert EXTRAS["RAW"].command == "uv tool install 'bgzero-daemon[deep,heif,raw]'"
