"""Commands that change the packages beside this very program, complete as they are printed."""

import shutil
import sys
from importlib.util import find_spec

from bgzero_daemon.core.names import quoted


def pip(verb: str, *words: str) -> str:
    """Return the command that changes the packages of this very program."""
    shown = " ".join(map(quoted, words))
    if find_spec("pip") is None and shutil.which("uv"):
        verb, *options = verb.split()
        return " ".join(
            ["uv pip", verb, "--python", quoted(sys.executable), *(word for word in options if word != "-y"), shown]
        )
    return f"{quoted(sys.executable)} -m pip {verb} {shown}"
