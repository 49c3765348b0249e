"""Whether the configuration can be read, and what each mistake in it takes to mend."""

import re

from bgzero_daemon.core.errors import ConfigError
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _
from bgzero_daemon.doctor.findings import Finding, ok, wrong
from bgzero_daemon.doctor.ground import Ground
from bgzero_daemon.doctor.remedies import quoted
from bgzero_daemon.settings.load import PREFIX, config_path

_IN_FILE = re.compile(r".*:(?P<line>\d+): (?P<key>[^:]+): .*")
_IN_VARIABLE = re.compile(rf"(?P<variable>{PREFIX}\w+): .*")
_SYNTAX = re.compile(r"\(at line (?P<line>\d+), column \d+\)")
_NEAREST = re.compile(r"Did you mean (?P<key>\w+)\?")


def check(ground: Ground) -> list[Finding]:
    """Say each mistake with file, line and the nearest key."""
    try:
        loaded = ground.load()
    except ConfigError as error:
        file, _named = config_path(ground.flag, ground.environ)
        return [_mistake(line, error.hint, quoted(file)) for line in str(error).splitlines()]
    if loaded.file is None:
        return [ok(_("There is no configuration file; the defaults are fine."))]
    return [ok(_("{file} is fine.").format(file=display(loaded.file)))]


def _mistake(line: str, hint: str, file: str) -> Finding:
    if found := _IN_VARIABLE.fullmatch(line):
        return wrong(line, f"unset {found['variable']}", hint)
    found = _IN_FILE.fullmatch(line) or _SYNTAX.search(line)
    if found is None:  # a file that is not there, or cannot be read
        remedy = f"bgzero config init --config {file}" if "There is no" in line else f"chmod u+r {file}"
        return wrong(line, remedy, hint)
    at = found["line"]
    if nearest := _NEAREST.search(line):
        key = found["key"].rpartition(".")[2]
        return wrong(line, f"sed -i '{at}s/{key}/{nearest['key']}/' {file}", hint)
    return wrong(
        line, f"sed -i '{at}s/^/#/' {file}",
        _("This takes the line out, so that the default holds. A newer version's file may have keys that {version}"
          " does not know. {hint}").format(version="this one", hint=hint),
    )  # fmt: skip
