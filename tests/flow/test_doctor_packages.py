"""`bgzero doctor` about packages, in an environment of the test's own: pip really takes away and installs there."""

import base64
import hashlib
import subprocess
import sys
import sysconfig
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from tests.flow.doctoring import OK, WRONG, Patient, worst
from tests.home import Home

OUTER = Path(sysconfig.get_path("purelib"))


class Environment:
    """A virtual environment with all packages of this one but some, as links. `shelf` is pip's only source."""

    def __init__(self, patient: Patient, *without: str) -> None:
        self.root = patient.home.root / "venv"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", self.root], check=True)
        self.packages = next((self.root / "lib").iterdir()) / "site-packages"
        for entry in OUTER.iterdir():
            if entry.name.split("-")[0] not in without:
                (self.packages / entry.name).symlink_to(entry)
        # no package lies in that folder itself, but a worker may read what the links lead to
        (self.packages / "readable.pth").write_text(f"{OUTER.parent}\n")
        self.shelf = patient.home.root / "shelf"
        self.shelf.mkdir()
        program = patient.bin / "bgzero"
        code = "import sys\nfrom bgzero_daemon.cli.main import main\nsys.exit(main())"
        program.write_text(f"#!{self.root}/bin/python\n{code}\n")
        program.chmod(0o755)
        patient.home.env |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.shelf), "PIP_CONFIG_FILE": "/dev/null"}
        patient.home.env |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore"}

    def offer(self, name: str, version: str, **files: str) -> Path:
        """Put a wheel on the shelf, with these modules in it."""
        info = f"{name}-{version}.dist-info"
        content = {
            **files,
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        record = [f"{path},sha256={digest(text)},{len(text.encode())}" for path, text in content.items()]
        content[f"{info}/RECORD"] = "\n".join([*record, f"{info}/INSTALLER,,", f"{info}/RECORD,,", ""])
        wheel = self.shelf / f"{name}-{version}-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            for path, text in content.items():
                archive.writestr(path, text)
        return wheel

    def install(self, wheel: Path) -> None:
        """Install a wheel as pip does: unpacked, with its record."""
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(self.packages)
        info = self.packages / f"{'-'.join(wheel.name.split('-')[:2])}.dist-info"
        (info / "INSTALLER").write_text("pip\n")
        wheel.unlink()


def digest(text: str) -> str:
    """A file's hash as RECORD has it."""
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


@pytest.fixture
def patient(home: Home) -> Patient:
    """An account with folders, in which all is well."""
    return Patient(home)


# The real module, from where it really is.
GOOD = f"""
__path__ = [{str(OUTER / "onnxruntime")!r}]
__file__ = {str(OUTER / "onnxruntime" / "__init__.py")!r}
with open(__file__) as _file:
    exec(compile(_file.read(), __file__, "exec"))
"""


def test_two_flavours_of_the_runtime_are_found_and_one_is_left(patient: Patient) -> None:
    """Both are taken away, and one is installed anew: taking one away alone breaks the other."""
    environment = Environment(patient, "onnxruntime")
    version = metadata.version("onnxruntime")
    both = {"onnxruntime/__init__.py": GOOD}
    environment.install(environment.offer("onnxruntime", version, **both))
    environment.install(environment.offer("onnxruntime_gpu", version, **both))
    environment.offer("onnxruntime", version, **both)
    (said,) = patient.prove("runtime", WRONG)
    assert "onnxruntime, onnxruntime-gpu are installed over one another" in said["sentence"]
    assert not list(environment.packages.glob("onnxruntime_gpu*"))
    assert list(environment.packages.glob("onnxruntime-*"))


def test_runtime_that_one_flavour_took_with_it_is_found(patient: Patient) -> None:
    """The name is still there and nothing behind it: what is left after the naive cure of a collision."""
    environment = Environment(patient, "onnxruntime")
    version = metadata.version("onnxruntime")
    environment.install(environment.offer("onnxruntime", version, **{"onnxruntime/__init__.py": ""}))
    environment.offer("onnxruntime", version, **{"onnxruntime/__init__.py": GOOD})
    (said,) = patient.prove("runtime", WRONG, waits={"provider", "sandbox", "network"})
    assert "cannot be loaded" in said["sentence"]


def test_package_that_is_too_old_is_found(patient: Patient) -> None:
    """And pip brings one that is right."""
    environment = Environment(patient, "rich")
    environment.install(environment.offer("rich", "1.0"))
    environment.offer("rich", metadata.version("rich"))
    (said,) = patient.prove("packages", WRONG)
    assert said["sentence"].startswith("rich 1.0 is installed, and >=13.9 is needed")
    assert worst(patient.look("packages")["packages"]) == OK
