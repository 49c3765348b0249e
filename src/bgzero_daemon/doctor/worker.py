"""What a real worker shows: where the network really runs, and what the sandbox really closes."""

import time
from collections.abc import Iterator

from bgzero_daemon.catalog import shelf
from bgzero_daemon.core.errors import BgzeroError, ModelError
from bgzero_daemon.core.names import display, quoted
from bgzero_daemon.core.providers import CPU
from bgzero_daemon.core.texts import _
from bgzero_daemon.doctor.findings import CannotLook, Finding, note, ok, wrong
from bgzero_daemon.doctor.ground import Ground
from bgzero_daemon.doctor.trial import Tried
from bgzero_daemon.doctor.unit import SILENCE, loud
from bgzero_daemon.service.proofs import Proofs


def _tried(ground: Ground) -> Tried:
    """Return what a worker said. Raises CannotLook where none could be tried, which `provider` tells."""
    try:
        return ground.tried()
    except BgzeroError:
        raise CannotLook(_("This waits for a worker that starts.")) from None


def provider(ground: Ground) -> list[Finding]:
    """Say what the network runs on, and why it is not what was hoped for."""
    try:
        ground.model()
        ground.runtime()
        tried = ground.tried()
    except ModelError as error:  # said by the checks of runtime and memory
        raise CannotLook(_("This waits for something else: {why}").format(why=error)) from None
    asked = ground.config.model.provider
    if tried.note:
        first = note(
            _("It runs on {provider}: {why}.").format(provider=tried.provider, why=tried.note.rstrip(".")),
            ground.setting("model.provider", "cpu"),
            _("This says that it is meant so. A driver or a library of the GPU's may be missing."),
        )
    else:
        first = ok(_("It runs on {provider}; asked for: {asked}.").format(provider=tried.provider, asked=asked))
    return [first, *(_remembered(ground) if asked != CPU else ())]


def _remembered(ground: Ground) -> Iterator[Finding]:
    """Tell what the daemon goes by with each model in force: what a worker found just now is another matter."""
    proofs = Proofs.of_account()
    for name in sorted(ground.config.models):
        try:
            model = shelf.find(name)
        except BgzeroError:
            continue  # said by the check of models
        for proved in proofs.latest(model.proof_prefix):
            proof, day = proved.proof, time.strftime("%Y-%m-%d", time.localtime(proved.moment))
            told = {"model": display(name), "provider": proof.provider, "day": day}
            if proof.reason:
                sentence = _("{model}: {provider} was turned down on {day}: {why}.")
                yield note(sentence.format(**told, why=proof.reason.rstrip(".")), f"bgzero model bench {quoted(name)}",
                           _("This has it prove itself anew; else it may in a day."))  # fmt: skip
            else:
                faster = proof.cpu_seconds / proof.seconds if proof.seconds else 1.0
                sentence = _("{model}: {provider} proved itself on {day}, {faster:.1f} times as fast as the CPU.")
                yield ok(sentence.format(**told, faster=faster))


def sandbox(ground: Ground) -> list[Finding]:
    """Say what a worker's sandbox still allows, as it was measured from inside."""
    found = _tried(ground).sandbox
    if found == "closed":
        return [ok(_("It is closed: files, sockets, programs and other processes were tried, and refused."))]
    if found == "off":
        return [
            note(
                _("It is switched off: a photo that takes over a decoder has this account's rights."),
                ground.setting("worker.sandbox", "auto"),
            )
        ]
    why = _("Landlock needs Linux 5.13, and a container or a unit may forbid it: cat /sys/kernel/security/lsm")
    if ground.config.worker.sandbox == "require":
        sentence = _("Nothing is cut, because it has to close and does not: {what}.").format(what=found.rstrip("."))
        return [wrong(sentence, ground.setting("worker.sandbox", "auto"), why)]
    sentence = _("It is not closed: {what}.").format(what=found.rstrip("."))
    return [note(sentence, "cat /sys/kernel/security/lsm; uname -r", why)]


def network(ground: Ground) -> list[Finding]:
    """Say whether anything could be sent: telemetry is off, in the unit too, and a worker can make no socket."""
    if ground.environ.get(SILENCE) != "1":
        return [wrong(_("ONNX Runtime's telemetry is not switched off in this process."), f"export {SILENCE}=1")]
    if finding := loud(ground):
        return [finding]
    found = _tried(ground).sandbox
    if found == "off":
        raise CannotLook(_("The telemetry is off; with the sandbox switched off nothing else keeps a worker silent."))
    if "sockets" in found or "everything" in found:
        return [note(_("The telemetry is off, but a worker can make sockets."), "unshare -rn bgzero run",
                     _("Then there is no network for it."))]  # fmt: skip
    return [ok(_("Telemetry is off, and a worker can make no socket."))]
