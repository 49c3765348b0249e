"""The data files are found however the program is installed: editable, wheel, and wheel made from the sdist."""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ASK = """
from bgzero_daemon.core.paths import shipped
from bgzero_daemon.catalog import shelf
from bgzero_daemon.core import texts
print(shipped("config", "config.toml"))
print(shipped("systemd", "launchd", "bgzero.plist"))
print(shelf.installed("u2netp").weights)
print(texts.find({"LANG": "zh_CN.UTF-8"}))
"""


def python(*arguments: str, path: Path | None = None, cwd: Path) -> str:
    """Run this interpreter; `path` goes before everything installed."""
    env = dict(os.environ) | ({"PYTHONPATH": str(path)} if path else {})
    command = [sys.executable, "-P", *arguments]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with sdist and wheel; the wheel is built from the unpacked sdist."""
    if not (ROOT / "pyproject.toml").is_file():
        pytest.skip("not a checkout")
    out = tmp_path_factory.mktemp("dist")
    python("-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT), cwd=out)
    return out


def test_editable_checkout_finds_its_data(tmp_path: Path) -> None:
    """In a checkout the files stand at its root."""
    assert python("-c", ASK, cwd=tmp_path).split() == [
        str(ROOT / name)
        for name in (
            "config/config.toml", "systemd/launchd/bgzero.plist", "models/u2netp.onnx",
            "src/bgzero_daemon/locale/zh_CN.po",
        )
    ]  # fmt: skip


def test_wheel_finds_its_data(built: Path, tmp_path: Path) -> None:
    """Installed from the wheel, the files travel in `_data`, and the command works."""
    (wheel,) = built.glob("*.whl")
    python("-m", "pip", "install", "--quiet", "--no-deps", "--target", str(tmp_path), str(wheel), cwd=tmp_path)
    found = python("-c", ASK, path=tmp_path, cwd=tmp_path).split()
    package = tmp_path / "bgzero_daemon"
    assert found == [
        str(package / name)
        for name in (
            "_data/config/config.toml", "_data/systemd/launchd/bgzero.plist", "_data/models/u2netp.onnx",
            "locale/zh_CN.po",
        )
    ]  # fmt: skip
    assert "bgzero 0." in python("-m", "bgzero_daemon", "--version", path=tmp_path, cwd=tmp_path)


def test_sdist_holds_what_the_promise_needs(built: Path) -> None:
    """Licence, notice, tests and units travel in the sdist, which the wheel above was made from."""
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "models/NOTICE", "models/u2netp.onnx", "tests/conftest.py"} <= names
    assert "systemd/bgzero.service" in names
