"""`bgzero model add|verify|rm`: what is on the shelf, brought, looked at and taken away. None of it uses a network."""

import argparse
import fcntl
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import tomli_w

from bgzero_daemon import client
from bgzero_daemon.catalog import licences, prepared, shelf
from bgzero_daemon.catalog.arrival import arriving, forget
from bgzero_daemon.catalog.card import Commercial, Licence, Model, ModelCard, Origin
from bgzero_daemon.catalog.fetch import Fetcher, Offer, Report
from bgzero_daemon.catalog.supply import Files
from bgzero_daemon.core import paths
from bgzero_daemon.core.errors import BgzeroError, Exit, ModelError, NoDaemon, UsageError
from bgzero_daemon.core.names import display, quoted
from bgzero_daemon.core.texts import _
from bgzero_daemon.service import chosen
from bgzero_daemon.service.pool import LocalWorkforce
from bgzero_daemon.service.proofs import Proofs
from bgzero_daemon.settings import state
from bgzero_daemon.settings.load import load

_ADDED = "added by hand from"  # begins the origin of cards that were written here
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,60}")
_QUIET = Report(lambda _have, _size: None, lambda sentence: print(sentence, file=sys.stderr))


def add(arguments: argparse.Namespace) -> int:
    """Take a weight file onto the shelf, once it has proved in a worker that it can be fed as a card says."""
    file = Path(arguments.file).expanduser().absolute()
    if not file.is_file():
        raise ModelError(_("There is no weight file {file}.").format(file=display(file)))
    digits = shelf.hash_file(file)
    if known := next((model for model in shelf.sound_models() if model.card.sha256 == digits), None):
        return _add_known(known, file, arguments)
    if not arguments.like:
        raise UsageError(_("No card knows this file: --like NAME says which model it is to be fed like."))
    card = _new_card(file, digits, arguments)
    model = Model(name=Path(card.file).stem, card=card, weights=file)
    _ask_for_licence(model, arguments)
    seconds = _try_out(model)
    with _alone():
        _check_free(model.name)  # again: another process may have been quicker
        _bring(model, file)
        _write_card(card)
    text = _("{name} is installed, {seconds:.2f} s a run here; `bgzero model use {name}` cuts the next photo with it.")
    print(text.format(name=model.name, seconds=seconds))
    return Exit.OK


def _add_known(model: Model, file: Path, arguments: argparse.Namespace) -> int:
    _ask_for_licence(model, arguments)
    _bring(model, file)
    print(_("{file} is {name}, which is installed now.").format(file=display(file), name=display(model.name)))
    return Exit.OK


def _new_card(file: Path, digits: str, arguments: argparse.Namespace) -> ModelCard:
    """Return the card of weights that are fed like another model. Raises UsageError for a name that will not do."""
    name = arguments.name or re.sub(r"[^a-z0-9._-]+", "-", file.stem.lower()).strip("-._")
    if not _NAME.fullmatch(name) or name == shelf.AUTO:
        raise UsageError(_("A name has small letters, digits, dots and hyphens: --name gives it one."))
    _check_free(name)
    like = shelf.find(arguments.like).card
    licence = Licence(name=arguments.licence, commercial=Commercial(arguments.commercial), note="As you said.")
    changes = {
        "title": name[:40], "good_for": _("what you know it for; fed like {like}").format(like=arguments.like),
        "file": f"{name}.onnx", "size_bytes": file.stat().st_size, "sha256": digits, "licence": licence,
        "origin": Origin(homepage="-", published=f"{_ADDED} {display(file)}"), "source": (),
    } | dict.fromkeys(("peak_mb", "told_peak_mb", "seconds", "rank", "quality"))  # fmt: skip
    return like.model_copy(update=changes)


def _check_free(name: str) -> None:
    """Raise UsageError where a card, sound or not, or the weights of one have this name."""
    if name in shelf.names() or f"{name}.onnx" in {model.card.file for model in shelf.sound_models()}:
        raise UsageError(_("There is a model {name} already: --name gives this one another.").format(name=name))


@contextmanager
def _alone() -> Iterator[None]:
    """Be the only process that gives a name on the shelf or takes one away. Raises ModelError."""
    folder = _shelf_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise ModelError(
            _("{file} cannot be written: {why}.").format(file=display(folder), why=error.strerror)
        ) from error
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _ask_for_licence(model: Model, arguments: argparse.Namespace) -> None:
    if arguments.accept_licence:
        licences.accept(model)
    if licences.is_accepted(model.card):
        return
    licence = model.card.licence
    raise licences.NotAccepted(
        _("The licence of {name} does not clearly allow commercial use: {licence}.").format(
            name=display(model.name), licence=licence.name
        ),
        hint=_("Give the command again with --accept-licence, or say what it allows: --licence NAME --commercial yes."),
    )


