"""The configuration as it counts: with what was chosen laid over it, and "auto" turned into the model that it means."""

from dataclasses import replace

from bgzero_daemon.catalog import choice, shelf
from bgzero_daemon.catalog.card import Model
from bgzero_daemon.catalog.runtime import runs_on_cpu
from bgzero_daemon.core.errors import BgzeroError, ConfigError, ModelError
from bgzero_daemon.core.texts import _
from bgzero_daemon.service.sizes import Sizes
from bgzero_daemon.settings import state
from bgzero_daemon.settings.load import Loaded, load
from bgzero_daemon.settings.schema import Config


def in_force(loaded: Loaded) -> Loaded:
    """Return a configuration with the choices of this account's daemon, and with models' names. Raises ConfigError."""
    return resolved(state.in_force(loaded))


def resolved(loaded: Loaded) -> Loaded:
    """Return a configuration that names a model wherever it says "auto". Reads the cards; raises ConfigError."""
    config, origins = loaded.config, dict(loaded.origins)
    if config.model.name == choice.AUTO:
        name = name_of(choice.AUTO, config)
        config = config.model_copy(update={"model": config.model.model_copy(update={"name": name})})
        origins["model.name"] = choice.AUTO
    folders = []
    for number, folder in enumerate(config.folder):
        if folder.model == choice.AUTO:
            folders.append(folder.model_copy(update={"model": name_of(choice.AUTO, config)}))
            origins[f"folder.{number}.model"] = choice.AUTO
        else:
            folders.append(folder)
    return replace(loaded, config=config.model_copy(update={"folder": tuple(folders)}), origins=origins)


def suggestion(config: Config) -> str:
    """Return a sentence about a better model than the one that "auto" means; "" where none could be had."""
    memory_bytes = Sizes.of(config).memory_bytes
    try:
        present = choice.best(memory_bytes)
    except ModelError:
        return ""
    better = choice.better(present, memory_bytes, on_cpu=runs_on_cpu(config.model.provider))
    if better is None:
        return ""
    size = better.card.size_bytes
    return _(
        "Photos are cut with {present}. {name} is better ({mb} MB, {licence}, commercial use: yes):"
        " `bgzero model pull {name}`. Nothing is ever fetched by itself."
    ).format(
        present=present.name, name=better.name, mb=round(size / 1e6) if size else "?", licence=better.card.licence.name
    )


def find(wanted: str) -> Model:
    """Find a model as `shelf.find` does, or the one that "auto" means in this account. Raises BgzeroError."""
    return shelf.find(name_of(wanted, state.in_force(load()).config) if wanted == choice.AUTO else wanted)


def second_model(config: Config) -> Model | BgzeroError | None:
    """Return the model for second tries, or why it may not be used; None where none is asked for."""
    if not (wanted := config.model.second_model):
        return None
    try:
        return choice.usable(name_of(wanted, config))
    except (ModelError, ConfigError) as error:
        return error


def name_of(wanted: str, config: Config) -> str:
    """Return a model's name: `wanted`, or the one that "auto" means with this configuration. Raises ConfigError."""
    if wanted != choice.AUTO:
        return wanted
    try:
        return choice.best(Sizes.of(config).memory_bytes).name
    except ModelError as error:
        raise ConfigError(str(error), hint=error.hint) from error
