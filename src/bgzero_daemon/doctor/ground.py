"""What the checks look at together: the configuration, the daemon's answer, and a real worker, each asked once."""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NoAnswer
from pathlib import Path
from typing import Any, Generic, TypeVar

from bgzero_daemon import client
from bgzero_daemon.catalog import choice, shelf
from bgzero_daemon.catalog.card import Model
from bgzero_daemon.core.errors import BgzeroError, ConfigError, NoDaemon
from bgzero_daemon.core.texts import _
from bgzero_daemon.doctor.findings import CannotLook
from bgzero_daemon.doctor.peer import Peer, find_peer
from bgzero_daemon.doctor.remedies import setting
from bgzero_daemon.doctor.trial import Tried, load_runtime, try_worker
from bgzero_daemon.install import here
from bgzero_daemon.install.agent import Examined, Running
from bgzero_daemon.service.chosen import in_force
from bgzero_daemon.settings.load import Loaded, load
from bgzero_daemon.settings.schema import Config

T = TypeVar("T")

_FILE_SECONDS = 10.0


class Once(Generic[T]):
    """An answer that is looked for once, in a thread of its own; errors are answers too."""

    def __init__(self, find: Callable[[], T], name: str) -> None:
        self._find, self._name, self._lock = find, name, threading.Lock()
        self._answer: Future[T] | None = None

    def __call__(self, seconds: float | None = None) -> T:
        """Return the answer, or raise the error that was found instead; TimeoutError where it takes longer."""
        with self._lock:
            if self._answer is None:
                self._answer = Future()
                threading.Thread(
                    target=self._look, args=(self._answer,), name=f"bgzero-doctor-{self._name}", daemon=True
                ).start()
            answer = self._answer
        return answer.result(seconds)

    def _look(self, answer: "Future[T]") -> None:
        try:
            answer.set_result(self._find())
        except Exception as error:  # noqa: BLE001 - it is raised in every thread that asks
            answer.set_exception(error)


class Ground:
    """Everything is looked for when it is asked for: a check that hangs hangs alone."""

    def __init__(self, flag: Path | None, environ: Mapping[str, str]) -> None:
        self.flag, self.environ = flag, environ
        self._loaded = Once(lambda: in_force(load(flag, environ=environ)), "configuration")
        self.peer: Callable[[], Peer | None] = Once(find_peer, "peer")
        self.status: Callable[[], dict[str, Any] | None] = Once(self._status, "status")
        self.installed: Callable[[], Examined] = Once(here.examine, "unit")
        self.service: Callable[[], Running] = Once(_service, "service")
        self.tried: Callable[[], Tried] = Once(self._try, "trial")
        self.runtime: Callable[[], list[str]] = Once(load_runtime, "runtime")

    def load(self) -> Loaded:
        """Return the configuration. Raises ConfigError, for the one check that is about it."""
        return self._loaded()

    @property
    def loaded(self) -> Loaded:
        """The configuration. Raises CannotLook where it has mistakes, or where its file does not answer."""
        try:
            return self._loaded(_FILE_SECONDS)
        except NoAnswer:
            raise CannotLook(_("This waits for the configuration's file.")) from None
        except ConfigError:
            raise CannotLook(_("This waits for a configuration without mistakes.")) from None

    @property
    def config(self) -> Config:
        """The values of the configuration. Raises CannotLook where it has mistakes."""
        return self.loaded.config

    def setting(self, key: str, value: object) -> str:
        """Return the command that gives a key of the configuration another value."""
        return setting(self.loaded, key, value)

    def model(self) -> Model:
        """Return the model that is used first. Raises CannotLook where it cannot be used."""
        try:
            model = choice.usable(self.config.model.name)
            digits = "" if self.config.model.allow_unverified or not model.weights else shelf.hash_file(model.weights)
        except BgzeroError:
            raise CannotLook(_("This waits for a model that can be used.")) from None
        if digits not in ("", model.card.sha256):
            raise CannotLook(_("This waits for a model that can be used."))
        return model

    def _try(self) -> Tried:
        """Try a worker; where its sandbox has to close, one that says what it still allows instead of giving up."""
        config = self.config
        if config.worker.sandbox == "require":
            config = config.model_copy(update={"worker": config.worker.model_copy(update={"sandbox": "auto"})})
        return try_worker(config, config.model.name, self.model())

    def _status(self) -> dict[str, Any] | None:
        """Return what the running daemon says; None where none runs. Raises BgzeroError where it does not answer."""
        peer = self.peer()
        if peer and peer.is_stopped:
            raise BgzeroError(_("The daemon is stopped (process {pid}).").format(pid=peer.pid))
        try:
            return client.ask("status")
        except NoDaemon:
            return None


def _service() -> Running:
    """Return what the service manager says of the service: that it does not run, where no manager answers."""
    try:
        return here.manager().look()
    except BgzeroError:
        return Running()
