"""Whether every model that the configuration names is here, is what its card describes, and fits into memory."""

from bgzero_daemon.catalog import shelf
from bgzero_daemon.catalog.card import Model
from bgzero_daemon.core.errors import BgzeroError, ModelError
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _
from bgzero_daemon.doctor.findings import Finding, note, ok, wrong
from bgzero_daemon.doctor.ground import Ground
from bgzero_daemon.service.sizes import Sizes

_SHIPPED = "u2netp"
_BESIDE_MB = 200  # what photos need at the very least, beside a model


def _named(ground: Ground) -> dict[str, str]:
    """Return every model that is named, with the key that names it."""
    named = {ground.config.model.name: "model.name"}
    for number, folder in enumerate(ground.config.folder):
        if folder.model:
            named.setdefault(folder.model, f"folder.{number}.model")
    return named


def check(ground: Ground) -> list[Finding]:
    """Hash every weight file that would be loaded."""
    found = [finding for name, key in _named(ground).items() if (finding := _look_at(ground, name, key))]
    return found or [
        ok(_("{names}: here, and what the card describes.").format(names=", ".join(map(display, _named(ground)))))
    ]


def _look_at(ground: Ground, name: str, key: str) -> Finding | None:
    other = ground.setting(key, _SHIPPED)
    try:
        model = shelf.installed(name)
        assert model.weights
        digits = shelf.hash_file(model.weights)
    except BgzeroError as error:
        return wrong(str(error), other, error.hint)
    if digits == model.card.sha256:
        return None
    sentence = _("{file} is not what the card of {name} describes: its SHA-256 is {digits}…").format(
        file=display(model.weights), name=display(name), digits=digits[:12]
    )
    hint = _("`bgzero model info {name}` tells where the right file comes from.").format(name=display(name))
    return (note if ground.config.model.allow_unverified else wrong)(sentence, other, hint)


def memory(ground: Ground) -> list[Finding]:
    """Compare what each model was measured to need with what a worker may have."""
    sizes = Sizes.of(ground.config)
    found = []
    for name, key in _named(ground).items():
        try:
            model = shelf.find(name)
        except BgzeroError:
            continue  # said by the check of models
        try:
            sentence = sizes.check(model)
        except ModelError as error:
            found.append(wrong(str(error), ground.setting("worker.memory_limit", _enough_gb(model)), error.hint))
            continue
        if sentence:
            found.append(note(sentence, ground.setting(key, _SHIPPED), _("Or end other programs.")))
    limit = sizes.memory_bytes // 1_000_000
    return found or [ok(_("A worker may use {limit} MB, which is enough.").format(limit=limit))]


def _enough_gb(model: Model) -> float:
    return round(((model.card.peak_mb or 0) + _BESIDE_MB) / 1000 + 0.05, 1)
