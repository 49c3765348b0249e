"""Which places to ask for a card's weights, in their order: those of the card, or one that somebody names."""

import os
import re
from collections.abc import Callable
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from bgzero_daemon.catalog import chunks
from bgzero_daemon.catalog.card import ModelCard
from bgzero_daemon.catalog.fetch import Offer
from bgzero_daemon.catalog.supply import Files, Supply
from bgzero_daemon.core.errors import ModelError
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _


def of_card(card: ModelCard, web: Callable[[], Supply]) -> list[Offer]:
    """Return the card's own sources. Raises ModelError where it has none."""
    if not card.source:
        raise ModelError(
            _("Its card names no place to fetch the weights from."),
            hint=_("`--from` takes a folder or an address that has {file}.").format(file=display(card.file)),
        )
    supply = web()
    return [Offer(supply, source.url, source.key) for source in card.source]


def of_place(card: ModelCard, place: str, web: Callable[[], Supply]) -> list[Offer]:
    """Return what may be at one place: a folder or an address that has the weights as the card's sources have them.

    That is the whole file under the card's or its publisher's name, or a manifest and its pieces. `place` may also be
    the file itself. `web` is asked for only where it is an address. Raises ModelError where there is no such folder.
    """
    keys = [source.key for source in card.source if source.key]
    if re.match("https?://", place, re.IGNORECASE):
        supply, base, is_folder = web(), place, not _path_of(place).endswith((".onnx", ".json"))
        base = base if base.endswith("/") or not is_folder else f"{base}/"
    else:
        if place.lower().startswith("file://"):
            place = unquote(_path_of(place))
        elif "://" in place:
            kind = place.partition("://")[0]
            raise ModelError(_("{kind} is a kind of address that is not understood; http, https and file are.").format(
                kind=display(kind)
            ))  # fmt: skip
        supply, base = Files(), os.path.abspath(os.path.expanduser(place))
        if not os.path.exists(base):
            raise ModelError(_("There is no {folder}.").format(folder=display(base)))
        is_folder = os.path.isdir(base)
        base = os.path.join(base, "") if is_folder else base
    if not is_folder:
        return [Offer(supply, base, key) for key in (keys if base.endswith(".json") else [""])]
    names = dict.fromkeys([card.file, *(_name_in(source.url) for source in card.source if not source.key)])
    whole = [Offer(supply, supply.beside(base, name)) for name in names]
    return [*whole, *(Offer(supply, supply.beside(base, chunks.MANIFEST), key) for key in keys)]


def _name_in(url: str) -> str:
    return unquote(PurePosixPath(_path_of(url)).name)


def _path_of(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:
        raise ModelError(_("{url} is no address.").format(url=display(url.rpartition("@")[2]))) from None
