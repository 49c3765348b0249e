"""Commands that repair something, complete as they are printed."""

import shutil
import sys
from importlib.util import find_spec

from bgzero_daemon.core.names import quoted
from bgzero_daemon.settings.load import PREFIX, Loaded


def setting(loaded: Loaded, key: str, value: object) -> str:
    """Return the command that gives a key another value, where it has the present one from."""
    origin = loaded.origins.get(key, "")
    if origin.startswith(PREFIX):
        return f"export {origin}={quoted(value)}"
    return f"bgzero config set {key} {quoted(value)}"


def pip(verb: str, *words: str) -> str:
    """Return the command that changes the packages of this very program."""
    shown = " ".join(map(quoted, words))
    if find_spec("pip") is None and shutil.which("uv"):
        verb, *options = verb.split()
        return " ".join(
            ["uv pip", verb, "--python", quoted(sys.executable), *(word for word in options if word != "-y"), shown]
        )
    return f"{quoted(sys.executable)} -m pip {verb} {shown}"