def _try_out(model: Model) -> float:
    """Load it in a worker as the daemon does. Returns the seconds of a run. Raises WorkforceLost where it fails."""
    loaded = state.in_force(load())
    config = loaded.config.model_copy(
        update={"model": loaded.config.model.model_copy(update={"name": model.name, "provider": "cpu"})}
    )
    workforce = LocalWorkforce(config, {model.name: model}, proofs=Proofs(None))
    try:
        workforce.try_out(config, {model.name: model}, model.name).result()
        return float(str(workforce.told[0]["network_seconds"]))
    finally:
        workforce.close(kill=True)


def _bring(model: Model, file: Path) -> None:
    """Copy weights onto the shelf; what lies there then is what the card describes. Raises ModelError."""
    with arriving(_shelf_folder(), model.card, lambda: None) as part:
        if part is None:
            return
        try:
            Fetcher(model.card, part, _QUIET, patience_seconds=60.0).fetch([Offer(Files(), str(file))])
            part.publish()
        except BaseException:
            part.discard()
            raise


def _write_card(card: ModelCard) -> None:
    file = _shelf_folder() / f"{Path(card.file).stem}.toml"
    beside = file.with_name(f".{file.name}.new")
    try:
        with open(beside, "w", encoding="utf-8") as stream:
            stream.write(tomli_w.dumps(card.model_dump(mode="json", exclude_none=True)))
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(file)
    except OSError as error:
        raise ModelError(
            _("{file} cannot be written: {why}.").format(file=display(file), why=error.strerror)
        ) from error


def _shelf_folder() -> Path:
    if (data := paths.data_dir()) is None:
        raise ModelError(_("This account has no home, so there is no place for weights."))
    return data / "models"


def verify(arguments: argparse.Namespace) -> int:
    """Compare weights with what their cards describe: those that are named, or all that are installed."""
    models = [_installed(name) for name in arguments.names] or [one for one in shelf.sound_models() if one.weights]
    is_wrong, unchanged = False, _("what its card describes")
    for model in models:
        sentence = _verdict(model)
        is_wrong = is_wrong or bool(sentence)
        print(f"{display(model.name)}: {sentence or unchanged}")
    return Exit.FAILURE if is_wrong else Exit.OK


def _installed(wanted: str) -> Model:
    return shelf.installed(chosen.find(wanted).name if wanted == shelf.AUTO else wanted)


def _verdict(model: Model) -> str:
    """Return what is wrong with a model's weights, or with the graph that was prepared from them, "" for nothing."""
    assert model.weights
    try:
        if shelf.hash_file(model.weights) != model.card.sha256:
            return _("{file} is not what its card describes; `bgzero model pull {name}` fetches it anew").format(
                file=display(model.weights), name=quoted(model.name)
            )
        if opened := prepared.open_graph(model.card):
            os.close(opened.descriptor)
    except ModelError as error:
        return str(error)
    except prepared.NotPrepared as error:
        return _("its prepared graph is not used: {why}; `bgzero model prepare {name}` makes it anew").format(
            why=error, name=quoted(model.name)
        )
    return ""


def remove(arguments: argparse.Namespace) -> int:
    """Take a model's weights off the shelf, and what was made of them. Raises ModelError where they are in use."""
    folder, found = _shelf_folder(), shelf.find(arguments.name)
    if found.weights is None and forget(folder, found.card):
        print(_("{name} had arrived in part; that is gone.").format(name=display(found.name)))
        return Exit.OK
    model = shelf.installed(arguments.name)
    if model.weights is None or model.weights.parent != folder:
        raise ModelError(
            _("{file} is not on your shelf, so it stays.").format(file=display(model.weights or model.card.file))
        )
    if any(one.weights and os.path.samefile(one.weights, model.weights) for one in _named()):
        raise ModelError(
            _("{name} is what photos are cut with.").format(name=display(model.name)),
            hint=_("Choose another first: `bgzero model use NAME`, or `bgzero config set model.name NAME`."),
        )
    try:
        model.weights.unlink()
        forget(folder, model.card)
        if model.card.origin.published.startswith(_ADDED):
            (folder / f"{model.name}.toml").unlink(missing_ok=True)
    except OSError as error:
        raise ModelError(
            _("{file} cannot be removed: {why}.").format(file=display(model.weights), why=error.strerror)
        ) from error
    prepared.forget(model.card)
    print(_("{name} is gone: {file}.").format(name=display(model.name), file=display(model.weights)))
    try:
        client.ask("reload")  # "auto" may have meant it
    except NoDaemon:
        pass
    except BgzeroError as error:
        print(error, file=sys.stderr)
    return Exit.OK


def _named() -> list[Model]:
    """Return the models that somebody named: in the configuration, by a choice, or to the running daemon."""
    named = set(state.in_force(load()).config.models)
    with suppress(BgzeroError):
        told = client.ask("status")
        named |= {told["model"]["value"]} if told["model"]["origin"] != shelf.AUTO else set()
        named |= {folder["model"] for folder in told["folders"] if folder["has_own_model"]}
    found = []
    for name in named - {shelf.AUTO}:
        with suppress(ModelError):  # it is gone already
            found.append(shelf.find(name))
    return found
