"""Installations in which an extra is not there, or comes later: what is installed is hidden, in every process."""

from pathlib import Path

_HIDING = """
import os
import sys

class Hiding:
    def find_spec(self, name, path=None, target=None):
        if name in {names} and not os.path.exists({flag!r}):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Hiding())
"""


def without(folder: Path, *modules: str, python_path: str = "") -> dict[str, str]:
    """Return the environment in which these modules cannot be imported until a file `installed` is in the folder."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(_HIDING.format(names=set(modules), flag=str(folder / "installed")))
    return {"PYTHONPATH": ":".join(filter(None, [str(folder), python_path]))}
