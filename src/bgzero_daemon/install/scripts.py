"""Scripts in the menus of Nautilus, Nemo and Caja: one text for the three, but for a variable's name."""

import re
import shlex
from pathlib import Path

from bgzero_daemon.core.texts import _
from bgzero_daemon.install import marks
from bgzero_daemon.install.desktop import APP_ID, CUT, NAME

# The arguments are not what they seem: a % in a photo's name goes through GLib's field codes and is lost. The
# variable has a URI a line, in which everything odd is escaped.
_TEXT = """#!/bin/sh
# Cuts the photos that are selected; each result appears beside its photo.
program={program}
say() {{
    echo "$1" >&2
    notify-send --app-name={name} --icon={icon} -- {name} "$1" 2>/dev/null
    exit 1
}}
[ -x "$program" ] || say {gone}
if [ -n "${variable}" ]; then
    set -f
    set -- ${variable}
fi
[ $# -gt 0 ] || say {nothing}
exec "$program" {words} "$@"
"""


def render(path: Path, variable: str) -> str:
    """Return the sealed script. `variable` is the one in which the file manager lists what is selected."""
    text = _TEXT.format(
        program=shlex.quote(str(path)),
        name=NAME,
        icon=APP_ID,
        variable=variable,
        words=" ".join(CUT),
        gone=shlex.quote(_("The program has moved. Type where it is now: bgzero integrate install")),
        nothing=shlex.quote(_("Choose photos first, in a folder of this computer.")),
    )
    return marks.seal(text, after=1, by=marks.DESKTOP)


def read_program(text: str) -> Path | None:
    """Return which program a script starts; None where that is not to be told."""
    found = re.search(r"^program=(.*)$", text, re.MULTILINE)
    try:
        words = shlex.split(found[1]) if found else []
    except ValueError:
        return None
    return Path(words[0]) if words else None
