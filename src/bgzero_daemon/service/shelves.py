"""What there is to choose from, for whoever asks over the control socket."""

from concurrent.futures import Future

from bgzero_daemon.catalog import choice, licences, shelf
from bgzero_daemon.catalog.card import Model
from bgzero_daemon.service.errand import Errands


class Shelves:
    """Called from the main thread; cards are read in another: what they lie on may not answer."""

    def __init__(self) -> None:
        self._errands = Errands("bgzero-shelves")

    def told(self) -> "Future[dict[str, object]]":
        """Return all models, the best ones first, as the control socket tells of them."""
        return self._errands.submit(_told)


def _told() -> dict[str, object]:
    return {"models": [_one(model) for model in choice.best_first(shelf.sound_models())]}


def _one(model: Model) -> dict[str, object]:
    card = model.card
    return {
        "name": model.name, "title": card.title, "good_for": card.good_for, "size_bytes": card.size_bytes,
        "licence": card.licence.name, "commercial": card.licence.commercial.value, "rank": card.rank,
        "installed": model.weights is not None, "accepted": licences.is_accepted(card),
        "can_be_pulled": bool(card.source),
    }  # fmt: skip
