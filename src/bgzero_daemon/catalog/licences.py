"""Which licences this account has accepted: those that do not allow commercial use, or leave it open, are asked about.

Once for each model: for its very weights and the name of their licence. Kept in a file of its own in the state folder,
which commands and the daemon both write, one at a time.
"""

import fcntl
import logging
import os
import time
import tomllib
from pathlib import Path

import tomli_w
from pydantic import Field, ValidationError

from bgzero_daemon.catalog.card import Commercial, Frozen, Model, ModelCard, Sha256
from bgzero_daemon.core import paths
from bgzero_daemon.core.errors import ModelError
from bgzero_daemon.core.names import display, quoted
from bgzero_daemon.core.texts import _, translated

log = logging.getLogger(__name__)

FILE = "licences.toml"
_HEAD = "# Licences that were accepted with --accept-licence. A line that is taken away is asked about again.\n"


class Accepted(Frozen):
    """One licence that somebody accepted for one model's weights; `accepted_at` is Unix time in seconds."""

    model: str
    licence: str
    sha256: Sha256
    accepted_at: float = 0.0


class _Kept(Frozen):
    accepted: tuple[Accepted, ...] = Field(default=())


class NotAccepted(ModelError):
    """A licence was not accepted yet."""


def needs_word(card: ModelCard) -> bool:
    """Say whether somebody has to accept the licence before the model is used."""
    return card.licence.commercial is not Commercial.YES


def is_accepted(card: ModelCard) -> bool:
    """Say whether nothing stands against using a model: its licence needs no word, or has it."""
    if not needs_word(card):
        return True
    return any((one.sha256, one.licence) == (card.sha256, card.licence.name) for one in _read().accepted)


def check(model: Model, wanted: str) -> None:
    """Raise NotAccepted, with what the licence is and what to type, where it was not accepted.

    `wanted` is what the model was called: its name, or the path of a weight file.
    """
    if is_accepted(model.card):
        return
    licence = model.card.licence
    if licence.commercial is Commercial.NO:
        sentence = _("{name} may not be used commercially: {licence}. {note}")
    else:
        sentence = _("Whether {name} may be used commercially is not clear: {licence}. {note}")
    raise NotAccepted(
        sentence.format(name=display(model.name), licence=licence.name, note=translated(licence.note)).strip(),
        hint=_(
            "If that is fine for what you do: `bgzero model pull {name} --accept-licence`; it is asked once."
        ).format(name=quoted(wanted)),
    )


def accept(model: Model) -> None:
    """Note that the licence of a model was accepted. Raises ModelError where that cannot be written."""
    if is_accepted(model.card):
        return
    if (folder := paths.state_dir()) is None:
        raise ModelError(_("This account has no home, so nothing can be remembered for it."))
    word = Accepted(
        model=model.name, licence=model.card.licence.name, sha256=model.card.sha256, accepted_at=round(time.time())
    )
    try:
        paths.make_private(folder)
        with open(folder / f".{FILE}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if is_accepted(model.card):  # by another process, meanwhile
                return
            _write(folder / FILE, _Kept(accepted=(*_read().accepted, word)))
    except OSError as error:
        raise ModelError(
            _("{file} cannot be written: {why}.").format(file=display(folder / FILE), why=error.strerror)
        ) from error


def _write(file: Path, kept: _Kept) -> None:
    beside = file.with_name(f".{file.name}.new")
    with open(beside, "w", encoding="utf-8") as stream:
        stream.write(_HEAD + tomli_w.dumps(kept.model_dump(mode="json")))
        stream.flush()
        os.fsync(stream.fileno())
    beside.replace(file)


def _read() -> _Kept:
    if (folder := paths.state_dir()) is None:
        return _Kept()
    try:
        return _Kept.model_validate(tomllib.loads((folder / FILE).read_text(encoding="utf-8")))
    except FileNotFoundError:
        pass
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ValidationError):
        log.warning(_("%s cannot be read; licences are asked about again."), display(folder / FILE))
    return _Kept()
