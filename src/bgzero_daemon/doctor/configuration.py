"""Whether the configuration can be read, and what each mistake in it takes to mend."""

import os
import re
from pathlib import Path

from bgzero_daemon.core.errors import ConfigError
from bgzero_daemon.core.names import display, quoted
from bgzero_daemon.core.texts import _, pattern
from bgzero_daemon.doctor.findings import Finding, ok, wrong
from bgzero_daemon.doctor.ground import Ground
from bgzero_daemon.settings.load import PREFIX, config_path

_IN_FILE = re.compile(r".*:(?P<line>\d+): (?P<key>[^:]+): .*")
_IN_VARIABLE = re.compile(rf"(?P<variable>{PREFIX}\w+): .*")
_SYNTAX = re.compile(r"\(at line (?P<line>\d+), column \d+\)")
_PLAIN = re.compile(r"[\w-]+\Z")  # what sed takes as it is
_NEAREST = pattern(_("unknown key. Did you mean {key}?"), r"(\w+)")


def check(ground: Ground) -> list[Finding]:
    """Say each mistake with file, line and the nearest key."""
    try:
        loaded = ground.load()
    except ConfigError as error:
        file, _named = config_path(ground.flag, ground.environ)
        return [_mistake(line, error.hint, file or Path()) for line in str(error).splitlines()]
    if loaded.file is None:
        return [ok(_("There is no configuration file; the defaults are fine."))]
    return [ok(_("{file} is fine.").format(file=display(loaded.file)))]


def _mistake(line: str, hint: str, path: Path) -> Finding:
    file = quoted(path)
    if found := _IN_VARIABLE.fullmatch(line):
        return wrong(line, f"unset {found['variable']}", hint)
    found = _IN_FILE.fullmatch(line) or _SYNTAX.search(line)
    if found is None:
        return wrong(line, _for_the_file(path), hint)
    at = found["line"]
    nearest = _NEAREST.search(line)
    key = _PLAIN.search(found["key"]) if nearest else None
    if nearest and _has_table(path, nearest[1]):  # twice it would be another mistake
        return wrong(line, f'"${{EDITOR:-vi}}" +{at} {file}', hint)
    if nearest and key:
        return wrong(line, f"sed -i '{at}s/{key[0]}/{nearest[1]}/' {file}", hint)
    if line.endswith(_("this key is needed here.")):
        return wrong(line, f'"${{EDITOR:-vi}}" +{at} {file}', hint)
    about = _("This takes the line out: the default holds then. A newer version's file may have keys unknown here.")
    return wrong(line, f"sed -i '{at}s/^/#/' {file}", " ".join(filter(None, [about, hint])))


def _has_table(path: Path, name: str) -> bool:
    """Say whether a table of this name is in the file."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    return any(re.match(rf"\s*\[\[?\s*{re.escape(name)}\s*\]", line) for line in lines)


def _for_the_file(path: Path) -> str:
    """Return the command for what is no mistake of one line."""
    if not os.path.exists(path):
        return f"bgzero config init --config {quoted(path)}"
    return f'"${{EDITOR:-vi}}" {quoted(path)}' if os.access(path, os.R_OK) else f"chmod u+r {quoted(path)}"
