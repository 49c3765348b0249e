"""Commands that repair something, complete as they are printed."""

from bgzero_daemon.core.names import quoted
from bgzero_daemon.settings.load import PREFIX, Loaded


def setting(loaded: Loaded, key: str, value: object) -> str:
    """Return the command that gives a key another value, where it has the present one from."""
    origin = loaded.origins.get(key, "")
    if origin.startswith(PREFIX):
        return f"export {origin}={quoted(value)}"
    return f"bgzero config set {key} {quoted(value)}"
