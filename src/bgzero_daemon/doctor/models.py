"""Whether every model that the configuration names is here, is what its card describes, and fits into memory."""

from importlib.util import find_spec

from bgzero_daemon.catalog import licences, prepared, shelf
from bgzero_daemon.catalog.card import Model
from bgzero_daemon.catalog.runtime import runs_on_cpu
from bgzero_daemon.core import paths
from bgzero_daemon.core.errors import BgzeroError, ModelError
from bgzero_daemon.core.names import display, quoted
from bgzero_daemon.core.packages import pip
from bgzero_daemon.core.texts import _
from bgzero_daemon.doctor.findings import Finding, note, ok, wrong
from bgzero_daemon.doctor.ground import Ground
from bgzero_daemon.engine.contents import NotOnnx, contents
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
    found = found or [finding for name in _named(ground) if (finding := _to_prepare(ground, name))]
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
        return _licence(model, name)
    sentence = _("{file} is not what the card of {name} describes: its SHA-256 is {digits}…").format(
        file=display(model.weights), name=display(name), digits=digits[:12]
    )
    hint = _("`bgzero model info {name}` tells where the right file comes from.").format(name=display(name))
    return (note if ground.config.model.allow_unverified else wrong)(sentence, other, hint)


def _licence(model: Model, name: str) -> Finding | None:
    try:
        licences.check(model, name)
    except licences.NotAccepted as error:
        return wrong(str(error), f"bgzero model pull {quoted(name)} --accept-licence", _("Or choose another model."))
    return None


def _to_prepare(ground: Ground, name: str) -> Finding | None:
    """Say what would be won: a CPU has no half precision, and converts every layer to and fro on every photo."""
    model = shelf.find(name)
    if not runs_on_cpu(ground.config.model.provider) or prepared.is_there(model.card) or paths.prepared_dir() is None:
        return None
    try:
        assert model.weights
        if not contents(model.weights.read_bytes()).is_half:
            return None
    except (OSError, NotOnnx):
        return None  # the worker says so
    prepare = f"bgzero model prepare {quoted(name)}"
    missing = find_spec("onnx") is None
    return note(
        _("{name} has weights of half precision, which a CPU converts for every photo.").format(name=display(name)),
        f"{pip('install', 'bgzero-daemon[prepare]')} && {prepare}" if missing else prepare,
        _("Prepared once, IS-Net was 1.2 times as fast; the graph is twice as large as the weights."),
    )


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
