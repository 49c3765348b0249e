"""A change of the configuration in force, while photos go on being cut by the former one.

What is new proves itself first: folders are checked, weights found, and a worker started that loads the model and
runs its test picture. Meanwhile the photos in work are finished and no others are begun. Then the new takes over, or
everything stays as it was, with a sentence.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from bgzero_daemon.catalog import choice, licences, shelf
from bgzero_daemon.catalog.card import Model
from bgzero_daemon.core.errors import BgzeroError, ConfigError, ModelError
from bgzero_daemon.core.texts import _
from bgzero_daemon.service import chosen
from bgzero_daemon.service.errand import Errands
from bgzero_daemon.service.pool import LocalWorkforce
from bgzero_daemon.service.workshop import Workshop
from bgzero_daemon.settings import folders
from bgzero_daemon.settings.load import Loaded
from bgzero_daemon.settings.schema import Config
from bgzero_daemon.settings.state import State

log = logging.getLogger(__name__)

_CHECK_SECONDS = 60.0
_PATIENCE_SECONDS = 30.0  # for photos that are being opened or published: a dead mount may hold them for good
_WORKFORCE_TABLES = ("model", "worker", "limits")
_SECOND = "model.second_model"  # no worker needs to know it before a photo wants it
_CARDS = "watch.cards"
_RECIPE_KEYS = (".model", ".metadata", ".png", ".edges", ".depth", ".no_subject", ".check", ".template")
_AT_START_ONLY = ("log.to", "log.format")  # where the log goes is settled before anything is said


def models_of(config: Config) -> dict[str, Model]:
    """Find every model the configuration names. Raises ConfigError where one cannot be used, or may not."""
    try:
        return {name: choice.usable(name) for name in sorted(config.models)}
    except ModelError as error:
        raise ConfigError(str(error), hint=error.hint) from error


def differing_keys(one: Config, other: Config) -> list[str]:
    """Return the dotted keys that differ; "folder" alone where folders came or went."""
    if len(one.folder) != len(other.folder):
        first = ["folder"]
    else:
        pairs = zip(one.folder, other.folder, strict=True)
        first = [f"folder.{at}.{key}" for at, (a, b) in enumerate(pairs) for key in _differing(a.__dict__, b.__dict__)]
    tables = [name for name in Config.model_fields if name != "folder"]
    return first + [
        f"{table}.{key}" if key else table
        for table in tables
        for key in _keys_of(getattr(one, table), getattr(other, table))
    ]


def needing_restart(one: Config, other: Config) -> list[str]:
    """Return the keys that differ and take effect at the next start only."""
    return [key for key in differing_keys(one, other) if key in _AT_START_ONLY]


def _keys_of(one: object, other: object) -> Sequence[str]:
    if not hasattr(one, "__dict__"):
        return [""] if one != other else []
    return _differing(vars(one), vars(other))


def _differing(one: Mapping[str, object], other: Mapping[str, object]) -> list[str]:
    return [key for key in one if one[key] != other[key]]


@dataclass(slots=True)
class Change:
    """On its way from `former` to `wanted`. Main thread only.

    `state` is what is chosen once it is in force; `configured` what was read, None where nothing was. `wanted` and
    `keys`, those that differ, are settled once `checked` is done: which model "auto" means is looked up there, and
    which is the `second` one, or why there is none: it may be there by now, or no more. `wake` is called from any
    thread when `is_ready` has something to do. `is_anew`: workers start anew, whatever differs; `accepts` names a model
    whose licence is accepted with it. Moments are of the monotonic clock.
    """

    former: Loaded
    wanted: Loaded
    state: State
    configured: Loaded | None
    began: float
    wake: Callable[[], None]
    is_anew: bool = False
    keys: list[str] = field(init=False, default_factory=list)
    second: Model | BgzeroError | None = field(init=False, default=None)
    checked: "Future[Mapping[str, Model]]" = field(init=False)
    trial: "Future[None] | None" = None
    accepts: str = ""

    def begin(self) -> None:
        """Begin with looking at folders and models, in a thread of its own: what they lie on may not answer."""
        self.checked = Errands("bgzero-change").submit(self._check)
        self.checked.add_done_callback(lambda _done: self.wake())

    def _check(self) -> Mapping[str, Model]:
        """Look at what is new. Returns the models for new workers, none where the present ones stay."""
        if self.accepts and self.accepts != choice.AUTO:
            licences.accept(shelf.find(self.accepts))
        self.wanted = chosen.resolved(self.wanted)
        self.second = chosen.second_model(self.wanted.config)
        self.keys = differing_keys(self.former.config, self.wanted.config)
        if any(key.startswith("folder") for key in self.keys):
            folders.prepare(self.wanted)
        return models_of(self.wanted.config) if self.needs_workers else {}

    @property
    def needs_workers(self) -> bool:
        """Say whether workers have to be started anew."""
        is_another_way = any(key.split(".")[0] in _WORKFORCE_TABLES and key != _SECOND for key in self.keys)
        return self.is_anew or is_another_way or not self.wanted.config.models <= self.former.config.models

    @property
    def needs_workshop(self) -> bool:
        """Say whether inboxes have to be watched anew: more than what photos are cut with has changed."""
        hot = {"model", "log", "limits"}
        others = (
            key for key in self.keys if key.split(".")[0] not in hot and key != _CARDS and not _is_folders_recipe(key)
        )
        return any(others)

    @property
    def model(self) -> str:
        """The model that is being loaded, "" where none is."""
        return _model_to_try(self.former.config, self.wanted.config) if self.trial else ""

    @property
    def holds_back(self) -> bool:
        """Say whether no photo is to be begun until it is in force: what could be looked at is well."""
        return self.checked.done()

    def is_ready(self, workforce: LocalWorkforce, workshop: Workshop, now: float) -> bool:
        """Go on with it; say whether the new may take over. Raises BgzeroError where it turns out that it cannot."""
        if not self.checked.done():
            if now > self.began + _CHECK_SECONDS:
                raise ConfigError(_("The folders or models that are named do not answer."))
            return False
        models = self.checked.result()
        if models and self.trial is None:
            self._try_out(workforce, models)
        if self.trial:
            if not self.trial.done():
                return False
            self.trial.result()
        if not self.needs_workshop:
            return True
        scheduler = workshop.scheduler
        is_patient = now < self.began + _PATIENCE_SECONDS
        return not (scheduler.company.is_busy or (scheduler.in_work and is_patient))

    def _try_out(self, workforce: LocalWorkforce, models: Mapping[str, Model]) -> None:
        wanted = self.wanted.config
        name = _model_to_try(self.former.config, wanted)
        try:
            self.trial = workforce.try_out(wanted, models, name, nice=wanted.worker.nice)
        except ModelError as error:
            raise ConfigError(str(error), hint=error.hint) from error
        self.trial.add_done_callback(lambda _done: self.wake())


def _is_folders_recipe(key: str) -> bool:
    return key.startswith("folder.") and key.endswith(_RECIPE_KEYS)


def _model_to_try(one: Config, other: Config) -> str:
    """Return the model that the change is about: the default one, a folder's new one, or the one in use."""
    own = [folder.model for folder in other.folder if folder.model]
    if one.model.name == other.model.name and len(own) == len(other.folder):
        known = {folder.model for folder in one.folder}
        return next((name for name in own if name not in known), own[0])
    return other.model.name
