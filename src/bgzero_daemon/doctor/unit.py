"""The service that is installed: whether it starts this program, and as it is meant to. See `install.here`."""

from pathlib import Path

from bgzero_daemon.core.errors import BgzeroError
from bgzero_daemon.core.names import display, quoted
from bgzero_daemon.core.texts import _
from bgzero_daemon.doctor.findings import Finding, note, ok, skipped, wrong
from bgzero_daemon.doctor.ground import Ground
from bgzero_daemon.install.here import diagnose
from bgzero_daemon.install.marks import Standing
from bgzero_daemon.install.unit import variables

SILENCE = "ORT_DISABLE_TELEMETRY"


def check(ground: Ground) -> list[Finding]:
    """Pass on what is wrong with the installed service; what keeps it from starting is no mere note."""
    found = ground.installed()
    if not found.is_installed:
        return [skipped(_("No service is installed here; `bgzero service install` installs one."))]
    told = diagnose(found)
    if not told.sentence:
        return [ok(_("The service starts this program."))]
    beside = _("A copy of it is kept. Lines of your own belong into {folder}.").format(
        folder=display(f"{found.file}.d/")
    )
    about = "" if found.standing is Standing.OURS else beside
    return [(wrong if told.is_grave else note)(told.sentence, told.remedy, about)]


def loud(ground: Ground) -> Finding | None:
    """Say where the unit, or lines beside it, leave ONNX Runtime's telemetry on."""
    try:
        found = ground.installed()
    except BgzeroError:  # told by the check of the unit
        return None
    if found.program is None or found.file.suffix != ".service":
        return None
    beside = sorted(Path(f"{found.file}.d").glob("*.conf"))
    texts = {file: file.read_text("utf-8", "surrogateescape") for file in (found.file, *beside)}
    if variables("\n".join(texts.values())).get(SILENCE) == "1":
        return None
    sentence = _("The unit does not switch ONNX Runtime's telemetry off; the program does it itself.")
    named = [quoted(file) for file in beside if variables(texts[file]).get(SILENCE, "1") != "1"]
    if not named:
        return note(sentence, diagnose(found).remedy)
    remedy = f"sed -i '/{SILENCE}/s/^/#/' {' '.join(named)} && systemctl --user daemon-reload"
    return note(sentence, remedy, _("This takes the lines out that speak of it."))
