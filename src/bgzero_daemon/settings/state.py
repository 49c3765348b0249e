"""What was chosen while the daemon ran: pause, model, provider, quiet. Laid over the configuration.

A choice remembers what it was laid over. Once the configuration says something else there, its new word is the later
one and counts. Moments are Unix time in seconds, so that they hold across a restart; how long a pause was meant to last
is kept beside its end, so that a clock that was set back does not make it longer.
"""

import contextlib
import logging
import os
import time
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Literal

import tomli_w
from pydantic import Field, ValidationError

from bgzero_daemon.core import paths
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _
from bgzero_daemon.settings.load import Loaded
from bgzero_daemon.settings.schema import ProviderName, Table

log = logging.getLogger(__name__)

FILE = "state.toml"
ORIGIN = "state"
VERSION = 1


class Span(Table):
    """Something that holds from `began` on, for `seconds`, or until it is taken back where that is 0."""

    began: float = Field(ge=0, le=1e11, allow_inf_nan=False)
    seconds: float = Field(default=0.0, ge=0, le=1e9, allow_inf_nan=False)

    def left(self, now: float) -> float | None:
        """Return how many seconds it still holds, None without an end. A clock before the beginning counts as it."""
        return max(0.0, self.seconds - max(0.0, now - self.began)) if self.seconds else None


class Choice(Table):
    """A value, and the configured one that it was laid over."""

    value: str = Field(min_length=1, max_length=4096)
    over: str = Field(max_length=4096)


class ProviderChoice(Choice):
    """The same for the provider that is asked for."""

    value: ProviderName


class State(Table):
    """The whole of `state.toml`."""

    version: Literal[1] = 1
    paused: Span | None = None
    quiet: Span | None = None
    model: Choice | None = None
    provider: ProviderChoice | None = None

    def laid_over(self, loaded: Loaded) -> Loaded:
        """Return the configuration with the choices in force, each with its origin. A flag is a later word."""
        config, origins = loaded.config, dict(loaded.origins)
        changes = {}
        for key, choice in (("name", self.model), ("provider", self.provider)):
            origin = origins.get(f"model.{key}", "")
            if choice and choice.over == getattr(config.model, key) and not origin.startswith("--"):
                changes[key] = choice.value
                origins[f"model.{key}"] = ORIGIN
        if not changes:
            return loaded
        model = type(config.model).model_validate(config.model.model_dump() | changes)
        return replace(loaded, config=config.model_copy(update={"model": model}), origins=origins)

    def without_former_words(self, loaded: Loaded) -> "State":
        """Return the state without choices that a configuration's later word has taken the place of, for good."""
        model = loaded.config.model
        spoken = {"model": (self.model, model.name), "provider": (self.provider, model.provider)}
        former = [key for key, (choice, word) in spoken.items() if choice and choice.over != word]
        return self.model_copy(update=dict.fromkeys(former))


def read(file: Path | None) -> State:
    """Read the state. What cannot be used is set aside with a sentence: pause and choices then begin anew."""
    if file is None:
        return State()
    try:
        raw = tomllib.loads(file.read_text(encoding="utf-8"))
        if isinstance(version := raw.get("version", VERSION), int) and version > VERSION:
            _set_aside(file, _("%s was written by a newer version; it was set aside as %s."))
            return State()
        return State.model_validate(raw)
    except FileNotFoundError:
        pass
    except OSError as error:
        log.warning(_("%s cannot be read: %s."), display(file), error.strerror)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, ValidationError):
        _set_aside(file, _("%s makes no sense; it was set aside as %s."))
    return State()


def read_chosen() -> State:
    """Read the choices of this account's daemon, for commands that cut by themselves: model and provider."""
    folder = paths.state_dir()
    state = read(folder / FILE) if folder else State()
    return State(model=state.model, provider=state.provider)


def in_force(loaded: Loaded) -> Loaded:
    """Return a configuration with the choices of this account's daemon laid over it."""
    return read_chosen().laid_over(loaded)


def _set_aside(file: Path, sentence: str) -> None:
    aside = file.with_name(f"{file.name}.aside-{time.strftime('%Y%m%d-%H%M%S')}")
    with contextlib.suppress(OSError):
        file.replace(aside)
    log.warning(sentence, display(file), display(aside.name))


def write(file: Path, state: State) -> None:
    """Write the state durably and in one step. Raises OSError."""
    text = tomli_w.dumps(state.model_dump(mode="json", exclude_none=True))
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as stream:
            stream.write("# Written by the daemon. What is meant to last belongs into config.toml.\n" + text)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(file)
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise
