"""Which model "auto" means, and which better one could be had."""

from collections.abc import Iterable

from bgzero_daemon.catalog import licences, shelf
from bgzero_daemon.catalog.card import Commercial, Model
from bgzero_daemon.core.errors import ModelError
from bgzero_daemon.core.texts import _

AUTO = shelf.AUTO
_NEVER = 1 << 30


def usable(wanted: str) -> Model:
    """Return an installed model whose licence was accepted or needs no word. Raises ModelError with what to type."""
    model = shelf.installed(wanted)
    licences.check(model, wanted)
    return model


def best(memory_bytes: int) -> Model:
    """Return the best installed model that may be used without a further word, and needs no more memory than this.

    Raises ModelError where there is none at all: the one that ships is gone.
    """
    found = [
        model
        for model in shelf.sound_models()
        if model.weights and model.card.rank and licences.is_accepted(model.card) and _fits(model, memory_bytes)
    ]
    if not found:
        raise ModelError(
            _("There is no model that can be used."),
            hint=_("`bgzero model list` shows all; `bgzero model pull` fetches."),
        )
    return min(found, key=_rank)


def best_first(models: Iterable[Model]) -> list[Model]:
    """Return models in the order in which "auto" prefers them; those that it never chooses come last, by name."""
    return sorted(models, key=lambda model: (_rank(model), model.name))


def better(than: Model, memory_bytes: int, *, on_cpu: bool) -> Model | None:
    """Return the best model that is not installed, may be used commercially, and is better than this one; or None."""
    found = [
        model
        for model in shelf.sound_models()
        if model.weights is None
        and model.card.source
        and model.card.licence.commercial is Commercial.YES
        and _rank(model) < _rank(than)
        and _fits(model, memory_bytes)
        and not (on_cpu and model.card.wants_gpu)
    ]
    return min(found, key=_rank, default=None)


def _rank(model: Model) -> int:
    return model.card.rank or _NEVER


def _fits(model: Model, memory_bytes: int) -> bool:
    peak_mb = model.card.peak_mb or model.card.told_peak_mb or 0
    return peak_mb * 1_000_000 <= memory_bytes
