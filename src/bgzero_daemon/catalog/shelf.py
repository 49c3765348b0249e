"""Finding models: the user's folder first, then what ships with the program."""

import hashlib
import logging
import os
import stat
import tomllib
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from bgzero_daemon.catalog.card import Model, ModelCard
from bgzero_daemon.core import paths
from bgzero_daemon.core.errors import ModelError
from bgzero_daemon.core.names import display, quoted
from bgzero_daemon.core.texts import _

log = logging.getLogger(__name__)

AUTO = "auto"  # stands for a model wherever one may be chosen; no card is called so
_LARGEST_CARD_BYTES = 100_000


def folders() -> list[Path]:
    """Return the folders that are searched for cards and weights, in their order."""
    found = [paths.shipped("models")]
    if data := paths.data_dir():
        found.insert(0, data / "models")
    return found


def read_card(file: Path) -> ModelCard:
    """Read and check one card. Raises ModelError with the file, the key and what is wrong with it."""
    try:
        return ModelCard.model_validate(tomllib.loads(_text_of(file)))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise ModelError(
            _("The model card {file} is wrong at {key}: {why}.").format(
                file=display(file), key=key, why=first["msg"][:1].lower() + first["msg"][1:]
            )
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or error
        raise ModelError(
            _("The model card {file} cannot be read: {why}.").format(file=display(file), why=why)
        ) from None


def _text_of(file: Path) -> str:
    """Read a card's file. Whatever else may be called like one keeps nobody waiting, and fills no memory."""
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with open(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError(_("it is no file"))
        content = stream.read(_LARGEST_CARD_BYTES + 1)
    if len(content) > _LARGEST_CARD_BYTES:
        raise ValueError(_("it is too large for a card"))
    return content.decode()


def _card_files() -> dict[str, Path]:
    cards: dict[str, Path] = {}
    for folder in folders():
        for file in sorted(folder.glob("*.toml")):
            cards.setdefault(file.stem, file)
    return cards


def names() -> set[str]:
    """Return the names of all cards, sound or not."""
    return set(_card_files())


def _with_weights(name: str, card: ModelCard) -> Model:
    weights = next((at for folder in folders() if os.path.isfile(at := folder / card.file)), None)
    return Model(name=name, card=card, weights=weights)


def models() -> Iterator[Model]:
    """Yield every model there is a card for, by name. Raises ModelError at a card that is wrong."""
    for name, file in sorted(_card_files().items()):
        yield _with_weights(name, read_card(file))


def sound_models() -> Iterator[Model]:
    """Yield the same without those whose cards are wrong, which the log names."""
    for name, file in sorted(_card_files().items()):
        try:
            yield _with_weights(name, read_card(file))
        except ModelError as error:
            log.warning("%s", error)


def find(wanted: str) -> Model:
    """Find a model by its card's name, or by the path of a weight file.

    A weight file belongs to the card with its SHA-256, or to a card of its own name beside it. Raises
    ModelError where nothing fits. The weights may be missing: `Model.weights` tells.
    """
    if wanted == AUTO:
        raise ModelError(
            _("auto stands for the best model that is installed; here a model has to be named."),
            hint=_("`bgzero model list` shows all there are."),
        )
    if "/" in wanted or wanted.endswith(".onnx"):
        return _find_by_file(Path(os.path.expanduser(wanted)))
    if (file := _card_files().get(wanted)) is None:
        raise ModelError(
            _("There is no model {name}.").format(name=display(wanted)),
            hint=_("`bgzero model list` shows all there are."),
        )
    return _with_weights(wanted, read_card(file))


def _find_by_file(weights: Path) -> Model:
    if not os.path.isfile(weights):
        raise ModelError(_("There is no weight file {file}.").format(file=display(weights)))
    beside = weights.with_suffix(".toml")
    if os.path.isfile(beside):
        return Model(name=weights.stem, card=read_card(beside), weights=weights)
    sha256 = hash_file(weights)
    for model in sound_models():
        if model.card.sha256 == sha256:
            return Model(name=model.name, card=model.card, weights=weights)
    raise ModelError(
        _("No model card knows {file}, so nobody can say how to feed it.").format(file=display(weights)),
        hint=_("Write a card {card} beside it; `bgzero model info u2netp --card` prints one to start from.").format(
            card=display(beside.name)
        ),
    )


def hash_file(file: Path) -> str:
    """Return the SHA-256 of a file as hex digits. Raises ModelError where it cannot be read."""
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(
            _("The weights {file} cannot be read: {why}.").format(file=display(file), why=error.strerror)
        ) from None


def installed(wanted: str) -> Model:
    """Find a model whose weights are here. Raises ModelError with what to do where they are not."""
    model = find(wanted)
    if model.weights is None:
        hint = _("Put the file with SHA-256 {digits}… at {place}.")
        if model.card.source:
            hint = _("`bgzero model pull {name}` fetches them. Or put the file with SHA-256 {digits}… at {place}.")
        place = display(folders()[0] / model.card.file)
        raise ModelError(
            _("The weights of {name} are not installed.").format(name=model.name),
            hint=hint.format(name=quoted(model.name), digits=model.card.sha256[:12], place=place),
        )
    return model
